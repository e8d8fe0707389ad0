"""Payouts of payment providers -> books: what the provider kept, and what went from the clearing account to the bank.

Per payout one expense for all its fees, and one transfer once it has arrived. Its payments and refunds are booked by
``post_payments``, and a disputed payment is voided there, so only the fee of a dispute is left for this. Then the
clearing account holds in the books what the provider holds for us.

Only where the ledger's mapping names the bank account; what a payout holds beyond all that waits for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from billing.money import display
from connectors.base import ExpenseDraft, Payments, Payout, TransferDraft, Unreadable
from mappings.faults import Fault
from mappings.ledger import LedgerMapping, bank_account, books_payouts, clearing_account
from store import cash, deals, outbox, payouts
from store.payouts import MovementRow, PayoutRow
from store.review import Finding
from sync.context import Context, Entity, Source
from sync.days import Days
from sync.outbox import push
from sync.postings import FEES, TRANSFER, TRANSFER_BACK, key_of

STREAM = "payouts"  # the cursor of what was read of a provider's payouts
BLOCK = 50  # payouts stored in one transaction
AGE = timedelta(hours=1)  # with nothing new, the cursor is moved so seldom
EXPLAINED = ("payment", "refund", "dispute", "fee", "payout")  # movements that are booked here or by other jobs


def run(context: Context) -> None:
    """Bring payouts home and make every ledger hold them."""
    for entity, ledger in context.ledgers():
        mapping = context.world.ledger_mapping(ledger.name)
        providers = [one for one in context.sources("payments") if one.entity == entity.key]
        chosen = [one for one in providers if books_payouts(mapping, one.name)]
        if not chosen or entity.post_payments == "ledger":
            continue  # another app books them, or nobody said where they arrive
        for provider in chosen:
            with context.using(provider.name) as connector:
                _pull(context, provider, connector)
        with context.using(ledger.name) as connector:
            _post(context, entity, ledger.name, connector, chosen)


# ------------------------------------------------------------------------------------------------------------- reading


def _pull(context: Context, source: Source, provider: Payments) -> None:
    """Store what is new of a provider's payouts. The cursor is the moment before it was asked."""
    asked, since = context.world.now(), deals.cursor(context.store, source.name, STREAM)
    news, block = 0, list[Payout | Unreadable]()
    for payout in provider.payouts(since):
        block.append(payout)
        if len(block) == BLOCK:
            with context.store.transaction():
                news += _store(context, source.name, block)
            block = []
    with context.store.transaction():
        news += _store(context, source.name, block)
        if news or since is None or asked - since > AGE:
            deals.set_cursor(context.store, source.name, STREAM, asked)
    context.count("payouts new or changed", news)


def _store(context: Context, connection: str, block: Sequence[Payout | Unreadable]) -> int:
    news = 0
    for payout in block:
        if isinstance(payout, Unreadable):
            news += payouts.save_unreadable(context.store, connection, payout.id, payout.problem)
        else:
            news += payouts.save(context.store, connection, payout)
    return news


# ------------------------------------------------------------------------------------------------------------- posting


class _Books(NamedTuple):
    """The ledger that a provider's payouts go to."""

    entity: Entity
    name: str
    mapping: LedgerMapping
    days: Days


def _post(context: Context, entity: Entity, ledger: str, connector: Any, providers: Sequence[Source]) -> None:
    mapping = context.world.ledger_mapping(ledger)
    books = _Books(entity, ledger, mapping, Days(context, entity, ledger, connector))
    for provider in providers:
        _want_fees(context, books, provider.name)
        _want_transfers(context, books, provider.name)
        _want_back(context, books, provider.name)
        _report_unreadable(context, provider.name)
        _report_others(context, books, provider.name)
    for kind in (FEES, TRANSFER, TRANSFER_BACK):
        push(context, ledger, connector, kind)


class _Accounts(NamedTuple):
    clearing: str
    bank: str


def _accounts(context: Context, books: _Books, row: PayoutRow) -> _Accounts | None:
    """Return where a payout leaves and arrives; None, with a review item, where the mapping does not say."""
    found = [of(books.mapping, row.currency, row.connection) for of in (clearing_account, bank_account)]
    for fault in found:
        if isinstance(fault, Fault):
            context.find(
                Finding(
                    code="no_payout_account",
                    subject=f"connection:{books.name}",
                    detail=f"{row.connection} {row.currency}",
                    message=f"Payouts of {row.connection} in {row.currency} are not booked: {fault.problem}",
                    fix=f"{fault.remedy} ({fault.file})",
                )
            )
            return None
    return _Accounts(*map(str, found))


