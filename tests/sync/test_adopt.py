"""Beginning on top of old books: nothing billed twice, nobody created twice, and both sides agree to the cent."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import app
from billing.money import to_minor
from commands.going_live import adopt_steps, begun_series
from sandbox.world.history import OldCustomer
from store import cash, foreign, links, receivables
from store.foreign import ForeignRow
from store.review import Item
from sync.books import clash
from sync.check import check_all
from sync.decide import decide
from sync.run import Result
from tests.worlds import DAILY, NOBODY, TODAY, Live

LEDGERS = {"us": "quickbooks_us", "uk": "xero_uk"}
UNBOOKED = (
    "SELECT d.number, d.customer_id FROM documents d WHERE d.status='issued'"
    " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.kind='document' AND o.our_id=d.id AND o.state='done')"
)


class OldCompany(Live):
    """A company whose books others kept for 18 months; it goes live today."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, deals=60, history=18)

    def adopt(self, entity: str = "", through: date | None = None, *, dry_run: bool = False) -> dict[str, Result]:
        """Do what ``netterms adopt`` does; every step must succeed."""
        config = app.load_config(self.file)
        world = app.LiveWorld(config, today=self.today, dry_run=True)
        results, _ = app.run_jobs(config, dry_run=dry_run, world=world, steps=adopt_steps(entity, through))
        assert {result.outcome for result in results} == {"done"}, results
        return {result.job: result for result in results}

    def compared(self) -> list[receivables.Compared]:
        """Return receivables by our picture beside the books as last read."""
        with self.store() as store:
            return receivables.compare(store, LEDGERS)

    def foreign(self, entity: str = "") -> list[ForeignRow]:
        """Return every foreign document."""
        with self.store() as store:
            rows = [row for ledger in LEDGERS.values() for row in foreign.of_ledger(store, ledger)]
        return [row for row in rows if entity in ("", row.entity)]

    def state(self, vendor: str, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a stand-in."""
        return self.sandbox.vendors[vendor].state()[kind]

    # ----------------------------------------------------------------------------------- what only the sandbox knows

    def customers_held(self) -> Counter[tuple[str, str]]:
        """Return how many customers each ledger has by name and, at QuickBooks, currency."""
        held = Counter(("quickbooks", row["DisplayName"]) for row in self.state("quickbooks", "customers"))
        return held + Counter(("xero", row["Name"]) for row in self.state("xero", "contacts"))

    def old_customers(self) -> list[OldCustomer]:
        """Return who was in the books before us."""
        return [one for books in self.sandbox.world.old_books.values() for one in books.customers]

    def names_by_id(self, entity: str) -> dict[str, str]:
        """Return the names of a ledger's customers by their id there."""
        if entity == "us":
            return {row["Id"]: row["DisplayName"] for row in self.state("quickbooks", "customers")}
        return {row["ContactID"]: row["Name"] for row in self.state("xero", "contacts")}

    def decide_truly(self) -> Counter[str]:
        """Decide every customer that is not certain as somebody does who knows them all; return what how often."""
        items = self.items("customer_match")
        said: Counter[str] = Counter()
        with self.store() as store:
            companies = {row.id: row.crm_id for row in links.customers(store).values()}
            for item in items:
                buyer = companies[int(item.subject.partition(":")[2])]
                action = self._true_decision(item, buyer)
                said[action.partition("=")[0]] += 1
                decide(store, NOBODY, item.id, action, "I know them")
        return said

    def _true_decision(self, item: Item, buyer: str) -> str:
        connection, _, *ids = item.detail.split(" ")
        entity = next(key for key, name in LEDGERS.items() if name == connection)
        names = self.names_by_id(entity)
        own = {one.name for one in self.old_customers() if one.buyer.id == buyer}
        meant = [one for one in ids if names[one] in own]
        return f"link={meant[0]}" if meant else "separate"

    def receivable_there(self) -> dict[tuple[str, str], int]:
        """Add up the stand-ins' own receivables: open invoices less unused credit."""
        sums: Counter[tuple[str, str]] = Counter()

        def add(entity: str, currency: str, amount: float, sign: int = 1) -> None:
            sums[entity, currency] += sign * to_minor(Decimal(str(amount)), currency)

        for row in self.state("quickbooks", "invoices"):
            add("us", row["CurrencyRef"]["value"], row["Balance"])
        for row in self.state("quickbooks", "creditmemos"):
            add("us", row["CurrencyRef"]["value"], row["Balance"], -1)
        for row in self.state("quickbooks", "payments"):
            add("us", row["CurrencyRef"]["value"], row["UnappliedAmt"], -1)
        for row in self.state("xero", "invoices"):
            add("uk", row["CurrencyCode"], row["AmountDue"])
        for row in self.state("xero", "credit_notes"):
            add("uk", row["CurrencyCode"], row["RemainingCredit"], -1)
        for row in self.state("xero", "overpayments"):
            add("uk", row["CurrencyCode"], row["RemainingCredit"], -1)
        return {key: amount for key, amount in sums.items() if amount}

    def payments_booked(self) -> Counter[tuple[str, str, str]]:
        """Return how often each Stripe payment stands in the books for each invoice."""
        booked: Counter[tuple[str, str, str]] = Counter()
        for row in self.state("quickbooks", "payments"):
            for line in row["Line"]:
                booked["us", row.get("PaymentRefNum", ""), line["LinkedTxn"][0]["TxnId"]] += 1
        for row in self.state("xero", "payments"):
            if row["Status"] == "AUTHORISED":
                booked["uk", row["Reference"], row["Invoice"]["InvoiceID"]] += 1
        return booked


@pytest.fixture
def company(tmp_path: Path) -> OldCompany:
    """Books full of others' invoices, and nothing of ours yet."""
    return OldCompany(tmp_path)


def test_a_company_goes_live_on_top_of_18_months_of_old_books(company: OldCompany) -> None:
    before = company.customers_held()
    company.adopt()
    assert len(company.foreign()) > 150
    company.done()  # some customers are not certain yet: their invoices wait
    _assert_nobody_is_there_twice(company, before)
    decided = company.decide_truly()
    for _ in range(6):
        company.move_to(company.today + timedelta(days=5))
        company.done()
        decided += company.decide_truly()
    company.done()
    assert decided["link"] > 3
    assert decided["separate"] > 0
    _assert_nothing_before_go_live_was_billed(company)
    _assert_nobody_is_there_twice(company, before)
    _assert_both_sides_agree(company)
    _assert_old_invoices_paid_by_card_are_booked_once(company)
    _assert_doing_it_again_changes_nothing(company)


def _assert_nothing_before_go_live_was_billed(company: OldCompany) -> None:
    assert len(company.issued()) > 20
    assert min(item.line.starts for row in company.issued().values() for item in row.draft.lines) >= TODAY


def _assert_nobody_is_there_twice(company: OldCompany, before: Counter[tuple[str, str]]) -> None:
    created = company.customers_held() - before
    assert max(created.values(), default=0) <= 1
    held = {(one.buyer.name, one.currency) for one in company.old_customers()}
    created_for = {(buyer.name, buyer.currency) for buyer in company.sandbox.world.buyers} & {
        (name, buyer.currency) for _, name in created for buyer in company.sandbox.world.buyers if buyer.name == name
    }
    assert created_for & held == set()


def _assert_both_sides_agree(company: OldCompany) -> None:
    """By our picture, by what was read there, and by what the stand-ins themselves add up."""
    lines = company.compared()
    assert {(line.entity, line.currency) for line in lines} == {
        ("us", "USD"), ("us", "EUR"), ("uk", "GBP"), ("uk", "EUR"),
    }  # fmt: skip
    assert {(line.difference, line.on_the_way) for line in lines} == {(0, 0)}
    assert {(line.entity, line.currency): line.total for line in lines} == company.receivable_there()


def _assert_old_invoices_paid_by_card_are_booked_once(company: OldCompany) -> None:
    with company.store() as store:
        old = [part for part in cash.applications(store) if part.foreign_id is not None]
        wanted = {
            (row.entity, cash.get(store, part.payment_id).vendor_id[-21:], row.vendor_id)
            for part in old
            for row in [foreign.get(store, part.foreign_id or 0)]
        }
    assert len(wanted) == len(old) > 5
    booked = company.payments_booked()
    assert {booked[one] for one in wanted} == {1}


def _assert_doing_it_again_changes_nothing(company: OldCompany) -> None:
    assert not any(result.changed for result in company.adopt().values())
    assert not any(result.changed for result in company.done().values())
    writes, contents = company.writes(), company.contents()
    assert not any(result.changed for result in company.adopt().values())
    assert not any(result.changed for result in company.done().values())
    assert company.writes() == writes
    assert company.contents() == contents


def test_a_rehearsal_says_what_it_would_do_and_keeps_nothing(company: OldCompany) -> None:
    company.sync("report")
    before = company.contents()
    rehearsed = {name: result.tally for name, result in company.adopt(dry_run=True).items()}
    assert company.contents() == before
    assert {name: result.tally for name, result in company.adopt().items()} == rehearsed
    assert rehearsed["adopt"]["foreign documents new"] > 150
    assert rehearsed["match_customers"]["customers linked"] > 10
    assert company.writes() == Counter()


def test_one_entity_can_be_adopted_alone(company: OldCompany) -> None:
    company.adopt("uk")
    assert company.rows(
        "SELECT DISTINCT k.entity FROM slices s JOIN contracts k ON k.key=s.contract WHERE s.how='elsewhere'"
    ) == [("uk",)]


def test_what_was_billed_elsewhere_to_a_date_is_not_billed_here(company: OldCompany) -> None:
    through = date(2026, 9, 30)
    marked = company.adopt("uk", through)["adopt"].tally["contracts billed elsewhere to a date"]
    assert marked > 10
    assert not company.adopt("uk", through)["adopt"].changed
    company.done(*DAILY)
    company.move_to(date(2026, 10, 2))
    company.done(*DAILY)
    starts = {row.entity: [] for row in company.issued().values()}  # type: dict[str, list[date]]
    for row in company.issued().values():
        starts[row.entity] += [item.line.starts for item in row.draft.lines]
    own = company.rows("SELECT key FROM contracts WHERE billed_through IS NULL AND entity='uk'")  # sold since then
    late = [row for row in company.issued().values() if row.entity == "uk" and (row.contract,) not in own]
    assert min(item.line.starts for row in late for item in row.draft.lines) > through
    assert min(starts["us"]) < through


def test_the_invoice_of_a_customer_nobody_is_sure_of_waits_and_leaves_when_a_person_decides(
    company: OldCompany,
) -> None:
    company.adopt()
    company.done()
    waiting = company.rows(UNBOOKED)
    assert waiting
    undecided = {item.subject.partition(":")[2] for item in company.items("customer_match")}
    assert {str(customer) for _, customer in waiting} <= undecided
    company.decide_truly()
    company.done()
    assert company.rows(UNBOOKED) == []
    assert company.items("customer_match") == []


def test_what_is_decided_can_be_read_in_the_audit_trail(company: OldCompany) -> None:
    company.adopt()
    assert company.rows("SELECT count(*) FROM audit WHERE action='linked' AND reason LIKE 'same name and same%'") > [
        (10,)
    ]
    company.decide_truly()
    assert company.rows("SELECT count(*) > 3 FROM audit WHERE action='linked' AND reason='I know them'") == [(1,)]


def test_a_link_must_name_one_of_the_customers_that_were_shown(company: OldCompany) -> None:
    company.adopt()
    item = company.items("customer_match")[0]
    with company.store() as store, pytest.raises(ValueError, match="--do link=ID"):
        decide(store, NOBODY, item.id, "link=nonsense", "a slip")


# ------------------------------------------------------------------------------------------- what others do afterwards


def hand_invoice(live: Live, number: str, amount: int = 100, *, date_: str = "2026-09-01") -> str:
    """Type an invoice into Xero for its first contact; return its id."""
    contact = live.sandbox.vendors["xero"].state()["contacts"][0]["ContactID"]
    line = {"Description": "By hand", "Quantity": 1, "UnitAmount": amount, "AccountCode": "210", "TaxType": "NONE"}
    body = {
        "Type": "ACCREC", "InvoiceNumber": number, "Contact": {"ContactID": contact}, "CurrencyCode": "GBP",
        "Status": "AUTHORISED", "Date": date_, "DueDate": "2026-09-30", "LineItems": [line],
    }  # fmt: skip
    return str(live.xero("PUT", "Invoices", body)["Invoices"][0]["InvoiceID"])


@pytest.fixture
def billed(live: Live) -> Live:
    """A company without old books that owes 100.00 GBP on UK-00001."""
    live.sell()
    live.done(*DAILY, "pull_ledger")
    return live


def others(live: Live) -> dict[str, tuple[str, int]]:
    """Return status and open amount of every foreign document by number."""
    with live.store() as store:
        return {row.number: (row.status, row.open) for row in foreign.of_ledger(store, "xero_uk")}


def test_a_hand_made_invoice_joins_by_itself_and_follows_what_happens_to_it(billed: Live) -> None:
    id_ = hand_invoice(billed, "HAND-1")
    billed.done()
    assert others(billed) == {"HAND-1": ("open", 100_00)}
    paid = {"Invoice": {"InvoiceID": id_}, "Account": {"Code": "090"}, "Amount": 30, "Date": "2026-09-01"}
    (payment,) = billed.xero("PUT", "Payments", paid)["Payments"]
    billed.done()
    assert others(billed) == {"HAND-1": ("open", 70_00)}
    billed.xero("POST", f"Payments/{payment['PaymentID']}", {"Status": "DELETED"})
    billed.xero("POST", f"Invoices/{id_}", {"Status": "VOIDED"})
    billed.done()
    assert others(billed) == {"HAND-1": ("voided", 0)}
    assert billed.items() == []
    assert list(billed.issued()) == ["UK-00001"]


def test_a_payment_of_a_hand_made_invoice_counts_once_from_the_moment_it_is_matched(billed: Live) -> None:
    hand_invoice(billed, "HAND-12345", 80)
    billed.done()
    billed.pay(80_00, "HAND-12345, many thanks")
    for jobs in (("pull_payments", "match_payments"), ("post_payments",), ("pull_ledger",)):
        billed.done(*jobs)
        assert others(billed)["HAND-12345"][1] == 0
    with billed.store() as store:
        assert [line.difference for line in receivables.compare(store, {"uk": "xero_uk"})] == [0]
    (payment,) = billed.sandbox.vendors["xero"].state()["payments"]
    assert (payment["Amount"], payment["Invoice"]["InvoiceNumber"]) == (80, "HAND-12345")
    writes = billed.writes()
    assert not any(result.changed for result in billed.done().values())
    assert billed.writes() == writes


def test_a_payment_of_a_hand_made_invoice_taken_back_in_the_books_is_shown(billed: Live) -> None:
    hand_invoice(billed, "HAND-12345", 80)
    billed.done()
    billed.pay(80_00, "HAND-12345")
    billed.done()
    (payment,) = billed.sandbox.vendors["xero"].state()["payments"]
    billed.xero("POST", f"Payments/{payment['PaymentID']}", {"Status": "DELETED"})
    billed.done()
    assert "80.00 GBP" in billed.item("posting_removed").message
    assert others(billed)["HAND-12345"] == ("open", 80_00)


def test_cash_can_be_put_to_a_hand_made_invoice_by_a_person(billed: Live) -> None:
    hand_invoice(billed, "HAND-12345", 80)
    billed.pay(70_00, "for the workshop")
    billed.done()
    item = billed.item("unapplied_cash").id
    with billed.store() as store:
        decide(store, NOBODY, item, "apply=HAND-12345", "they said so")
    billed.done()
    assert others(billed)["HAND-12345"] == ("open", 10_00)
    assert len(billed.sandbox.vendors["xero"].state()["payments"]) == 1


def test_money_from_before_go_live_is_left_alone_and_shown_where_its_invoice_is_open(live: Live) -> None:
    live.xero("PUT", "Contacts", {"Name": "Somebody Ltd"})
    hand_invoice(live, "HAND-12345", 80)
    live.pay(80_00, "HAND-12345")
    live.pay(30_00, "something else")
    live.configure("go_live = 2026-06-01", "go_live = 2026-10-01")
    live.move_to(date(2026, 10, 1))
    live.done("pull_ledger")
    live.done()
    assert live.rows("SELECT DISTINCT scope FROM payments") == [("out",)]
    assert live.rows("SELECT count(*) FROM applications") == [(0,)]
    item = live.item("paid_before_go_live")
    assert "names HAND-12345" in item.message
    assert "on 2026-09-01, before go-live" in item.message
    assert len(live.items()) == 1


def test_an_invoice_that_we_wrote_is_never_taken_for_foreign(billed: Live) -> None:
    with billed.store() as store, store.transaction():
        store.execute("DELETE FROM links WHERE kind='document'")  # as if its answer had been lost
        store.execute("UPDATE outbox SET state='uncertain' WHERE kind='document'")
    billed.done("pull_ledger")
    assert others(billed) == {}
    billed.done()
    assert others(billed) == {}
    assert len(billed.sandbox.vendors["xero"].state()["invoices"]) == 1


# ------------------------------------------------------------------------------------------------- the series is free


def faults(live: Live) -> list[str]:
    """Return what ``netterms check`` says."""
    world = app.LiveWorld(app.load_config(live.file), dry_run=True)
    return check_all(world, begun_series(world)).faults


def test_a_number_that_our_series_would_come_to_is_a_fault_and_nothing_is_booked_until_it_is_gone(live: Live) -> None:
    live.hubspot("POST", "companies", {"properties": {"name": "Nobody"}})
    live.xero("PUT", "Contacts", {"Name": "Somebody Ltd"})
    taken = hand_invoice(live, "UK-00007")
    assert [fault for fault in faults(live) if "UK-00007" in fault and "number_prefix" in fault]
    live.sell()
    live.done()
    assert "UK-00007" in live.item("series_taken").message
    assert len(live.sandbox.vendors["xero"].state()["invoices"]) == 1
    live.xero("POST", f"Invoices/{taken}", {"InvoiceNumber": "OLD-7"})
    live.done()  # sees the new number
    live.done()
    assert live.items() == []
    assert len(live.sandbox.vendors["xero"].state()["invoices"]) == 2


def test_multicurrency_is_asked_for_only_where_another_currency_is_sold_in(live: Live) -> None:
    live.sandbox.vendors["quickbooks"].books.keep_one_currency("USD")  # type: ignore[attr-defined]
    assert not [fault for fault in faults(live) if "Multicurrency" in fault]
    live.configure('currencies = ["USD"]', 'currencies = ["USD", "EUR"]')
    (fault,) = [fault for fault in faults(live) if "Multicurrency" in fault]
    assert "us sells in EUR, but only USD can be booked: switch on" in fault


def test_numbers_that_only_look_like_ours_and_our_own_are_no_fault(billed: Live) -> None:
    hand_invoice(billed, "UK-1042")
    hand_invoice(billed, "UK-CN")
    assert faults(billed) == []


@pytest.mark.parametrize(
    ("number", "following", "taken"),
    [
        ("US-00007", 7, True), ("US-00007", 8, False), ("US-00099", 7, True), ("US-0099", 7, False),
        ("US-000099", 7, False), ("US-123456", 7, True), ("US-CN-00099", 7, False), ("INV-00099", 7, False),
    ],
)  # fmt: skip
def test_a_series_comes_to_what_it_would_write(number: str, following: int, taken: bool) -> None:
    assert clash([number], {"US-": following}, 5) == (number if taken else "")
