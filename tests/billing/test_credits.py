from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.credits import Billed, credit_gross, credit_in_full, credit_lines, credit_net, left, voided
from billing.explain import explain_drafted
from billing.invoicing import Billing, Draft, Rules, Settled, settle
from billing.terms import Terms
from tests.billing.build import bill_on, day, one_time, recurring, signed, terms

VAT = Rules(tax_rates={"standard": Decimal(20), "reduced": Decimal(5)})
LATER = day("2026-02-10")


def invoiced(*prices: str, rules: Rules = VAT, contract: Terms | None = None) -> Billed:
    """Return an issued invoice of 1 January with a line for each price."""
    contract = contract or of_lines(*prices)
    billing = bill_on(contract, [], "2026-01-01", rules)
    return Billed(number="INV-1", invoice=billing.drafts[0], settled=tuple(settle([], billing)))


def of_lines(*prices: str) -> Terms:
    return terms(
        *(one_time(key=f"l{index}", description=f"Item {index + 1}", price=price) for index, price in enumerate(prices))
    )


def given_out(billed: Billed, note: Draft) -> Billed:
    """Return what stands once a credit note is issued."""
    settled = settle(billed.settled, Billing(drafts=(note,)))
    return msgspec.structs.replace(billed, notes=(*billed.notes, note), settled=tuple(settled))


def totals(notes: Sequence[Draft]) -> tuple[int, int, int]:
    return sum(one.subtotal for one in notes), sum(one.tax for one in notes), sum(one.total for one in notes)


def test_a_full_credit_note_gives_back_the_whole_invoice():
    billed = invoiced("68.33", "57.50")
    note = credit_in_full(billed, LATER)
    assert (note.type, note.against, note.issue_on, note.due_on) == ("credit_note", "INV-1", LATER, LATER)
    assert (note.subtotal, note.tax, note.total) == (billed.invoice.subtotal, billed.invoice.tax, billed.invoice.total)
    assert [(one.shown_description, one.revision, one.amount) for one in note.lines] == [
        ("Credit: Item 1", 1, 6833),
        ("Credit: Item 2", 1, 5750),
    ]
    after = given_out(billed, note)
    assert left(after) == [0, 0]
    with pytest.raises(ValueError, match="nothing is left to credit of invoice INV-1"):
        credit_in_full(after, LATER)


def test_a_credit_note_s_lines_say_what_they_were_billed_for():
    billed = invoiced(contract=terms())
    note = credit_net(billed, 3000, LATER)
    assert explain_drafted(note.lines[0], note) == (
        f"agreed credit on invoice INV-1, of: {explain_drafted(billed.invoice.lines[0], billed.invoice)}"
    )


def test_E08_the_credit_note_that_closes_the_invoice_absorbs_the_cent():
    billed = invoiced("68.33", "68.33", "57.50", "85.00")
    assert billed.invoice.total == 33499
    for index in (0, 2, 3, 1):
        billed = given_out(billed, credit_lines(billed, {index: None}, LATER))
    assert [note.total for note in billed.notes] == [8200, 6900, 10200, 8199]
    assert totals(billed.notes) == (billed.invoice.subtotal, billed.invoice.tax, billed.invoice.total)


def test_each_rate_s_tax_is_closed_by_itself():
    contract = terms(
        one_time(key="a", price="0.13"),
        one_time(key="b", price="0.13"),
        one_time(key="c", price="9.99", tax_class="reduced"),
    )
    billed = invoiced(contract=contract)
    assert [tax.amount for tax in billed.invoice.taxes] == [5, 50]
    for index in (0, 1):
        billed = given_out(billed, credit_lines(billed, {index: None}, LATER))
    assert [note.tax for note in billed.notes] == [3, 2]
    assert credit_in_full(billed, LATER).tax == 50


def test_tax_is_never_credited_beyond_what_was_billed():
    billed = invoiced(*["0.03"] * 10)
    assert billed.invoice.tax == 6
    for index in range(10):
        billed = given_out(billed, credit_lines(billed, {index: None}, LATER))
    assert [note.tax for note in billed.notes] == [1] * 6 + [0] * 4


