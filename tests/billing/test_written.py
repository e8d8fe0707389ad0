"""Drafts as text, and what tells one that says something else."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from billing.draft import Draft, Rules
from billing.invoicing import bill
from billing.written import draft_digest, to_json
from tests.billing.build import recurring, terms

RULES = Rules(tax_rates={"standard": Decimal("8.25")})


def draft(day: str = "2026-01-01", price: str = "100.00", **fields: str) -> Draft:
    (found,) = bill(terms(recurring(price=price), **fields), [], today=date.fromisoformat(day), rules=RULES).drafts
    return found


def test_a_digest_tells_content_from_the_day_a_draft_was_drawn_up():
    one, later, dearer = (draft_digest(to_json(found)) for found in (draft(), draft("2026-01-05"), draft(price="101")))
    assert one == later
    assert one != dearer


def test_what_was_stored_has_the_digest_it_had():
    data = to_json(draft())
    assert draft_digest(to_json(msgspec.json.decode(data, type=Draft))) == draft_digest(data)


@pytest.mark.parametrize("name", ['Ann "issue_on":"x" Ltd', '","issue_on":"', '"po_number":"7', "\\"])
def test_a_customer_s_name_that_looks_like_a_date_s_place_counts(name):
    data = to_json(draft(customer=name))
    assert draft_digest(data) == draft_digest(to_json(draft("2026-01-05", customer=name)))
    assert draft_digest(data) != draft_digest(to_json(draft(customer=f"{name}!")))
