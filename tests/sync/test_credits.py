"""Credit notes that people give: shown, issued once, booked, never billed again; and voided documents billed again."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random

import msgspec
import pytest

from billing.draft import Draft
from billing.terms import OneTime, Recurring
from store import audit, contracts, invoices
from store.invoices import DocumentRow
from sync import credits
from sync.credits import Wish
from tests.worlds import DAILY, NOBODY, TODAY, Bench, Live

STEPS = ("plan_invoices", "issue_invoices")


def give(world: Bench | Live, number: str, wish: Wish = Wish(), seen: str = "") -> DocumentRow:  # noqa: B008  # a value
    """Credit an invoice as the command line does."""
    with world.store() as store:
        here = world if isinstance(world, Bench) else world.world
        return credits.give(store, here, NOBODY, credits.find(store, number), wish, "agreed by phone", seen)


def shown(bench: Bench, number: str, wish: Wish = Wish()) -> Draft:  # noqa: B008  # a value
    with bench.store() as store:
        return credits.note(store, bench, credits.find(store, number), wish)


def of_lines(*prices: str, tax_class: str = "standard") -> tuple[OneTime, ...]:
    return tuple(
        OneTime(key=f"l{n}", description=f"Item {n}", price=Decimal(price), tax_class=tax_class)
        for n, price in enumerate(prices, 1)
    )


def bill(bench: Bench, day: date | None = None) -> list[tuple[str, int]]:
    """Run the jobs; return the total of each document that this issued."""
    before = set(bench.issued())
    bench.today = day or bench.today
    results = bench.run(*STEPS)
    assert {result.outcome for result in results.values()} == {"done"}
    return [(number, row.total) for number, row in bench.issued().items() if number not in before]


def reprice(bench: Bench, price: str) -> None:
    """Agree another price from the beginning on."""
    with bench.store() as store:
        row = contracts.get(store, "A")
        assert row is not None
        charges = (msgspec.structs.replace(row.agreed.charges[0], price=Decimal(price)),)
        with store.transaction():
            contracts.replace_terms(store, NOBODY, row, msgspec.structs.replace(row.agreed, charges=charges))


# ------------------------------------------------------------------------------------------------------------ credited


def test_an_invoice_credited_in_full_is_never_billed_again(bench: Bench) -> None:
    bench.bill("A")
    note = give(bench, "UK-00001")
    assert (note.number, note.status, note.total, note.draft.against) == ("UK-CN-00001", "issued", 100_00, "UK-00001")
    assert bill(bench) == []
    assert bill(bench, date(2026, 9, 30)) == []
    assert bill(bench, date(2026, 10, 1)) == [("UK-00002", 100_00)]
    with pytest.raises(ValueError, match="nothing is left to credit of invoice UK-00001"):
        give(bench, "UK-00001")


def test_looking_at_a_credit_note_issues_nothing(bench: Bench) -> None:
    bench.bill("A")
    before = bench.contents()
    assert shown(bench, "UK-00001", Wish(net=Decimal(30))).total == 30_00
    assert bench.contents() == before


def test_it_is_in_the_audit_trail_of_both_documents_with_its_reason(bench: Bench) -> None:
    bench.bill("A")
    note = give(bench, "UK-00001")
    with bench.store() as store:
        for document_id, action in ((note.id, "issued"), (bench.issued()["UK-00001"].id, "credited")):
            last = audit.entries(store, f"document:{document_id}")[-1]
            assert (last.action, last.actor, last.reason) == (action, "test", "agreed by phone")
        assert audit.verify(store) is None


def test_E08_through_the_store_the_note_that_closes_the_invoice_absorbs_the_cent(bench: Bench) -> None:
    bench.contract("A", charges=of_lines("68.33", "68.33", "57.50", "85.00"))
    bill(bench)
    assert bench.issued()["UK-00001"].total == 334_99
    totals = [give(bench, "UK-00001", Wish(line=number)).total for number in (1, 3, 4, 2)]
    assert totals == [82_00, 69_00, 102_00, 81_99]
    assert bill(bench, date(2026, 12, 1)) == []


def test_a_part_of_a_line_a_net_and_a_gross_amount_are_credited(bench: Bench) -> None:
    bench.contract("A", charges=of_lines("100", "50"))
    bill(bench)
    assert give(bench, "UK-00001", Wish(line=1, amount=Decimal("30"))).total == 36_00
    assert give(bench, "UK-00001", Wish(net=Decimal("60"))).total == 72_00
    assert give(bench, "UK-00001", Wish(gross=Decimal("12"))).total == 12_00
    with bench.store() as store:
        row = credits.find(store, "UK-00001")
        assert sum(credits.rest(store, bench, row)) == 50_00
    assert give(bench, "UK-00001").total == 60_00
    assert bill(bench) == []


@pytest.mark.parametrize(
    ("number", "wish", "told"),
    [
        ("UK-00009", Wish(), "there is no such invoice"),
        ("UK-00001", Wish(line=2), "has no line 2"),
        ("UK-00001", Wish(line=0), "has no line 0"),
        ("UK-00001", Wish(line=1, amount=Decimal("100.01")), "write an amount up to 100.00 GBP"),
        ("UK-00001", Wish(line=1, amount=Decimal("1.005")), "more decimals than GBP allows"),
        ("UK-00001", Wish(net=Decimal("100.01")), "write an amount up to 100.00 GBP"),
        ("UK-00001", Wish(gross=Decimal(0)), "write an amount up to 100.00 GBP"),
        ("UK-00001", Wish(amount=Decimal(5)), "say which"),
        ("UK-00001", Wish(net=Decimal(5), gross=Decimal(5)), "one of them"),
        ("UK-00001", Wish(line=1, net=Decimal(5)), "one of them"),
    ],
)
def test_what_cannot_be_credited_is_said_and_changes_nothing(bench: Bench, number: str, wish: Wish, told: str) -> None:
    bench.bill("A")
    before = bench.contents()
    with pytest.raises(ValueError, match=told):
        give(bench, number, wish)
    assert bench.contents() == before


def test_a_credit_note_a_draft_and_a_voided_invoice_cannot_be_credited(bench: Bench) -> None:
    bench.bill("A", "B")
    give(bench, "UK-00001", Wish(net=Decimal(1)))
    with pytest.raises(ValueError, match="UK-CN-00001 is a credit note"):
        give(bench, "UK-CN-00001")
    void(bench, "UK-00002")
    with pytest.raises(ValueError, match="UK-00002 was voided in the books"):
        give(bench, "UK-00002")
    bench.contract("C")
    bench.run("plan_invoices")
    with bench.store() as store, pytest.raises(ValueError, match="is not issued yet"):
        credits.note(store, bench, bench.drafts()[0], Wish())


def test_a_number_of_several_legal_entities_is_not_guessed_at(bench: Bench) -> None:
    bench.entities["us"] = msgspec.structs.replace(bench.entities["us"], number_prefix="UK-")
    bench.contract("A")
    bench.contract("U", entity="us")
    bill(bench)
    with pytest.raises(ValueError, match="several legal entities"):
        give(bench, "UK-00001")


def test_an_entity_that_is_not_configured_any_more_is_named(bench: Bench) -> None:
    bench.bill("A")
    del bench.entities["uk"]
    with pytest.raises(ValueError, match="issued by uk, which is not configured"):
        give(bench, "UK-00001")


def test_a_reason_is_asked_for(bench: Bench) -> None:
    bench.bill("A")
    with bench.store() as store, pytest.raises(ValueError, match="say why"):
        credits.give(store, bench, NOBODY, credits.find(store, "UK-00001"), Wish(), " ")


def test_what_has_changed_since_it_was_looked_at_is_not_issued(bench: Bench) -> None:
    bench.bill("A")
    seen = credits.mark(shown(bench, "UK-00001"))
    give(bench, "UK-00001", Wish(net=Decimal(10)))
    with pytest.raises(ValueError, match="look again"):
        give(bench, "UK-00001", seen=seen)
    seen = credits.mark(shown(bench, "UK-00001"))
    assert give(bench, "UK-00001", seen=seen).total == 90_00


# --------------------------------------------------------------------------------------------- beside what is planned


def test_a_later_amendment_never_credits_more_than_is_left(bench: Bench) -> None:
    bench.bill("A")
    give(bench, "UK-00001", Wish(net=Decimal(30)))
    reprice(bench, "80")
    assert bill(bench) == [("UK-CN-00002", 20_00)]  # 80 are owed, of which 30 were agreed to be given back
    reprice(bench, "10")
    assert bill(bench) == [("UK-CN-00003", 50_00)]
    reprice(bench, "100")
    assert bill(bench) == [("UK-00002", 70_00)]
    with bench.store() as store:
        assert contracts.billed_net(store, ["A"]) == {"A": 70_00}


def test_a_credit_note_that_waits_as_a_draft_is_drawn_up_anew(bench: Bench) -> None:
    bench.bill("A")
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], approve="manual")
    reprice(bench, "60")
    bench.run(*STEPS)
    bench.approve_all()
    (draft,) = bench.drafts()
    assert (draft.type, draft.total) == ("credit_note", 40_00)
    assert give(bench, "UK-00001", Wish(net=Decimal(70))).total == 70_00
    assert bench.run("issue_invoices")["issue_invoices"].outcome == "done"  # before anything is planned
    assert sorted(bench.issued()) == ["UK-00001", "UK-CN-00001"]
    bench.run("plan_invoices")
    (draft,) = bench.drafts()
    assert (draft.total, draft.status) == (30_00, "draft")
    with pytest.raises(ValueError, match=r"up to 30\.00 GBP"):
        give(bench, "UK-00001", Wish(net=Decimal("30.01")))


def test_what_is_credited_of_a_correction_is_credited_of_that_invoice(bench: Bench) -> None:
    bench.bill("A")
    reprice(bench, "150")
    assert bill(bench) == [("UK-00002", 50_00)]
    assert give(bench, "UK-00002").total == 50_00
    assert give(bench, "UK-00001").total == 100_00
    assert bill(bench) == []


def test_random_credits_and_prices_never_give_back_more_than_was_billed(bench: Bench) -> None:
    chance = Random(4)
    bench.contract("A", charges=(Recurring(key="fee", description="Fee", price=Decimal(100), tax_class="standard"),))
    for _ in range(40):
        if chance.random() < 0.5:
            reprice(bench, str(chance.randint(0, 200)))
        bill(bench, bench.today + timedelta(days=chance.choice((0, 1, 20))))
        number = chance.choice([name for name, row in bench.issued().items() if row.type == "invoice"])
        wish = chance.choice((Wish(), Wish(line=1), Wish(net=Decimal(chance.randint(1, 9000)) / 100)))
        try:
            give(bench, number, wish)
        except ValueError as error:
            assert "credit" in str(error)  # nothing, or not as much, is left
        assert bill(bench) == []
        with bench.store() as store:
            settled = contracts.settled(store, "A")
        assert all(one.amount >= 0 for one in settled)
    _notes_add_up(bench)


def _notes_add_up(bench: Bench) -> None:
    """Each invoice's notes give back at most the invoice: net, tax and total."""
    with bench.store() as store:
        for number, row in bench.issued().items():
            notes = invoices.credits_of(store, "uk", number)
            for name in ("subtotal", "tax", "total"):
                assert sum(getattr(note, name) for note in notes) <= getattr(row, name)


