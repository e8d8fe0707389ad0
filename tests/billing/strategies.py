"""Random contracts for hypothesis: every kind of charge, several together, amendments, and what happens meanwhile."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from billing.amendments import faults, in_force
from billing.facts import Acceptance, Facts, UsageRecord
from billing.terms import Terms, Usage
from tests.billing.build import terms

START = date(2023, 12, 20)
LATEST = START + timedelta(days=800)  # no contract lives longer, and nothing happens later
Known = tuple[date, Any]  # the day something became known, and what

Fields = dict[str, Any]


class Story(NamedTuple):
    """A contract with its amendments, and facts with the day each became known."""

    terms: Terms
    usage: tuple[tuple[date, UsageRecord], ...] = ()
    accepted: tuple[tuple[date, Acceptance], ...] = ()

    def facts(self, today: date) -> Facts:
        """Return what is known on a day."""
        return Facts(
            usage=tuple(record for known, record in self.usage if known <= today),
            accepted=tuple(one for known, one in self.accepted if known <= today),
        )


def days(least: int = 0, most: int = 800) -> st.SearchStrategy[date]:
    """Return days from the first one on, month ends oftener than by chance."""
    plain = st.integers(least, most).map(lambda offset: START + timedelta(days=offset))
    ends = [date(2023, 12, 31), date(2024, 1, 31), date(2024, 2, 28), date(2024, 2, 29), date(2024, 4, 30)]
    ends += [date(2024, 12, 31), date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31), date(2025, 8, 30)]
    near = [day for day in ends if least <= (day - START).days <= most]
    return plain | st.sampled_from(near) if near else plain


prices = st.decimals(0, 5000, places=3) | st.decimals(0, 500, places=2)
quantities = st.integers(0, 40).map(Decimal) | st.decimals(0, 40, places=1)
currencies = st.sampled_from(["JPY", "USD", "KWD"])
anchors = st.none() | st.integers(1, 31) | st.just("last")
timings = st.sampled_from(["advance", "arrears"])
short_intervals = st.sampled_from(["month", "month", "quarter", "2 weeks", "30 days"])
intervals = short_intervals | st.sampled_from(["half_year", "year", "week", "4 months"])
price_intervals = st.sampled_from(
    [
        ("month", "year"),
        ("quarter", "month"),
        ("4 months", "year"),
        ("year", "quarter"),
        ("2 weeks", "week"),
        ("year", "month"),
    ]
)
brackets = st.sampled_from(
    [
        [{"up_to": "5", "price": "10", "flat": "100"}, {"price": "5.125"}],
        [{"up_to": "10", "price": "3.333"}, {"up_to": "20", "price": "2"}, {"price": "1.5"}],
        [{"up_to": "2.5", "price": "0"}, {"up_to": "7", "price": "9", "flat": "3.5"}, {"price": "8.01", "flat": "1"}],
    ]
)


OTHER_PRORATIONS = ("thirty_360", "months_then_days", "by_months", "none")


@st.composite
def discounts(draw: st.DrawFn, *, dated: bool = True) -> list[Fields]:
    """Return up to two reductions, a percentage or an amount; one of them at most within dates of its own."""
    found: list[Fields] = []
    for index in range(draw(st.sampled_from([0, 0, 1, 2]))):
        one: Fields = draw(
            st.decimals(0, 100, places=2).map(lambda value: {"percent": str(value)})
            | st.decimals(0, 300, places=2).map(lambda value: {"amount": str(value)})
        )
        if dated and index == 0:
            limits = draw(st.sampled_from(["", "from", "until", "both", "periods"]))
            first, last = sorted((draw(days()), draw(days())))
            one |= {"starts_on": first.isoformat()} if limits in ("from", "both") else {}
            one |= {"ends_on": last.isoformat()} if limits in ("until", "both") else {}
            one |= {"periods": draw(st.integers(1, 4))} if limits == "periods" else {}
        found.append(one)
    return found


def own_anchor(draw: st.DrawFn, every: str) -> Any:
    """Return an anchor of a charge's own, where its interval allows one."""
    return None if "week" in every or "day" in every else draw(st.none() | st.none() | anchors)


@st.composite
def ramps(draw: st.DrawFn, *, quantity: bool = True) -> list[Fields]:
    """Return steps of price, quantity or both, each on a day of its own."""
    found = []
    for day in sorted(draw(st.sets(days(), max_size=3))):
        what = draw(st.sampled_from(["price", "quantity", "both"])) if quantity else "price"
        step: Fields = {"starts_on": day.isoformat()}
        if what != "quantity":
            step["price"] = str(draw(prices))
        if what != "price":
            step["quantity"] = str(draw(quantities))
        found.append(step)
    return found


