from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from billing.facts import Facts, UsageRecord
from billing.invoicing import Billing, BrokenInvariant, Draft, Rules, Settled, bill, settle
from billing.plan import Owed, Unknown, owed, plan
from billing.terms import Terms
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


def test_what_was_issued_and_is_not_owed_by_today_is_said_as_it_may_be_owed_again_on_a_later_day():
    late = terms(recurring(timing="arrears"))
    cut = terms(recurring(timing="arrears"), ends_on="2026-01-15")
    settled = issue(cut, [], "2026-01-16")
    assert not bill_on(cut, settled, "2026-01-16").ahead
    assert bill_on(late, settled, "2026-01-20").ahead  # issued on 16 January, and owed on 1 February now
    assert not bill_on(late, settled, "2026-02-01").ahead
    assert bill_on(terms(recurring(key="other")), settled, "2026-02-01").ahead


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
    twice = Owed(plan(terms(), date(2026, 1, 1)) * 2, [])
    monkeypatch.setattr("billing.plan.owed", lambda *_: twice)
    with pytest.raises(BrokenInvariant, match="C-1/fee/2026-01-01 is planned twice"):
        bill_on(terms(), [], "2026-01-01")


def test_a_slice_settled_twice_stops_the_contract():
    settled = issue(terms(), [], "2026-01-01")
    with pytest.raises(BrokenInvariant, match="settled twice"):
        bill_on(terms(), settled * 2, "2026-01-01")


def test_an_issued_slice_without_its_line_cannot_be_credited():
    with pytest.raises(BrokenInvariant, match="cannot be credited"):
        bill_on(terms(), [Settled(slice="C-1/old/2026-01-01", how="issued", amount=5, revision=0)], "2026-01-01")


def test_the_same_inputs_give_the_same_drafts():
    contract = terms(recurring(), one_time())
    assert bill(contract, [], today=date(2026, 5, 1), rules=VAT) == bill(
        contract, [], today=date(2026, 5, 1), rules=VAT
    )


# ------------------------------------------------------------------------------------------- what the customer reads


def read(contract: Terms, settled: list[Settled], today: str) -> list[tuple[str, str, str, int]]:
    """Return a run's lines as the customer reads them: text, first day, day after the last, amount with its sign."""
    return [
        (one.shown_description, one.shown_starts.isoformat(), one.shown_until.isoformat(), draft.sign * one.amount)
        for draft in bill_on(contract, settled, today).drafts
        for one in draft.lines
    ]


def test_a_slice_cut_short_is_credited_for_its_unused_days_under_the_name_it_was_issued_with():
    settled = issue(terms(), [], "2026-01-01")
    cut = terms(recurring(description="Renamed"), ends_on="2026-01-10")
    assert read(cut, settled, "2026-01-12") == [("Credit for the unused part: Fee", "2026-01-11", "2026-02-01", -6774)]


def test_a_slice_that_grows_longer_is_billed_for_the_days_added():
    settled = issue(terms(ends_on="2026-01-10"), [], "2026-01-01")
    assert read(terms(), settled, "2026-01-12") == [("Fee", "2026-01-11", "2026-02-01", 6774)]


def test_a_slice_that_is_not_owed_any_more_is_credited_with_its_own_dates():
    settled = issue(terms(recurring(), one_time()), [], "2026-01-01")
    assert read(terms(one_time()), settled, "2026-01-02") == [("Credit: Fee", "2026-01-01", "2026-02-01", -10000)]


def test_another_amount_for_the_same_days_is_a_correction_up_or_down():
    settled = issue(terms(), [], "2026-01-01")
    assert read(terms(recurring(price="110")), settled, "2026-01-02") == [
        ("Correction: Fee", "2026-01-01", "2026-02-01", 1000)
    ]
    assert read(terms(recurring(price="90")), settled, "2026-01-02") == [
        ("Correction: Fee", "2026-01-01", "2026-02-01", -1000)
    ]


def test_a_slice_cut_short_at_another_price_is_a_correction_of_all_of_it():
    settled = issue(terms(), [], "2026-01-01")
    changed = terms(recurring(price="310"), ends_on="2026-01-05")
    assert read(changed, settled, "2026-01-12") == [("Correction: Fee", "2026-01-01", "2026-01-06", -5000)]


def test_a_charge_put_back_reads_like_the_first_time():
    settled = issue(terms(one_time()), issue(terms(recurring(), one_time()), [], "2026-01-01"), "2026-01-02")
    assert read(terms(recurring(), one_time()), settled, "2026-01-03") == [("Fee", "2026-01-01", "2026-02-01", 10000)]


CALLS = {"type": "usage", "key": "calls", "description": "Calls", "price": "2"}