# ------------------------------------------------------------------------------------------------------------ the books


@pytest.mark.parametrize(("currency", "number", "vendor"), [("GBP", "UK", "xero"), ("USD", "US", "quickbooks")])
def test_a_credit_note_reaches_the_books_like_any_other(live: Live, currency: str, number: str, vendor: str) -> None:
    live.sell(deal_currency_code=currency)
    live.done(*DAILY)
    give(live, f"{number}-00001", Wish(net=Decimal("33.33")))
    live.done(*DAILY, "pull_ledger")
    assert live.items() == []
    kind, name, total = {
        "xero": ("credit_notes", "CreditNoteNumber", "Total"), "quickbooks": ("creditmemos", "DocNumber", "TotalAmt"),
    }[vendor]  # fmt: skip
    (note,) = live.sandbox.vendors[vendor].state()[kind]
    assert (note[name], Decimal(str(note[total]))) == (f"{number}-CN-00001", Decimal("33.33"))
    assert not any(result.changed for result in live.done(*DAILY, "pull_ledger").values())


# ---------------------------------------------------------------------------------------------------- voided documents


def void(bench: Bench, number: str) -> None:
    """Note that a document was voided in the books, as ``pull_ledger`` does."""
    with bench.store() as store, store.transaction():
        for contract, slices in invoices.void(store, NOBODY, bench.issued()[number], "voided").items():
            contracts.hold(store, NOBODY, contract, slices, "voided")


