"""Contracts: what is agreed, what was billed of it, and what is to come."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import msgspec
from flask import Blueprint, abort, render_template

from billing.amendments import in_force
from billing.describe import changes, describe
from billing.facts import Facts
from billing.invoicing import BrokenInvariant, Settled
from billing.outlook import Month, Outlook, by_month, outlook
from billing.periods import anchored
from billing.plan import Line, plan
from billing.showing.to_date import used_to_date
from billing.terms import Terms
from store import contracts, pages, versions
from store.contracts import ContractRow
from store.database import Store
from store.facts import facts_of
from store.pages import Window
from sync import acceptances
from web.site import choice, days, open_store, search, site, today, window

blueprint = Blueprint("contracts", __name__)
MONTHS_AHEAD = 12
MONTHS_BACK = 24  # in the picture


class Bar(NamedTuple):
    """One month in the picture: what is invoiced in it, and how high that stands in a hundred."""

    month: Month
    billed: int
    to_come: int


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What a contract bills from today on. ``aside``: (how, slice, its line where it is owed) of what is not billed."""

    through: date
    aside: list[tuple[str, str, Line | None]] = []
    ahead: Outlook = Outlook()
    problem: str = ""
    bars: list[Bar] = []


@blueprint.get("/contracts")
def index() -> str:
    """List contracts."""
    entities = tuple(site().world.entities)
    entity = choice("entity", entities)
    with open_store() as store:
        rows = pages.contracts(store, window(), search=search(), entity=entity)
    return render_template("contracts.html", rows=rows, entities=entities, entity=entity, window=window())


@blueprint.get("/contracts/<key>")
def show(key: str) -> str:
    """Show one contract: its terms, its billing schedule, and a change that waits for a person."""
    with open_store() as store:
        row = contracts.get(store, key) or abort(404, "There is no such contract.")
        terms = row.current
        known = _known(terms, today(row.entity))
        proposed = msgspec.json.decode(row.proposed, type=Terms) if row.proposed else None
        settled = contracts.settled(store, row.key)
        facts = facts_of(store, row.key, site().world.indices)
        return render_template(
            "contract.html",
            row=row,
            customer=pages.customer(store, row.customer_id),
            facts=describe(known),
            currency=terms.currency,
            amendments=terms.amendments,
            milestones=acceptances.milestones(store, row),
            versions=versions.of(store, row.key),
            used=list(used_to_date(known, facts, today(row.entity))),
            documents=pages.documents(store, Window(), days=days(), contract=row.key),
            schedule=_schedule(store, row, terms, known, settled, facts),
            today=today(row.entity),
            changes=changes(terms, proposed) if proposed else [],
            effect=_ahead(row, proposed, settled, facts, today(row.entity)) if proposed else None,
            items=pages.reviews_of(store, f"contract:{row.key}"),
            history=pages.history(store, f"contract:{row.key}"),
        )


def _known(terms: Terms, day: date) -> Terms:
    """Return the terms in force; of those that cannot be amended as written the schedule says why."""
    try:
        return in_force(terms, day)
    except ValueError:
        return terms


def _schedule(
    store: Store, row: ContractRow, terms: Terms, known: Terms, settled: list[Settled], facts: Facts
) -> Schedule:
    day = today(row.entity)
    through = anchored(day.year * 12 + day.month - 1 + MONTHS_AHEAD, day.day) - timedelta(days=1)
    lines = {line.slice: line for line in plan(known, through, facts)}
    ahead, problem = _ahead(row, terms, settled, facts, through)
    return Schedule(
        through=through,
        aside=[(how, name, lines.get(name)) for name, how in pages.set_aside(store, row.key)],
        ahead=ahead,
        problem=problem,
        bars=_bars(by_month(settled, ahead.drafts)[-MONTHS_BACK - MONTHS_AHEAD :]),
    )


def _bars(months: list[Month]) -> list[Bar]:
    """Return the months as bars, the highest of them 100; a credit is as high as an invoice."""
    most = max((abs(one.billed) + abs(one.to_come) for one in months), default=0)
    return [Bar(one, abs(one.billed) * 100 // most, abs(one.to_come) * 100 // most) for one in months] if most else []


def _ahead(row: ContractRow, terms: Terms, settled: list[Settled], facts: Facts, through: date) -> tuple[Outlook, str]:
    """Return what terms will bill, or why that cannot be said; what is not known yet is assumed from today on."""
    entity = site().world.entities.get(row.entity)
    if entity is None:
        return Outlook(), f"the legal entity {row.entity!r} is not configured"
    day = today(row.entity)
    assumed = msgspec.structs.replace(facts, assume_from=day)
    try:
        return outlook(terms, settled, today=day, through=through, rules=entity.rules, facts=assumed), ""
    except (BrokenInvariant, ArithmeticError, ValueError, LookupError) as error:
        return Outlook(), str(error)