def used(*quantities: str) -> Facts:
    """Return records of use in January, one for each quantity."""
    return Facts(
        usage=tuple(
            UsageRecord(id=str(number), meter="calls", day=date(2026, 1, 9), quantity=Decimal(quantity))
            for number, quantity in enumerate(quantities)
        )
    )


@pytest.mark.parametrize(
    ("late", "text", "quantity", "amount"),
    [("3", "Later usage: Calls", "3", 600), ("-1", "Correction: Calls", "4", -200)],
)
def test_usage_that_arrives_late_bills_its_difference_and_is_named_so(late, text, quantity, amount):
    contract = terms(CALLS)
    first = bill(contract, [], today=date(2026, 2, 1), rules=NO_TAX, facts=used("5"))
    assert only(first).total == 1000
    later = bill(contract, settle([], first), today=date(2026, 2, 9), rules=NO_TAX, facts=used("5", late))
    (drafted,) = only(later).lines
    assert (drafted.shown_description, drafted.shown_quantity) == (text, Decimal(quantity))
    assert only(later).sign * drafted.amount == amount
    assert drafted.shown_unit_price == 2


def test_a_stored_draft_of_an_earlier_release_reads_as_before():
    draft = only(bill_on(terms(), [], "2026-01-01"))
    stored = msgspec.to_builtins(draft)
    for name in ("waits", "against"):
        del stored[name]
    assert msgspec.convert(stored, Draft, strict=False) == draft
    for one in stored["lines"]:  # what says nothing was written out once
        one |= {"description": "", "starts": None, "until": None, "quantity": None, "unit_price": None}
        one["line"] |= {"product": "", "estimated": False, "at": "", "amendment": ""}
    assert msgspec.convert(stored, Draft, strict=False) == draft


# ---------------------------------------------------------------------------------------------- what is left alone


