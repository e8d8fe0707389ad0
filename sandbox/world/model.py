"""What the seeded world consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sandbox.world.history import OldBooks

Habit = Literal["on_time", "late", "partly", "twice", "other_name", "never"]

# What can be wrong with a deal on purpose: the kind in World.faulty -> what a person would say about it.
FAULTS = {
    "no_start_date": "nothing says when the contract starts",
    "vague_payment_terms": "the payment terms read 'as discussed'",
    "ambiguous_frequency": "'Bi-monthly' may mean twice a month or every two months",
    "end_before_start": "the contract ends before it starts",
    "no_line_items": "nothing was sold on the deal",
    "no_company": "the deal has no company to bill",
    "foreign_currency": "the deal is in CAD, which neither legal entity sells in",
    "negative_price": "a line has a negative unit price",
}


@dataclass(frozen=True)
class Product:
    """Something the company sells. ``kind`` decides the ledger account; ``sku`` is the code used everywhere."""

    sku: str
    name: str
    kind: Literal["software", "services"]


PRODUCTS = (
    Product("PLAT-BASE", "Platform subscription", "software"),
    Product("PLAT-SEAT", "Platform seats", "software"),
    Product("DATA-API", "Data API access", "software"),
    Product("SUPPORT-PREM", "Premium support", "services"),
    Product("IMPL-FEE", "Implementation", "services"),
    Product("TRAINING", "Team training", "services"),
    Product("CS-RETAINER", "Customer success retainer", "services"),
)


@dataclass(frozen=True)
class Buyer:
    """A customer company: its HubSpot id and properties, and how it pays."""

    id: str
    name: str
    entity: Literal["us", "uk"]
    currency: str
    habit: Habit
    pays_as: str  # the name on its payments; another one for the habit other_name
    email: str
    properties: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class CrmRecord:
    """A HubSpot record as seeded: id, properties, and the ids it is associated with by object type.

    The first associated company is the primary one. ``won_on`` is the day a deal of the default pipeline is won; on
    later days than the first the record is seeded in an open stage.
    """

    id: str
    properties: dict[str, str | None]
    associations: dict[str, list[str]] = field(default_factory=dict)
    won_on: date | None = None


@dataclass(frozen=True)
class World:
    """Everything that exists on the first day. ``faulty``: deal id -> kind of ``FAULTS`` put there on purpose."""

    seed: int
    today: date
    buyers: tuple[Buyer, ...] = ()
    contacts: tuple[CrmRecord, ...] = ()
    deals: tuple[CrmRecord, ...] = ()
    line_items: tuple[CrmRecord, ...] = ()
    faulty: Mapping[str, str] = field(default_factory=dict)
    strangers: tuple[Buyer, ...] = ()  # customers in old books that never were a deal
    old_books: Mapping[str, OldBooks] = field(default_factory=dict)  # by legal entity; none without a history
