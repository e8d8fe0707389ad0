"""Contracts: what is agreed, what was billed of it, and what is to come."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
from flask import Blueprint, abort, render_template

from billing.describe import changes, describe
from billing.invoicing import BrokenInvariant, Rules, Settled
from billing.outlook import Outlook, outlook
from billing.periods import anchored
from billing.plan import Line, plan
from billing.terms import Terms
from store import contracts, pages
from store.contracts import ContractRow
from store.database import Store
from store.pages import Window
from web.site import choice, days, open_store, search, site, today, window

blueprint = Blueprint("contracts", __name__)
MONTHS_AHEAD = 12


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What a contract bills from today on. ``aside``: (how, slice, its line where it is owed) of what is not billed."""

    through: date
    aside: list[tuple[str, str, Line | None]] = []
    ahead: Outlook = Outlook()
    problem: str = ""


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
        proposed = msgspec.json.decode(row.proposed, type=Terms) if row.proposed else None
        settled = contracts.settled(store, row.key)
        return render_template(
            "contract.html",
            row=row,
            customer=pages.customer(store, row.customer_id),
            facts=describe(terms),
            currency=terms.currency,
            documents=pages.documents(store, Window(), days=days(), contract=row.key),
            schedule=_schedule(store, row, terms, settled),
            today=today(row.entity),
            changes=changes(terms, proposed) if proposed else [],
            effect=_ahead(row, proposed, settled, today(row.entity)) if proposed else None,
            items=pages.reviews_of(store, f"contract:{row.key}"),
            history=pages.history(store, f"contract:{row.key}"),
        )


def _schedule(store: Store, row: ContractRow, terms: Terms, settled: list[Settled]) -> Schedule:
    day = today(row.entity)
    through = anchored(day.year * 12 + day.month - 1 + MONTHS_AHEAD, day.day) - timedelta(days=1)
    lines = {line.slice: line for line in plan(terms, through)}
    return Schedule(
        through=through,
        aside=[(how, name, lines.get(name)) for name, how in pages.set_aside(store, row.key)],
        ahead=(found := _ahead(row, terms, settled, through))[0],
        problem=found[1],
    )


def _ahead(row: ContractRow, terms: Terms, settled: list[Settled], through: date) -> tuple[Outlook, str]:
    """Return what terms will bill, or why that cannot be said."""
    entity = site().world.entities.get(row.entity)
    if entity is None:
        return Outlook(), f"the legal entity {row.entity!r} is not configured"
    rules = Rules(tax_rates=entity.tax_rates, go_live=entity.go_live)
    try:
        return outlook(terms, settled, today=today(row.entity), through=through, rules=rules), ""
    except (BrokenInvariant, ArithmeticError, ValueError, LookupError) as error:
        return Outlook(), str(error)
