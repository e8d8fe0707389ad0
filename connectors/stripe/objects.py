"""What is read of Stripe's objects (API version 2026-10-28): the fields that matter here, by Stripe's own names."""

from __future__ import annotations

import msgspec


class Customer(msgspec.Struct):
    """Who pays; after its deletion only the id is left."""

    id: str
    name: str | None = None
    email: str | None = None
    metadata: dict[str, str] | None = None  # a deleted customer has none
    created: int = 0


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


class EventData(msgspec.Struct):
    """What an event is about, decoded once its type is known."""

    object: msgspec.Raw


class Event(msgspec.Struct):
    """Something that happened."""

    id: str
    type: str
    data: EventData
    created: int = 0


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