def _want_fees(context: Context, books: _Books, provider: str) -> None:
    """One expense per payout: what was kept of its payments, and the provider's own fees; below zero: given back.

    What a payout that failed is made of was earned and kept all the same.
    """
    for row in payouts.unposted(context.store, provider, books.name, FEES.name, ("paid", "failed")):
        fees = fees_of(payouts.movements(context.store, row.id))
        accounts = _accounts(context, books, row) if fees else None
        day = books.days.payout(row.id, row.vendor_id, row.arrives_on) if accounts else None
        if accounts is None or day is None:
            continue
        draft = ExpenseDraft(
            key=key_of(row.vendor_id, "F-"),
            currency=row.currency,
            amount=fees,
            paid_from=accounts.clearing,
            account=books.mapping.fees,
            on=day,
            memo=f"Fees of {provider} payout {row.vendor_id}",
        )
        with context.store.transaction():
            outbox.add(context.store, books.name, FEES.name, row.id, draft)


def fees_of(movements: Sequence[MovementRow]) -> int:
    """Return what a provider kept: of each movement, and as movements of their own. Minor units."""
    return sum(one.fee - (one.amount if one.kind == "fee" else 0) for one in movements)


def _want_transfers(context: Context, books: _Books, provider: str) -> None:
    """A payout that has arrived went from the clearing account to the bank; one below zero the other way."""
    for row in payouts.unposted(context.store, provider, books.name, TRANSFER.name, ("paid",)):
        _want_transfer(context, books, row, TRANSFER.name, row.amount, "")


def _want_back(context: Context, books: _Books, provider: str) -> None:
    """A payout that failed after it had been booked as arrived is in the clearing account again."""
    for row in payouts.unposted(context.store, provider, books.name, TRANSFER_BACK.name, ("failed",)):
        if outbox.has(context.store, books.name, TRANSFER.name, row.id):
            _want_transfer(context, books, row, TRANSFER_BACK.name, -row.amount, "B-")


def _want_transfer(context: Context, books: _Books, row: PayoutRow, kind: str, amount: int, prefix: str) -> None:
    accounts = _accounts(context, books, row) if amount else None
    day = books.days.payout(row.id, row.vendor_id, row.arrives_on) if accounts else None
    if accounts is None or day is None:
        return
    source, target = (accounts.clearing, accounts.bank) if amount > 0 else (accounts.bank, accounts.clearing)
    draft = TransferDraft(
        key=key_of(row.vendor_id, prefix),
        currency=row.currency,
        amount=abs(amount),
        source=source,
        target=target,
        on=day,
        memo=f"{row.connection} payout {row.vendor_id}{' came back' if prefix else ''}",
    )
    with context.store.transaction():
        outbox.add(context.store, books.name, kind, row.id, draft)


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


def _report_others(context: Context, books: _Books, provider: str) -> None:
    """Show what payouts hold that no posting of ours explains: a person has to book it."""
    for row in payouts.payouts(context.store, provider):
        parts = payouts.movements(context.store, row.id)
        others = [one for one in parts if one.kind not in EXPLAINED]
        converted = [one for one in parts if one.kind == "payment" and _is_converted(context, row, one)]
        for word, found in (("adjustments", others), ("payments in other currencies", converted)):
            if found:
                context.find(_unexplained(books, row, word, found))


def _is_converted(context: Context, row: PayoutRow, movement: MovementRow) -> bool:
    payment = cash.by_vendor(context.store, row.connection, movement.payment)
    return payment is not None and payment.currency != row.currency


def _unexplained(books: _Books, row: PayoutRow, word: str, found: Sequence[MovementRow]) -> Finding:
    amount = sum(one.amount for one in found)
    said = "; ".join(dict.fromkeys(one.description for one in found if one.description))
    return Finding(
        code="payout_unexplained",
        subject=f"payout:{row.id}",
        detail=word,
        message=(
            f"Payout {row.vendor_id} of {row.connection} holds {word} of {display(amount, row.currency)}"
            f"{f' ({said})' if said else ''} that are not booked at {books.name}"
        ),
        fix="book it against the clearing account by hand, then dismiss this",
    )
