"""What the CRM has to say since the last time, into the store: for the job that pulls and the one that writes back."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from connectors.base import DealFate, DealScope
from mappings.spec import CrmMapping, properties_used, won_stages
from store import deals
from store.database import to_json
from sync.context import Context

SETTLED = timedelta(minutes=10)  # after which no search lags and no clock is wrong
_CENSUS = "census"


def deal_scope(mapping: CrmMapping) -> DealScope:
    """Return which deals the mapping wants, and which of their properties it uses."""
    used = properties_used(mapping)
    return DealScope(
        won_stages=won_stages(mapping),
        deal_properties=used["deals"],
        line_item_properties=used["line_items"],
        company_properties=used["companies"],
        contact_properties=used["contacts"],
    )


def stream_of(scope: DealScope) -> str:
    """Return the cursor's name: a mapping that asks for other deals or properties reads everything anew."""
    return f"deals:{hashlib.sha256(to_json(scope).encode()).hexdigest()[:12]}"


def read(context: Context, connection: str, crm: Any) -> None:
    """Store what changed since the last time; deals that are won no more or were merged are marked so.

    No search tells of what was deleted. So the CRM is asked how many deals are won, which costs one call where the
    pages do not tell, and only when that is not what we know, every known deal is looked up.
    """
    scope = deal_scope(context.world.crm_mapping(connection))
    told = _read_pages(context, connection, crm, scope, everything=False)
    _take_census(context, connection, crm, scope, crm.count_won(scope) if told is None else told)


def _read_pages(context: Context, connection: str, crm: Any, scope: DealScope, *, everything: bool) -> int | None:
    """Store what the pages hold; return how many deals are won, None where they do not tell."""
    stream = stream_of(scope)
    since = None if everything else deals.cursor(context.store, connection, stream)
    settled = since is not None and deals.note(context.store, connection, stream) == since.isoformat()
    seen, won = 0, None
    for page in crm.won_deals(since, scope, settled=settled):
        found = [(deal.id, deal) for deal in page.deals]
        _save_fates(context, connection, page.fates)
        count = deals.save_page(context.store, connection, stream, found, page.cursor)
        context.count("deals new or changed", count)
        seen, won = seen + len(found), page.won
        context.progress(seen, 0)
    _settle(context, connection, stream)
    return won


def _settle(context: Context, connection: str, stream: str) -> None:
    """Note that all before the cursor was read long after it happened: the next pull need not look at it again."""
    reached = deals.cursor(context.store, connection, stream)
    if reached is not None and context.actor.at - reached >= SETTLED:
        with context.store.transaction():
            deals.set_note(context.store, connection, stream, reached.isoformat())


def _save_fates(context: Context, connection: str, fates: tuple[DealFate, ...] | list[DealFate]) -> None:
    if fates:
        with context.store.transaction():
            told = [(one.id, one.fate, one.became) for one in fates]
            context.count("deals reopened, merged or deleted", deals.save_fates(context.store, connection, told))


def _take_census(context: Context, connection: str, crm: Any, scope: DealScope, there: int) -> None:
    """Compare how many deals are won here and there; look for the difference, at most once by reading everything.

    A difference that stays after that is not ours to mend (the CRM's index may be behind), and costs no more calls.
    """
    difference = _difference(context, connection, there)
    known = deals.note(context.store, connection, _CENSUS)
    if difference and known != f"{difference} read":
        _save_fates(context, connection, crm.fates(deals.won_ids(context.store, connection), scope))
        difference = _difference(context, connection, there)
        if difference and known == difference:  # for the second time in a row
            _read_pages(context, connection, crm, scope, everything=True)
            difference = _difference(context, connection, there)
            difference += " read" if difference else ""
        with context.store.transaction():
            deals.set_note(context.store, connection, _CENSUS, difference)
    elif known and not difference:
        with context.store.transaction():
            deals.set_note(context.store, connection, _CENSUS, "")


def _difference(context: Context, connection: str, there: int) -> str:
    here = deals.count_won(context.store, connection)
    return "" if here == there else f"{here} here, {there} there"
