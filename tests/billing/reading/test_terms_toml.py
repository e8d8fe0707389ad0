"""Terms as text: what is written is read back as the very same terms."""

from __future__ import annotations

import msgspec
import pytest

from billing.reading.terms_toml import terms_toml
from billing.terms import Terms
from billing.terms_file import load_terms_file
from tests.billing.build import one_time, recurring, terms

USAGE = {"type": "usage", "key": "calls", "description": "Calls", "model": "graduated",
         "tiers": [{"up_to": 100, "price": "0.10"}, {"price": "0.05", "flat": 3}], "dimension": "region",
         "prices": {"eu west": "0.1", "us": "0.2"}, "where": {"plan": "pro"}, "free_units": "10.5"}  # fmt: skip
PARTS = [{"key": "design", "percent": 50}, {"key": "live", "amount": 500, "on": "2026-03-01"}]
BUILD = {"type": "fixed_price", "key": "build", "description": "Build", "price": 1000, "instalments": PARTS}
GROWS = [{"starts_on": "2027-01-01", "price": 6}]
HOURS = {"type": "retainer", "key": "hours", "description": "Hours", "price": 900, "included": 10,
         "overage_price": 95, "rollover": 2, "steps": [{"starts_on": "2026-06-01", "price": 950}]}  # fmt: skip
DEPOSIT = {"type": "prepaid", "key": "deposit", "description": "Deposit", "price": 500, "charges": ["build"],
           "drawn": "final", "unused": "return"}  # fmt: skip
WHOLE = terms(
    recurring(anchor_day="last", escalator={"percent": "3.5"}, discounts=[{"percent": 10, "periods": 3}]),
    one_time(description='A "quoted" C:\\path\tand Ünïcode\x7f\n', on="2026-02-01"),
    USAGE, BUILD, HOURS, DEPOSIT,
    ends_on="2028-12-31", trial_ends_on="2026-01-31", proration="thirty_360", po_required=True, value="12345.6789",
    billing_contact={"email": "ap@acme.example"}, renewal={"auto": True, "notice_days": 60},
    commitments=[{"key": "least", "amount": 50, "charges": ["calls"], "steps": GROWS}],
    holdback={"percent": 5}, termination_fee={"months": 3}, late_fee={"percent": "1.5"},
    custom={"cost center": "4711", "owner": "Ada"},
    amendments=[
        {"key": "A1", "effective_on": "2026-06-01", "known_on": "2026-07-01", "end": ["calls"],
         "change": [{"charge": "fee", "quantity": 12}],
         "replace": [{"charge": "hours", "by": recurring(key="support", tiers=[{"price": 5}])}]},
        {"key": "A2", "effective_on": "2026-08-01", "add": [one_time(key="extra")], "renewal": {"term": "6 months"}},
    ],
)  # fmt: skip


@pytest.mark.parametrize("given", [terms(), WHOLE], ids=["the least", "one of everything"])
def test_what_is_written_is_read_back_as_the_same_terms(given: Terms) -> None:
    read = load_terms_file(terms_toml(given), "it").terms
    assert read == given
    assert msgspec.json.encode(read, order="deterministic") == msgspec.json.encode(
        load_terms_file(terms_toml(read), "it").terms, order="deterministic"
    )


def test_what_is_as_by_default_is_left_out_and_amendments_come_last() -> None:
    assert terms_toml(terms()) == (
        'contract = "C-1"\ncustomer = "Acme Ltd"\ncurrency = "USD"\nstarts_on = 2026-01-01\n\n'
        '[[charges]]\ntype = "recurring"\nkey = "fee"\ndescription = "Fee"\nprice = 100\n'
    )
    text = terms_toml(WHOLE)
    assert text.rindex("[[charges]]") < text.index("[[amendments]]")
