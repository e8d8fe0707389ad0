"""What every page is made with: the store, the configured world, the page of a list, and how things are worded."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from flask import current_app, request, url_for

from billing.explain import date_text, explain_drafted
from billing.money import display, plain
from store.audit import Actor
from store.database import Store
from store.pages import ROWS, Window
from sync.context import Source, World


class Site(msgspec.Struct, frozen=True):
    """What the composition root gives the pages; ``cadence`` is the seconds between runs of each job."""

    store: Path
    world: World
    cadence: dict[str, int]


def site() -> Site:
    """Return what this application shows."""
    found: Site = current_app.config["SITE"]
    return found


def open_store() -> Store:
    """Open the store; to be closed by ``with``."""
    return Store(site().store)


def now() -> datetime:
    """Return the moment (UTC)."""
    return site().world.now()


def today(entity: str) -> date:
    """Return the date in an entity's zone; in UTC for one that is not configured any more."""
    found = site().world.entities.get(entity)
    return now().astimezone(ZoneInfo(found.timezone if found else "UTC")).date()


def days() -> dict[str, date]:
    """Return the date in each entity's zone."""
    return {key: today(key) for key in site().world.entities}


def sources() -> dict[str, Source]:
    """Return the connections by name."""
    return {source.name: source for source in site().world.sources}


def person() -> Actor:
    """Return who acts on these pages, for the audit trail."""
    return Actor("person web", now())


def policy(*form_targets: str) -> str:
    """Return the Content-Security-Policy of a page whose forms lead here, or are redirected to ``form_targets``."""
    targets = " ".join(["'self'", *sorted(set(form_targets))])
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self'; form-action {targets}; frame-ancestors 'none';"
        " base-uri 'none'"
    )


def window() -> Window:
    """Return which rows of a list the address asks for (``?page=2``); the first ones when it makes no sense."""
    asked = request.args.get("page", "1")
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1
    return Window(max(page, 1))


def choice(name: str, choices: tuple[str, ...]) -> str:
    """Return a filter from the address, empty when it is none of ``choices``."""
    asked = request.args.get(name, "")
    return asked if asked in choices else ""


def search() -> str:
    """Return what is looked for, at most 100 characters."""
    return request.args.get("q", "").strip()[:100]


# --------------------------------------------------------------------------------------------- filters of the templates


def money(minor: int, currency: str) -> str:
    """Show minor units for people: ``1,234.50 GBP``."""
    return display(minor, currency)


def moment(iso: str | None) -> str:
    """Show a stored time to the minute."""
    return datetime.fromisoformat(iso).strftime("%d %b %Y %H:%M UTC") if iso else ""


def day(value: date | None) -> str:
    """Show a date: ``15 Mar 2026``."""
    return date_text(value) if value else ""


def month(value: date) -> str:
    """Show a date's month: ``Mar 2026``."""
    return date_text(value).partition(" ")[2]


def data(value: str | None, currency: str = "") -> str:
    """Show what an audit row keeps: a flat record as ``name: value``, anything else as it is stored.

    Amounts are minor units of ``currency``; without one they are shown as they are.
    """
    found: Any = json.loads(value) if value else None
    if isinstance(found, dict) and not any(isinstance(part, dict | list) for part in found.values()):
        return ", ".join(f"{name}: {_kept(name, part, currency)}" for name, part in found.items())
    return "" if found is None else json.dumps(found, indent=1, ensure_ascii=False)


def _kept(name: str, part: Any, currency: str) -> str:
    amount = name in ("amount", "total", "open", "refunded") and isinstance(part, int) and currency
    return money(part, currency) if amount else str(part)


def here(**changes: Any) -> str:
    """Return the address of this page with parts of it changed; an empty part is left out."""
    parts = {**request.args.to_dict(), **(request.view_args or {}), **changes}
    return url_for(str(request.endpoint), **{name: value for name, value in parts.items() if value})


FILTERS = {
    "money": money,
    "moment": moment,
    "day": day,
    "month": month,
    "plain": plain,
    "data": data,
    "why": explain_drafted,
    "before": lambda until: until - timedelta(days=1),  # the last day of a half-open period
    "twice": lambda value: (value, value.replace("_", " ")),  # a choice and how it reads
    "counted": lambda item: (item[0], f"{item[0].replace('_', ' ')} {item[1]}"),
}
GLOBALS = {"ROWS": ROWS, "here": here}
