"""Payouts of payment providers -> books: what the provider kept, and what went from the clearing account to the bank.

Per payout one expense for all its fees, and one transfer once it has arrived. Its payments and refunds are booked by
``post_payments``, and a disputed payment is voided there, so only the fee of a dispute is left for this. Payments that
are not ours go to an account of their own. What was paid in another currency lies in the clearing account of that: it
leaves that one and comes into the payout's, both to the cent (``sync.exchanging``). Then each clearing account holds in
the books what the provider holds.

Only where the ledger's mapping names the bank account; what a payout holds beyond all that waits for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from billing.money import display
from connectors.base import ExpenseDraft, TransferDraft
from mappings.faults import Fault
from mappings.ledger import LedgerMapping, bank_account, clearing_account
from store import outbox, payouts
from store.payouts import Contents, PayoutRow
from store.review import Finding
from sync import exchanging, payout_feed
from sync.context import Context, Entity, Source
from sync.days import Days
from sync.outbox import Kind, push
from sync.postings import EXCHANGED_IN, EXCHANGED_OUT, FEES, NOT_OURS, TRANSFER, TRANSFER_BACK, key_of

KINDS: tuple[Kind[Any, Any], ...] = (FEES, NOT_OURS, EXCHANGED_OUT, EXCHANGED_IN, TRANSFER, TRANSFER_BACK)


def run(context: Context) -> None:
    """Make every ledger hold the payouts that were read."""
    for entity, ledger, providers in payout_feed.wanted(context):
        with context.using(ledger.name) as connector:
            _post(context, entity, ledger.name, connector, providers)


class _Books(NamedTuple):
    """The ledger that one provider's payouts go to, and which of them it knows by kind of posting."""

    entity: Entity
    ledger: str
    mapping: LedgerMapping
    days: Days
    known: dict[str, set[int]]


class _Accounts(NamedTuple):
    clearing: str
    bank: str


def _post(context: Context, entity: Entity, ledger: str, connector: Any, providers: Sequence[Source]) -> None:
    known = {kind.name: outbox.known(context.store, ledger, kind.name) for kind in KINDS}
    mapping = context.world.ledger_mapping(ledger)
    books = _Books(entity, ledger, mapping, Days(context, entity, ledger, connector), known)
    exchanged = exchanging.known(context, ledger)
    for provider in providers:
        exchanges = payouts.exchanges(context.store, provider.name, entity.go_live)
        for row in payouts.contents(context.store, provider.name, entity.go_live):
            if row.status != "pending":
                _want(context, books, row)
                new = [one for one in exchanges.get(row.id, ()) if (row.id, one.currency) not in exchanged]
                exchanging.want(context, ledger, mapping, books.days, row, new)
                _report(context, books, row)
        _report_unreadable(context, provider.name)
    for kind in KINDS:
        push(context, ledger, connector, kind)


def _want(context: Context, books: _Books, row: Contents) -> None:
    """Note what the ledger must hold of a payout and does not yet."""
    amounts = _amounts(books, row)
    missing = {kind: amount for kind, amount in amounts.items() if amount and row.id not in books.known[kind]}
    accounts = _accounts(context, books, row) if missing else None
    day = books.days.payout(row.id, row.vendor_id, row.arrives_on) if accounts else None
    if accounts is None or day is None:
        return
    with context.store.transaction():
        for kind, amount in missing.items():
            outbox.add(context.store, books.ledger, kind, row.id, _draft(books, row, accounts, day, kind, amount))


def _amounts(books: _Books, row: Contents) -> dict[str, int]:
    """Return by kind of posting what a payout comes to.

    What a payout that failed is made of was earned and kept all the same; if it had arrived before, it came back.
    """
    arrived = row.status == "paid" or row.id in books.known[TRANSFER.name]
    return {
        FEES.name: row.fees,
        NOT_OURS.name: -row.not_ours if books.mapping.not_ours else 0,
        TRANSFER.name: row.amount if arrived else 0,
        TRANSFER_BACK.name: -row.amount if arrived and row.status == "failed" else 0,
    }


