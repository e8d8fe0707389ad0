from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from billing import plan as plan_module
from billing.due import due_date
from billing.invoicing import Billing, BrokenInvariant, Draft, Rules, Settled, bill, digest, settle
from tests.billing.build import NO_TAX, bill_on, issue, one_time, recurring, signed, terms

VAT = Rules(tax_rates={"standard": Decimal(20), "reduced": Decimal(5)})


def only(billing: Billing) -> Draft:
    (draft,) = billing.drafts
    return draft


def test_a_slice_that_is_due_is_drafted_with_its_first_revision():
    draft = only(bill_on(terms(), [], "2026-01-01", VAT))
    (drafted,) = draft.lines
    assert (draft.type, draft.subtotal, draft.tax, draft.total) == ("invoice", 10000, 2000, 12000)
    assert (drafted.line.slice, drafted.revision, drafted.amount) == ("C-1/fee/2026-01-01", 0, 10000)
    assert drafted.tax_rate == Decimal(20)
    assert (draft.issue_on, draft.due_on) == (date(2026, 1, 1), date(2026, 1, 31))


def test_a_second_run_drafts_nothing():
    contract = terms(recurring(), one_time())
    settled = issue(contract, [], "2026-03-05")
    assert bill_on(contract, settled, "2026-03-05").drafts == ()
    assert bill_on(contract, settled, "2026-03-31").drafts == ()


def test_a_rerun_with_an_earlier_date_credits_nothing_that_was_billed_later():
    contract = terms(recurring(), recurring(key="b", timing="arrears", every="year"), issue_days_before=30)
    settled = issue(contract, [], "2027-02-05")
    for earlier in ("2026-01-01", "2026-06-15", "2027-01-31"):
        assert bill_on(contract, settled, earlier).drafts == ()


def test_everything_missed_comes_as_one_catch_up_draft_dated_today():
    draft = only(bill_on(terms(recurring(), one_time()), [], "2026-03-05"))
    assert [one.line.starts.month for one in draft.lines] == [1, 1, 2, 3]
    assert (draft.issue_on, draft.total) == (date(2026, 3, 5), 80000)


def test_a_raised_price_bills_the_difference_under_the_next_revision():
    settled = issue(terms(), [], "2026-02-01")
    draft = only(bill_on(terms(recurring(price="110")), settled, "2026-02-10"))
    assert [(one.line.slice[-10:], one.revision, one.amount) for one in draft.lines] == [
        ("2026-01-01", 1, 1000),
        ("2026-02-01", 1, 1000),
    ]
    assert draft.lines[0].line.amount == 11000


def test_a_contract_cut_short_credits_the_unused_days_once():
    settled = issue(terms(), [], "2026-01-01")
    cut = terms(ends_on="2026-01-10")
    draft = only(bill_on(cut, settled, "2026-01-12", VAT))
    assert (draft.type, draft.subtotal, draft.tax, draft.total) == ("credit_note", 6774, 1355, 8129)
    assert (draft.lines[0].amount, draft.lines[0].revision, draft.lines[0].line.amount) == (6774, 1, 3226)
    assert draft.taxes[0].base == 6774
    assert draft.due_on == draft.issue_on
    settled = issue(cut, settled, "2026-01-12")
    assert bill_on(cut, settled, "2026-02-12").drafts == ()


def test_a_charge_taken_out_is_credited_by_all_that_was_issued_for_it():
    settled = issue(terms(recurring(), one_time()), [], "2026-01-01")
    settled = issue(terms(recurring(price="80"), one_time()), settled, "2026-01-02")
    gone = terms(one_time())
    billing = bill_on(gone, settled, "2026-01-03")
    assert signed(billing) == {"fee": -8000}
    drafted = only(billing).lines[0]
    assert (drafted.revision, drafted.line.amount, drafted.line.explain.rule) == (2, 0, "not_owed")
    settled = settle(settled, billing)
    assert bill_on(gone, settled, "2026-12-31").drafts == ()


