"""What is to come is what the runs will bill."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.facts import Facts
from billing.invoicing import Draft, Rules, Settled, bill, settle
from billing.outlook import Month, by_month, outlook
from billing.terms import Amendment, Change, OneTime, Recurring, Terms, Usage
from tests.billing.build import terms

FIRST = date(2026, 1, 1)
RULES = Rules(tax_rates={"standard": Decimal(20)})
SEATS = Recurring(key="seats", description="Seats", price=Decimal(100))


def days(drafts: tuple[Draft, ...]) -> list[tuple[date, int]]:
    return [(draft.issue_on, draft.subtotal) for draft in drafts]


def test_each_invoice_to_come_stands_on_its_own_day_and_what_is_due_by_today_first() -> None:
    agreed = terms(starts_on=FIRST, charges=(SEATS,))
    found = outlook(agreed, [], today=date(2026, 2, 10), through=date(2026, 4, 30), rules=RULES)
    assert days(found.drafts) == [
        (date(2026, 2, 10), 200_00), (date(2026, 3, 1), 100_00), (date(2026, 4, 1), 100_00)
    ]  # fmt: skip


def test_what_is_settled_does_not_come_again() -> None:
    agreed = terms(starts_on=FIRST, charges=(SEATS,))
    settled = settle([], bill(agreed, [], today=FIRST, rules=RULES))
    settled.append(Settled(slice=f"{agreed.contract}/seats/2026-02-01", how="held"))
    found = outlook(agreed, settled, today=FIRST, through=date(2026, 3, 31), rules=RULES)
    assert days(found.drafts) == [(date(2026, 3, 1), 100_00)]


def test_a_change_of_what_was_billed_comes_today() -> None:
    agreed = terms(starts_on=FIRST, charges=(SEATS,))
    settled = settle([], bill(agreed, [], today=FIRST, rules=RULES))
    dearer = msgspec.structs.replace(agreed, charges=(msgspec.structs.replace(SEATS, price=Decimal(70)),))
    (first, *_) = outlook(dearer, settled, today=date(2026, 1, 15), through=date(2026, 1, 31), rules=RULES).drafts
    assert (first.type, first.issue_on, first.subtotal) == ("credit_note", date(2026, 1, 15), 30_00)


def test_what_stands_in_the_way_is_said_once() -> None:
    agreed = terms(starts_on=FIRST, charges=(msgspec.structs.replace(SEATS, tax_class="unheard"),))
    found = outlook(agreed, [], today=FIRST, through=date(2026, 6, 30), rules=RULES)
    assert (found.drafts, [note.code for note in found.notes]) == ((), ["tax_class"])


def test_an_amendment_counts_from_the_day_on_which_it_becomes_known() -> None:
    later = Amendment(
        key="A-1", effective_on=date(2026, 2, 15), known_on=date(2026, 3, 10),
        change=(Change(charge="seats", price=Decimal(130)),),
    )  # fmt: skip
    agreed = terms(starts_on=FIRST, charges=(SEATS,), amendments=(later,))
    found = outlook(agreed, [], today=date(2026, 2, 10), through=date(2026, 4, 30), rules=RULES)
    assert days(found.drafts) == [
        (date(2026, 2, 10), 200_00), (date(2026, 3, 1), 100_00),
        (date(2026, 3, 10), 15_00 + 30_00), (date(2026, 4, 1), 130_00),
    ]  # fmt: skip


def test_what_is_not_known_yet_is_assumed_only_where_the_facts_allow_it() -> None:
    calls = Usage(key="calls", description="Calls", price=Decimal(2), estimate=Decimal(50))
    agreed = terms(starts_on=FIRST, charges=(calls,))
    options: dict[str, Any] = {"today": date(2026, 2, 10), "through": date(2026, 3, 31), "rules": RULES}
    assert outlook(agreed, [], **options).drafts == ()
    (draft,) = outlook(agreed, [], **options, facts=Facts(assume_from=date(2026, 2, 10))).drafts
    assert (draft.issue_on, draft.subtotal, draft.lines[0].line.estimated) == (date(2026, 3, 1), 100_00, True)


def test_the_months_from_the_first_billed_to_the_last_to_come_are_a_row_without_gaps() -> None:
    agreed = terms(starts_on=FIRST, charges=(msgspec.structs.replace(SEATS, every="quarter"),))
    settled = settle([], bill(agreed, [], today=FIRST, rules=RULES))
    settled.append(Settled(slice="C-1/seats/2025-10-01", how="waived"))
    found = outlook(agreed, settled, today=FIRST, through=date(2026, 4, 30), rules=RULES)
    assert by_month(settled, found.drafts) == [
        Month(date(2026, 1, 1), 100_00, 0), Month(date(2026, 2, 1), 0, 0),
        Month(date(2026, 3, 1), 0, 0), Month(date(2026, 4, 1), 0, 100_00),
    ]  # fmt: skip
    assert by_month([], ()) == []


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["week", "month", "quarter", "2 months"]),
    st.sampled_from(["advance", "arrears"]),
    st.integers(0, 120),
    st.integers(0, 200),
    st.integers(0, 20),
)
def test_the_outlook_is_what_daily_runs_then_do(every: str, timing: str, on: int, ahead: int, before: int) -> None:
    charges = (
        msgspec.structs.replace(SEATS, every=every, timing=timing),
        OneTime(key="setup", description="Setup", price=Decimal(9), on=FIRST + timedelta(days=on)),
    )
    agreed = terms(starts_on=FIRST, ends_on=date(2026, 6, 20), issue_days_before=before, charges=charges)
    today, through = FIRST + timedelta(days=10), FIRST + timedelta(days=10 + ahead)
    found = outlook(agreed, [], today=today, through=through, rules=RULES)
    assert list(found.drafts) == daily(agreed, today, through)


def daily(agreed: Terms, today: date, through: date) -> list[Draft]:
    settled: list[Settled] = []
    drafts: list[Draft] = []
    while today <= through:
        billing = bill(agreed, settled, today=today, rules=RULES)
        settled = settle(settled, billing)
        drafts += billing.drafts
        today += timedelta(days=1)
    return drafts
