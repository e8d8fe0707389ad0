"""Payment providers -> store: money received, who pays under which of the provider's customers, and payouts."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from connectors.base import PayingCustomer, PaymentPage, Payments, ReceivedPayment
from store import cash, deals, links
from store.review import Finding
from sync import payout_feed
from sync.context import Context, Source


def run(context: Context) -> None:
    """Pull what is new from every payment connection."""
    with_payouts = {provider.name for _, _, chosen in payout_feed.wanted(context) for provider in chosen}
    for source in context.sources("payments"):
        with context.using(source.name) as provider:
            _pull_customers(context, source, provider)
            _pull_payments(context, source, provider)
            if source.name in with_payouts:
                payout_feed.read(context, source, provider)
    _report_unreadable(context)


def _pull_customers(context: Context, source: Source, provider: Payments) -> None:
    """Link the provider's customers that name their CRM company in their metadata."""
    keys = context.world.payments_mapping(source.name).customer_metadata_keys
    companies = links.company_ids(context.store)
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
                if payment.held and not payment.amount and not cash.by_vendor(context.store, source.name, payment.id):
                    continue  # it came and was applied at once
                context.count("payments new or changed", _save(context, source, zone, payment))
            _note_unreadable(context, source, page)
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


def _note_unreadable(context: Context, source: Source, page: PaymentPage) -> None:
    cash.forget_unreadable(context.store, source.name, [payment.id for payment in page.payments])
    for item in page.unreadable:
        news = cash.save_unreadable(context.store, source.name, item.id, item.problem)
        context.count("payments that cannot be read", news)


def _report_unreadable(context: Context) -> None:
    """A payment comes once: what could not be read of it is remembered until it comes readable."""
    for connection, vendor_id, problem in cash.unreadable(context.store):
        context.find(
            Finding(
                code="payment_unreadable",
                subject=f"payment:{connection}:{vendor_id}",
                message=f"Payment {vendor_id} at {connection} is not taken in: {problem}",
                fix=f"look at it at {connection}; book it by hand, then dismiss this",
            )
        )
