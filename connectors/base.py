"""The roles a vendor can play, in our nouns. A connector implements a role; everything else sees only the role.

Amounts are integer minor units of the currency beside them; prices and quantities are ``Decimal``. Times are aware
UTC datetimes; dates are calendar dates in the company's zone. Every method may raise ``connectors.errors``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from billing.customer import Customer

# ------------------------------------------------------------------------------------------------ what connect() gets


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One configured connection, as its vendor's ``connect(settings, ports)`` receives it."""

    name: str
    vendor: str
    base_url: str
    account: str = ""  # QuickBooks realm, Xero tenant, Stripe account; empty where the vendor needs none
    minute_seconds: float = 60.0  # how long the vendor's minute lasts; only a sandbox has another


class Credentials(Protocol):
    """Gives a connector its access token; renewing and storing are done elsewhere."""

    def access_token(self) -> str:
        """Return a token to send now."""

    def rejected(self, token: str) -> str:
        """Say that the vendor answered 401 to ``token``; return another one or raise ``AuthExpired``."""


class Clock(Protocol):
    """Time for pacing and back-off; tests give one that does not wait."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector needs from outside."""

    credentials: Credentials
    clock: Clock


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to "does this connection work": the account's own name for people."""

    account_name: str


# ----------------------------------------------------------------------------------------------------------- CRM role


class CrmObject(msgspec.Struct, frozen=True, kw_only=True):
    """A company, contact or line item: its id and its properties as the CRM's strings."""

    id: str
    properties: dict[str, str | None]


class CrmDeal(msgspec.Struct, frozen=True, kw_only=True):
    """A deal with everything that terms are read from, line items in a stable order."""

    id: str
    modified_at: datetime
    properties: dict[str, str | None]
    line_items: tuple[CrmObject, ...] = ()
    companies: tuple[CrmObject, ...] = ()  # the primary company first
    contacts: tuple[CrmObject, ...] = ()
    url: str = ""


class DealScope(msgspec.Struct, frozen=True, kw_only=True):
    """Which deals to read and which properties of them: written from the mapping."""

    won_stages: Mapping[str, Sequence[str]]  # pipeline id -> ids of its won stages
    deal_properties: Sequence[str]
    line_item_properties: Sequence[str]
    company_properties: Sequence[str]
    contact_properties: Sequence[str]


class CrmProperty(msgspec.Struct, frozen=True, kw_only=True):
    """A property that exists in the CRM, for checking mappings. ``options`` are the values an enumeration allows."""

    name: str
    label: str
    type: str
    options: tuple[str, ...] = ()


class DealPage(msgspec.Struct, frozen=True, kw_only=True):
    """Deals in order of modification. ``cursor``: everything modified before it has been delivered."""

    deals: tuple[CrmDeal, ...]
    cursor: datetime | None


class Crm(Protocol):
    """Where deals are won."""

    def probe(self) -> Probe:
        """Make the cheapest authenticated call."""

    def won_deals(self, since: datetime | None, scope: DealScope) -> Iterator[DealPage]:
        """Yield the won deals modified (or whose line items were modified) since ``since``, all when None.

        The connector overlaps ``since`` by the lag of its search, so a deal may come again unchanged.
        """

    def properties(self, object_type: Literal["deals", "line_items", "companies", "contacts"]) -> list[CrmProperty]:
        """Return the properties that exist, custom ones included."""

    def stages(self) -> dict[str, dict[str, str]]:
        """Return pipeline id -> stage id -> label."""


# ------------------------------------------------------------------------------------------------------ payments role


class ReceivedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Money received through a payment provider.

    ``texts`` holds every field in which an invoice number may stand, by the field's path, in the vendor's own words.
    ``fee`` and ``net`` are known once the provider has settled the payment, in ``settlement_currency``.
    """

    id: str  # the provider's id of the movement of money
    currency: str
    amount: int
    received_at: datetime
    status: Literal["succeeded", "processing", "failed"]
    refunded: int = 0
    disputed: bool = False
    customer_id: str = ""
    customer_name: str = ""
    customer_email: str = ""
    texts: dict[str, str] = {}  # msgspec copies the default
    fee: int | None = None
    net: int | None = None
    settlement_currency: str = ""


class PaymentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Payments of one page. ``cursor``: everything created before it has been delivered once all pages are read."""

    payments: tuple[ReceivedPayment, ...]
    cursor: datetime | None


class PayingCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as the payment provider knows it. ``metadata`` may hold ids of other systems."""

    id: str
    name: str
    email: str
    metadata: dict[str, str] = {}


class Payments(Protocol):
    """A payment provider."""

    def probe(self) -> Probe:
        """Make the cheapest authenticated call."""

    def payments(self, since: datetime | None) -> Iterator[PaymentPage]:
        """Yield payments created since ``since`` (all when None), and older ones whose state changed since."""

    def customers(self, since: datetime | None) -> Iterator[tuple[PayingCustomer, ...]]:
        """Yield pages of customers created since ``since``, all when None."""


# ---------------------------------------------------------------------------------------------------- accounting role


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """How a vendor names an object: its id, and the version that an update must carry (QuickBooks' SyncToken)."""

    id: str
    version: str = ""


class CustomerDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A customer to create. ``key`` (at most 50 characters) is our own mark, kept at the ledger where it has a place.

    A ledger with one currency per customer may append the currency to the name.
    """

    key: str
    currency: str
    customer: Customer


class LedgerCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer found at the ledger, with what identifies it. ``key`` is our mark, empty where it is not ours."""

    ref: Ref
    name: str
    key: str = ""
    email: str = ""
    tax_id: str = ""
    currency: str = ""
    active: bool = True


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as the ledger gets it: ``amount`` net of tax; quantity x unit price only where it says that exactly."""

    description: str
    amount: int
    quantity: Decimal
    unit_price: Decimal
    tax: int  # this line's share of the document's tax
    item: str = ""  # the ledger's item: id at QuickBooks, code at Xero
    account: str = ""
    tax_code: str = ""
    class_: str = ""
    service_date: date | None = None


class DocumentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice or credit note to create. ``number`` is ours and is what an unknown outcome is looked up by."""

    number: str
    type: Literal["invoice", "credit_note"]
    customer: Ref
    currency: str
    issue_on: date
    due_on: date
    lines: tuple[LedgerLine, ...]
    subtotal: int
    tax: int
    total: int
    po_number: str = ""
    memo: str = ""  # for the customer
    mark: str = ""  # for us: kept where the customer does not see it
    email: str = ""


class LedgerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document as the ledger holds it."""

    ref: Ref
    number: str
    type: Literal["invoice", "credit_note"]
    status: Literal["draft", "open", "paid", "voided", "deleted"]
    customer_id: str = ""
    currency: str = ""
    total: int = 0
    tax: int = 0
    balance: int = 0
    issue_on: date | None = None
    due_on: date | None = None
    updated_at: datetime | None = None


class PaymentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Money applied to one document. ``key`` (at most 21 characters) and the document identify it at the ledger."""

    key: str
    customer: Ref
    document: Ref
    currency: str
    amount: int
    received_on: date
    account: str  # where the money lies: the clearing account of the payment provider
    memo: str = ""


class LedgerPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the ledger holds it. ``applied``: amount by document id; the rest is customer credit."""

    ref: Ref
    key: str = ""
    status: Literal["active", "voided", "deleted"] = "active"
    customer_id: str = ""
    currency: str = ""
    amount: int = 0
    applied: dict[str, int] = {}
    received_on: date | None = None
    updated_at: datetime | None = None


Found = TypeVar("Found")
Wanted_contra = TypeVar("Wanted_contra", contravariant=True)


class Created(msgspec.Struct, Generic[Found], frozen=True, tag="created"):
    """The vendor made the object; ``found`` is read from the answer to the create."""

    found: Found


class Adopted(msgspec.Struct, Generic[Found], frozen=True, tag="adopted"):
    """The vendor already holds the object under our number; ``found`` says how it looks there."""

    found: Found


class Rejected(msgspec.Struct, frozen=True, tag="rejected"):
    """The vendor refuses this item; the others of the batch are not touched by that. ``code`` is the vendor's own."""

    reason: str
    code: str = ""


class Collection(Protocol[Wanted_contra, Found]):
    """Objects of one kind at a ledger: customers, documents or payments."""

    batch_size: int

    def find(self, wanted: Sequence[Wanted_contra]) -> list[Found | None]:
        """Look each up by its natural key, in bulk; the answer has the same order. Nothing is written."""

    def create(self, batch: Sequence[Wanted_contra], key: str) -> list[Created[Found] | Adopted[Found] | Rejected]:
        """Create up to ``batch_size`` objects in one call under the idempotency ``key`` (at most 36 characters).

        One result per item in the same order. Raises ``OutcomeUnknown`` when the call may have happened.
        """


class LedgerChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What changed at the ledger. ``cursor`` is the latest change seen, to be passed as ``since`` next time."""

    documents: tuple[LedgerDocument, ...]
    payments: tuple[LedgerPayment, ...]
    cursor: datetime | None


class LedgerSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger offers, for checking mappings. Keys are what a mapping may write; values are names for people.

    ``problems`` are settings of the ledger under which documents would be booked wrongly, each with its remedy.
    """

    name: str
    home_currency: str
    accounts: dict[str, str]
    items: dict[str, str]
    tax_codes: dict[str, str]
    classes: dict[str, str]
    problems: tuple[str, ...] = ()


class Accounting(Protocol):
    """A ledger: QuickBooks, Xero ..."""

    customers: Collection[CustomerDraft, LedgerCustomer]
    documents: Collection[DocumentDraft, LedgerDocument]
    payments: Collection[PaymentDraft, LedgerPayment]

    def probe(self) -> Probe:
        """Make the cheapest authenticated call."""

    def setup(self) -> LedgerSetup:
        """Read accounts, items, tax codes and settings."""

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return documents and payments changed since ``since`` (inclusive, all when None), ours and others'."""
