"""Short ways to write terms in tests."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from billing.facts import UsageRecord
from billing.invoicing import Billing, Rules, Settled, bill, settle
from billing.plan import Line, plan
from billing.terms import Terms

NO_TAX = Rules(tax_rates={"standard": Decimal(0)})


def recurring(**fields: Any) -> dict[str, Any]:
    return {"type": "recurring", "key": "fee", "description": "Fee", "price": "100.00", **fields}


def one_time(**fields: Any) -> dict[str, Any]:
    return {"type": "one_time", "key": "setup", "description": "Set-up", "price": "500.00", **fields}


def usage(**fields: Any) -> dict[str, Any]:
    return {"type": "usage", "key": "calls", "description": "Calls", **fields}


def used(on: str, quantity: int | str = 1, **fields: Any) -> UsageRecord:
    """Return a usage record of the meter ``calls``; without an ``id`` of its own it is the only one of its day."""
    given = {"id": on, "meter": "calls", **fields}
    return UsageRecord(day=day(on), quantity=Decimal(quantity), **given)


def terms(*charges: dict[str, Any], **fields: Any) -> Terms:
    given = {"contract": "C-1", "customer": "Acme Ltd", "currency": "USD", "starts_on": "2026-01-01"}
    return msgspec.convert({**given, "charges": charges or (recurring(),), **fields}, Terms)


def day(text: str) -> date:
    return date.fromisoformat(text)


def lines(contract: Terms, through: str = "2030-01-01") -> list[Line]:
    return plan(contract, day(through))


def bill_on(contract: Terms, settled: list[Settled], today: str | date, rules: Rules = NO_TAX) -> Billing:
    return bill(contract, settled, today=day(today) if isinstance(today, str) else today, rules=rules)


def issue(contract: Terms, settled: list[Settled], today: str | date, rules: Rules = NO_TAX) -> list[Settled]:
    """Bill and issue everything drafted: what is settled afterwards."""
    return settle(settled, bill_on(contract, settled, today, rules))


def signed(billing: Billing) -> dict[str, int]:
    """Return what each charge is billed by a run in minor units, credits below zero."""
    found: dict[str, int] = {}
    for draft in billing.drafts:
        for one in draft.lines:
            sign = 1 if draft.type == "invoice" else -1
            found[one.line.charge] = found.get(one.line.charge, 0) + sign * one.amount
    return found
