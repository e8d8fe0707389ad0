"""What must hold for all contracts, not only for the worked ones. The calendar and money have theirs at the end."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from billing.amendments import in_force
from billing.explain import explain_text, recompute
from billing.invoicing import Billing, Rules, Settled, bill, settle
from billing.line import Line
from billing.money import allocate, exponent
from billing.next_due import next_due
from billing.periods import Grid
from billing.plan import plan, usage_from
from billing.tax import document_taxes, spread
from billing.terms import Amendment, Change, Prepaid, Recurring, parse_interval
from tests.billing.build import NO_TAX, recurring, terms
from tests.billing.strategies import (
    LATEST,
    START,
    Story,
    currencies,
    days,
    prices,
    quantities,
    stories,
)

FAR = LATEST + timedelta(days=1200)  # everything has happened, is known and is due
BEFORE = START - timedelta(days=40)
_UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
quick = settings(derandomize=True, deadline=None, suppress_health_check=_UNHURRIED)
long = settings(quick, derandomize=False, max_examples=400)
rates = st.decimals(0, 30, places=3)


PROPERTIES: list[tuple[str, Callable[[], None]]] = []  # each with many more contracts, for the long run


def holds_for(*strategies: st.SearchStrategy[Any], examples: int = 40) -> Callable[[Callable[..., None]], Any]:
    """Test a property on some random contracts, the same every time, and on many others in the long run."""

    def both(check: Callable[..., None]) -> Any:
        PROPERTIES.append((check.__name__, long(given(*strategies)(check))))
        return settings(quick, max_examples=examples)(given(*strategies)(check))

    return both


class Run(NamedTuple):
    """A day on which a contract was billed, what came of it, and what was settled before and after."""

    today: date
    before: list[Settled]
    billing: Billing
    after: list[Settled]


def walk(story: Story, on: Iterable[date], rules: Rules = NO_TAX) -> list[Run]:
    """Bill and issue on one day after the other, with the facts and amendments known by then."""
    settled: list[Settled] = []
    runs = []
    for today in on:
        billing = bill(story.terms, settled, today=today, rules=rules, facts=story.facts(today))
        after = settle(settled, billing)
        runs.append(Run(today, settled, billing, after))
        settled = after
    return runs


def every(step: int, until: date = LATEST) -> list[date]:
    """Return run days ``step`` days apart, and a last one when all is over."""
    count = (until - BEFORE).days // step
    return [*(BEFORE + timedelta(days=step * number) for number in range(count + 1)), FAR]


def by_charge(runs: Iterable[Run]) -> dict[str, int]:
    """Return what each charge was billed in all, net of credits; nothing for a charge without."""
    sums: dict[str, int] = {}
    for run in runs:
        for draft in run.billing.drafts:
            for one in draft.lines:
                sums[one.line.charge] = sums.get(one.line.charge, 0) + draft.sign * one.amount
    return {charge: amount for charge, amount in sums.items() if amount}


def owed(story: Story, through: date = FAR, since: date | None = None) -> list[Line]:
    """Return what a contract owes when everything is known."""
    return plan(in_force(story.terms, FAR), through, story.facts(FAR), since)


def worth(lines: Iterable[Line]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.charge] = sums.get(line.charge, 0) + line.amount
    return {charge: amount for charge, amount in sums.items() if amount}


# --------------------------------------------------------------------------------------------- when billing runs


@holds_for(stories(), st.integers(20, 45))
def test_month_by_month_bills_the_same_per_charge_as_all_at_once(story, step):
    assert by_charge(walk(story, every(step))) == by_charge(walk(story, [FAR]))


@holds_for(stories(most_days=70), examples=4)
def test_day_by_day_bills_the_same_per_charge_as_all_at_once(story):
    first = story.terms.starts_on - timedelta(days=12)
    on = [first + timedelta(days=offset) for offset in range(160)]
    assert by_charge(walk(story, [*on, FAR])) == by_charge(walk(story, [FAR]))


@holds_for(stories(), days(), days())
def test_billed_and_to_be_billed_is_the_contract_s_value(story, one, other):
    billed, later = walk(story, sorted({one, other})), walk(story, sorted({one, other, FAR}))[-1]
    sums = by_charge(billed)
    for charge, amount in by_charge([later]).items():
        sums[charge] = sums.get(charge, 0) + amount
    assert {charge: amount for charge, amount in sums.items() if amount} == worth(owed(story))


@holds_for(stories(), days(), days())
def test_a_rerun_on_the_same_day_bills_nothing(story, one, other):
    for run in walk(story, sorted({one, other})):
        again = bill(story.terms, run.after, today=run.today, rules=NO_TAX, facts=story.facts(run.today))
        assert again.drafts == ()


@holds_for(stories(amended=False), days(), days())
def test_a_rerun_on_an_earlier_day_neither_bills_nor_credits(story, one, other):
    facts = story.facts(FAR)
    settled = settle([], bill(story.terms, [], today=max(one, other), rules=NO_TAX, facts=facts))
    assert bill(story.terms, settled, today=min(one, other), rules=NO_TAX, facts=facts).drafts == ()


# ----------------------------------------------------------------------------------------- documents, credits, words


@holds_for(stories(), days(), days(), rates, st.sampled_from(["per_document", "per_line"]))
def test_lines_and_taxes_add_up_to_their_document(story, one, other, rate, rounding):
    rules = Rules(tax_rates={"standard": rate}, tax_rounding=rounding)
    for run in walk(story, sorted({one, other, FAR}), rules):
        for draft in run.billing.drafts:
            assert draft.subtotal == sum(line.amount for line in draft.lines) == sum(tax.base for tax in draft.taxes)
            assert draft.tax == sum(tax.amount for tax in draft.taxes)
            assert draft.total == draft.subtotal + draft.tax >= 0
            if rounding == "per_document":
                assert sum(spread(draft.taxes[0], [line.amount for line in draft.lines])) == draft.tax


@holds_for(stories(), st.integers(15, 200))
def test_a_slice_adds_up_to_what_is_owed_and_no_credit_exceeds_what_was_billed(story, step):
    for run in walk(story, every(step)):
        was = {item.slice: item.amount for item in run.before}
        lines = plan(in_force(story.terms, run.today), FAR, story.facts(run.today))
        due = {line.slice: line.amount for line in lines}
        for item in run.after:
            assert item.amount == due.get(item.slice, 0)
        for draft in run.billing.drafts:
            for one in draft.lines:
                credited, billed = -draft.sign * one.amount, was.get(one.line.slice, 0)
                assert credited <= max(billed, 0) - min(due.get(one.line.slice, 0), 0)
        assert [item.slice for item in run.after] == list(dict.fromkeys(item.slice for item in run.after))


@holds_for(stories(extra=False), st.integers(15, 200))
def test_no_charge_is_ever_credited_below_nothing(story, step):
    assume(not any(isinstance(charge, Prepaid) for charge in in_force(story.terms, FAR).charges))
    for run in walk(story, every(step)):
        sums: dict[str, int] = {}
        for item in run.after:
            charge = item.slice.split("/")[1]
            sums[charge] = sums.get(charge, 0) + item.amount
        assert all(amount >= 0 for amount in sums.values())


@holds_for(stories())
def test_an_explanation_recomputes_to_its_line_and_can_be_worded(story):
    for line in owed(story):
        assert recompute(line.explain) == line.amount
        assert explain_text(line.explain)
        assert line.explain.operands["currency"] == story.terms.currency


# ----------------------------------------------------------------------------------------------- how far is planned


@holds_for(stories(), days(), days())
def test_lines_do_not_depend_on_how_far_is_planned(story, one, other):
    short, further = owed(story, min(one, other)), owed(story, max(one, other))
    assert short == [line for line in further if line.issue_on <= min(one, other)]
    assert all(line.issue_on <= max(one, other) for line in further)
    assert len({line.slice for line in further}) == len(further)


@holds_for(stories(), days(), days())
def test_since_leaves_out_lines_issued_by_that_day_and_changes_nothing_else(story, one, other):
    since, through = min(one, other), max(one, other)
    whole, rest = owed(story, through), owed(story, through, since)
    assert [line for line in rest if line.issue_on > since] == [line for line in whole if line.issue_on > since]
    assert {line.slice for line in rest} <= {line.slice for line in whole}


# First days of the periods of a contract that begins on START, and the days around them.
edges = st.builds(
    lambda months, off: Grid(START, 1, True, 20).boundary(months) + timedelta(days=off),
    st.integers(0, 8),
    st.sampled_from([-1, 0, 0, 0, 1, 11]),
)


@st.composite
def ramped(draw) -> Story:
    """Return one charge whose price and seats change by date and by nothing else, as most amended contracts have it."""
    steps = [
        {"starts_on": day.isoformat(), draw(st.sampled_from(["price", "quantity"])): draw(st.integers(1, 9))}
        for day in sorted(draw(st.sets(edges, max_size=3)))
    ]
    fields = {"timing": draw(st.sampled_from(["advance", "arrears"])), "steps": steps}
    fields["seats_added"] = draw(st.sampled_from(["prorate", "next_period"]))
    contract = terms(recurring(**fields), starts_on=START.isoformat(), issue_days_before=draw(st.sampled_from([0, 10])))
    return Story(contract)


@holds_for(ramped(), edges, st.integers(0, 70), examples=150)
def test_a_ramp_bills_the_same_when_only_what_comes_after_a_day_is_asked_for(story, since, further):
    through = since + timedelta(days=further)
    whole, rest = owed(story, through), owed(story, through, since)
    assert [line for line in rest if line.issue_on > since] == [line for line in whole if line.issue_on > since]


@holds_for(stories(amended=False), days(), days())
def test_usage_before_the_day_named_by_usage_from_changes_no_line_to_come(story, one, other):
    since, through = min(one, other), max(one, other)
    facts = story.facts(FAR)
    first = usage_from(story.terms, through, since) or date.min
    recent = msgspec.structs.replace(facts, usage=tuple(record for record in facts.usage if record.day >= first))
    lines = [plan(story.terms, through, known, since) for known in (facts, recent)]
    coming = [[line for line in found if line.issue_on > since] for found in lines]
    assert coming[0] == coming[1]


@holds_for(stories(amended=False), days(), days())
def test_a_run_that_starts_late_drafts_what_a_full_one_does(story, one, other):
    since, today = min(one, other), max(one, other)
    facts = story.facts(FAR)
    settled = settle([], bill(story.terms, [], today=since, rules=NO_TAX, facts=facts))
    full = bill(story.terms, settled, today=today, rules=NO_TAX, facts=facts)
    billed = sum(item.amount for item in settled)
    for kept in (settled, []):
        late = bill(story.terms, kept, today=today, rules=NO_TAX, facts=facts, since=since, billed=billed)
        assert late.drafts == full.drafts


@holds_for(stories(amended=False), days())
def test_nothing_is_issued_before_the_day_on_which_something_is_next_due(story, after):
    facts = story.facts(FAR)
    coming = [line.issue_on for line in plan(story.terms, FAR, facts) if line.issue_on > after]
    soonest = next_due(story.terms, facts, after)
    if coming:
        assert soonest is not None
        assert after < soonest <= min(coming)
    # each day named brings one nearer to the end
    assert soonest is None or soonest > after


@holds_for(stories())
def test_between_the_days_named_by_next_due_nothing_changes(story):
    today = story.terms.starts_on
    facts = story.facts(FAR)
    for _ in range(4):
        soonest = next_due(story.terms, facts, today)
        if soonest is None:
            break
        quiet = soonest - timedelta(days=1)
        now, then = (plan(in_force(story.terms, one), one, facts) for one in (today, quiet))
        assert [(line.slice, line.amount) for line in now] == [(line.slice, line.amount) for line in then]
        today = soonest


# ------------------------------------------------------------------------------------------------------- amendments


@st.composite
def undone(draw) -> tuple[Story, Story, list[date]]:
    """Return a contract as signed, the same with an amendment and another that takes it back, and the days of runs."""
    story = draw(stories(amended=False))
    first, last = story.terms.starts_on, story.terms.ends_on
    on = first + timedelta(days=draw(st.integers(0, (last - first).days)))
    known = [on + timedelta(days=draw(st.integers(-20, 100)))]
    known.append(known[0] + timedelta(days=draw(st.integers(0, 100))))
    plain = [one for one in story.terms.charges if isinstance(one, Recurring) and not one.steps and not one.tiers]
    what = draw(st.sampled_from(["price", "quantity", "end"] if plain else ["end"]))
    changes: tuple[dict[str, object], dict[str, object]]
    if what == "end":
        changes = {"ends_on": on}, {"ends_on": last}
    else:
        charge = msgspec.structs.replace(plain[0], escalates=False)
        charges = tuple(charge if one.key == charge.key else one for one in story.terms.charges)
        story = story._replace(terms=msgspec.structs.replace(story.terms, charges=charges))
        new = draw(prices if what == "price" else quantities)
        changes = tuple(
            {"change": (Change(charge=charge.key, **{what: value}),)} for value in (new, getattr(charge, what))
        )  # type: ignore[assignment]
    amendments = tuple(
        Amendment(key=f"A{number}", effective_on=on, known_on=day, **change)  # type: ignore[arg-type]
        for number, (day, change) in enumerate(zip(known, changes, strict=True))
    )
    return story, story._replace(terms=msgspec.structs.replace(story.terms, amendments=amendments)), known


@holds_for(undone())
def test_an_amendment_that_is_undone_bills_nothing_in_sum(stories_and_days):
    signed, amended, known = stories_and_days
    runs = walk(amended, [*sorted({*known, known[-1] + timedelta(days=40)}), FAR])
    assert by_charge(runs) == by_charge(walk(signed, [FAR]))
    assert {(line.slice, line.amount) for line in owed(amended)} == {(line.slice, line.amount) for line in owed(signed)}


@holds_for(stories(amended=False), stories(amended=False), days(), days())
def test_whatever_a_person_makes_of_the_terms_the_next_run_bills_the_difference(before, after, one, other):
    rewritten = msgspec.structs.replace(after.terms, currency=before.terms.currency)
    first = bill(before.terms, [], today=min(one, other), rules=NO_TAX, facts=before.facts(FAR))
    facts = after.facts(FAR)
    settled = settle(settle([], first), bill(rewritten, settle([], first), today=FAR, rules=NO_TAX, facts=facts))
    due = {line.slice: line.amount for line in plan(rewritten, FAR, facts)}
    assert {item.slice: item.amount for item in settled if item.amount} == {key: due[key] for key in due if due[key]}
    assert bill(rewritten, settled, today=FAR, rules=NO_TAX, facts=facts).drafts == ()


# ------------------------------------------------------------------------------------------------- calendar and money


@holds_for(days(), st.integers(1, 31), st.sampled_from([1, 2, 3, 6, 12]))
def test_month_boundaries_never_drift_from_the_anchor(start, anchor, months):
    of = Grid(start, months, True, anchor)
    for index in range(-30, 30):
        boundary = of.boundary(index)
        assert boundary.day == min(anchor, monthrange(boundary.year, boundary.month)[1])
        assert of.index_of(boundary) == index
        assert of.index_of(boundary - timedelta(days=1)) == index - 1


@given(
    days(), st.integers(1, 400), st.integers(1, 31), st.sampled_from(["week", "10 days", "month", "quarter", "year"])
)
@quick
def test_periods_cover_every_day_exactly_once(start, length, anchor, interval):
    until = start + timedelta(days=length)
    found = list(Grid.of(start, parse_interval(interval), anchor).periods(start, until))
    assert found[0].starts == start
    assert found[-1].until == until
    assert all(one.until == other.starts for one, other in pairwise(found))
    assert all(one.full_starts <= one.starts < one.until <= one.full_until for one in found)


@holds_for(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_shares_of_a_total_lose_nothing_and_stay_within_one_minor_unit(total, weights):
    shares = allocate(total, weights)
    assert sum(shares) == total
    even = weights if any(weights) else [1] * len(weights)
    exact = [Fraction(total * weight, sum(even)) for weight in even]
    assert all(abs(share - part) < 1 for share, part in zip(shares, exact, strict=True))


@holds_for(prices, currencies, st.integers(1, 28), st.sampled_from(["month", "quarter", "4 months", "half_year"]))
def test_a_yearly_price_billed_in_parts_loses_no_cent_in_any_year(price, currency, anchor, interval):
    contract = terms(
        recurring(price=str(price), price_per="year", every=interval), currency=currency, anchor_day=anchor
    )
    per_year = 12 // parse_interval(interval).count
    full = plan(contract, date(2029, 1, 1))[1:]  # the first may be a stub
    for first in range(len(full) - per_year):
        year = sum(line.amount for line in full[first : first + per_year])
        assert abs(year - price * 10 ** exponent(currency)) < 1


@holds_for(st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=12), st.decimals(0, 40, places=3))
def test_a_document_s_tax_spread_over_lines_stays_within_one_minor_unit_of_each_line_s_own(amounts, rate):
    (tax,) = document_taxes([("standard", amount) for amount in amounts], {"standard": rate})
    shares = spread(tax, amounts)
    assert sum(shares) == tax.amount
    assert all(abs(share - amount * Fraction(rate) / 100) <= 1 for share, amount in zip(shares, amounts, strict=True))


# ---------------------------------------------------------------------------------------------------- the long run


@pytest.mark.long
@pytest.mark.parametrize("check", [check for _, check in PROPERTIES], ids=[name for name, _ in PROPERTIES])
def test_hundreds_of_other_contracts(check):
    check()
