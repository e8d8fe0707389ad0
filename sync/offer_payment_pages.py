"""Open invoices -> a page of a payment provider on which each can be paid, once; it ends when something else is owed.

Only where an entity names a provider (``payment_pages``). A page takes one payment of what is open. When the invoice is
paid in another way, voided, or something else is open, the page is closed, and only when that is known is another made:
nobody can pay twice. A payment that fails after all (a bank debit) has used the page up; then it may take one more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from billing.money import display
from connectors.base import PaymentPageDraft, Ref
from connectors.errors import Refused, Unsupported
from store import links, outbox, payment_pages
from store.mail import Booked
from store.payment_pages import AGAIN, ENDED, MADE, PAID, Page
from sync.context import Context, Entity, Source
from sync.mailing import addressee
from sync.one_by_one import OneByOne
from sync.outbox import Kind, push


class PageLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How many payments a page may take in all, those that failed included; 0: it is closed."""

    page: PaymentPageDraft
    payments: int


class OfferedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page, known by its address."""

    ref: Ref


def _page(provider: Any, draft: PaymentPageDraft) -> OfferedPage:
    return OfferedPage(ref=Ref(id=provider.payment_page(draft)))


def _limit(provider: Any, draft: PageLimit) -> OfferedPage:
    provider.limit_payment_page(draft.page, draft.payments)
    return OfferedPage(ref=Ref(id=f"{draft.page.key} {draft.payments}"))


def _calls(write: Callable[[Any, Any], OfferedPage]) -> Callable[[Any], OneByOne[Any, OfferedPage]]:
    """Return how a provider is written to: under the page's own key each call may be made again."""

    def collection(provider: Any) -> OneByOne[Any, OfferedPage]:
        def once(draft: Any, key: str) -> OfferedPage:
            try:
                return write(provider, draft)
            except Unsupported as error:
                raise Refused(str(error)) from None

        return OneByOne(once)

    return collection


def _kind(name: str, draft: type, write: Callable[[Any, Any], OfferedPage], what: str) -> Kind[Any, OfferedPage]:
    def title(one: Any) -> str:
        page: PaymentPageDraft = one.page if isinstance(one, PageLimit) else one
        return f"{what} of {page.number} for {display(page.amount, page.currency)}"

    return Kind(
        name=name,
        draft=draft,
        collection=_calls(write),
        title=title,
        differs=lambda draft, found, adopted: "",
        place="at the provider",
    )


PAGE = _kind(MADE, PaymentPageDraft, _page, "Payment page")
END = _kind(ENDED, PageLimit, _limit, "Closing of the payment page")
OPEN_AGAIN = _kind(AGAIN, PageLimit, _limit, "Opening of the payment page")


def run(context: Context) -> None:
    """Bring the pages of each legal entity in step with what is open."""
    for entity, ledger in context.ledgers():
        if entity.payment_pages:
            with context.using(entity.payment_pages) as provider:
                _offer(context, entity, ledger, provider)


def _offer(context: Context, entity: Entity, ledger: Source, provider: Any) -> None:
    connection = entity.payment_pages
    for page, why in payment_pages.outdated(context.store, connection):
        _end(context, page, why)
    push(context, connection, provider, END)
    for failed in payment_pages.failures(context.store, connection):
        _open_again(context, failed)
    push(context, connection, provider, OPEN_AGAIN)
    for row in payment_pages.lacking(context.store, entity.key, connection, ledger.name):
        if not payment_pages.is_ending(context.store, row.id):
            _want(context, connection, row)
    push(context, connection, provider, PAGE)


def _end(context: Context, page: Page, why: str) -> None:
    """Close a page; one that has taken its payment is closed already, and one that never went out is not made."""
    intent = outbox.of(context.store, page.connection, MADE, page.id)
    if intent is not None and intent.state in ("sending", "uncertain"):
        return  # once it is known what became of it
    with context.store.transaction():
        payment_pages.end(context.store, context.actor, page, why)
        if intent is not None and intent.is_unsent:
            outbox.forget(context.store, page.connection, MADE, [page.id])
        elif intent is not None and why != PAID:
            draft = PageLimit(page=msgspec.json.decode(intent.payload, type=PaymentPageDraft), payments=0)
            outbox.add(context.store, page.connection, ENDED, page.id, draft)


def _open_again(context: Context, failed: payment_pages.Failure) -> None:
    """Let a page take one more payment for each that failed."""
    page = failed.page
    intent = outbox.of(context.store, page.connection, MADE, page.id)
    if intent is None or outbox.has(context.store, page.connection, AGAIN, failed.payment_id):
        return
    draft = PageLimit(page=msgspec.json.decode(intent.payload, type=PaymentPageDraft), payments=1 + failed.nth)
    with context.store.transaction():
        outbox.add(context.store, page.connection, AGAIN, failed.payment_id, draft)


def _want(context: Context, connection: str, row: Booked) -> None:
    known = links.customers_among(context.store, [row.customer_id])[row.customer_id].customer
    with context.store.transaction():
        page = payment_pages.add(context.store, connection, row)
        draft = PaymentPageDraft(
            key=page.key,
            number=str(row.number),
            currency=row.currency,
            amount=page.amount,
            customer_email=addressee(context.store, row, known).email,
        )
        outbox.add(context.store, connection, MADE, page.id, draft)
