"""CRM -> store: won deals with their line items, companies and contacts, as the CRM has them."""

from __future__ import annotations

from sync import crm_feed
from sync.context import Context


def run(context: Context) -> None:
    """Pull what changed since the last time from every CRM connection."""
    for source in context.sources("crm"):
        with context.using(source.name) as crm:
            crm_feed.read(context, source.name, crm)