def test_a_charge_put_back_is_billed_again_under_a_further_revision():
    settled = issue(terms(), [], "2026-01-01")
    settled = issue(terms(one_time()), settled, "2026-01-02")
    draft = only(bill_on(terms(recurring(), one_time()), settled, "2026-01-03"))
    assert [(one.line.charge, one.revision, one.amount) for one in draft.lines] == [("fee", 2, 10000)]


def test_charges_and_credits_of_one_run_share_a_document():
    settled = issue(terms(), [], "2026-01-01")
    changed = terms(recurring(ends_on="2026-01-15"), recurring(key="plus", price="300", starts_on="2026-01-16"))
    draft = only(bill_on(changed, settled, "2026-01-16"))
    assert (draft.type, [one.amount for one in draft.lines], draft.total) == ("invoice", [-5161, 15484], 10323)


def test_a_change_from_advance_to_arrears_leaves_what_was_billed_alone():
    settled = issue(terms(), [], "2026-02-01")
    assert bill_on(terms(recurring(timing="arrears")), settled, "2026-02-02").drafts == ()


@pytest.mark.parametrize("how", ["elsewhere", "waived", "held"])
def test_what_is_settled_without_us_is_left_alone(how):
    settled = [Settled(slice="C-1/fee/2026-01-01", how=how)]
    assert signed(bill_on(terms(), settled, "2026-02-01")) == {"fee": 10000}
    assert bill_on(terms(one_time()), settled, "2025-12-31").drafts == ()


def test_service_that_starts_before_go_live_is_recorded_and_never_billed():
    rules = Rules(tax_rates=NO_TAX.tax_rates, go_live=date(2026, 2, 15))
    billing = bill_on(terms(), [], "2026-03-01", rules)
    assert [item.slice[-10:] for item in billing.settled_elsewhere] == ["2026-01-01", "2026-02-01"]
    assert {item.how for item in billing.settled_elsewhere} == {"elsewhere"}
    assert [one.line.starts for one in only(billing).lines] == [date(2026, 3, 1)]
    assert bill_on(terms(), settle([], billing), "2026-03-01", rules) == bill_on(
        terms(), settle([], billing), "2026-03-31", rules
    )


def test_service_starting_by_billed_through_is_billed_elsewhere():
    billing = bill_on(terms(billed_through="2026-02-01"), [], "2026-03-01")
    assert [item.slice[-10:] for item in billing.settled_elsewhere] == ["2026-01-01", "2026-02-01"]
    assert len(only(billing).lines) == 1


def test_a_later_go_live_does_not_take_back_what_we_billed_ourselves():
    settled = issue(terms(), [], "2026-01-01")
    rules = Rules(tax_rates=NO_TAX.tax_rates, go_live=date(2026, 6, 1))
    billing = bill_on(terms(), settled, "2026-01-02", rules)
    assert (billing.drafts, billing.settled_elsewhere) == ((), ())


def test_a_free_line_is_shown_beside_a_charge_of_its_day_and_makes_no_document_alone():
    contract = terms(recurring(key="free", price="0", every="month"), recurring(every="quarter"))
    settled = issue(contract, [], "2026-01-01")
    assert {item.slice for item in settled} == {"C-1/free/2026-01-01", "C-1/fee/2026-01-01"}
    assert bill_on(contract, settled, "2026-02-01").drafts == ()
    assert bill_on(contract, settled, "2026-03-31").drafts == ()
    draft = only(bill_on(contract, settled, "2026-04-01"))
    assert [(one.line.charge, one.line.starts.month) for one in draft.lines] == [("free", 4), ("fee", 4)]


def test_one_document_carries_the_next_period_in_advance_and_the_last_in_arrears():
    contract = terms(recurring(key="base"), recurring(key="support", timing="arrears"))
    settled = issue(contract, [], "2026-01-01")
    draft = only(bill_on(contract, settled, "2026-02-01"))
    assert [(one.line.charge, one.line.starts.month) for one in draft.lines] == [("base", 2), ("support", 1)]