def unpriceable_since(day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the charge ``fee`` be unpriceable from a day on."""
    from billing import plan as module

    real, since = owed, date.fromisoformat(day)

    def partly(*given: object) -> Owed:
        found = real(*given)  # type: ignore[arg-type]
        lines = [line for line in found.lines if line.charge != "fee" or line.starts < since]
        return Owed(lines, [Unknown("fee", since, "index_missing", "no value of CPI yet", "charges[0].escalator")])

    monkeypatch.setattr(module, "owed", partly)


def test_what_cannot_be_priced_is_neither_billed_nor_credited_and_a_note_says_so(monkeypatch):
    contract = terms(recurring(), recurring(key="b"))
    settled = issue(contract, [], "2026-02-01")
    unpriceable_since("2026-02-01", monkeypatch)
    billing = bill_on(contract, settled, "2026-03-01")
    assert signed(billing) == {"b": 10000}
    assert [(note.code, note.path) for note in billing.notes] == [("index_missing", "charges[0].escalator")]
    assert only(billing).waits == ()


def test_what_cannot_be_priced_is_not_corrected_either(monkeypatch):
    settled = issue(terms(), [], "2026-02-01")
    dearer = terms(recurring(price="110"))
    lines = plan(dearer, date(2026, 2, 1))
    unknown = [
        Unknown("fee", date(2026, 3, 1), "b", "", ""),
        Unknown("fee", date(2026, 2, 1), "a", "", ""),
        Unknown("fee", date(2026, 4, 1), "c", "", ""),
    ]
    monkeypatch.setattr("billing.plan.owed", lambda *_: Owed(lines, unknown))
    (drafted,) = only(bill_on(dearer, settled, "2026-02-02")).lines
    assert drafted.line.starts == date(2026, 1, 1)


def test_what_was_issued_by_since_need_not_be_given_and_is_left_alone():
    contract = terms(recurring(), recurring(key="late", timing="arrears"))
    settled: list[Settled] = []
    for today in ("2026-01-01", "2026-02-01", "2026-03-01"):
        settled = issue(contract, settled, today)
    recent = [item for item in settled if item.line and item.line.issue_on > date(2026, 2, 1)]
    assert 0 < len(recent) < len(settled)
    for given in (recent, settled):
        billing = bill(contract, given, today=date(2026, 4, 1), rules=NO_TAX, since=date(2026, 2, 1))
        assert billing == bill_on(contract, settled, "2026-04-01")


# --------------------------------------------------------------------------------------------------- bounds


def test_a_draft_beyond_the_contract_s_value_waits_for_a_person():
    contract = terms(recurring(), one_time(on="2026-02-01"), value="250")
    settled = issue(contract, [], "2026-01-01")
    billing = bill_on(contract, settled, "2026-02-01")
    assert only(billing).waits == ("value_exceeded",)
    (note,) = billing.notes
    assert (note.code, note.path) == ("value_exceeded", "value")
    assert note.message == "with this draft 700.00 USD net would be billed, but the contract is worth 250.00 USD"
    assert only(bill_on(terms(value="100"), [], "2026-01-01")).waits == ()


def test_what_was_billed_before_since_counts_by_its_sum():
    contract = terms(value="250")
    for billed, waits in ((20000, ("value_exceeded",)), (10000, ()), (None, ())):
        billing = bill(contract, [], today=date(2026, 3, 1), rules=NO_TAX, since=date(2026, 2, 28), billed=billed)
        assert only(billing).waits == waits


def test_a_renewed_contract_is_not_held_to_the_value_of_its_first_term():
    contract = terms(ends_on="2026-01-31", renewal={"auto": True, "term": "1 month"}, value="100")
    settled = issue(contract, [], "2026-01-01")
    assert only(bill_on(contract, settled, "2026-02-01")).waits == ()


def test_a_draft_beyond_the_purchase_order_s_budget_waits_for_a_person():
    contract = terms(po_number="PO-1", po_budget="150")
    billing = bill_on(contract, issue(contract, [], "2026-01-01"), "2026-02-01")
    assert only(billing).waits == ("po_budget",)
    assert [(note.code, note.path) for note in billing.notes] == [("po_budget", "po_budget")]


def test_a_credit_waits_for_no_budget():
    contract = terms(value="100")
    settled = issue(contract, [], "2026-01-01")
    draft = only(bill_on(terms(value="50", ends_on="2026-01-10"), settled, "2026-01-12"))
    assert (draft.type, draft.waits) == ("credit_note", ())


@pytest.mark.parametrize(("price", "today", "waits"), [
    ("500", "2026-03-01", ()),  # one month is 28 days old, the one before 59: 500 of catching up
    ("1000", "2026-03-01", ()),
    ("1000.01", "2026-03-01", ("catch_up",)),
    ("1000.01", "2026-02-01", ()),  # exactly 31 days
    ("1000.01", "2026-02-02", ("catch_up",)),
])  # fmt: skip
def test_catching_up_beyond_the_threshold_waits_for_a_person(price, today, waits):
    billing = bill_on(terms(recurring(price=price)), [], today)
    assert only(billing).waits == waits
    assert tuple(note.code for note in billing.notes) == waits


def test_what_a_correction_adds_up_to_waits_beyond_the_threshold_that_is_set():
    rules = Rules(tax_rates=NO_TAX.tax_rates, catch_up_threshold=Decimal(15))
    settled = issue(terms(), [], "2026-02-01")
    billing = bill_on(terms(recurring(price="110")), settled, "2026-02-02", rules)
    assert [note.message for note in billing.notes] == [
        "20.00 USD of this draft was due more than 31 days ago, or corrects what was issued"
    ]
    assert only(bill_on(terms(recurring(price="107.50")), settled, "2026-02-02", rules)).waits == ()
    assert only(bill_on(terms(recurring(price="92")), settled, "2026-02-02", rules)).waits == ("catch_up",)


def test_a_recent_end_is_no_catching_up_and_an_old_one_is():
    rules = Rules(tax_rates=NO_TAX.tax_rates, catch_up_threshold=Decimal(15))
    settled = issue(terms(recurring(every="year", price="1200")), [], "2026-01-01")
    cut = terms(recurring(every="year", price="1200"), ends_on="2026-03-31")
    assert only(bill_on(cut, settled, "2026-04-15", rules)).waits == ()
    assert only(bill_on(cut, settled, "2026-05-02", rules)).waits == ()
    assert only(bill_on(cut, settled, "2026-05-03", rules)).waits == ("catch_up",)
    gone = terms(one_time(price="0"))
    assert only(bill_on(gone, settled, "2026-02-01", rules)).waits == ()
    assert only(bill_on(gone, settled, "2026-02-02", rules)).waits == ("catch_up",)


def test_more_credit_than_was_billed_waits_for_a_person():
    contract = terms(recurring(), one_time(price="-150", key="gift", on="2026-01-02"))
    billing = bill_on(contract, issue(contract, [], "2026-01-01"), "2026-01-02")
    assert only(billing).waits == ("credit_beyond_billed",)
    assert "150.00 USD would be credited, but only 100.00 USD was billed" in billing.notes[0].message


def test_a_draft_that_waits_leaves_only_with_a_person_s_approval_and_an_estimate_never():
    draft = only(bill_on(terms(), [], "2026-01-01"))
    assert draft.may_leave(approved=False)
    waiting = msgspec.structs.replace(draft, waits=("catch_up",))
    assert (waiting.may_leave(approved=False), waiting.may_leave(approved=True)) == (False, True)
    (drafted,) = draft.lines
    guessed = msgspec.structs.replace(drafted, line=msgspec.structs.replace(drafted.line, estimated=True))
    assert not msgspec.structs.replace(draft, lines=(drafted, guessed)).may_leave(approved=True)


def test_an_absurd_number_of_lines_is_refused():
    rules = Rules(tax_rates=NO_TAX.tax_rates, most_lines=3)
    assert len(only(bill_on(terms(), [], "2026-03-01", rules)).lines) == 3
    with pytest.raises(BrokenInvariant, match="4 lines: at most 3"):
        bill_on(terms(), [], "2026-04-01", rules)


def test_tax_is_rounded_as_the_seller_s_law_says():
    contract = terms(*(recurring(key=f"k{price}", price=price) for price in ("25.06", "25.61", "25.63")))
    rates = {"standard": Decimal(15)}
    assert only(bill_on(contract, [], "2026-01-01", Rules(tax_rates=rates))).total == 8775
    per_line = Rules(tax_rates=rates, tax_rounding="per_line")
    assert only(bill_on(contract, [], "2026-01-01", per_line)).total == 8774


def test_an_agreed_reduction_is_not_billed_again():
    settled = [msgspec.structs.replace(item, amount=7000, waived=3000) for item in issue(terms(), [], "2026-01-01")]
    assert bill_on(terms(), settled, "2026-01-31").drafts == ()
    assert signed(bill_on(terms(recurring(price="110")), settled, "2026-01-31")) == {"fee": 1000}
    assert signed(bill_on(terms(recurring(price="40")), settled, "2026-01-31")) == {"fee": -6000}
    assert signed(bill_on(terms(recurring(price="20")), settled, "2026-01-31")) == {"fee": -7000}
    assert signed(bill_on(terms(one_time(on="2027-01-01")), settled, "2026-01-31")) == {"fee": -7000}


def test_a_discount_that_is_taken_away_is_a_correction_and_no_longer_service():
    settled = issue(terms(recurring(discounts=[{"percent": 10}])), [], "2026-01-01")
    assert read(terms(), settled, "2026-01-02") == [("Correction: Fee", "2026-01-01", "2026-02-01", 1000)]
    dearer = issue(terms(), [], "2026-01-01")
    assert read(terms(recurring(discounts=[{"percent": 10}])), dearer, "2026-01-02") == [
        ("Correction: Fee", "2026-01-01", "2026-02-01", -1000)
    ]


def test_a_sum_billed_so_far_that_is_not_told_is_not_guessed_from_a_part_of_what_is_settled():
    contract = terms(value="250")
    settled = issue(contract, issue(contract, [], "2026-01-01"), "2026-02-01")
    for since, billed, waits in ((date(2026, 2, 28), None, ()), (None, 10000, ()), (None, None, ("value_exceeded",))):
        billing = bill(contract, settled, today=date(2026, 3, 1), rules=NO_TAX, since=since, billed=billed)
        assert only(billing).waits == waits


def test_a_credit_of_the_smallest_amount_is_a_credit_note_with_its_tax():
    settled = issue(terms(currency="JPY"), [], "2026-01-01", NO_TAX)
    draft = only(bill_on(terms(recurring(price="99"), currency="JPY"), settled, "2026-01-02", NO_TAX))
    assert (draft.type, draft.total) == ("credit_note", 1)
    settled = issue(terms(), [], "2026-01-01", VAT)
    (tax,) = only(bill_on(terms(recurring(price="90")), settled, "2026-01-02", VAT)).taxes
    assert (tax.base, tax.amount) == (1000, 200)


def test_the_later_of_go_live_and_billed_through_decides_and_its_own_day_is_ours():
    both = terms(billed_through="2026-01-31")
    for go_live, first in (("2026-01-01", 2), ("2026-02-01", 2), ("2026-02-02", 3), ("2026-03-01", 3)):
        rules = Rules(tax_rates={"standard": Decimal(0)}, go_live=date.fromisoformat(go_live))
        assert only(bill_on(both, [], "2026-03-01", rules)).lines[0].line.starts.month == first


def test_a_credit_and_a_charge_that_come_to_nothing_are_an_invoice_over_nothing():
    settled = issue(terms(recurring(key="old")), [], "2026-01-01")
    draft = only(bill_on(terms(recurring(key="new")), settled, "2026-01-02"))
    assert (draft.type, draft.total, draft.due_on) == ("invoice", 0, date(2026, 2, 1))
    assert sorted(one.amount for one in draft.lines) == [-10000, 10000]


def test_an_exchange_that_comes_to_nothing_waits_for_no_budget():
    settled = issue(terms(recurring(key="old")), [], "2026-01-01")
    assert only(bill_on(terms(recurring(key="new"), value="50"), settled, "2026-01-02")).waits == ()