def _draft(
    books: _Books, row: Contents, accounts: _Accounts, day: date, kind: str, amount: int
) -> ExpenseDraft | TransferDraft:
    name = f"{row.connection} payout {row.vendor_id}"
    if kind in (FEES.name, NOT_OURS.name):
        return ExpenseDraft(
            key=key_of(row.vendor_id, "F-" if kind == FEES.name else "N-"),
            currency=row.currency,
            amount=amount,
            paid_from=accounts.clearing,
            account=books.mapping.fees if kind == FEES.name else books.mapping.not_ours,
            on=day,
            memo=f"Fees of {name}" if kind == FEES.name else f"Payments of others in {name}",
        )
    source, target = (accounts.clearing, accounts.bank) if amount > 0 else (accounts.bank, accounts.clearing)
    return TransferDraft(
        key=key_of(row.vendor_id, "" if kind == TRANSFER.name else "B-"),
        currency=row.currency,
        amount=abs(amount),
        source=source,
        target=target,
        on=day,
        memo=name if kind == TRANSFER.name else f"{name} came back",
    )


def _accounts(context: Context, books: _Books, row: PayoutRow) -> _Accounts | None:
    """Return where a payout leaves and arrives; None, with a review item, where the mapping does not say."""
    clearing = clearing_account(books.mapping, row.currency, row.connection)
    bank = bank_account(books.mapping, row.currency, row.connection)
    if isinstance(clearing, str) and isinstance(bank, str):
        return _Accounts(clearing, bank)
    fault = clearing if isinstance(clearing, Fault) else bank
    assert isinstance(fault, Fault)
    context.find(
        Finding(
            code="no_payout_account",
            subject=f"connection:{books.ledger}",
            detail=f"{row.connection} {row.currency}",
            message=f"Payouts of {row.connection} in {row.currency} are not booked: {fault.problem}",
            fix=f"{fault.remedy} ({fault.file})",
        )
    )
    return None


# ------------------------------------------------------------------------------------------- what a person must look at


def _report_unreadable(context: Context, provider: str) -> None:
    for vendor_id, problem in payouts.unreadable(context.store, provider):
        context.find(
            Finding(
                code="payout_unreadable",
                subject=f"payout:{provider}:{vendor_id}",
                message=f"Payout {vendor_id} of {provider} is not booked: {problem}",
                fix="book its fees and its transfer by hand, then dismiss this",
            )
        )


def _report(context: Context, books: _Books, row: Contents) -> None:
    """Show what no posting of ours explains: it stays in the clearing account until a person books it."""
    if row.others:
        said = "; ".join(payouts.descriptions(context.store, row.id))
        _unexplained(context, books, row, f"{display(row.others, row.currency)} beside payments", said)
    if row.converted:
        amount = display(row.converted, row.currency)
        _unexplained(context, books, row, f"{amount} of payments that were made in other currencies", "")
    if row.not_ours and not books.mapping.not_ours:
        context.find(
            Finding(
                code="payouts_of_others",
                subject=f"connection:{row.connection}",
                detail=row.currency,
                message=(
                    f"Payouts of {row.connection} in {row.currency} hold payments that are not ours; at {books.ledger}"
                    " the clearing account lacks that money"
                ),
                fix=f'name the account it belongs to: not_ours = "..." ({books.mapping.source}); or dismiss this where'
                " somebody else books it into the clearing account",
            )
        )


def _unexplained(context: Context, books: _Books, row: Contents, what: str, said: str) -> None:
    context.find(
        Finding(
            code="payout_unexplained",
            subject=f"payout:{row.id}",
            detail=what,
            message=(
                f"Payout {row.vendor_id} of {row.connection} holds {what}{f' ({said})' if said else ''},"
                f" which is not booked at {books.ledger}"
            ),
            fix="book it against the clearing account by hand, then dismiss this",
        )
    )
