"""What an amended terms file changes."""

from __future__ import annotations

from typing import Any

import pytest

from billing.compare import compare
from billing.terms_file import TermsFileError, load_terms_file
from tests.billing.build import day

BEFORE = """
contract = "C-1"
customer = "Acme Ltd"
currency = "USD"
starts_on = 2026-01-01
ends_on = 2026-03-31

[[charges]]
type = "recurring"
key = "seats"
description = "Seats"
price = 10
quantity = 10
"""
SUPPORT = """
[[charges]]
type = "recurring"
key = "support"
description = "Support"
price = 40
starts_on = 2026-03-01
"""
DEARER = """
[[amendments]]
key = "A-1"
effective_on = 2026-02-15
change = [{ charge = "seats", price = 12 }]
"""


def differences(after: str, before: str = BEFORE, **options: Any) -> dict[str, Any]:
    options = {key: day(value) for key, value in options.items()}
    return compare(load_terms_file(before, "before.toml"), load_terms_file(after, "after.toml"), **options)


def amounts(rows: list[dict[str, str]], key: str) -> list[tuple[str, str, str, str]]:
    return [(row[key], row["before"], row["after"], row["difference"]) for row in rows]


def test_the_same_terms_change_nothing():
    found = differences(BEFORE.replace("C-1", "C-1-draft"))
    assert [found[key] for key in ("lines", "documents", "by_charge", "cash", "review")] == [[], [], [], [], []]
    assert found["value"] == {"before": "300.00", "after": "300.00", "difference": "0.00"}


def test_an_added_charge_is_a_line_that_was_not_there():
    found = differences(BEFORE + SUPPORT)
    (line,) = found["lines"]
    assert (line["charge"], line["from"], line["to"]) == ("support", "2026-03-01", "2026-03-31")
    assert (line["before"], line["after"], line["difference"]) == ("0.00", "40.00", "40.00")
    assert line["explain"] == "1 month from 1 Mar 2026 at 40.00"
    assert amounts(found["documents"], "issue_on") == [("2026-03-01", "100.00", "140.00", "40.00")]
    assert amounts(found["by_charge"], "charge") == [("support", "0.00", "40.00", "40.00")]
    assert amounts(found["cash"], "month") == [("2026-03", "200.00", "240.00", "40.00")]  # net 30
    assert found["value"]["difference"] == "40.00"


def test_a_charge_taken_out_is_no_longer_owed():
    found = differences(BEFORE, BEFORE + SUPPORT)
    assert [(one["difference"], one["explain"]) for one in found["lines"]] == [("-40.00", "no longer owed")]


def test_an_amendment_in_a_billed_period_shows_the_slices_in_the_end_and_the_documents_it_makes():
    found = differences(BEFORE + DEARER)
    assert amounts(found["lines"], "from") == [
        ("2026-02-01", "100.00", "50.00", "-50.00"),
        ("2026-02-15", "0.00", "60.00", "60.00"),
        ("2026-03-01", "100.00", "120.00", "20.00"),
    ]
    assert amounts(found["documents"], "issue_on") == [
        ("2026-02-15", "0.00", "10.00", "10.00"),
        ("2026-03-01", "100.00", "120.00", "20.00"),
    ]
    assert found["value"] == {"before": "300.00", "after": "330.00", "difference": "30.00"}


def test_what_is_agreed_differently_stands_in_words():
    found = differences(BEFORE.replace("ends_on = 2026-03-31", "ends_on = 2026-04-30"))
    assert ("Runs", "1 Jan 2026 to 31 Mar 2026", "1 Jan 2026 to 30 Apr 2026") in [
        (one["what"], one["before"], one["after"]) for one in found["terms"]
    ]
    assert [one["from"] for one in found["lines"]] == ["2026-04-01"]


def test_only_what_is_new_in_the_review_is_told():
    odd = BEFORE + 'tax_class = "odd"\n'
    assert differences("po_required = true\n" + BEFORE)["review"][0]["code"] == "po_missing"
    assert differences("po_required = true\n" + BEFORE, "po_required = true\n" + BEFORE)["review"] == []
    assert [one["code"] for one in differences(odd + "[tax]\nstandard = 5\n")["review"]] == ["tax_class"]


def test_today_and_through_hold_for_both_sides():
    found = differences(BEFORE + SUPPORT, today="2026-03-10", through="2026-03-10")
    assert amounts(found["documents"], "issue_on") == [("2026-03-10", "300.00", "340.00", "40.00")]
    assert differences(BEFORE + SUPPORT, through="2026-02-28")["lines"] == []


def test_two_currencies_are_not_compared():
    with pytest.raises(TermsFileError, match="EUR cannot be compared with USD"):
        differences(BEFORE.replace("USD", "EUR"))
