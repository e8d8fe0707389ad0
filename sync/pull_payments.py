"""Payment providers -> store: money received, and who pays under which of the provider's customers."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from connectors.base import PayingCustomer, Payments, ReceivedPayment
from store import cash, deals, links
from sync.context import Context, Source


def run(context: Context) -> None:
    """Pull what is new from every payment connection."""
    for source in context.sources("payments"):
        with context.using(source.name) as provider:
            _pull_customers(context, source, provider)
            _pull_payments(context, source, provider)


def _pull_customers(context: Context, source: Source, provider: Payments) -> None:
    """Link the provider's customers that name their CRM company in their metadata."""
    keys = context.world.payments_mapping(source.name).customer_metadata_keys
    companies = {row.crm_id: row.id for row in links.customers(context.store).values()}
    known = links.by_vendor(context.store, source.name, "payer")
    for page in provider.customers(None if not known else deals.cursor(context.store, source.name, "customers")):
        with context.store.transaction():
            for payer in page:
                customer_id = _company(payer, keys, companies)
                if customer_id is not None and known.get(payer.id) != customer_id:
                    links.save_link(context.store, source.name, "payer", payer.id, customer_id)
                    context.count("payers recognised")


def _company(payer: PayingCustomer, keys: tuple[str, ...], companies: dict[str, int]) -> int | None:
    found = (companies.get(payer.metadata.get(key, "")) for key in keys)
    return next((customer_id for customer_id in found if customer_id is not None), None)


def _pull_payments(context: Context, source: Source, provider: Payments) -> None:
    zone = ZoneInfo(context.world.entities[source.entity].timezone)
    since = deals.cursor(context.store, source.name, "payments")
    for page in provider.payments(since):
        with context.store.transaction():
            for payment in page.payments:
                context.count("payments new or changed", _save(context, source, zone, payment))
            deals.set_cursor(context.store, source.name, "payments", page.cursor)
        context.progress(context.tally["payments new or changed"], 0)


def _save(context: Context, source: Source, zone: ZoneInfo, payment: ReceivedPayment) -> bool:
    return cash.save_payment(
        context.store,
        context.actor,
        connection=source.name,
        vendor_id=payment.id,
        digest=cash.payment_digest(payment),
        entity=source.entity,
        currency=payment.currency,
        amount=payment.amount,
        refunded=payment.refunded,
        status=payment.status,
        received_on=payment.received_at.astimezone(zone).date().isoformat(),
        data=cash.payment_data(payment),
    )