@st.composite
def recurring(draw: st.DrawFn, key: str, *, plain: bool = False) -> Fields:
    """Return a recurring charge; ``plain``: without a price for another interval."""
    charge: Fields = {"type": "recurring", "key": key, "description": "Fee", "price": str(draw(prices))}
    charge["quantity"] = str(draw(quantities))
    charge["timing"] = draw(timings)
    charge["proration"] = draw(st.sampled_from([None, None, "actual", *OTHER_PRORATIONS]))
    starts = draw(st.none() | days())
    charge["starts_on"] = starts and starts.isoformat()
    if not plain and draw(st.integers(0, 3)) == 0:  # a price for another interval stays as it is signed
        charge["every"], charge["price_per"] = draw(price_intervals)
        charge |= {"discounts": draw(discounts(dated=False)), "escalates": False}
    else:
        charge["every"] = draw(intervals)
        charge["discounts"] = draw(discounts())
        charge["steps"] = draw(ramps())
        charge["seats_added"] = draw(st.sampled_from([None, "prorate", "next_period"]))
        charge["seats_removed"] = draw(st.sampled_from([None, "renewal", "credit", "high_water", "next_period"]))
        if draw(st.integers(0, 4)) == 0:
            charge |= {"tiers": draw(brackets), "tier_mode": draw(st.sampled_from(["graduated", "volume"]))}
    charge["anchor_day"] = own_anchor(draw, charge["every"])
    return charge


@st.composite
def usage(draw: st.DrawFn, key: str, *, simple: bool = False) -> Fields:
    """Return a usage charge of a model by units; ``simple``: what the plain calculation knows too."""
    charge: Fields = {"type": "usage", "key": key, "description": "Usage", "meter": draw(st.sampled_from(["m", "n"]))}
    charge["every"] = draw(short_intervals)
    starts = draw(st.none() | days())
    charge["starts_on"] = starts and starts.isoformat()
    charge["model"] = draw(st.sampled_from(["per_unit", "graduated", "volume", "package"]))
    charge["free_units"] = str(draw(st.sampled_from([Decimal(0), Decimal(3), Decimal("12.5")])))
    if charge["model"] in ("graduated", "volume"):
        charge["tiers"] = draw(brackets)
    else:
        charge["price"] = str(draw(prices))
    if charge["model"] == "package":
        charge["package_size"] = str(draw(st.sampled_from([Decimal(1), Decimal(7), Decimal(100)])))
    if charge["model"] == "per_unit":
        charge["per"] = str(draw(st.sampled_from([Decimal(1), Decimal(10), Decimal(1000)])))
    charge["discounts"] = [{"percent": str(draw(st.integers(0, 50)))}] if draw(st.booleans()) else []
    if simple:
        rare: Fields = draw(st.sampled_from([{}, {}, {"cap": "350"}, {"every": "month", "resets": "quarter"}]))
        return charge | rare
    charge["aggregation"] = draw(st.sampled_from(["sum", "sum", "max", "last"]))
    more = draw(st.sampled_from(["", "", "cap", "minimum", "resets", "invoiced", "over"]))
    charge |= {
        "": {},
        "cap": {"cap": str(draw(prices))},
        "minimum": {"minimum": str(draw(prices))},
        "resets": {"resets": "year", "every": "month", "aggregation": "sum"},
        "invoiced": {"invoiced": "quarter", "every": "month"},
        "over": {"bill_over": "500", "aggregation": "sum"},
    }[more]
    return charge


def one_time(key: str) -> st.SearchStrategy[Fields]:
    """Return one-time charges on any day."""
    return st.builds(
        lambda price, on, quantity, less: {
            "type": "one_time", "key": key, "description": "Once", "price": str(price), "on": on.isoformat(),
            "quantity": str(quantity), "discounts": less,
        },
        prices, days(), quantities, discounts(dated=False),
    )  # fmt: skip


@st.composite
def fixed_price(draw: st.DrawFn, key: str) -> Fields:
    """Return a fixed price in instalments by date, by distance or on acceptance, percentages of a hundred in all."""
    cuts = sorted(draw(st.sets(st.integers(1, 99), min_size=1, max_size=3)))
    shares = [end - start for start, end in zip([0, *cuts], [*cuts, 100], strict=True)]
    parts: list[Fields] = []
    for index, share in enumerate(shares):
        when: Fields = draw(
            st.sampled_from([{}, {"after": "2 months"}]) | days().map(lambda day: {"on": day.isoformat()})
        )
        parts.append({"key": f"part-{index}", "percent": str(share), **when})
    return {
        "type": "fixed_price", "key": key, "description": "Project", "price": str(draw(prices)), "instalments": parts,
    }  # fmt: skip


