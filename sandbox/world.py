"""The seeded company: who its customers are, what they bought, and how they pay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Habit = Literal["on_time", "late", "partly", "twice", "other_name", "never"]


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
    """A HubSpot record as seeded: id, properties, and the ids it is associated with by object type."""

    id: str
    properties: dict[str, str | None]
    associations: dict[str, list[str]] = field(default_factory=dict)
    won_on: date | None = None


@dataclass(frozen=True)
class World:
    """Everything that exists on the first day."""

    seed: int
    today: date
    buyers: tuple[Buyer, ...] = ()
    contacts: tuple[CrmRecord, ...] = ()
    deals: tuple[CrmRecord, ...] = ()
    line_items: tuple[CrmRecord, ...] = ()


def build_world(*, seed: int, deals: int, history: int, today: date) -> World:
    """Return the seeded world with ``deals`` deals won in the months before and the weeks after ``today``."""
    return World(seed=seed, today=today)