def test_an_unknown_tax_class_stops_the_contract_and_names_what_is_known():
    contract = terms(recurring(), one_time(tax_class="digital", on="2027-01-01"))
    billing = bill_on(contract, [], "2026-01-01", VAT)
    (note,) = billing.notes
    assert billing.drafts == ()
    assert (note.code, note.path) == ("tax_class", "charges[1].tax_class")
    assert note.message == "tax class 'digital' has no rate; rates are known for: reduced, standard"


def test_a_credit_for_a_removed_charge_needs_its_tax_class_too():
    settled = issue(terms(recurring(), one_time(tax_class="reduced")), [], "2026-01-01", VAT)
    billing = bill_on(terms(), settled, "2026-01-02")
    assert [(note.code, note.path) for note in billing.notes] == [("tax_class", "")]


def test_a_missing_purchase_order_is_noted_beside_the_draft():
    billing = bill_on(terms(po_required=True), [], "2026-01-01")
    assert only(billing).po_number == ""
    assert [(note.code, note.path) for note in billing.notes] == [("po_missing", "po_number")]
    with_number = bill_on(terms(po_required=True, po_number="PO-7"), [], "2026-01-01")
    assert (only(with_number).po_number, with_number.notes) == ("PO-7", ())
    assert bill_on(terms(po_required=True), [], "2025-12-31").notes == ()


def test_a_contract_whose_currency_changed_after_billing_is_not_netted_across_currencies():
    settled = issue(terms(), [], "2026-01-01")
    billing = bill_on(terms(currency="EUR"), settled, "2026-02-01")
    assert billing.drafts == ()
    assert [note.code for note in billing.notes] == ["currency_changed"]


def test_a_slice_planned_twice_stops_the_contract(monkeypatch):
    twice = plan_module.plan(terms(), date(2026, 1, 1)) * 2
    monkeypatch.setattr("billing.invoicing.plan", lambda *_: twice)
    with pytest.raises(BrokenInvariant, match="C-1/fee/2026-01-01 is planned twice"):
        bill_on(terms(), [], "2026-01-01")


def test_a_slice_settled_twice_stops_the_contract():
    settled = issue(terms(), [], "2026-01-01")
    with pytest.raises(BrokenInvariant, match="settled twice"):
        bill_on(terms(), settled * 2, "2026-01-01")


def test_an_issued_slice_without_its_line_cannot_be_credited():
    with pytest.raises(BrokenInvariant, match="cannot be credited"):
        bill_on(terms(), [Settled(slice="C-1/old/2026-01-01", how="issued", amount=5, revision=0)], "2026-01-01")


@pytest.mark.parametrize(
    ("payment_terms", "issued", "due"),
    [
        ("net 30", "2026-01-31", "2026-03-02"),
        ("net 0", "2026-01-31", "2026-01-31"),
        ("on receipt", "2026-01-31", "2026-01-31"),
        ("eom", "2026-02-03", "2026-02-28"),
        ("eom + 15", "2026-02-28", "2026-03-15"),
        ("eom+45", "2028-02-01", "2028-04-14"),
    ],
)
def test_payment_terms_give_the_due_date(payment_terms, issued, due):
    assert due_date(payment_terms, date.fromisoformat(issued)).isoformat() == due


def test_a_draft_s_digest_tells_content_from_the_day_it_was_drafted():
    draft = only(bill_on(terms(recurring(price="100.0")), [], "2026-01-01"))
    later = only(bill_on(terms(recurring(price="100.00")), [], "2026-01-05"))
    dearer = only(bill_on(terms(recurring(price="100.01")), [], "2026-01-01"))
    assert digest(draft) == digest(later)
    assert digest(draft) != digest(dearer)
    stored = msgspec.json.decode(msgspec.json.encode(draft), type=type(draft))
    assert digest(stored) == digest(draft)


def test_the_same_inputs_give_the_same_drafts():
    contract = terms(recurring(), one_time())
    assert bill(contract, [], today=date(2026, 5, 1), rules=VAT) == bill(
        contract, [], today=date(2026, 5, 1), rules=VAT
    )
