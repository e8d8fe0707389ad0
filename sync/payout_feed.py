"""Payouts of payment providers, into the store: for the job that pulls money, and the one that books what came of it.

Of a payout that somebody sent by hand the provider does not say what it is made of: it takes whatever moved the balance
up to then and no other payout has taken, so that every fee is booked once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

import msgspec

from connectors.base import Payments, Payout, Unreadable
from connectors.errors import Unsupported
from mappings.ledger import books_payouts
from store import deals, payouts
from sync.context import Context, Entity, Source

STREAM = "payouts"  # the cursor of what was read of a provider's payouts
SWEPT = "movements"  # and, with a currency, of what payouts sent by hand have taken of the balance
BLOCK = 50  # payouts stored in one transaction
AGE = timedelta(hours=1)  # with nothing new, the cursor is moved so seldom
EARLIER = timedelta(days=14)  # a payout that arrives on the day of go-live was made so long before it at most


def wanted(context: Context) -> Iterator[tuple[Entity, Source, list[Source]]]:
    """Yield every ledger with the providers whose payouts it is to hold.

    Without those where another app books them, or where nobody said where they arrive.
    """
    for entity, ledger in context.ledgers():
        mapping = context.world.ledger_mapping(ledger.name)
        providers = [one for one in context.sources("payments") if one.entity == entity.key]
        chosen = [one for one in providers if books_payouts(mapping, one.name)]
        if chosen and entity.post_payments != "ledger":
            yield entity, ledger, chosen


def read(context: Context, source: Source, provider: Payments) -> None:
    """Store what is new of a provider's payouts. The cursor is the moment before it was asked."""
    asked, since = context.world.now(), deals.cursor(context.store, source.name, STREAM)
    go_live = datetime.combine(context.world.entities[source.entity].go_live, time(), UTC)
    news, block = 0, list[Payout | Unreadable]()
    for payout in provider.payouts(since or go_live - EARLIER):
        block.append(_with_movements(context, source, provider, payout, go_live))
        if len(block) == BLOCK:
            with context.store.transaction():
                news += _store(context, source.name, block)
            block = []
    with context.store.transaction():
        news += _store(context, source.name, block)
        if news or since is None or asked - since > AGE or context.tally["payments new or changed"]:
            deals.set_cursor(context.store, source.name, STREAM, asked)
    context.count("payouts new or changed", news)


def _with_movements(
    context: Context, source: Source, provider: Payments, payout: Payout | Unreadable, go_live: datetime
) -> Payout | Unreadable:
    """Give a new payout that was sent by hand what moved the balance since the last one."""
    if isinstance(payout, Unreadable) or payout.automatic or payouts.is_known(context.store, source.name, payout.id):
        return payout
    begin = max(go_live, deals.cursor(context.store, source.name, SWEPT) or go_live)
    since = deals.cursor(context.store, source.name, f"{SWEPT} {payout.currency}") or begin
    try:
        found = provider.movements(payout.currency, since, payout.made_at)
        return msgspec.structs.replace(payout, movements=tuple(one for one in found if one.at >= begin))
    except Unsupported as error:
        return Unreadable(payout.id, str(error))


def _store(context: Context, connection: str, block: Sequence[Payout | Unreadable]) -> int:
    news = 0
    for payout in block:
        if isinstance(payout, Unreadable):
            news += payouts.save_unreadable(context.store, connection, payout.id, payout.problem)
        else:
            news += payouts.save(context.store, connection, payout)
            if not payout.automatic:
                deals.set_cursor(context.store, connection, f"{SWEPT} {payout.currency}", payout.made_at)
    return news
