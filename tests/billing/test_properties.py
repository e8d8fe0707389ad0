"""What must hold for all terms, not only for the worked ones."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import gcd

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.invoicing import Rules, Settled
from billing.money import allocate, exponent, round_half_away
from billing.periods import Grid
from billing.plan import Line, plan
from billing.tax import document_taxes, spread
from billing.terms import Terms, parse_interval
from tests.billing.build import bill_on, issue, one_time, recurring, signed, terms

quick = settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

START = date(2023, 12, 20)
END = START + timedelta(days=900)
days = st.integers(0, 800).map(lambda offset: START + timedelta(days=offset))
prices = st.decimals(0, 5000, places=3)
currencies = st.sampled_from(["JPY", "USD", "KWD"])
discounts = st.lists(
    st.one_of(
        st.builds(lambda value: {"percent": str(value)}, st.decimals(0, 100, places=2)),
        st.builds(lambda value: {"amount": str(value)}, st.decimals(0, 500, places=2)),
    ),
    max_size=2,
)
intervals = st.sampled_from(
    [
        ("week", None),
        ("2 weeks", "week"),
        ("30 days", None),
        ("month", None),
        ("month", "year"),
        ("quarter", "month"),
        ("4 months", "year"),
        ("half_year", None),
        ("year", "quarter"),
        ("year", None),
    ]
)


@st.composite
def charges(draw, key: str):
    if draw(st.integers(0, 4)) == 0:
        return one_time(key=key, price=str(draw(prices)), on=draw(days).isoformat())
    every, price_per = draw(intervals)
    starts = draw(st.none() | days)
    own_anchor = st.none() | st.integers(1, 31) | st.just("last")
    return recurring(
        key=key,
        price=str(draw(prices)),
        quantity=str(draw(st.decimals(0, 40, places=1))),
        discounts=draw(discounts),
        every=every,
        price_per=price_per,
        timing=draw(st.sampled_from(["advance", "arrears"])),
        starts_on=starts and starts.isoformat(),
        anchor_day=None if "week" in every or "day" in every else draw(own_anchor),
        proration=draw(st.sampled_from([None, "actual", "thirty_360", "none"])),
    )


@st.composite
def contracts(draw, currency=currencies) -> Terms:
    ends = draw(st.none() | days)
    starts = draw(days)
    return terms(
        *[draw(charges(key)) for key in draw(st.sampled_from(["a", "ab", "abc"]))],
        starts_on=starts.isoformat(),
        ends_on=max(starts, ends).isoformat() if ends else None,
        anchor_day=draw(st.none() | st.integers(1, 31) | st.just("last")),
        issue_days_before=draw(st.sampled_from([0, 0, 10])),
        currency=draw(currency),
    )


@st.composite
def amended(draw) -> tuple[Terms, Terms]:
    """Terms and what a person might make of them: cut short, repriced, a charge less, or something else altogether."""
    before = draw(contracts(st.just("USD")))
    charge = before.charges[0]
    price = Decimal(draw(prices))
    after = {
        "shorter": msgspec.structs.replace(before, ends_on=max(before.starts_on, draw(days))),
        "repriced": msgspec.structs.replace(
            before, charges=(msgspec.structs.replace(charge, price=price), *before.charges[1:])
        ),
        "a charge less": msgspec.structs.replace(before, charges=before.charges[1:] or before.charges),
        "moved": msgspec.structs.replace(before, anchor_day=draw(st.integers(1, 31))),
        "rewritten": draw(contracts(st.just("USD"))),
    }
    return before, after[draw(st.sampled_from([*after]))]


def walk(contract: Terms, step: int, settled: list[Settled]) -> dict[str, int]:
    sums: dict[str, int] = {}
    day = START - timedelta(days=15)
    while day < END + timedelta(days=step):
        billing = bill_on(contract, settled, min(day, END))
        settled[:] = issue(contract, settled, min(day, END))
        for charge, amount in signed(billing).items():
            sums[charge] = sums.get(charge, 0) + amount
        day += timedelta(days=step)
    return sums


def nonzero(sums: dict[str, int]) -> dict[str, int]:
    return {charge: amount for charge, amount in sums.items() if amount}


@given(contracts(), st.integers(20, 45))
@settings(quick, max_examples=25)
def test_step_by_step_bills_the_same_per_charge_as_all_at_once(contract, step):
    assert nonzero(walk(contract, step, [])) == nonzero(signed(bill_on(contract, [], END)))


@given(contracts())
@settings(quick, max_examples=3)
def test_day_by_day_bills_the_same_per_charge_as_all_at_once(contract):
    assert nonzero(walk(contract, 1, [])) == nonzero(signed(bill_on(contract, [], END)))


@given(contracts(), days, days)
@quick
def test_a_rerun_on_the_same_or_any_earlier_day_bills_nothing(contract, one, other):
    settled = issue(contract, [], max(one, other))
    assert bill_on(contract, settled, max(one, other)).drafts == ()
    assert bill_on(contract, settled, min(one, other)).drafts == ()


@given(contracts(), days, st.decimals(0, 30, places=3))
@quick
def test_lines_and_taxes_add_up_to_their_document(contract, today, rate):
    for draft in bill_on(contract, [], today, Rules(tax_rates={"standard": rate})).drafts:
        assert draft.subtotal == sum(one.amount for one in draft.lines) == sum(tax.base for tax in draft.taxes)
        assert draft.tax == sum(tax.amount for tax in draft.taxes)
        assert draft.total == draft.subtotal + draft.tax >= 0
        assert sum(spread(draft.taxes[0], [one.amount for one in draft.lines])) == draft.tax


@given(amended(), days, days)
@settings(quick, max_examples=80)
def test_after_any_change_a_slice_adds_up_to_what_is_owed_and_is_never_credited_below_nothing(pair, one, other):
    before, after = pair
    settled = issue(before, [], min(one, other))
    settled = issue(after, settled, max(one, other))
    owed = {line.slice: line.amount for line in plan(after, max(line_ends(settled, max(one, other))))}
    for item in settled:
        assert item.amount == owed.get(item.slice, 0)
        assert item.amount >= 0
    assert bill_on(after, settled, max(one, other)).drafts == ()


def line_ends(settled: list[Settled], today: date) -> list[date]:
    return [today, *(max(item.line.issue_on, item.line.until) for item in settled if item.line)]


@given(contracts())
@quick
def test_an_explanation_recomputes_to_the_amount(contract):
    for line in plan(contract, END):
        assert recomputed(line) == line.amount


def recomputed(line: Line) -> int:
    """Work the amount out from the explanation's operands alone."""
    told = line.explain.operands
    gross = Fraction(told["price"]) * Fraction(told["quantity"])
    share = before = Fraction(1)
    if line.explain.rule == "recurring":
        every, per = parse_interval(told["every"]), parse_interval(told["price_per"])
        size = Fraction(every.count, per.count)
        step = 1 / Fraction(every.count, gcd(every.count, per.count))
        gross *= size
        share = sum((Fraction(part) for part in told["parts"].split(" + ")), Fraction(0)) * step
    for percent in told.get("percent", "").split():
        gross *= 1 - Fraction(percent) / 100
    net = max(Fraction(0), gross - sum(Fraction(amount) for amount in told.get("off", "").split()))
    net *= 10 ** exponent(told["currency"])
    before = Fraction(told.get("before", "0"))
    return round_half_away(net * (before + share)) - round_half_away(net * before)