def bill_again(bench: Bench, contract: str = "A") -> None:
    with bench.store() as store, store.transaction():
        contracts.decide_held(store, NOBODY, contract, "bill_again", "a test wants it")


def test_bill_again_issues_the_next_revision_and_sums_stay_right(bench: Bench) -> None:
    bench.bill("A")
    bill(bench, date(2026, 10, 1))
    void(bench, "UK-00001")
    assert bill(bench) == []
    bill_again(bench)
    assert bill(bench) == [("UK-00003", 100_00)]
    again = bench.issued()["UK-00003"].draft.lines[0]
    assert (again.revision, again.shown_starts, again.amount) == (1, TODAY, 100_00)
    with bench.store() as store:
        assert [(one.amount, one.revision) for one in contracts.settled(store, "A")] == [(100_00, 1), (100_00, 0)]
        assert contracts.billed_net(store, ["A"]) == {"A": 200_00}
    assert bill(bench) == []
    assert give(bench, "UK-00003").total == 100_00


def test_a_voided_credit_note_of_a_person_is_owed_again_when_that_is_decided(bench: Bench) -> None:
    bench.bill("A")
    give(bench, "UK-00001", Wish(net=Decimal(40)))
    void(bench, "UK-CN-00001")
    assert bill(bench) == []
    bill_again(bench)
    assert bill(bench) == []  # the invoice stands, and now for all of it
    assert give(bench, "UK-00001").total == 100_00


