"""The worked examples (../shared/examples) and how a case is shown: as the JSON document of ``netterms plan``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import count
from typing import Any

import pytest

from billing.preview import load_terms_file, preview
from tests.conftest import SHARED

FILE = SHARED / "examples" / "worked_examples.json"

# What we answer otherwise by choice: the case, and the convention that decides it.
DIFFERENT = {
    "B06": "a stub belongs to the full period found from the anchor: 14 of 28 days, not 14 of 31",
    "B21": "a slice changed twice on a day is corrected by the difference, not credited in full and charged anew",
    "B30": "more seats are the added seats for the days left, not a credit of all and a charge of all (c)",
    "B35": "a discount is netted within its line, which is rounded once",
    "B42": "the distance from the month's end is not supported: the anchor is the start's day, clamped",
    "C20": "a missed rise is a catch-up line for each service period it was missed in",
    "D05": "a bracket's flat price at no usage is owed only with charge_flat_at_zero",
    "D10": "a period is one line; its brackets are told by the explanation",
    "D11": "a bracket's flat price at no usage is owed only with charge_flat_at_zero",
    "D13": "a quantity above the last bounded bracket is a review item, never silence, in both tier modes",
    "E01": "tax is of the document and rate",
    "E02": "tax is of the document and rate: the ledger is made to agree by override",
    "E18": "a payment is matched in the invoice's currency; the exchange gain is the ledger's to book",
}


@cache
def _cases() -> dict[str, dict[str, Any]]:
    if not FILE.is_file():
        pytest.skip("the worked examples (../shared/examples) are not on this machine")
    return {case["id"].split("-")[0]: case for case in json.loads(FILE.read_text())}


def ids() -> list[str]:
    """Return the short id of every case in the file."""
    return [*_cases()]


def expected(case: str) -> Any:
    """Return what a case of the file expects."""
    return _cases()[case]["expected"]


def given(case: str) -> Any:
    """Return the terms of a case as figures."""
    return _cases()[case]["terms"]


def shown(body: str, *, currency: str = "USD", through: str | None = None, **options: Any) -> dict[str, Any]:
    """Return what ``netterms plan --json`` shows of a terms file; contract and customer stand above ``body``."""
    head = f'contract = "C-1"\ncustomer = "Acme Ltd"\ncurrency = "{currency}"\n'
    last = None if through is None else date.fromisoformat(through)
    return preview(load_terms_file(head + body, "case.toml"), through=last, **options)


def fee(price: str = "100.00", fields: str = "", key: str = "fee") -> str:
    """Return a recurring charge as an inline table: monthly in advance unless ``fields`` say otherwise."""
    more = f", {fields}" if fields else ""
    return f'{{type = "recurring", key = "{key}", description = "Fee", price = {price}{more}}}'


def used(*records: tuple[str, object], meter: str = "usage", **more: Any) -> list[dict[str, Any]]:
    """Return usage records of (day, quantity), as a line of JSON each would say them."""
    number = count(1)
    return [
        {"id": f"{meter}-{day}-{next(number)}", "meter": meter, "day": day, "quantity": str(quantity), **more}
        for day, quantity in records
    ]


def signed(invoice: dict[str, Any], figure: str) -> str:
    """Return a figure written as positive on a credit note with its sign."""
    if invoice["type"] == "invoice" or figure.strip("0.") == "":
        return figure
    return figure[1:] if figure.startswith("-") else f"-{figure}"


def on(document: dict[str, Any], day: str) -> list[str]:
    """Return the amounts of the lines issued on a day, credits below zero, in the order they are shown."""
    return [
        signed(invoice, line["amount"])
        for invoice in document["invoices"]
        if invoice["issue_on"] == day
        for line in invoice["lines"]
    ]


def by_day(document: dict[str, Any]) -> dict[str, list[str]]:
    """Return the amounts of all lines by the day of issue."""
    return {invoice["issue_on"]: on(document, invoice["issue_on"]) for invoice in document["invoices"]}


def lines(document: dict[str, Any], charge: str | None = None) -> list[dict[str, Any]]:
    """Return all lines of the invoices shown, or those of one charge, with their amounts signed."""
    return [
        {**line, "amount": signed(invoice, line["amount"])}
        for invoice in document["invoices"]
        for line in invoice["lines"]
        if charge in (None, line["charge"])
    ]


def amounts(document: dict[str, Any], charge: str | None = None) -> list[str]:
    """Return the amounts of all lines shown, or of one charge's."""
    return [line["amount"] for line in lines(document, charge)]


def total(figures: Sequence[str]) -> str:
    """Add figures up exactly."""
    return str(sum((Decimal(figure) for figure in figures), Decimal("0.00")))


def codes(document: dict[str, Any]) -> list[str]:
    """Return the codes of what a person should look at."""
    return [note["code"] for note in document["review"]]