@given(days, st.integers(1, 31), st.sampled_from([1, 2, 3, 6, 12]))
@quick
def test_month_boundaries_never_drift_from_the_anchor(start, anchor, months):
    of = Grid(start, months, True, anchor)
    for index in range(-30, 30):
        boundary = of.boundary(index)
        assert boundary.day == min(anchor, monthrange(boundary.year, boundary.month)[1])
        assert of.index_of(boundary) == index
        assert of.index_of(boundary - timedelta(days=1)) == index - 1


@given(days, st.integers(1, 400), st.integers(1, 31), st.sampled_from(["week", "10 days", "month", "quarter", "year"]))
@quick
def test_periods_cover_every_day_exactly_once(start, length, anchor, every):
    until = start + timedelta(days=length)
    found = list(Grid.of(start, parse_interval(every), anchor).periods(start, until))
    assert found[0].starts == start
    assert found[-1].until == until
    assert all(one.until == other.starts for one, other in pairwise(found))
    assert all(one.full_starts <= one.starts < one.until <= one.full_until for one in found)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
@quick
def test_shares_of_a_total_lose_nothing_and_stay_within_one_minor_unit(total, weights):
    shares = allocate(total, weights)
    assert sum(shares) == total
    even = weights if any(weights) else [1] * len(weights)
    exact = [Fraction(total * weight, sum(even)) for weight in even]
    assert all(abs(share - part) < 1 for share, part in zip(shares, exact, strict=True))


@given(prices, currencies, st.integers(1, 28), st.sampled_from(["month", "quarter", "4 months", "half_year"]))
@quick
def test_a_yearly_price_billed_in_parts_loses_no_cent_in_any_year(price, currency, anchor, every):
    contract = terms(recurring(price=str(price), price_per="year", every=every), currency=currency, anchor_day=anchor)
    per_year = 12 // parse_interval(every).count
    full = plan(contract, date(2029, 1, 1))[1:]  # the first may be a stub
    for first in range(len(full) - per_year):
        year = sum(line.amount for line in full[first : first + per_year])
        assert abs(year - price * 10 ** exponent(currency)) < 1


@given(st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=12), st.decimals(0, 40, places=3))
@quick
def test_a_document_s_tax_spread_over_lines_stays_within_one_minor_unit_of_each_line_s_own(amounts, rate):
    (tax,) = document_taxes([("standard", amount) for amount in amounts], {"standard": rate})
    shares = spread(tax, amounts)
    assert sum(shares) == tax.amount
    assert all(abs(share - amount * Fraction(rate) / 100) <= 1 for share, amount in zip(shares, amounts, strict=True))


@given(contracts(), days)
@quick
def test_amounts_depend_on_the_terms_only_and_not_on_how_far_is_planned(contract, through):
    short = plan(contract, through)
    assert short == [line for line in plan(contract, END) if line.issue_on <= through]
    assert len({line.slice for line in plan(contract, END)}) == len(plan(contract, END))
