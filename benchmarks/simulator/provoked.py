"""Scenarios in which planted bugs must show: each provokes what one kind of bug would do."""

from __future__ import annotations

from unittest.mock import patch

from benchmarks.simulator import people, stories
from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import live
from benchmarks.simulator.webhooks import EVENTS, Door, _stripe, knocked
from benchmarks.simulator.wire import DatabaseError, Step
from sandbox.core import Fault
from store import dialect, invoices, runs
from store.database import LeaseLost, Store


def dies_at(*steps: Step) -> Verdict:
    """Die at the first step of each kind."""
    with Company() as company:
        left = list(steps)

        def due(step: Step) -> bool:
            found = next((one for one in left if one.after == step.after and step.what.startswith(one.what)), None)
            if found is not None:
                left.remove(found)
            return found is not None

        company.steps.dies_at = due
        for act in stories.STORY:
            act(company)
            company.sync()
        verdict = company.judge()
        verdict.wrong += [f"never came: {one}" for one in left]
        return verdict


def answers_lost(vendor: str, method: str, path: str, *, blind: bool = False, kind: str = "timeout_after") -> Verdict:
    """The answer to each first call of a type is lost; ``blind``: and the search that follows does not find it yet."""
    with Company() as company:
        for act in stories.STORY:
            act(company)
            company.faults.ordered[:] = [Fault(vendor, kind, method=method, path=path, times=1)]
            if blind:
                company.faults.blind_after_loss = True
            company.sync()
            company.time.sleep(60)
            company.sync()
        return company.judge()


def refused_once() -> Verdict:
    """The books refuse every call for good: after one for all and one for each none is made without a person."""
    with Company() as company:
        stories.win(company)
        company.faults.ordered[:] = [
            Fault("xero", "error_before", method="PUT", path="/Invoices", status=400, times=-1, body="{}")
        ]
        company.sync()
        company.sync()
        calls = company.sandbox.vendors["xero"].calls["PUT /api.xro/2.0/Invoices"]
        with Store(company.store) as store:
            documents = sum(row.entity == "uk" for row in invoices.issued(store))
        return Verdict(wrong=[f"{calls} calls for {documents} invoices"] * (calls != 1 + documents))


def number_taken() -> Verdict:
    """An answer is lost before the books did anything, and somebody else takes our number for another amount."""
    with Company() as company:
        stories.win(company)
        company.faults.ordered[:] = [Fault("xero", "timeout_before", method="PUT", path="/Invoices", times=1)]
        company.faults.meanwhile = lambda: _their_own(company)
        company.sync()
        company.faults.meanwhile = None
        company.sync()
        with Store(company.store) as store:
            linked = store.one(
                "SELECT count(*) FROM links l JOIN documents d ON d.id=l.our_id AND l.kind='document'"
                " WHERE d.number='UK-00001'"
            )
        return Verdict(wrong=["somebody else's invoice was taken for ours"] * bool(linked))


def _their_own(company: Company) -> None:
    """Write an invoice under our number for another customer, while our own call gets no answer."""
    company.xero("PUT", "Contacts", {"Contacts": [{"Name": "Somebody Else"}]})
    body = {
        "Type": "ACCREC", "Contact": {"Name": "Somebody Else"}, "InvoiceNumber": "UK-00001", "CurrencyCode": "GBP",
        "Status": "AUTHORISED", "LineAmountTypes": "Exclusive", "Date": company.today.isoformat(),
        "DueDate": company.today.isoformat(),
        "LineItems": [{"Description": "x", "Quantity": 1, "UnitAmount": 1, "AccountCode": "210",
                       "TaxType": "ECZROUTPUTSERVICES"}],
    }  # fmt: skip
    company.xero("PUT", "Invoices", {"Invoices": [body]})


