"""What is steady of a contract drafts the same as working it out, to the letter, and declines what is not certain."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.draft import Rules
from billing.facts import NO_FACTS, Facts
from billing.invoicing import bill, settle
from billing.next_due import next_due
from billing.steady import Steady, Written, steady, write_steady
from billing.terms import Terms
from billing.written import to_json
from tests.billing.build import day, one_time, recurring, terms, usage, used
from tests.billing.strategies import START, Fields, Story, days, heads, stories

RULES = Rules(tax_rates={"standard": Decimal("8.25")}, catch_up_threshold=Decimal(10**9))
FAR = date(2027, 1, 1)
unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
quick = settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=unhurried)


def drafted(contract: Terms, since: date, today: date, facts: Facts = NO_FACTS, rules: Rules = RULES) -> str:
    """Return the draft of a day as text when all due by ``since`` was issued that day; empty: there is none."""
    settled = settle([], bill(contract, [], today=since, rules=rules, facts=facts))
    drafts = bill(contract, settled, today=today, rules=rules, facts=facts).drafts
    return to_json(drafts[0]) if drafts else ""


def found_on(contract: Terms, day: date, rules: Rules = RULES) -> Steady | None:
    """Return what is steady from a day on, as it comes back from where it is kept."""
    found = steady(contract, rules, day)
    return found and msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Steady)


def written(contract: Terms, since: str, today: str, rules: Rules = RULES, facts: Facts = NO_FACTS) -> Written | None:
    found = found_on(contract, day(since), rules)
    return None if found is None else write_steady(found, since=day(since), today=day(today), rules=rules, facts=facts)


# ------------------------------------------------------------------------------------------------------- the property


@st.composite
def calm(draw: st.DrawFn) -> Story:
    """Return a contract of charges that seldom change, with one that does."""
    head: Fields = draw(heads(ends=draw(st.integers(0, 3)) == 0, least=299)) | {
        "escalator": None,
        "trial_ends_on": None,
    }
    head["starts_on"] = draw(days(0, 60)).isoformat()
    charges = [
        recurring(
            key=f"fee-{number}",
            price=str(draw(st.integers(1, 900))),
            every=draw(st.sampled_from(["month", "month", "quarter", "2 weeks"])),
            timing=draw(st.sampled_from(["advance", "arrears"])),
            discounts=draw(st.sampled_from([[], [], [{"percent": 5}], [{"amount": 3}], [{"amount": 3, "periods": 2}]])),
            steps=draw(st.sampled_from([[], [], [{"starts_on": draw(days()).isoformat(), "quantity": 4}]])),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    charges += draw(st.sampled_from([[], [usage(price="0.07")], [one_time(on="2024-08-09")]]))
    if draw(st.booleans()):
        head["commitments"] = [{"key": "least", "amount": 5000, "charges": ["fee-0"]}]
    if draw(st.integers(0, 3)) == 0:
        change: Fields = {"charge": "fee-0", draw(st.sampled_from(["price", "quantity"])): 7}
        head["amendments"] = [{"key": "A", "effective_on": draw(days()).isoformat(), "change": [change]}]
    if draw(st.integers(0, 4)) == 0:
        head["renewal"] = {"auto": True, "term": "1 year", "uplift_percent": draw(st.sampled_from([0, 5]))}
    records = [used((START + timedelta(days=offset)).isoformat(), 40) for offset in range(0, 800, 40)]
    return Story(terms(*charges, **head), tuple((record.day, record) for record in records))


def same(story: Story, made: date, since: date, today: date, rules: Rules) -> bool:
    """Hold one draft that is written against the same worked out; returns whether there was one to hold."""
    facts = story.facts(FAR)
    whole = bill(story.terms, [], today=since, rules=rules, facts=facts)
    found = found_on(story.terms, made, rules) if not whole.notes and not whole.ahead else None
    if found is None:
        return False
    known = Facts(usage=facts.usage, accepted=facts.accepted) if found.rest else NO_FACTS
    text = write_steady(found, since=since, today=today, rules=rules, facts=known)
    if text is None:
        return False
    assert text.data == drafted(story.terms, since, today, facts, rules)
    soonest = next_due(story.terms, facts, today)
    if soonest is not None:
        assert text.next_on is not None
        assert today < text.next_on <= coming(story.terms, today, facts, rules)
    return bool(text.data)


def coming(contract: Terms, today: date, facts: Facts, rules: Rules) -> date:
    """Return the first day after ``today`` on which more is drafted, when all is issued by then; far off: none."""
    settled = settle([], bill(contract, [], today=today, rules=rules, facts=facts))
    soonest = next_due(contract, facts, today)
    while (
        soonest is not None
        and soonest < FAR
        and not bill(contract, settled, today=soonest, rules=rules, facts=facts).drafts
    ):
        soonest = next_due(contract, facts, soonest)
    return soonest or date.max


moments = st.tuples(days(0, 500), st.sampled_from([0, 0, 3, 40]), st.sampled_from([10, 31, 31, 35, 75]))
bounds = st.sampled_from([RULES, RULES, Rules(tax_rates=RULES.tax_rates, go_live=date(2024, 6, 11))])


@quick
@given(calm() | stories(), moments, bounds)
def test_what_is_written_is_what_working_it_out_drafts(story, moment, rules):
    made, later, further = moment
    since = made + timedelta(days=later)
    same(story, made, since, since + timedelta(days=further), rules)


@pytest.mark.long
def test_thousands_of_other_contracts():
    check = test_what_is_written_is_what_working_it_out_drafts.hypothesis.inner_test  # type: ignore[attr-defined]
    settings(quick, derandomize=False, max_examples=6000)(given(calm() | stories(), moments, bounds)(check))()


def test_most_months_of_calm_contracts_are_written():
    hits: list[bool] = []

    @settings(quick, max_examples=60)
    @given(calm(), moments)
    def look(story: Story, moment: Any) -> None:
        hits.append(same(story, moment[0], moment[0], moment[0] + timedelta(days=31), RULES))

    look()
    assert sum(hits) > len(hits) / 4


# -------------------------------------------------------------------------------------------------------- one by one


def total(found: Written | None) -> int | None:
    """Return what is drafted in minor units; None: that is not certain."""
    return None if found is None else found.draft.total if found.draft is not None else 0


FEE = recurring()
CASES: dict[str, tuple[Terms, int | None]] = {
    "a fee in advance": (terms(FEE), 108_25),
    "a fee in arrears": (terms(recurring(timing="arrears")), 108_25),
    "two fees": (terms(FEE, recurring(key="b", price="50")), 162_38),
    "a fee and usage": (terms(FEE, usage(price="0.50")), 135_31),
    "a fee for part of its last period": (terms(FEE, ends_on="2026-02-20"), None),
    "a last whole period": (terms(FEE, ends_on="2026-02-28"), 108_25),
    "usage alone": (terms(usage(price="0.50")), 27_06),
    "nothing that repeats": (terms(one_time(on="2026-02-01")), None),
    "a step in the month": (terms(recurring(steps=[{"starts_on": "2026-02-10", "price": "90"}])), None),
    "a step in the next month": (terms(recurring(steps=[{"starts_on": "2026-03-01", "price": "90"}])), 108_25),
    "a step of long ago": (terms(recurring(price="1", steps=[{"starts_on": "2025-12-01", "price": "100"}])), 108_25),
    "a discount with an end": (terms(recurring(discounts=[{"percent": 10, "ends_on": "2026-06-30"}])), None),
    "a discount without": (terms(recurring(discounts=[{"percent": 10}])), 97_43),
    "an escalator": (terms(FEE, escalator={"percent": 3}), None),
    "a price for a year": (terms(recurring(price="1200", price_per="year")), None),
    "a free charge": (terms(FEE, recurring(key="free", price="0")), None),
    "a value to keep to": (terms(FEE, value="5000"), None),
    "a purchase order's budget": (terms(FEE, po_number="7", po_budget="5000"), None),
    "a purchase order that is missing": (terms(FEE, po_required=True), None),
    "a holdback": (terms(FEE, holdback={"percent": 5}), None),
    "a late fee": (terms(FEE, late_fee={"percent": 5}), None),
    "an amount off the whole": (terms(FEE, discounts=[{"amount": 5}]), None),
    "invoices for all of a customer's contracts": (terms(FEE, invoice_grouping="customer"), None),
    "a commitment settled later": (terms(FEE, commitments=[{"key": "least", "amount": 5000}]), 108_25),
    "a commitment settled now": (terms(FEE, commitments=[{"key": "least", "amount": 500, "every": "month"}]), None),
    "an amendment of long ago": (
        terms(FEE, amendments=[{"key": "A", "effective_on": "2026-01-01", "change": [{"charge": "fee", "price": 90}]}]),
        97_43,
    ),
    "an amendment to come": (
        terms(FEE, amendments=[{"key": "A", "effective_on": "2026-02-01", "change": [{"charge": "fee", "price": 90}]}]),
        None,
    ),
    "billed elsewhere so far": (terms(FEE, billed_through="2026-02-28"), None),
}


@pytest.mark.parametrize(("contract", "expected"), CASES.values(), ids=CASES)
def test_the_month_after_is_written_where_nothing_can_change(contract, expected):
    records = Facts(usage=(used("2026-01-09", 50),))
    since, today = day("2026-01-05"), day("2026-02-01")
    found = written(contract, "2026-01-05", "2026-02-01", facts=records)
    assert total(found) == expected
    if found is not None:
        assert found.data == drafted(contract, since, today, records)


def test_what_is_settled_no_further_than_an_earlier_day_is_not_certain():
    found = found_on(terms(FEE), day("2026-01-05"))
    assert found is not None
    for since, today, certain in (("2026-01-04", "2026-02-01", False), ("2026-01-05", "2026-02-01", True)):
        text = write_steady(found, since=day(since), today=day(today), rules=RULES)
        assert (text is not None) == certain


def test_what_is_due_for_over_a_month_is_not_ordinary():
    assert total(written(terms(FEE), "2026-01-05", "2026-03-04")) == 216_50
    assert total(written(terms(FEE), "2026-01-05", "2026-03-05")) is None


def test_lines_beyond_the_bound_are_refused_by_the_whole_way():
    few = Rules(tax_rates=RULES.tax_rates, most_lines=1)
    assert total(written(terms(FEE), "2026-01-05", "2026-02-01", few)) == 108_25
    assert total(written(terms(FEE, recurring(key="b")), "2026-01-05", "2026-02-01", few)) is None


def test_names_that_look_like_the_gaps_for_days_stay_as_they_are():
    odd = 'A "0001-01-01" and "0001-01-02", "lines":["0001-01-03"]'
    contract = terms(recurring(description=odd, product="0001-01-01"), customer=odd, po_number='"lines":[')
    found = written(contract, "2026-01-05", "2026-02-01")
    assert found is not None
    assert found.data == drafted(contract, day("2026-01-05"), day("2026-02-01"))


def test_what_comes_next_is_the_next_period_or_the_day_until_which_it_holds():
    found = written(terms(FEE, issue_days_before=10), "2026-01-01", "2026-01-22")
    assert found is not None
    assert found.next_on == day("2026-02-01")  # a period begins; of the one after it the invoice is due on 19 February
    step = recurring(steps=[{"starts_on": "2026-04-01", "price": "90"}])
    found = written(terms(step), "2026-01-05", "2026-03-01")
    assert found is not None
    assert found.next_on == day("2026-04-01")


def test_what_is_billed_elsewhere_ends_with_its_last_day():
    for through, expected in (("2026-01-31", 108_25), ("2026-02-01", None)):
        contract = terms(FEE, billed_through=through)
        found = written(contract, "2026-01-05", "2026-02-01")
        assert total(found) == expected
        if found is not None:
            assert found.data == drafted(contract, day("2026-01-05"), day("2026-02-01"))


@pytest.mark.parametrize("since", ["2026-01-19", "2026-01-20"])
def test_a_commitment_that_ends_is_settled_the_whole_way(since):
    ending = {"key": "least", "amount": 5000, "ends_on": "2026-01-20"}
    assert total(written(terms(FEE, commitments=[ending]), since, "2026-02-01")) is None


def test_a_charge_that_comes_back_much_later_holds_no_other_back():
    yearly = recurring(key="licence", every="year", price="900")
    stepped = recurring(steps=[{"starts_on": "2026-06-01", "price": "90"}])
    assert total(written(terms(stepped, yearly), "2026-01-05", "2026-02-01")) == 108_25


def test_a_charge_whose_service_is_over_is_not_in_the_way():
    over = [recurring(key="old", ends_on="2026-01-03"), usage(key="older", price="1", ends_on="2025-12-31")]
    contract = terms(FEE, *over)
    found = written(contract, "2026-01-05", "2026-02-01")
    assert found is not None
    assert found.data == drafted(contract, day("2026-01-05"), day("2026-02-01"))


RESETTING = usage(price="1", resets="quarter")
KEEPING = {"type": "retainer", "key": "h", "description": "H", "price": 5, "overage_price": 1,
           "included": 2, "rollover": "all"}  # fmt: skip


@pytest.mark.parametrize(
    ("charges", "first", "still_open"),
    [
        ([FEE], None, "0001-01-01"),
        ([FEE, usage(price="1")], "2026-02-01", "2026-03-01"),
        ([FEE, RESETTING], "2026-01-01", "2026-03-01"),
        ([FEE, usage(price="1"), RESETTING | {"key": "other"}], "2026-01-01", "2026-03-01"),
        ([FEE, KEEPING], "0001-01-01", "2026-03-01"),
        ([FEE, usage(price="1", minimum="3", bill_over="10")], "0001-01-01", None),
        ([FEE, usage(price="1", ends_on="2026-02-14")], "2026-02-01", "2026-02-15"),
    ],
)
def test_it_says_whose_days_usage_matters_and_from_which_on_it_does_not_yet(charges, first, still_open):
    found = found_on(terms(*charges), day("2026-02-10"))
    assert found is not None
    assert found.uses(day("2026-02-10"), day("2026-03-05")) == (first and day(first))
    assert found.open_from(day("2026-03-05")) == (still_open and day(still_open))