def test_a_part_of_a_line_can_be_credited_up_to_what_is_left_of_it():
    billed = invoiced("100", "50")
    note = credit_lines(billed, {0: 3000}, LATER)
    assert (note.subtotal, note.tax, note.total) == (3000, 600, 3600)
    after = given_out(billed, note)
    assert left(after) == [7000, 5000]
    with pytest.raises(
        ValueError, match=r"70.01 USD cannot be credited of invoice INV-1 \('Item 1'\).*up to 70.00 USD"
    ):
        credit_lines(after, {0: 7001}, LATER)
    assert credit_lines(after, {0: 7000, 1: None}, LATER).subtotal == 12000
    assert credit_lines(after, {0: None}, LATER).lines[0].revision == 2


@pytest.mark.parametrize("wanted", [{0: 0}, {0: -1}, {2: None}, {-1: None}, {}])
def test_what_is_no_amount_of_a_line_is_refused(wanted):
    with pytest.raises(ValueError, match="INV-1"):
        credit_lines(invoiced("100", "50"), wanted, LATER)


def test_a_net_amount_is_spread_over_the_lines_in_proportion():
    note = credit_net(invoiced("100", "50", "0"), 1001, LATER)
    assert [one.amount for one in note.lines] == [667, 334]
    assert (note.subtotal, note.tax, note.total) == (1001, 200, 1201)


@pytest.mark.parametrize("net", [0, -5, 15001])
def test_a_net_amount_beyond_what_is_left_is_refused(net):
    with pytest.raises(ValueError, match=r"up to 150\.00 USD"):
        credit_net(invoiced("100", "50"), net, LATER)


def test_a_gross_amount_is_turned_into_net_first():
    note = credit_gross(invoiced("100", "50"), 6000, LATER)
    assert (note.subtotal, note.tax, note.total) == (5000, 1000, 6000)
    with pytest.raises(ValueError, match=r"180\.01 USD cannot be credited.*up to 180\.00 USD"):
        credit_gross(invoiced("100", "50"), 18001, LATER)
    with pytest.raises(ValueError, match=r"up to 180\.00 USD"):
        credit_gross(invoiced("100", "50"), 0, LATER)


def test_a_gross_amount_that_no_net_leads_to_is_undercut_by_the_cent():
    assert [credit_gross(invoiced("1.00"), gross, LATER).total for gross in (2, 3, 4, 119, 120)] == [2, 2, 4, 119, 120]


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=4),
    st.lists(st.integers(1, 4000), max_size=4),
    st.sampled_from(["per_document", "per_line"]),
)
def test_any_notes_and_a_last_one_add_up_to_the_invoice(prices, amounts, rounding):
    rules = Rules(tax_rates=VAT.tax_rates, tax_rounding=rounding)
    billed = invoiced(*(str(Decimal(price) / 100) for price in prices), rules=rules)
    billed = msgspec.structs.replace(billed, rounding=rounding)
    for amount in amounts:
        if amount < sum(left(billed)):
            billed = given_out(billed, credit_net(billed, amount, LATER))
    billed = given_out(billed, credit_in_full(billed, LATER))
    invoice = billed.invoice
    assert totals(billed.notes) == (invoice.subtotal, invoice.tax, invoice.total)
    assert all(note.tax >= 0 for note in billed.notes)
    assert {item.amount for item in billed.settled} == {0}


@given(st.integers(1, 300), st.integers(1, 36000))
def test_a_gross_credit_is_never_above_what_was_asked_and_at_most_a_cent_below(price, gross):
    billed = invoiced(str(price), "0.01")
    most = billed.invoice.total
    if gross <= most:
        note = credit_gross(billed, gross, LATER)
        assert gross - 1 <= note.total <= gross or note.subtotal == 1


def test_an_agreed_credit_is_not_billed_again_and_later_credits_stay_within_what_is_left():
    contract = terms()
    billed = invoiced(contract=contract)
    settled = list(given_out(billed, credit_net(billed, 3000, LATER)).settled)
    assert [(item.amount, item.waived, item.revision) for item in settled] == [(7000, 3000, 1)]
    assert bill_on(contract, settled, "2026-01-31", VAT).drafts == ()
    assert signed(bill_on(terms(ends_on="2026-01-10"), settled, "2026-01-31", VAT)) == {"fee": -6774}
    assert signed(bill_on(terms(recurring(price="10")), settled, "2026-01-31", VAT)) == {"fee": -7000}