def held_lock() -> Verdict:
    """What a transaction reads stays true until it commits, since nobody else may write meanwhile."""
    with Company() as company, patch.object(dialect, "BUSY_SECONDS", 0.01):
        one, other = Store(company.store), Store(company.store)
        with one, other, one.transaction():
            one.one("SELECT count(*) FROM answers")
            try:
                with other.transaction():
                    other.execute("INSERT INTO answers VALUES ('q', 'a')")
            except DatabaseError:
                return Verdict()
    return Verdict(wrong=["another wrote within the transaction"])


def posted_and_read() -> Verdict:
    """The process dies after a payment was posted, and the books are read before posting goes on."""
    with Company() as company:
        stories.win(company)
        company.sync()
        stories.pay(company)
        company.sync("pull_payments", "match_payments")
        company.steps.dies_at = lambda step: step == AFTER_PAYMENT
        try:
            company.sync("post_payments", tries=1)
        except AssertionError:
            company.steps.dies_at = lambda step: False
        company.sync("pull_ledger")
        return company.judge()


def voided_and_billed() -> Verdict:
    """An invoice is voided in the books: nothing is billed again before a person says so, and all figures agree."""
    with Company() as company:
        stories.win(company)
        company.sync()
        people.void_in_quickbooks(company)
        company.sync()
        company.expected["USD"] = 0
        return company.judge()


def whole(story: tuple[stories.Act, ...] = stories.STORY) -> Verdict:
    """Live without any fault."""
    with Company() as company:
        return live(company, story)


def cents() -> Verdict:
    """Prices whose cents no float holds."""
    with Company() as company:
        company.sell("Kestrel Ltd", "4.35", "GBP")
        company.sell("Lindqvist AB", "1.005", "EUR")
        company.expected.update({"GBP": 435, "EUR": 101})
        company.sync()
        return company.judge()


def issued(number: int) -> Verdict:
    """The process dies at a step of issuing."""
    with Company() as company:
        stories.win(company)
        company.sync("pull_deals", "map_terms", "plan_invoices")
        company.steps.number, company.steps.deaths = 0, [number]
        company.sync("issue_invoices")
        return company.judge()


def typed(number: int) -> Verdict:
    """A payment typed into Xero is read days later, after more has changed there, and the process dies at a step."""
    with Company() as company:
        stories.win(company)
        company.sync()
        company.move(3)
        people.pay_in_xero(company)
        company.move(3)
        company.xero("PUT", "Contacts", {"Contacts": [{"Name": "Somebody Else"}]})
        company.steps.number, company.steps.deaths = 0, [number]
        company.sync("pull_ledger")
        return company.judge()


def fenced() -> Verdict:
    """A process that lost its lease cannot commit; nobody gets a lease that another holds."""
    with Company() as company, Store(company.store) as one, Store(company.store) as other:
        one.fence = runs.start(one, "report", "elsewhere:1", company.now())
        if runs.start(other, "report", "elsewhere:2", company.now()) is not None:
            return Verdict(wrong=["two hold the lease"])
        company.time.sleep(660)
        runs.start(other, "report", "elsewhere:2", company.now())
        try:
            with one.transaction():
                one.execute("INSERT INTO answers VALUES ('q', 'a')")
        except LeaseLost:
            return Verdict()
        return Verdict(wrong=["it committed without its lease"])


def overpaid() -> Verdict:
    """A customer pays more than is open: the rest is theirs."""
    with Company() as company:
        stories.win(company)
        company.sync()
        company.pay(500_00, "UK-00001", "uk")
        company.pay(500_00, "UK-00001", "uk")
        company.sync()
        return company.judge()


def acknowledged() -> Verdict:
    """A webhook was answered with 200, so it must be stored, whatever dies."""
    return knocked(lambda door: (1, _knock(door)))


def _knock(door: Door) -> str:
    return "" if door.knock(_stripe(EVENTS[0])) == 200 else "refused"


AFTER_INVOICE = Step("xero PUT /xero/api.xro/2.0/Invoices", True)
AFTER_PAYMENT = Step("xero PUT /xero/api.xro/2.0/Payments", True)
AFTER_MAIL = Step("mail", True)