@st.composite
def retainer(draw: st.DrawFn, key: str) -> Fields:
    """Return a monthly retainer with included units, carried over or not."""
    return {
        "type": "retainer", "key": key, "description": "Retainer", "price": str(draw(prices)), "meter": "h",
        "included": str(draw(st.integers(0, 20))), "overage_price": str(draw(prices)),
        "rollover": draw(st.sampled_from(["none", "all", 1, 2])),
    }  # fmt: skip


@st.composite
def prepaid(draw: st.DrawFn, key: str) -> Fields:
    """Return an amount paid beforehand that usage draws down."""
    return {
        "type": "prepaid", "key": key, "description": "Prepaid", "price": str(draw(prices)),
        "drawn": draw(st.sampled_from(["next", "next", "final"])),
        "unused": draw(st.sampled_from(["expire", "return"])), **draw(st.sampled_from([{}, {}, {"every": "quarter"}])),
    }  # fmt: skip


@st.composite
def charges(draw: st.DrawFn, key: str) -> Fields:
    """Return a charge of any kind."""
    kinds = [recurring, recurring, recurring, usage, usage, one_time, fixed_price, retainer, prepaid]
    found: Fields = draw(draw(st.sampled_from(kinds))(key))
    return found


def escalators() -> st.SearchStrategy[Fields]:
    """Return escalators by percent."""
    return st.builds(
        lambda percent, every, method: {"percent": str(percent), "every": every, "method": method},
        st.decimals(0, 20, places=1), st.sampled_from(["year", "half_year"]), st.sampled_from(["compound", "simple"]),
    )  # fmt: skip


@st.composite
def heads(draw: st.DrawFn, *, ends: bool = True, least: int = 0) -> Fields:
    """Return the fields of a contract around its charges."""
    starts = draw(days(0, 500))
    ends_on = starts + timedelta(days=draw(st.integers(least, 800 - (starts - START).days)))
    trial = starts + timedelta(days=draw(st.integers(0, 40))) if draw(st.integers(0, 5)) == 0 else None
    return {
        "starts_on": starts.isoformat(),
        "ends_on": ends_on.isoformat() if ends else None,
        "trial_ends_on": None if trial is None else min(trial, ends_on).isoformat(),
        "anchor_day": draw(anchors),
        "issue_days_before": draw(st.sampled_from([0, 0, 10])),
        "currency": draw(currencies),
        "escalator": draw(st.none() | escalators()),
        "seats_removed": draw(st.sampled_from(["renewal", "credit", "next_period"])),
    }


@st.composite
def commitments(draw: st.DrawFn) -> Fields:
    """Return a commitment over the whole contract or some days of it, with or without true-up and overage."""
    one: Fields = {"key": "minimum", "amount": str(draw(prices)), "every": draw(st.sampled_from(["month", "year"]))}
    one |= {"overage_factor": draw(st.sampled_from(["1", "1.5"])), "true_up": draw(st.booleans())}
    if draw(st.integers(0, 3)) == 0:
        first, last = sorted((draw(days()), draw(days())))
        one |= {"starts_on": first.isoformat(), "ends_on": last.isoformat()}
    return {"commitments": [one]}


@st.composite
def extras(draw: st.DrawFn) -> Fields:
    """Return what stands around the charges: commitments, a discount on the whole, a holdback, a fee for leaving."""
    found: Fields = {}
    if draw(st.integers(0, 3)) == 0:
        found |= draw(commitments())
    if draw(st.integers(0, 4)) == 0:
        found["discounts"] = draw(discounts(dated=False))
    if draw(st.integers(0, 4)) == 0:
        found["holdback"] = {"percent": "10", "release_on": draw(days()).isoformat()}
    if draw(st.integers(0, 4)) == 0:
        found["termination_fee"] = draw(st.sampled_from([{"amount": "250"}, {"percent": "50"}, {"months": 2}]))
    return found