def test_what_was_credited_otherwise_cannot_be_credited_again():
    billed = invoiced(contract=terms())
    cut = bill_on(terms(ends_on="2026-01-10"), list(billed.settled), "2026-01-12", VAT)
    billed = msgspec.structs.replace(billed, settled=tuple(settle(billed.settled, cut)))
    assert left(billed) == [3226]
    assert credit_in_full(billed, LATER).subtotal == 3226


def test_an_upgrade_credited_in_full_gives_back_its_total_and_is_not_billed_again():
    first = bill_on(terms(), [], "2026-01-01", VAT)
    changed = terms(recurring(ends_on="2026-01-15"), recurring(key="plus", price="300", starts_on="2026-01-16"))
    upgrade = bill_on(changed, settle([], first), "2026-01-16", VAT)
    settled = settle(settle([], first), upgrade)
    billed = Billed(number="INV-2", invoice=upgrade.drafts[0], settled=tuple(settled))
    assert sorted(left(billed)) == [-5161, 15484]
    after = given_out(billed, credit_in_full(billed, LATER))
    assert after.notes[0].total == billed.invoice.total
    assert left(after) == [0, 0]
    assert bill_on(changed, list(after.settled), "2026-01-31", VAT).drafts == ()
    part = credit_net(billed, 10000, LATER)
    assert [one.amount for one in part.lines] == [10000]


def test_a_credit_note_cannot_be_credited():
    billed = invoiced("100")
    note = credit_in_full(billed, LATER)
    with pytest.raises(ValueError, match="CN-1 is a credit note"):
        credit_in_full(msgspec.structs.replace(billed, number="CN-1", invoice=note), LATER)


def test_what_is_held_or_unknown_cannot_be_credited():
    billed = invoiced("100", "50")
    held = msgspec.structs.replace(billed.settled[0], how="held")
    assert left(msgspec.structs.replace(billed, settled=(held,))) == [0, 0]


def decided(settled: Sequence[Settled], how: str) -> list[Settled]:
    return [msgspec.structs.replace(item, how=how) for item in settled]


def test_a_voided_invoice_holds_its_slices_until_a_person_decides():
    billed = invoiced(contract=terms())
    held = voided(billed.invoice, billed.settled)
    assert [(item.how, item.amount, item.revision) for item in held] == [("held", 0, 0)]
    assert bill_on(terms(), held, "2026-01-31", VAT).drafts == ()
    for how in ("waived", "elsewhere"):
        assert bill_on(terms(), decided(held, how), "2026-01-31", VAT).drafts == ()


def test_a_voided_invoice_billed_again_takes_the_next_revision_and_adds_up():
    billed = invoiced(contract=terms())
    held = voided(billed.invoice, billed.settled)
    again = bill_on(terms(), decided(held, "issued"), "2026-01-31", VAT)
    ((drafted,),) = [draft.lines for draft in again.drafts]
    assert (drafted.revision, drafted.amount, drafted.shown_description) == (1, 10000, "Fee")
    settled = settle(decided(held, "issued"), again)
    assert [(item.amount, item.revision) for item in settled] == [(10000, 1)]
    assert bill_on(terms(), settled, "2026-01-31", VAT).drafts == ()


def test_a_voided_credit_note_of_a_person_is_waived_no_more():
    billed = invoiced(contract=terms())
    note = credit_net(billed, 3000, LATER)
    held = voided(note, given_out(billed, note).settled)
    assert [(item.amount, item.waived, item.revision) for item in held] == [(10000, 0, 1)]
    assert bill_on(terms(), decided(held, "issued"), "2026-01-31", VAT).drafts == ()


def test_a_voided_invoice_with_an_automatic_credit_elsewhere_is_billed_again_to_what_is_owed():
    billed = invoiced(contract=terms())
    cut = terms(ends_on="2026-01-10")
    settled = settle(billed.settled, bill_on(cut, list(billed.settled), "2026-01-12", VAT))
    held = voided(billed.invoice, settled)
    assert [item.amount for item in held] == [-6774]
    again = bill_on(cut, decided(held, "issued"), "2026-01-31", VAT)
    assert signed(again) == {"fee": 10000}
    assert [item.amount for item in settle(decided(held, "issued"), again)] == [3226]


def test_slices_that_a_voided_document_does_not_bill_stay_as_they_are():
    billed = invoiced(contract=terms())
    other = Settled(slice="C-1/other/2026-01-01", how="issued", amount=5, revision=0)
    assert other in voided(billed.invoice, [*billed.settled, other])
