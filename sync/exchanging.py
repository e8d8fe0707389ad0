"""What a provider exchanged into its balance's currency: out of one clearing account and into the other, to the cent.

A payment pays its invoice in full in its own currency; only then does its provider exchange it. Xero's transfers join
accounts of one currency, and an entry at QuickBooks has one currency beside the company's own. So an exchange is two
entries, each exact in its own currency, against an account that the mapping names: what the two differ by there, in the
ledger's own currency, is the gain or loss of exchanging. docs/decisions/0013 says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from connectors.base import ExpenseDraft
from mappings.faults import Fault
from mappings.ledger import LedgerMapping, clearing_account
from store import outbox
from store.payouts import Exchange, PayoutRow
from store.review import Finding
from sync.context import Context
from sync.days import Days
from sync.postings import EXCHANGED_IN, EXCHANGED_OUT, key_of


class _Accounts(NamedTuple):
    """Where money leaves, where it arrives, and the account between."""

    source: str
    target: str
    between: str


def known(context: Context, ledger: str) -> set[tuple[int, str]]:
    """Return (payout, currency) of the exchanges that a ledger has, or is to get."""
    kinds = (EXCHANGED_OUT.name, EXCHANGED_IN.name)
    return {pair for kind in kinds for pair in outbox.known_by_currency(context.store, ledger, kind)}


def want(
    context: Context, ledger: str, mapping: LedgerMapping, days: Days, row: PayoutRow, exchanges: Sequence[Exchange]
) -> None:
    """Note the exchanges of a payout that the ledger must hold and does not yet."""
    for exchange in exchanges:
        accounts = _accounts(context, ledger, mapping, row, exchange)
        day = days.payout(row.id, row.vendor_id, row.arrives_on) if accounts else None
        if accounts is None or day is None:
            continue
        with context.store.transaction():
            if exchange.paid:
                draft = _out(row, exchange, accounts, day)
                outbox.add(context.store, ledger, EXCHANGED_OUT.name, row.id, draft, exchange.currency)
            if exchange.settled:
                draft = _in(row, exchange, accounts, day)
                outbox.add(context.store, ledger, EXCHANGED_IN.name, row.id, draft, exchange.currency)


def _out(row: PayoutRow, exchange: Exchange, accounts: _Accounts, day: date) -> ExpenseDraft:
    return ExpenseDraft(
        key=key_of(row.vendor_id, f"O-{exchange.currency}-"),
        currency=exchange.currency,
        amount=exchange.paid,
        paid_from=accounts.source,
        account=accounts.between,
        on=day,
        memo=f"Exchanged into {row.currency} in {row.connection} payout {row.vendor_id}",
        exchanged=max(0, exchange.settled) if exchange.paid > 0 else max(0, -exchange.settled),
        exchanged_currency=row.currency,
    )


def _in(row: PayoutRow, exchange: Exchange, accounts: _Accounts, day: date) -> ExpenseDraft:
    return ExpenseDraft(
        key=key_of(row.vendor_id, f"I-{exchange.currency}-"),
        currency=row.currency,
        amount=-exchange.settled,
        paid_from=accounts.target,
        account=accounts.between,
        on=day,
        memo=f"Exchanged from {exchange.currency} in {row.connection} payout {row.vendor_id}",
        exchanged=max(0, exchange.paid) if exchange.settled > 0 else max(0, -exchange.paid),
        exchanged_currency=exchange.currency,
    )


def _accounts(
    context: Context, ledger: str, mapping: LedgerMapping, row: PayoutRow, exchange: Exchange
) -> _Accounts | None:
    source, target = (clearing_account(mapping, one, row.connection) for one in (exchange.currency, row.currency))
    if isinstance(source, str) and isinstance(target, str) and mapping.conversion:
        return _Accounts(source, target, mapping.conversion)
    missing = next((one for one in (source, target) if isinstance(one, Fault)), None)
    own = 'name an account in the ledger\'s own currency for what is exchanged: conversion = "..."'
    why, fix = (missing.problem, missing.remedy) if missing else ("the mapping names no account for that", own)
    context.find(
        Finding(
            code="exchange_not_booked",
            subject=f"connection:{ledger}",
            detail=f"{row.connection} {exchange.currency} {row.currency}",
            message=(
                f"{row.connection} exchanges payments in {exchange.currency} into {row.currency}, which is not booked"
                f" at {ledger}, so neither clearing account comes out even: {why}"
            ),
            fix=f"{fix} ({mapping.source}); where the ledger keeps one currency only, book it by hand, then dismiss"
            " this",
        )
    )
    return None
