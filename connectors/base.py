"""The roles a vendor can play, in our nouns. A connector implements a role; everything else sees only the role.

Amounts are integer minor units of the currency beside them; prices and quantities are ``Decimal``. Times are aware
UTC datetimes; dates are calendar dates in the company's zone. Every method may raise ``connectors.errors``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite
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
    limits: Mapping[str, int] = {}  # calls of the limits that differ from the vendor's ``LIMITS``, by their name
    sender: str = ""  # whom our own mail comes from: an address, or a name with one in angle brackets


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


class Limit(msgspec.Struct, frozen=True):
    """A published limit: at most ``calls`` in any window of ``seconds``; with 0 seconds so many at the same time.

    ``only``: it counts calls of that kind alone. ``whole_app``: it counts the calls to all accounts of a vendor.
    """

    name: str
    calls: int
    seconds: float = 0.0
    only: str = ""
    whole_app: bool = False


class Window(msgspec.Struct, frozen=True):
    """A limit as a ``Quota`` counts it, in its own seconds. ``key`` is the same for all who call the same account.

    A call that is still under way counts ``slack`` seconds after it was sent.
    """

    key: str
    calls: int
    seconds: float
    slack: float = 0.0

    def counts_at(self, sent: float, arrived: float) -> float:
        """Return when a call counts that was sent and at the latest arrived then, or is under way (infinity)."""
        return arrived if isfinite(arrived) else sent + self.slack


class Block(msgspec.Struct, frozen=True):
    """Permits to begin so many calls before ``until``; without any, ask again after ``wait`` seconds (``why``)."""

    permits: int
    until: float
    wait: float = 0.0
    why: str = ""


class Spent(msgspec.Struct, frozen=True):
    """What became of a block: when each call was sent, and when it came to the vendor at the latest (``Window``).

    ``told``: by key what the vendor says is left, and when it said so.
    """

    block: Block
    used: Sequence[tuple[float, float]] = ()
    told: Mapping[str, tuple[int, float]] = {}


class Quota(Protocol):
    """Counts the calls of accounts for everyone who makes any; the store shares it between processes.

    Permits come in blocks, so that not every call costs a transaction. What a caller that died held counts as used.
    """

    def now(self) -> float:
        """Return the seconds in which blocks and pauses are counted."""

    def exchange(self, windows: Sequence[Window], spent: Spent, want: int, life: float, *, urgent: bool) -> Block:
        """Settle the last block and get up to ``want`` permits that last ``life`` seconds, within every window.

        While one who is ``urgent`` waits for a window, nobody else gets the permit that he needs.
        """

    def pause(self, key: str, seconds: float, why: str) -> None:
        """Give out no permits for a window, or for all of an account, for ``seconds``."""

    def slot(self, key: str, slots: int) -> Callable[[], None] | None:
        """Take one of so many slots; return what gives it back, or None while others hold them all."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector needs from outside."""

    credentials: Credentials
    clock: Clock
    quota: Quota | None = None  # None: this connector is the only one that calls the account
    urgent: bool = False  # a person waits for the answer: these calls go before those of jobs


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor remembers of a write: how long it surely knows the idempotency key (zero: nobody says how long),
    and after how long a search surely finds what was written.
    """

    keys: timedelta
    lag: timedelta


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to "does this connection work": the account's own name for people."""

    account_name: str


# ----------------------------------------------------------------------------------------------------------- CRM role


class CrmObject(msgspec.Struct, frozen=True, kw_only=True):
    """A company, contact or line item: its id and its properties as the CRM's strings.

    ``merged_ids`` are ids it had before: of the records that were merged into it.
    """

    id: str
    properties: dict[str, str | None]
    merged_ids: tuple[str, ...] = ()


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


class DealFate(msgspec.Struct, frozen=True, kw_only=True):
    """How a deal stands now that may have been won before.

    ``merged``: ``became`` is the won deal it was merged into. ``not_won``: it lies in another stage, or was merged into
    ``became``, which does. ``deleted``: it is in the recycle bin or gone for good.
    """

    id: str
    fate: Literal["won", "not_won", "deleted", "merged"]
    became: str = ""