def test_an_invoice_voided_after_a_credit_is_billed_again_beside_the_credit_that_stands(bench: Bench) -> None:
    bench.bill("A")
    give(bench, "UK-00001", Wish(net=Decimal(40)))
    void(bench, "UK-00001")
    bill_again(bench)
    assert bill(bench) == [("UK-00002", 100_00)]
    with bench.store() as store:
        assert [(one.amount, one.waived) for one in contracts.settled(store, "A")] == [(60_00, 40_00)]


# ------------------------------------------------------------------------------------------- invoices written by hand


def test_a_manual_invoice_is_approved_numbered_and_credited_like_any_other(bench: Bench) -> None:
    bench.bill("A")
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], approve="manual")
    bench.contract("M-1", charges=of_lines("200", "30"))
    bench.run(*STEPS)
    (draft,) = bench.drafts()
    assert (draft.contract, draft.total, list(bench.issued())) == ("M-1", 276_00, ["UK-00001"])
    bench.approve_all()
    assert bill(bench) == [("UK-00002", 276_00)]
    assert give(bench, "UK-00002", Wish(line=2)).total == 36_00
    assert give(bench, "UK-00002").total == 240_00
    bill(bench, date(2027, 9, 1))
    assert [row.contract for row in bench.drafts()] == ["A"]


def test_a_credit_that_quickbooks_sets_against_our_invoice_by_itself_is_the_one_we_want(live: Live) -> None:
    live.sandbox.vendors["quickbooks"].books.preferences["SalesFormsPrefs"]["AutoApplyCredit"] = True  # type: ignore[attr-defined]
    live.sell("Acme Inc", deal_currency_code="USD")
    live.done()
    give(live, "US-00001", Wish(net=Decimal(30)))
    live.done()
    live.done()
    assert live.items() == []
    assert live.issued()["US-00001"].open == 70_00
    (payment,) = live.sandbox.vendors["quickbooks"].state()["payments"]
    assert [line["Amount"] for line in payment["Line"]] == [30, 30]
