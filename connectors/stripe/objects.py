"""What is read of Stripe's objects (API version 2026-10-28): the fields that matter here, by Stripe's own names."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Customer(msgspec.Struct):
    """Who pays; after its deletion only the id is left."""

    id: str
    name: str | None = None
    email: str | None = None
    metadata: dict[str, str] | None = None  # a deleted customer has none
    created: int = 0


class CashBalance(msgspec.Struct):
    """What a customer has transferred and is not applied to any payment, by currency."""

    available: dict[str, int] | None = None


class Holder(Customer):
    """A customer with the cash balance."""

    cash_balance: CashBalance | None = None


class Transferred(msgspec.Struct):
    """Money of a cash balance that nobody applied, moved into the account's balance."""

    balance_transaction: Named | str


class CashMove(msgspec.Struct):
    """A change of a customer's cash balance."""

    customer: Customer | str
    currency: str
    created: int
    transferred_to_balance: Transferred | None = None


class Instructions(msgspec.Struct):
    """What a payment intent still waits for."""

    amount_remaining: int | None = None


class Action(msgspec.Struct):
    """What the payer of a payment intent has to do."""

    display_bank_transfer_instructions: Instructions | None = None


class Waiting(msgspec.Struct):
    """A payment intent that waits for a transfer, and may have got a part of it."""

    id: str
    amount: int
    currency: str
    status: str
    next_action: Action | None = None


class Intents(msgspec.Struct):
    """A page of payment intents, the newest first."""

    data: list[Waiting]


class Details(msgspec.Struct):
    """What the payer typed beside the card."""

    name: str | None = None
    email: str | None = None


class References(msgspec.Struct):
    """References of a payment intent's own."""

    customer_reference: str | None = None
    order_reference: str | None = None


class Intent(msgspec.Struct):
    """A payment intent: what its charges are for."""

    id: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    payment_details: References | None = None


class Method(msgspec.Struct):
    """How a charge was paid."""

    type: str = ""


class Named(msgspec.Struct):
    """Any object of which only its id matters."""

    id: str


class Transfer(msgspec.Struct):
    """Where a platform passes the money of a charge on to."""

    destination: Named | str | None = None


class Move(msgspec.Struct):
    """A balance transaction; its source is decoded once its type is known."""

    id: str
    type: str
    created: int
    currency: str
    fee: int
    net: int
    source: msgspec.Raw = msgspec.Raw(b"null")
    description: str | None = None
    amount: int = 0
    reporting_category: str = ""
    exchange_rate: Decimal | None = None  # from the currency of its source, where that is another


class Charge(msgspec.Struct):
    """One attempt to take money. Amounts are Stripe's minor units."""

    id: str
    amount: int
    currency: str
    created: int
    status: str
    amount_captured: int | None = None
    amount_refunded: int = 0
    captured: bool = False
    disputed: bool = False
    customer: Customer | str | None = None
    payment_intent: Intent | str | None = None
    balance_transaction: Move | str | None = None
    billing_details: Details | None = None
    payment_method_details: Method | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    calculated_statement_descriptor: str | None = None
    application: Named | str | None = None
    on_behalf_of: Named | str | None = None
    source_transfer: Named | str | None = None
    transfer_data: Transfer | None = None


class Changed(msgspec.Struct):
    """A refund, a dispute, a charge: whatever moved money or an event is about."""

    id: str = ""
    object: str = ""
    charge: Named | str | None = None


class Moved(msgspec.Struct):
    """A charge, refund or dispute: how much it moves, in its own currency."""

    currency: str | None = None
    amount: int = 0
    amount_captured: int | None = None


class EventData(msgspec.Struct):
    """What an event is about, decoded once its type is known."""

    object: msgspec.Raw


class Event(msgspec.Struct):
    """Something that happened."""

    id: str
    type: str
    data: EventData
    created: int = 0


class Payout(msgspec.Struct):
    """Money sent to the bank."""

    id: str
    amount: int
    currency: str
    created: int
    arrival_date: int
    status: str
    automatic: bool = True
    balance_transaction: Named | str | None = None
    reconciliation_status: str = "completed"


class Dispute(msgspec.Struct):
    """Money that the payer's bank takes back, at least for now."""

    id: str
    status: str = ""
    amount: int = 0
    created: int = 0


class Refund(msgspec.Struct):
    """Money given back of a charge."""

    id: str
    amount: int = 0
    created: int = 0
    status: str | None = None


class Invoice(msgspec.Struct):
    """An invoice that Stripe itself has issued."""

    id: str
    number: str | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None


class Paid(msgspec.Struct):
    """What paid such an invoice."""

    payment_intent: Named | str | None = None
    charge: Named | str | None = None


class InvoicePayment(msgspec.Struct):
    """A payment of such an invoice."""

    id: str
    payment: Paid
    invoice: Invoice | str | None = None
    created: int = 0


class Product(msgspec.Struct):
    """A thing that can be sold; ours stand for one invoice each."""

    id: str
    metadata: dict[str, str] | None = None
    default_price: str | None = None


class Link(msgspec.Struct):
    """A page on which something can be paid."""

    id: str
    url: str = ""
    metadata: dict[str, str] = {}


class Profile(msgspec.Struct):
    """How an account shows itself."""

    name: str | None = None


class Account(msgspec.Struct):
    """The account that a key belongs to."""

    id: str = ""
    business_profile: Profile | None = None
    email: str | None = None


class Moves(msgspec.Struct):
    """A page of balance transactions."""

    data: list[Move]
    has_more: bool = False


class Events(msgspec.Struct):
    """A page of events."""

    data: list[Event]
    has_more: bool = False


class Customers(msgspec.Struct):
    """A page of customers."""

    data: list[Customer]
    has_more: bool = False


class Payouts(msgspec.Struct):
    """A page of payouts."""

    data: list[Payout]
    has_more: bool = False


class Disputes(msgspec.Struct):
    """The disputes of a charge, the newest first."""

    data: list[Dispute]


class Refunds(msgspec.Struct):
    """The refunds of a charge, the newest first."""

    data: list[Refund]


class InvoicePayments(msgspec.Struct):
    """A page of payments of Stripe's own invoices."""

    data: list[InvoicePayment]
    has_more: bool = False


class Links(msgspec.Struct):
    """A page of payment links."""

    data: list[Link]
    has_more: bool = False
