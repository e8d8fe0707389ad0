"""Issued documents -> books: customers first, as a ledger books only for customers it knows."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from billing.explain import date_text
from billing.invoicing import Draft, DraftLine
from billing.money import display
from billing.tax import spread
from connectors.base import Accounting, CustomerDraft, DocumentDraft, LedgerCustomer, LedgerDocument, LedgerLine, Ref
from mappings.ledger import Coding, LineFacts, code_line, terms_name
from store import invoices, links, outbox, selfcheck
from store.invoices import DocumentRow
from store.links import CustomerRow, Link
from store.review import Finding
from sync import books, identity, mailing, marks
from sync.context import Context, Entity
from sync.days import Days
from sync.edited import UPDATE_DOCUMENT
from sync.outbox import Kind, look_up, push
from sync.voiding import VOID_DOCUMENT

SOME = 500  # documents or customers that are in memory at once
ASKED_EACH = 50  # so many new customers are looked up by name; for more the books are read up to now instead


def run(context: Context) -> None:
    """Make every ledger hold what was issued."""
    for entity, source in context.ledgers():
        waits = invoices.has_unbooked(context.store, entity.key, source.name)
        wanted = invoices.unknown_customers(context.store, entity.key, source.name) if waits else set()
        with context.using(source.name) as ledger:
            many = len(wanted) > ASKED_EACH
            if waits and (many or not books.was_read(context, source.name)):
                books.read(context, entity, source.name, ledger)
            _want_customers(context, source.name, wanted, look=not many)
            if waits and _series_is_taken(context, entity, source.name):
                continue
            push(context, source.name, ledger, CUSTOMER)
            if waits:
                _want_documents(context, entity, source.name, Days(context, entity, source.name, ledger))
            if _is_hindered(context, source.name, ledger):
                look_up(context, source.name, ledger, DOCUMENT)
            else:
                push(context, source.name, ledger, DOCUMENT)
            push(context, source.name, ledger, UPDATE_DOCUMENT)
            push(context, source.name, ledger, VOID_DOCUMENT)


# ---------------------------------------------------------------------------------------------------------- customers


def _want_customers(context: Context, connection: str, wanted: set[tuple[int, str]], *, look: bool) -> None:
    """Note which customers the ledger must hold, one per currency; those that may be there already wait.

    Without ``look`` the books were just read: who is not among what was read is not there.
    """
    store = context.store
    undecided = identity.link_certain(context, connection, wanted) if wanted else {}
    new = sorted(wanted - undecided.keys())
    with store.transaction():
        for start in range(0, len(new), SOME):
            some = new[start : start + SOME]
            ids = {customer_id for customer_id, _ in some}
            customers, linked = links.customers_among(store, ids), links.of_ours(store, connection, "customer", ids)
            for customer_id, currency in some:
                known = (customer_id, currency) in linked
                if known or outbox.has(store, connection, "customer", customer_id, currency):
                    continue
                row = customers[customer_id]
                draft = CustomerDraft(key=identity.key_of(row), currency=currency, customer=row.customer)
                outbox.add(store, connection, "customer", customer_id, draft, currency, look=look)


def _series_is_taken(context: Context, entity: Entity, connection: str) -> bool:
    """Refuse to book where somebody else's documents stand in the way of our numbers, and say so."""
    taken = books.series_clash(context, entity, connection)
    if taken:
        context.find(
            Finding(
                code="series_taken",
                subject=f"connection:{connection}",
                detail=taken,
                message=f"{taken} at {connection} was made by others, and the series of {entity.key} would come to it",
                fix="renumber it there, or choose another number_prefix; nothing of this entity is booked until then",
            )
        )
    return bool(taken)


def _is_hindered(context: Context, connection: str, ledger: Accounting) -> bool:
    """Refuse to book under a setting with which a document could not be found again, and say so."""
    why = ledger.hindrance() if outbox.may_go_out(context.store, connection, DOCUMENT.name) else ""
    if why:
        context.find(
            Finding(
                code="ledger_setup",
                subject=f"connection:{connection}",
                message=f"No document is booked at {connection}: {why}",
                fix="change it in the books: within the hour what waits is booked by itself; all else goes on",
            )
        )
    return bool(why)


def _customer_differs(draft: CustomerDraft, found: LedgerCustomer, adopted: bool) -> str:
    """A customer that does not carry our mark is ours only with the same tax id or mail domain beside the name."""
    ours = draft.customer
    same_tax_id = ours.tax_id and _plain(ours.tax_id) == _plain(found.tax_id)
    same_domain = ours.domain and found.email.rpartition("@")[2].lower() == ours.domain.lower()
    if not adopted or found.key == draft.key or ((same_tax_id or same_domain) and not found.key):
        return ""
    seen = f"{found.name!r} (id {found.ref.id}, mail {found.email or 'none'}, tax id {found.tax_id or 'none'})"
    return (
        f"a customer of this name is there already: {seen}; ours has domain {ours.domain or 'none'}"
        f" and tax id {ours.tax_id or 'none'}: link them if they are the same, else rename one"
    )


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text)).upper()


CUSTOMER: Kind[CustomerDraft, LedgerCustomer] = Kind(
    name="customer",
    draft=CustomerDraft,
    collection=lambda ledger: ledger.customers,
    title=lambda draft: f"Customer {draft.customer.name!r} ({draft.currency})",
    differs=_customer_differs,
    parked_actions=("link", "retry", "dismiss"),
)

