"""QuickBooks Online as a ledger: one US company, batches of 30, documents found again by our number.

What to know (sources in the company's documentation at developer.intuit.com):

- A customer has one currency for good, so each of our customers is one there per currency: ``Acme`` in the home
  currency, ``Acme (EUR)`` in euros. Names are shared with vendors and employees.
- Reads are metered and writes are not, so totals come from the answer to the create and lists are read once.
- ``DocNumber`` is unique per kind of document only while the company's setting for custom numbers is on.
- A purchase order number stands in the memo for the customer: the API has no field for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from connectors.base import (
    Adopted,
    Collection,
    Created,
    CustomerDraft,
    DocumentDraft,
    DocumentType,
    LedgerChanges,
    LedgerCustomer,
    LedgerDocument,
    LedgerPayment,
    LedgerSetup,
    Memory,
    PaymentDraft,
    Ports,
    Probe,
    Ref,
    Rejected,
    Settings,
)
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.quickbooks import bodies, changes, rows
from connectors.quickbooks.catalogue import Catalogue, read_setup
from connectors.quickbooks.transport import BATCH_SIZE, Fault, Row, Transport

_ENTITIES: dict[DocumentType, str] = {"invoice": "Invoice", "credit_note": "CreditMemo"}
_DUPLICATES = ("6140", "6240")  # document number, name
Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


def connect(settings: Settings, ports: Ports) -> QuickBooksLedger:
    """Return the connector of one company; ``settings.account`` is its realm id. Nothing is called yet."""
    return QuickBooksLedger(settings, ports)


class _Collection(Generic[Wanted, Found]):
    """What customers, documents and payments share: a batch goes out, each answer becomes a result."""

    batch_size = BATCH_SIZE

    def __init__(self, transport: Transport, catalogue: Catalogue) -> None:
        self._transport = transport
        self._catalogue = catalogue

    def find(self, wanted: Sequence[Wanted]) -> list[Found | None]:
        """Look each up by its natural key."""
        raise NotImplementedError

    def create(self, batch: Sequence[Wanted], key: str) -> list[Created[Found] | Adopted[Found] | Rejected]:
        """Create what can be said; a number or name that is taken is looked up."""
        if len(batch) > BATCH_SIZE:
            raise ValueError(f"QuickBooks takes {BATCH_SIZE} objects in a call, not {len(batch)}")
        rejected: dict[int, Rejected] = {}
        items = []
        for index, draft in enumerate(batch):
            try:
                items.append((str(index + 1), *self._body(draft)))
            except bodies.NotSayable as error:
                rejected[index] = Rejected(str(error))
        answers = self._transport.create(items, key) if items else {}
        taken = [i for i in range(len(batch)) if _is_duplicate(answers.get(str(i + 1)))]
        existing = dict(zip(taken, self._look_up([batch[i] for i in taken]), strict=True))
        return [
            rejected.get(index) or self._result(draft, answers[str(index + 1)], existing.get(index))
            for index, draft in enumerate(batch)
        ]

    def _look_up(self, drafts: Sequence[Wanted]) -> list[Found | None]:
        try:
            return self.find(drafts) if drafts else []
        except ConnectorError as error:  # others of the batch are booked by now
            raise OutcomeUnknown(
                f"the batch is booked, but what was there before could not be read: {error}"
            ) from error

    def _result(
        self, draft: Wanted, answer: Row | Fault, existing: Found | None
    ) -> Created[Found] | Adopted[Found] | Rejected:
        if not isinstance(answer, Fault):
            return Created(self._read(draft, answer))
        if existing is not None and self._is_ours(draft, existing):
            return Adopted(existing)
        return Rejected(self._reason(draft, answer, existing), answer.code)

    def _body(self, draft: Wanted) -> tuple[str, Row]:
        raise NotImplementedError

    def _read(self, draft: Wanted, row: Row) -> Found:
        raise NotImplementedError

    def _is_ours(self, draft: Wanted, existing: Found) -> bool:
        return True

    def _reason(self, draft: Wanted, fault: Fault, existing: Found | None) -> str:
        return fault.text


def _is_duplicate(answer: Row | Fault | None) -> bool:
    return isinstance(answer, Fault) and answer.code in _DUPLICATES


class _Customers(_Collection[CustomerDraft, LedgerCustomer]):
    """Customers, found by name; ours carry their key in the notes."""

    def find(self, wanted: Sequence[CustomerDraft]) -> list[LedgerCustomer | None]:
        """Find customers by the name that each would get; whose key is not the draft's is not known to be the same."""
        home = self._catalogue.home_currency()
        names = [bodies.display_name(draft, home) for draft in wanted]
        found = {row["DisplayName"].casefold(): row for row in self._transport.among("Customer", "DisplayName", names)}
        return [_if_found(rows.customer, found.get(name.casefold())) for name in names]

    def _body(self, draft: CustomerDraft) -> tuple[str, Row]:
        return "Customer", bodies.customer_body(draft, self._catalogue.home_currency())

    def _read(self, draft: CustomerDraft, row: Row) -> LedgerCustomer:
        return rows.customer(row)

    def _is_ours(self, draft: CustomerDraft, existing: LedgerCustomer) -> bool:
        return existing.key == draft.key

    def _reason(self, draft: CustomerDraft, fault: Fault, existing: LedgerCustomer | None) -> str:
        if fault.code not in _DUPLICATES:
            return fault.text
        name = bodies.display_name(draft, self._catalogue.home_currency())
        holder = f"customer {existing.ref.id}" if existing else "a vendor, an employee or another customer"
        return f"the name {name!r} is taken by {holder}: link it if it is the same, else rename one ({fault.text})"


