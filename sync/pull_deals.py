"""CRM -> store: won deals with their line items, companies and contacts, as the CRM has them."""

from __future__ import annotations

import hashlib

from connectors.base import DealScope
from mappings.spec import CrmMapping, properties_used, won_stages
from store import deals
from store.database import to_json
from sync.context import Context


def run(context: Context) -> None:
    """Pull what changed since the last time from every CRM connection."""
    for source in context.sources("crm"):
        scope = deal_scope(context.world.crm_mapping(source.name))
        stream = stream_of(scope)
        with context.using(source.name) as crm:
            since = deals.cursor(context.store, source.name, stream)
            read = 0
            for page in crm.won_deals(since, scope):
                found = [(deal.id, deal) for deal in page.deals]
                context.count(
                    "deals new or changed", deals.save_page(context.store, source.name, stream, found, page.cursor)
                )
                read += len(found)
                context.progress(read, 0)


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