# ---------------------------------------------------------------------------------------------------------- documents


def _want_documents(context: Context, entity: Entity, connection: str, days: Days) -> None:
    """Note which documents the ledger must hold, of customers that it knows, some at a time."""
    store = context.store
    doubted = selfcheck.held(store, "document")
    for rows in invoices.unbooked(store, entity.key, connection, SOME):
        ids = {row.customer_id for row in rows}
        customers, known = links.customers_among(store, ids), links.of_ours(store, connection, "customer", ids)
        drafts = []
        for row in rows:
            link = known.get((row.customer_id, row.currency))
            day = days.document(row) if link is not None else None
            if link is None or day is None or str(row.id) in doubted:
                continue  # its customer is not in the books, its period is closed there, or the self check doubts it
            draft = _document(context, entity, connection, row, link, customers[row.customer_id])
            if draft is not None:
                drafts.append((row.id, msgspec.structs.replace(draft, issue_on=day)))
        with store.transaction():
            for document_id, final in drafts:
                outbox.add(store, connection, "document", document_id, final)


def _document(
    context: Context, entity: Entity, connection: str, row: DocumentRow, link: Link, customer: CustomerRow
) -> DocumentDraft | None:
    """Return the document as the ledger gets it; None, with a review item, when the mapping cannot code a line."""
    content = row.draft
    codings = _codings(context, entity, connection, row, content)
    if codings is None:
        return None
    taxes = _tax_per_line(content)
    assert row.number is not None
    return DocumentDraft(
        number=row.number,
        type=row.type,
        customer=Ref(id=link.vendor_id, version=link.version),
        currency=row.currency,
        issue_on=row.issue_on,
        due_on=row.due_on,
        lines=tuple(
            LedgerLine(
                description=_description(item),
                amount=item.amount,
                quantity=item.shown_quantity,
                unit_price=item.shown_unit_price,
                tax=tax,
                item=coding.item,
                account=coding.account,
                tax_code=coding.tax_code,
                class_=coding.class_,
                service_date=item.shown_starts,
            )
            for item, tax, coding in zip(content.lines, taxes, codings, strict=True)
        ),
        subtotal=row.subtotal,
        tax=row.tax,
        total=row.total,
        po_number=content.po_number,
        terms=terms_name(context.world.ledger_mapping(connection), content.payment_terms),
        mark=marks.of(row),
        email=mailing.addressee(context.store, row, customer.customer).email,
    )


def _description(item: DraftLine) -> str:
    """Say on the line which service period it is for, as an invoice must."""
    last = item.shown_until - timedelta(days=1)
    if last == item.shown_starts:
        return item.shown_description
    return f"{item.shown_description}, {date_text(item.shown_starts)} to {date_text(last)}"


def _tax_per_line(content: Draft) -> list[int]:
    """Return each line's share of the document's tax, for ledgers that keep tax per line."""
    shares = [0] * len(content.lines)
    for tax in content.taxes:
        members = [index for index, item in enumerate(content.lines) if item.line.tax_class == tax.tax_class]
        for index, share in zip(members, spread(tax, [content.lines[i].amount for i in members]), strict=True):
            shares[index] = share
    return shares


def _codings(
    context: Context, entity: Entity, connection: str, row: DocumentRow, content: Draft
) -> list[Coding] | None:
    mapping = context.world.ledger_mapping(connection)
    codings, faults = [], {}
    for item in content.lines:
        facts = LineFacts(
            product=item.line.product,
            tax_class=item.line.tax_class,
            kind=item.line.kind,
            entity=entity.key,
            currency=row.currency,
            description=item.line.description,
        )
        coding = code_line(mapping, facts)
        if isinstance(coding, Coding):
            codings.append(coding)
        else:
            faults[str(coding)] = coding
    for text, fault in faults.items():
        context.find(
            Finding(
                code="line_not_coded",
                subject=f"document:{row.id}",
                detail=text,
                message=f"{row.number} cannot be booked: {fault.problem}",
                fix=f"{fault.remedy} ({fault.file})",
            )
        )
    return None if faults else codings


def _document_differs(draft: DocumentDraft, found: LedgerDocument, adopted: bool) -> str:
    problems = []
    if found.total != draft.total:
        there, here = display(found.total, draft.currency), display(draft.total, draft.currency)
        problems.append(f"its total is {there} there and {here} here")
    if found.currency and found.currency != draft.currency:
        problems.append(f"its currency is {found.currency} there and {draft.currency} here")
    if found.customer_id and found.customer_id != draft.customer.id:
        problems.append(f"it belongs to customer {found.customer_id} there and to {draft.customer.id} here")
    if not adopted and found.number != draft.number:
        problems.append(f"its number is {found.number or 'none'} there and {draft.number} here")
    if adopted and found.status in ("voided", "deleted"):
        problems.append(f"it is {found.status} there")
    return "; ".join(problems)


DOCUMENT: Kind[DocumentDraft, LedgerDocument] = Kind(
    name="document",
    draft=DocumentDraft,
    collection=lambda ledger: ledger.documents,
    title=lambda draft: f"{'Invoice' if draft.type == 'invoice' else 'Credit note'} {draft.number}",
    differs=_document_differs,
)