class DealPage(msgspec.Struct, frozen=True, kw_only=True):
    """Deals in order of modification. ``cursor``: everything modified before it has been delivered.

    ``fates`` tell of deals that do not count as won (any more); most of them were never delivered. ``won`` is how many
    deals are won in all, on the last page and where no other call was needed to know it.
    """

    deals: tuple[CrmDeal, ...]
    cursor: datetime | None
    fates: tuple[DealFate, ...] = ()
    won: int | None = None


class Crm(Protocol):
    """Where deals are won."""

    update_batch: int  # how many records one ``update`` may change

    def probe(self) -> Probe:
        """Make the cheapest authenticated call."""

    def won_deals(self, since: datetime | None, scope: DealScope, *, settled: bool = False) -> Iterator[DealPage]:
        """Yield the won deals modified (or whose lines, companies or contacts were) since ``since``, all when None.

        The connector overlaps ``since`` by the lag of its search, so a deal may come again unchanged; not when that
        was read when it was ``settled``, long after it happened. What was deleted is not told here: how many are won
        (the last page's ``won``, or ``count_won``) and ``fates`` find it.
        """

    def count_won(self, scope: DealScope) -> int:
        """Return how many deals are won, in one call."""

    def fates(self, ids: Sequence[str], scope: DealScope) -> list[DealFate]:
        """Return how deals known by their ids stand now, in bulk."""

    def update(self, object_type: Literal["deals", "companies"], batch: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Set properties: id -> name -> value, at most ``update_batch`` records. Returns the ids that were changed.

        The same values may be sent again, so passing failures are retried. Raises ``Refused`` where the CRM has no
        such property or does not take the value.
        """

    def properties(self, object_type: Literal["deals", "line_items", "companies", "contacts"]) -> list[CrmProperty]:
        """Return the properties that exist, custom ones included."""

    def stages(self) -> dict[str, dict[str, str]]:
        """Return pipeline id -> stage id -> label."""


# ------------------------------------------------------------------------------------------------------ payments role


class GivenBack(msgspec.Struct, frozen=True):
    """A part of a payment that went back to its payer."""

    at: datetime
    amount: int


class ReceivedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Money received through a payment provider.

    ``texts`` holds every field in which an invoice number may stand, by the field's path, in the vendor's own words.
    ``marks`` holds what else tells whose money it is: ``kind``, ``account``, what its customer carries.
    ``received_at`` is when the provider's balance took it in. ``fee`` and ``net`` are known from then on, in
    ``settlement_currency``. ``given_back`` is what ``refunded`` is made of, oldest first, as far as that is known.
    ``held``: its customer's money still, processing until somebody applies it at the provider; then it comes as a
    payment of another id, and of this one as much less is left, in the end nothing.
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
    marks: dict[str, str] = {}
    also_known_as: tuple[str, ...] = ()  # other ids of it at the provider, which people and other apps may write
    fee: int | None = None
    net: int | None = None
    settlement_currency: str = ""
    given_back: tuple[GivenBack, ...] = ()
    held: bool = False


class Unreadable(msgspec.Struct, frozen=True):
    """A payment that cannot be given exactly, by the provider's id, and why: a person must look at it."""

    id: str
    problem: str


class PaymentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Payments of one page. ``cursor``: everything created before it has been delivered once all pages are read.

    ``told``, on the last one: what was told of changes since a little before ``cursor``, for the next pull.
    """

    payments: tuple[ReceivedPayment, ...]
    cursor: datetime | None
    unreadable: tuple[Unreadable, ...] = ()
    told: tuple[str, ...] = ()


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of a provider's balance, in minor units of the balance's currency; what leaves it is below zero.

    ``net`` = ``amount`` - ``fee``. ``payment_id`` is the id of the ``ReceivedPayment`` that it belongs to, or empty.
    ``paid_amount``: the same as ``amount`` in ``paid_currency``, the payment's own, where that is another than the
    balance's; None where it is not known exactly.
    """

    id: str
    kind: Literal["payment", "refund", "dispute", "fee", "adjustment", "payout", "other"]
    amount: int
    fee: int
    net: int
    currency: str
    at: datetime
    payment_id: str = ""
    description: str = ""
    paid_amount: int | None = None
    paid_currency: str = ""


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """Money that a provider sent to the bank, with every movement it is made of: their ``net`` add up to ``amount``.

    One that somebody sent by hand is not ``automatic``: it has no movements, it took what it took of the balance.
    """

    id: str
    currency: str
    amount: int
    arrives_on: date
    status: Literal["paid", "pending", "failed"]
    made_at: datetime
    movements: tuple[Movement, ...] = ()
    automatic: bool = True


class PaymentPageDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice for which the provider is to make a page to pay it. ``key``, at most 36 characters, never changes."""

    key: str
    number: str
    currency: str
    amount: int
    customer_email: str = ""
    description: str = ""


class PayingCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as the payment provider knows it. ``metadata`` may hold ids of other systems."""

    id: str
    name: str
    email: str
    metadata: dict[str, str] = {}


class Payments(Protocol):
    """A payment provider."""

    memory: Memory

    def probe(self) -> Probe:
        """Make the cheapest authenticated call."""

    def payments(self, since: datetime | None, told: Iterable[str] = ()) -> Iterator[PaymentPage]:
        """Yield payments created since ``since`` (all when None), and older ones whose state changed since.

        ``told``: what the last pull was told (``PaymentPage.told``); nothing is asked for again because of that.
        """

    def customers(self, since: datetime | None) -> Iterator[tuple[PayingCustomer, ...]]:
        """Yield pages of customers created since ``since``, all when None."""

    def payouts(self, since: datetime | None) -> Iterator[Payout | Unreadable]:
        """Yield payouts created since ``since`` (all when None), and those whose status changed since, oldest first.

        An automatic one that is not exactly the sum of its movements is ``Unreadable``.
        """

    def movements(self, currency: str, since: datetime, until: datetime) -> Iterator[Movement]:
        """Yield what moved the balance in ``currency`` from ``since`` until ``until``, and maybe some of before.

        Raises ``Unsupported`` for one that cannot be given exactly.
        """

    def payment_page(self, wanted: PaymentPageDraft) -> str:
        """Return the address at which an invoice can be paid; the same page for the same draft, however often asked.

        Raises ``Refused`` where the page of this key is for another amount, ``Unsupported`` for one it cannot take.
        """

    def limit_payment_page(self, wanted: PaymentPageDraft, payments: int) -> None:
        """Let the page of a draft take so many payments in all, those that failed included; 0 closes it for good.

        A new page takes one. Doing it twice is doing it once.
        """

    def undelivered(self, since: datetime | None) -> Iterator[WebhookEvent]:
        """Yield what the provider could not deliver to our webhooks since ``since``, as far back as it keeps it."""


# ---------------------------------------------------------------------------------------------------- accounting role


DocumentType = Literal["invoice", "credit_note"]


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
    """A customer found at the ledger, with what identifies it. ``key`` is our mark, empty where it is not ours.

    ``currency`` is the only one it takes documents in, empty where it takes any. ``merged_into``: the id of the
    customer that it became a part of, where the ledger tells.
    """

    ref: Ref
    name: str
    key: str = ""
    email: str = ""
    tax_id: str = ""
    currency: str = ""
    active: bool = True
    merged_into: str = ""


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
    terms: str = ""  # the ledger's payment terms: id at QuickBooks; Xero has none
    exchange_rate: Decimal | None = None  # home currency per unit of ``currency``; None: the ledger's own of the day
    memo: str = ""  # for the customer
    mark: str = ""  # for us: kept where the customer does not see it
    email: str = ""

    def differs_from(self, found: LedgerDocument) -> list[str]:
        """Return which of our fields the document does not say (any more), by their names.

        What people add where we say nothing is theirs: a memo, the coding of lines, lines of text.
        """
        same = {
            "number": found.number in ("", self.number),
            "customer": found.customer_id in ("", self.customer.id),
            "currency": found.currency in ("", self.currency),
            "issue_on": found.issue_on in (None, self.issue_on),
            "due_on": found.due_on in (None, self.due_on) or self.type == "credit_note",
            "total": found.total == self.total,
            "tax": found.tax == self.tax,
            "lines": found.lines is None or _texts(found.lines) == _texts(self.lines),
            "po_number": found.lines is None or self.po_number in found.memo,
        }
        return [name for name, is_same in same.items() if not is_same]


class HeldLine(msgspec.Struct, frozen=True, array_like=True):
    """A line of a document at a ledger: its text, and its amount net of tax. Lines without an amount are none."""

    description: str
    amount: int


def _texts(lines: Iterable[HeldLine | LedgerLine]) -> list[tuple[int, str]]:
    """Return what lines say in any order, whatever became of their spaces."""
    return sorted((line.amount, " ".join(line.description.split())) for line in lines if line.amount)


class LedgerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document as the ledger holds it. ``lines`` are None where the answer did not tell them.

    ``memo`` is what it says to the customer beside its lines, the purchase order's number too. ``mark`` is the draft's,
    empty where the ledger has no place for it: it stays when people give the document another number.
    """

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
    lines: tuple[HeldLine, ...] | None = None
    memo: str = ""
    mark: str = ""
    updated_at: datetime | None = None

    def says_what(self, other: LedgerDocument) -> bool:
        """Say whether two looks at a document found the same content, whatever was paid or mailed in between."""
        names = ("number", "customer_id", "currency", "issue_on", "due_on", "total", "tax")
        untold = self.lines is None or other.lines is None
        same_texts = untold or (self.memo, _texts(self.lines or ())) == (other.memo, _texts(other.lines or ()))
        return same_texts and all(getattr(self, name) == getattr(other, name) for name in names)


class PaymentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Money applied to one document, or with ``document`` None money on account that nothing is paid with yet.

    ``key`` (at most 21 characters) and the document identify it at the ledger.
    """

    key: str
    customer: Ref
    document: Ref | None
    currency: str
    amount: int
    received_on: date
    account: str  # where the money lies: the clearing account of the payment provider
    memo: str = ""


class LedgerPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the ledger holds it. ``applied``: amount by document id, credit notes used in it included.

    ``unapplied`` is the part of ``amount`` that the customer still has as credit.
    """

    ref: Ref
    key: str = ""
    status: Literal["active", "voided", "deleted"] = "active"
    customer_id: str = ""
    currency: str = ""
    amount: int = 0
    applied: dict[str, int] = {}
    unapplied: int = 0
    memo: str = ""
    received_on: date | None = None
    updated_at: datetime | None = None


Credit = Literal["credit_note", "on_account"]


class AllocationDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a credit note, or of money on account, set against an invoice. ``key`` is at most 21 characters."""

    key: str
    customer: Ref
    source: Ref
    source_kind: Credit
    document: Ref
    currency: str
    amount: int
    on: date


class LedgerAllocation(msgspec.Struct, frozen=True, kw_only=True):
    """A credit set against an invoice, as the ledger holds it."""

    ref: Ref
    source_id: str
    document_id: str
    amount: int
    currency: str = ""
    on: date | None = None


class RefundDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Money given back to a customer from ``account``: of a credit note, or of money on account."""

    key: str  # at most 21 characters
    customer: Ref
    source: Ref
    source_kind: Credit
    currency: str
    amount: int
    on: date
    account: str
    memo: str = ""


class TransferDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Money moved between two accounts of ours: a payout from the clearing account to the bank."""

    key: str  # at most 21 characters
    currency: str
    amount: int
    source: str  # account it leaves
    target: str  # account it arrives in
    on: date
    memo: str = ""


class ExpenseDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider kept, paid out of its clearing account. Below zero it gave something back.

    ``exchanged``: what the whole of it was exchanged for in ``exchanged_currency``. Where that is the ledger's own
    currency it is booked at that rate; 0: at the ledger's own of the day.
    """

    key: str  # at most 21 characters
    currency: str
    amount: int
    paid_from: str
    account: str  # the account of the expense
    on: date
    memo: str = ""
    tax_code: str = ""
    exchanged: int = 0
    exchanged_currency: str = ""


class JournalLine(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a journal entry: above zero a debit, below zero a credit."""

    account: str
    amount: int
    description: str = ""
    customer: Ref | None = None  # required by QuickBooks for receivables
    class_: str = ""


class JournalDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A journal entry whose lines add up to zero."""

    key: str  # at most 21 characters
    currency: str
    on: date
    lines: tuple[JournalLine, ...]
    memo: str = ""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A refund, transfer, expense or journal entry as the ledger holds it; a journal's amount is its debits' sum."""

    ref: Ref
    key: str = ""
    status: Literal["active", "voided", "deleted"] = "active"
    currency: str = ""
    amount: int = 0
    on: date | None = None


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
    """What changed at the ledger. ``cursor`` is to be passed as ``since`` next time: how far this reading surely came.

    ``complete``: it is everything there is, though only changes were asked for; what is not in it is gone.
    """

    documents: tuple[LedgerDocument, ...]
    payments: tuple[LedgerPayment, ...]
    cursor: datetime | None
    customers: tuple[LedgerCustomer, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    complete: bool = False


class EntryChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What changed of a ledger's entries; ``cursor`` is to be passed as ``since`` next time, None: as before."""

    entries: tuple[LedgerEntry, ...] = ()
    cursor: datetime | None = None


class LedgerSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger offers, for checking mappings. Keys are what a mapping may write; values are names for people.

    ``problems`` are settings of the ledger under which documents would be booked wrongly, each with its remedy;
    ``one_currency`` is what to do before it takes any other currency than its own, empty where it does.
    """

    name: str
    home_currency: str
    accounts: dict[str, str]
    items: dict[str, str]
    tax_codes: dict[str, str]
    classes: dict[str, str]
    terms: dict[str, str] = {}  # msgspec copies the default
    closed_through: date | None = None  # nothing dated up to this day is taken any more
    problems: tuple[str, ...] = ()
    one_currency: str = ""


class Accounting(Protocol):
    """A ledger: QuickBooks, Xero ..."""

    memory: Memory
    customers: Collection[CustomerDraft, LedgerCustomer]
    documents: Collection[DocumentDraft, LedgerDocument]
    payments: Collection[PaymentDraft, LedgerPayment]
    allocations: Collection[AllocationDraft, LedgerAllocation]
    refunds: Collection[RefundDraft, LedgerEntry]
    transfers: Collection[TransferDraft, LedgerEntry]
    expenses: Collection[ExpenseDraft, LedgerEntry]
    journals: Collection[JournalDraft, LedgerEntry]

    def probe(self) -> Probe:
        """Make the cheapest authenticated call."""

    def update_customer(self, ref: Ref, draft: CustomerDraft, key: str) -> LedgerCustomer:
        """Bring a customer's own fields in step with ours under the idempotency ``key``; nothing else is cleared.

        Raises ``Refused`` where its version is stale or the ledger does not take a value.
        """

    def document(self, document: Ref, kind: DocumentType) -> LedgerDocument:
        """Return a document as it is now, with its lines; ``deleted`` where it is not there any more."""

    def update_document(self, seen: LedgerDocument, draft: DocumentDraft, key: str) -> LedgerDocument:
        """Write over a document of ours what it does not say any more of ``draft``; all else stays as it is there.

        ``seen`` is what a person wants overwritten. Raises ``Refused`` where it is something else by now, is void, is
        paid or used so that its lines stand, or lies in a closed period. What says it all already is not written.
        """

    def void_document(self, document: Ref, kind: DocumentType, key: str) -> LedgerDocument:
        """Void a document; one that is voided already stays so. Raises ``Refused`` (paid, closed period ...)."""

    def void_payment(self, payment: Ref, key: str) -> LedgerPayment:
        """Void a payment; one that is voided already stays so. Raises ``Refused``."""

    def void_refund(self, refund: Ref, posted: RefundDraft, key: str) -> LedgerEntry:
        """Take back a refund that did not reach its payer, so that the credit that it was taken from is there again.

        ``posted`` is what it was made of. One that is taken back already stays so. Raises ``Refused``.
        """

    def attach(self, document: Ref, kind: DocumentType, name: str, content: bytes, key: str) -> None:
        """Attach a PDF to a document; one of the same name that hangs there already is not attached again."""

    def setup(self) -> LedgerSetup:
        """Read accounts, items, tax codes and settings."""

    def hindrance(self) -> str:
        """Return the setting under which no document may be sent there, with its remedy; empty where there is none.

        It is asked for before documents are sent, so it costs no call of its own where they need the same settings.
        """

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return what changed since ``since`` (inclusive, all when None), ours and others'; inactive customers too.

        The connector overlaps ``since`` by the lag of what it reads by, so an object may come again unchanged.
        """

    def entry_changes(self, since: datetime) -> EntryChanges:
        """Return which expenses, transfers and refunds changed since ``since``, but for those that ``changes`` tells.

        Everybody's, and what was deleted; of that perhaps the id alone. It is asked once a day.
        """

    def numbers(self, prefix: str) -> list[str]:
        """Return the numbers of all invoices and credit notes that begin with ``prefix``, ours and others'."""

    def pdf(self, document: Ref, kind: DocumentType) -> bytes:
        """Return a document as the ledger prints it."""

    def payment_link(self, document: Ref) -> str:
        """Return the address under which an invoice can be seen and paid, empty where the ledger offers none."""

    def send(self, document: Ref, kind: DocumentType, email: str, key: str) -> None:
        """Let the ledger mail a document to ``email`` itself, under the idempotency ``key`` (at most 36 characters).

        Raises ``Refused`` when the ledger will not send it there, ``OutcomeUnknown`` when it may have been sent.
        """


# --------------------------------------------------------------------------------------------------------- mailer role


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file that goes with a mail."""

    name: str
    content: bytes
    type: str = "application/pdf"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A plain-text mail to one recipient. ``message_id`` is ours and never changes; a domain is added to it."""

    message_id: str
    recipient: str
    subject: str
    text: str
    sent_at: datetime
    recipient_name: str = ""
    sender_name: str = ""  # shown before the connection's own address
    attachments: tuple[Attachment, ...] = ()


class Mailer(Protocol):
    """Sends mail."""

    def probe(self) -> Probe:
        """Sign in without sending anything."""

    def send(self, mail: Mail) -> str:
        """Hand over one mail; return the words with which the server accepted it.

        Raises ``Refused`` when this mail is not taken (its recipient, say), ``OutcomeUnknown`` when it may have been.
        """


# --------------------------------------------------------------------------------------------------- webhook sources


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A request that says it comes from a vendor. ``uri`` is whole and as the vendor was told it, still encoded.

    Names of headers are in lower case; the body is as it came.
    """

    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A hint that something changed: nothing of it is believed but what it is about.

    ``id`` is the same each time the vendor sends it. ``unreadable`` is the beginning of what the vendor signed but
    nobody can read.
    """

    id: str
    topic: str  # what happened, in the vendor's word
    object: str  # the vendor's id of what changed
    account: str = ""  # whose it is, where one delivery may hold events of several accounts: realm, tenant
    unreadable: bytes | None = None


class WebhookSource(Protocol):
    """Reads a vendor's webhooks: a function of the vendor's own file."""

    def __call__(self, delivery: Delivery, secrets: Sequence[str], now: datetime) -> list[WebhookEvent]:
        """Return the events of a delivery that was signed with any of ``secrets`` within five minutes of ``now``.

        Raises ``Malformed`` when a signature is missing or has not its form, ``Forged`` when it is not the vendor's.
        """