class _Documents(_Collection[DocumentDraft, LedgerDocument]):
    """Invoices and credit memos, found by our number."""

    def find(self, wanted: Sequence[DocumentDraft]) -> list[LedgerDocument | None]:
        """Find documents by number, invoices among invoices and credit notes among credit memos."""
        found: dict[tuple[str, str], LedgerDocument] = {}
        for entity in ("Invoice", "CreditMemo"):
            numbers = [draft.number for draft in wanted if bodies.entity_of(draft) == entity]
            for row in self._transport.among(entity, "DocNumber", numbers):
                found[entity, row["DocNumber"]] = rows.document(entity, row)
        return [found.get((bodies.entity_of(draft), draft.number)) for draft in wanted]

    def _body(self, draft: DocumentDraft) -> tuple[str, Row]:
        return bodies.entity_of(draft), bodies.document_body(draft, self._catalogue)

    def _read(self, draft: DocumentDraft, row: Row) -> LedgerDocument:
        return rows.document(bodies.entity_of(draft), row)


class _Payments(_Collection[PaymentDraft, LedgerPayment]):
    """Payments, found by our key together with the invoice they pay: QuickBooks keeps neither unique."""

    def find(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment | None]:
        """Find payments by key and document; a voided one pays nothing any more and is not found."""
        found: dict[tuple[str, str], LedgerPayment] = {}
        for row in self._transport.among("Payment", "PaymentRefNum", [draft.key for draft in wanted]):
            payment = rows.payment(row)
            found.update({(payment.key, document): payment for document in payment.applied})
        return [found.get((draft.key, draft.document.id)) for draft in wanted]

    def _body(self, draft: PaymentDraft) -> tuple[str, Row]:
        return "Payment", bodies.payment_body(draft, self._catalogue)

    def _read(self, draft: PaymentDraft, row: Row) -> LedgerPayment:
        return rows.payment(row)


def _if_found(read: Callable[[Row], Found], row: Row | None) -> Found | None:
    return None if row is None else read(row)


class QuickBooksLedger:
    """The accounting role at one QuickBooks company."""

    # How long Intuit knows a requestid is not published, nor how late its queries are: none, and a minute of ours.
    memory = Memory(keys=timedelta(0), lag=timedelta(minutes=1))

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._transport = Transport(settings, ports)
        catalogue = Catalogue(self._transport, ports.clock)
        self.customers: Collection[CustomerDraft, LedgerCustomer] = _Customers(self._transport, catalogue)
        self.documents: Collection[DocumentDraft, LedgerDocument] = _Documents(self._transport, catalogue)
        self.payments: Collection[PaymentDraft, LedgerPayment] = _Payments(self._transport, catalogue)

    def probe(self) -> Probe:
        """Read the company's name."""
        return Probe(account_name=str(self._transport.company_info().get("CompanyName", "")))

    def setup(self) -> LedgerSetup:
        """Read accounts, items, tax codes, classes and the settings that matter, afresh."""
        return read_setup(self._transport)

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return what changed; see ``changes.read`` for which deletions are told."""
        return changes.read(self._transport, since)

    def numbers(self, prefix: str) -> list[str]:
        """Return the numbers that begin with ``prefix``; QuickBooks numbers invoices and credit memos apart."""
        found = [row for entity in ("Invoice", "CreditMemo") for row in self._transport.named(entity, prefix)]
        return [number for row in found if (number := str(row.get("DocNumber") or "")).startswith(prefix)]

    def pdf(self, document: Ref, kind: DocumentType) -> bytes:
        """Return an invoice or credit memo as QuickBooks prints it."""
        return self._transport.pdf(_ENTITIES[kind], document.id)

    def payment_link(self, document: Ref) -> str:
        """Return the invoice's own page; empty where the company takes no online payments."""
        return self._transport.invoice_link(document.id)

    def send(self, document: Ref, kind: DocumentType, email: str, key: str) -> None:
        """Let QuickBooks mail a document with its own text."""
        self._transport.mail(_ENTITIES[kind], document.id, email, key)