@st.composite
def amendments(draw: st.DrawFn, head: Fields, keys: list[str], number: int) -> Fields:
    """Return one dated change, often known only later."""
    first, last = date.fromisoformat(head["starts_on"]), date.fromisoformat(head["ends_on"])
    day = first + timedelta(days=draw(st.integers(0, (last - first).days)))
    found: Fields = {"key": f"A{number}", "effective_on": day.isoformat()}
    if draw(st.integers(0, 2)) == 0:
        found["known_on"] = (day + timedelta(days=draw(st.integers(-30, 200)))).isoformat()
    kind = draw(st.sampled_from(["quantity", "price", "add", "end", "replace", "extend", "terminate"]))
    key, extra = draw(st.sampled_from(keys)), f"x{number}"
    if kind in ("quantity", "price"):
        found["change"] = [{"charge": key, kind: str(draw(quantities if kind == "quantity" else prices))}]
    elif kind == "add":
        found["add"] = [draw(charges(extra))]
    elif kind == "end":
        found["end"] = [key]
    elif kind == "replace":
        found["replace"] = [{"charge": key, "by": draw(recurring(extra))}]
    elif kind == "extend":
        found["ends_on"] = (last + timedelta(days=draw(st.integers(0, 90)))).isoformat()
    else:
        found |= {"ends_on": day.isoformat(), "terminates": draw(st.sampled_from(["customer", "seller"]))}
        found["unused"] = draw(st.sampled_from(["credit", "credit", "keep"]))
    return found


@st.composite
def happenings(draw: st.DrawFn, head: Fields, parts: list[tuple[str, str]]) -> tuple[Any, Any]:
    """Return usage records and acceptances with the day each became known: some at once, some long after."""
    first = date.fromisoformat(head["starts_on"])
    delays = st.sampled_from([0, 0, 1, 20, 120])
    records = [
        (
            day + timedelta(days=draw(delays)),
            UsageRecord(
                id=str(index), meter=draw(st.sampled_from(["m", "n", "h"])), day=day, quantity=draw(quantities)
            ),
        )
        for index, day in enumerate(
            first + timedelta(days=offset) for offset in draw(st.lists(st.integers(0, 400), max_size=10))
        )
    ]
    accepted = [
        (day + timedelta(days=draw(delays)), Acceptance(charge=charge, milestone=part, on=day))
        for charge, part in parts
        if draw(st.booleans())
        for day in [first + timedelta(days=draw(st.integers(0, 400)))]
    ]
    return tuple(records), tuple(accepted)


def milestones(given: list[Fields]) -> list[tuple[str, str]]:
    """Return the instalments that wait for an acceptance."""
    return [
        (charge["key"], part["key"])
        for charge in given
        for part in charge.get("instalments", [])
        if "on" not in part and "after" not in part
    ]


@st.composite
def stories(draw: st.DrawFn, *, most_days: int = 800, amended: bool = True, extra: bool = True) -> Story:
    """Return a contract with charges of any kinds, amendments, and facts that became known on days of their own."""
    head = draw(heads(least=5))
    first = date.fromisoformat(head["starts_on"])
    head["ends_on"] = min(date.fromisoformat(head["ends_on"]), first + timedelta(days=most_days)).isoformat()
    if head["trial_ends_on"] is not None:
        head["trial_ends_on"] = min(head["trial_ends_on"], head["ends_on"])
    keys = draw(st.sampled_from([["a"], ["a", "b"], ["a", "b", "c"]]))
    given = [draw(charges(key)) for key in keys]
    head |= draw(extras()) if extra else {}
    count = draw(st.sampled_from([0, 1, 1, 2, 3])) if amended else 0
    head["amendments"] = [draw(amendments(head, keys, number)) for number in range(count)]
    records, accepted = draw(happenings(head, milestones(given)))
    contract = terms(*given, **head)
    assume(not faults(contract))
    return Story(contract, records, accepted)


@st.composite
def plain_stories(draw: st.DrawFn, *, amended: bool = False) -> Story:
    """Return a contract that the plain calculation understands: recurring, usage, one-time charges, a commitment."""
    head = draw(heads(least=5))
    kinds = [recurring, recurring, recurring, lambda key: usage(key, simple=True), one_time]
    keys = draw(st.sampled_from([["a"], ["a"], ["a", "b"]]))
    given = [draw(draw(st.sampled_from(kinds))(key)) for key in keys]
    head |= draw(commitments()) if draw(st.integers(0, 3)) == 0 else {}
    if amended:
        changes = [draw(amendments(head, keys, number)) for number in range(draw(st.integers(1, 3)))]
        head["amendments"] = [one for one in changes if "add" not in one and "terminates" not in one]
    records, _ = draw(happenings(head, []))
    contract = terms(*given, **head)
    assume(not faults(contract))
    assume(not any(isinstance(one, Usage) and one.steps for one in in_force(contract, date.max).charges))
    return Story(contract, records)
