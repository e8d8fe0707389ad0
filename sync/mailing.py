"""What the two mail jobs share: who sends, to whom, and the order that keeps a mail from going out twice.

The row is committed as being sent before a connection is opened. A mail that surely did not go out is forgotten and
tried again; one that may have gone out waits for a person, because a second mail about money does more harm than a
late one, and the mail server's log (by our Message-ID) or the customer can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from urllib.parse import quote

import msgspec

from billing.customer import Customer
from connectors.base import Accounting, Ref
from connectors.errors import ConnectorError, OutcomeUnknown, Refused, Stopping
from store import contracts, mail, payment_pages
from store.database import Store
from store.invoices import DocumentRow
from store.links import CustomerRow
from store.mail import Booked, MailRow, Via
from store.review import Finding
from sync.context import Context, Delivery, Entity, Source
from sync.lost import may_have_been_mailed

Part = tuple[DocumentRow, str]  # a document and the step of it that a mail is


def delivery(entity: Entity, customer: Customer) -> Delivery:
    """Return how a customer gets what the entity issues: as the CRM says, else as the entity does it."""
    return customer.delivery or entity.delivery


def addressee(store: Store, row: DocumentRow, customer: Customer) -> Customer:
    """Return the customer with the name and address that mail about a document goes to: its contract's contact, if any.

    Read anew each time, so that an address that was mended in the contract counts at once.
    """
    contact = contracts.billing_contact(store, row.contract)
    if contact is None:
        return customer
    if contact.email:
        return msgspec.structs.replace(customer, email=contact.email, contact_name=contact.name)
    return msgspec.structs.replace(customer, contact_name=contact.name or customer.contact_name)


def mailer(context: Context, entity: Entity) -> Source | None:
    """Return the mail connection of an entity: its own, else one that belongs to none."""
    sources = context.sources("mail")
    return next((one for owner in (entity.key, "") for one in sources if one.entity == owner), None)


def awaits_page(store: Store, entity: Entity, row: Booked) -> bool:
    """Say whether an invoice is to get a payment page first; one that waits for a person is not waited for."""
    if not entity.payment_pages or row.type != "invoice" or not row.open:
        return False
    return not payment_pages.address(store, row.id) and not payment_pages.is_refused(store, row.id)


def pay_link(store: Store, entity: Entity, books: Accounting, row: Booked) -> str:
    """Return where an invoice can be paid: on its own page at a provider, else the entity's, else the ledger's."""
    if entity.payment_pages and (page := payment_pages.address(store, row.id)):
        return page
    if entity.payment_link:
        return entity.payment_link.replace("{number}", quote(row.name, safe=""))
    return books.payment_link(Ref(id=row.vendor_id))


def message_id(parts: Sequence[Part], recipient: str) -> str:
    """Return the name of a mail, always the same for the same rows."""
    rows = sorted(f"{row.entity}/{row.number}/{row.digest}/{step}/{recipient}" for row, step in parts)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:32]


def hand_over(context: Context, parts: Sequence[Part], recipient: str, via: Via, send: Callable[[], str]) -> bool:
    """Send one mail about ``parts`` by ``send`` and note what became of it; return whether it was accepted.

    Raises the ``ConnectorError`` that concerns more than this mail.
    """
    name, now = message_id(parts, recipient), context.world.now()
    if _may_have_gone(context, parts, recipient):
        with context.store.transaction():
            mail.mark_sending(context.store, [(row.id, step) for row, step in parts], recipient, via, name, now)
            mail.settle(context.store, context.actor, name, "uncertain", "the store was put back to a backup meanwhile")
        return False
    with context.store.transaction():
        mail.mark_sending(context.store, [(row.id, step) for row, step in parts], recipient, via, name, now)
    try:
        context.store.prove_lease()
        answer = send()
    except Refused as error:
        _note(context, name, "refused", str(error))
        return False
    except OutcomeUnknown as error:
        _note(context, name, "uncertain", str(error))
        raise
    except (ConnectorError, Stopping):
        with context.store.transaction():
            mail.withdraw(context.store, name)
        raise
    _note(context, name, "sent", answer)
    return True


def _may_have_gone(context: Context, parts: Sequence[Part], recipient: str) -> bool:
    """Say whether a part of a mail may have gone out before a restore, and no person has said that it has to go."""
    rows = mail.rows_of(context.store, [row.id for row, _ in parts])
    for row, step in parts:
        wanted = any((one.step, one.recipient, one.state) == (step, recipient, "again") for one in rows[row.id])
        if not wanted and may_have_been_mailed(context, context.world.entities[row.entity], row, step):
            return True
    return False


def _note(context: Context, name: str, state: mail.State, answer: str) -> None:
    with context.store.transaction():
        mail.settle(context.store, context.actor, name, state, answer)


def was_refused(rows: Sequence[MailRow], step: str, recipient: str) -> bool:
    """Say whether the same mail to the same address was refused before: only a person can have it tried again."""
    return any((row.step, row.recipient, row.state) == (step, recipient, "refused") for row in rows)


# ------------------------------------------------------------------------------------------------------ review items


def report_doubtful(context: Context, steps: Sequence[str]) -> None:
    """Raise a review item for every mail that was refused, or of which nobody knows whether it was sent."""
    by_message: dict[str, list[tuple[MailRow, DocumentRow]]] = {}
    for row, document in mail.unsettled(context.store, steps):
        by_message.setdefault(row.message_id, []).append((row, document))
    for name, rows in by_message.items():
        context.find(_doubtful(name, rows[0][0], [document.name for _, document in rows]))


def _doubtful(name: str, row: MailRow, numbers: list[str]) -> Finding:
    what = "Document" if row.step == mail.INVOICE else f"Reminder ({row.step}) of"
    about = f"{what} {', '.join(numbers)} to {row.recipient}"
    if row.state == "refused":
        message, fix = f"{about} was not accepted: {row.answer}", "mend the address in the CRM, then send_again"
    else:
        message = f"{about} may or may not have been sent: {row.answer}"
        fix = f"look for message {name} in the mail server's log, or ask the customer: consider_sent or send_again"
    return Finding(
        code=f"mail_{row.state}",
        subject=f"mail:{name}",
        message=message,
        fix=fix,
        actions=("send_again", "consider_sent", "dismiss"),
    )


def report_no_address(context: Context, customer: CustomerRow, numbers: Sequence[str]) -> None:
    """Say that a customer cannot be mailed."""
    shown = ", ".join(numbers[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
    context.find(
        Finding(
            code="no_mail_address",
            subject=f"customer:{customer.id}",
            message=f"{customer.customer.name!r} has no mail address: {shown} cannot be sent",
            fix="fill the billing mail address in the CRM, or set the customer's delivery to none",
        )
    )


def report_no_mailer(context: Context, entity: Entity, count: int) -> None:
    """Say that there is no mail server to send by."""
    context.find(
        Finding(
            code="no_mailer",
            subject=f"entity:{entity.key}",
            message=f"{count} mail(s) of {entity.name} wait, but no mail server is configured for it",
            fix=f'add [connections.mail] with vendor = "smtp" to {context.world.file}',
        )
    )
