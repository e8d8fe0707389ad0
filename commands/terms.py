"""The terms of contracts: what they will bill, which are in force, and how they change."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from app import LiveWorld, WrongInput, read_text
from commands.answers import print_json, print_list
from commands.desk import as_wrong_input, find_contract, open_desk, open_store, person, today_at
from commands.options import DATE, DECIMAL, FILE, JSON, REASON

_YES = click.option("--yes", is_flag=True, help="Put it in force; without it, only what it would do is shown.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--usage", type=FILE, help="Usage records (JSON lines, or CSV with a header).")
@click.option("--events", type=FILE, help="Accepted milestones and index values (JSON lines, or CSV with a header).")
@click.option("--through", type=DATE, help="Show what is issued up to this day.")
@click.option("--today", type=DATE, help="Bill what is due by this day as one catch-up invoice on it.")
@click.option("--compare", "other", type=FILE, help="Show what this amended terms file changes, line by line.")
@click.option("--explain", is_flag=True, help="Say under each line how it comes about.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a terms file.")
@JSON
def plan(
    file: Path | None, usage: Path | None, events: Path | None, through: date | None, today: date | None,
    other: Path | None, explain: bool, schema: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show what a terms file will bill; needs no configuration and no vendor."""
    from billing.compare import compare
    from billing.preview import preview
    from billing.terms_file import load_terms_file
    from billing.terms_file import schema as terms_schema

    if schema:
        print_json(terms_schema())
        return
    if file is None:
        raise click.UsageError("name a terms file, or --schema")
    given: dict[str, Any] = {
        "through": through, "today": today, "usage": _records(usage), "events": _records(events)
    }  # fmt: skip
    terms, *others = (load_terms_file(read_text(one), str(one)) for one in (file, other) if one is not None)
    shown = compare(terms, others[0], **given) if others else preview(terms, **given)
    if as_json:
        print_json(shown)
        return
    import terminal

    if others:
        terminal.comparison(shown)
    else:
        terminal.plan(shown, explain)


def _records(file: Path | None) -> list[dict[str, object]]:
    """Read JSON lines, or CSV; raises ``WrongInput`` naming every bad line."""
    from billing.reading.records import read_records

    if file is None:
        return []
    read = list(read_records(read_text(file), as_csv=file.suffix == ".csv"))
    faults = [f"{file}: line {number}: {record}" for number, record in read if isinstance(record, str)]
    if faults:
        raise WrongInput(faults)
    return [dict(record) for _, record in read if not isinstance(record, str)]


@click.group()
def terms() -> None:
    """The terms of contracts."""


@terms.command()
@click.argument("contract")
@click.option("--versions", is_flag=True, help="List every version: since when it is known, and what it changed.")
@JSON
@click.pass_obj
def show(path: Path, contract: str, versions: bool, as_json: bool) -> None:
    """Print a contract's terms in force as a terms file, amendments included."""
    import msgspec

    from billing.reading.terms_toml import terms_toml
    from sync.set_terms import history

    with open_store(path) as store:
        row = find_contract(store, contract)
        found = history(store, row.key) if versions else []
    if versions:
        lines = [[one.version, one.known_at, one.actor, one.reason, changes] for one, changes in found]
        print_list("versions", (["version", "known_since", "by", "why", "changed"], lines), False, as_json)
        return
    if as_json:
        facts = {"contract": row.key, "version": row.version, "entity": row.entity, "written_by_hand": row.by_hand}
        print_json({**facts, "terms": msgspec.to_builtins(row.agreed)})
    else:
        click.echo(terms_toml(row.agreed), nl=False)


@terms.command("set")
@click.argument("contract")
@click.argument("file", type=FILE)
@REASON
@_YES
@JSON
@click.pass_obj
def set_(path: Path, contract: str, file: Path, reason: str, yes: bool, as_json: bool) -> None:
    """Put the terms of FILE in force for a contract. They stand until its deal says something else."""
    from billing.terms_file import load_terms_file
    from sync import set_terms

    read = load_terms_file(read_text(file), str(file))
    with open_desk(path) as (store, world):
        row = find_contract(store, contract)
        _put(store, world, row, set_terms.replacing(row, read), reason or f"set by {file.name}", yes, as_json)


@click.command()
@click.argument("contract")
@click.argument("file", type=FILE)
@REASON
@_YES
@JSON
@click.pass_obj
def amend(path: Path, contract: str, file: Path, reason: str, yes: bool, as_json: bool) -> None:
    """Add the [[amendments]] of FILE to a contract's terms."""
    from sync import set_terms

    text = read_text(file)
    with open_desk(path) as (store, world):
        row = find_contract(store, contract)
        changed = set_terms.amending(row, text, str(file), today_at(world, row.entity))
        _put(store, world, row, changed, reason or f"amended by {file.name}", yes, as_json)


@click.group()
def line() -> None:
    """Single lines on a contract's invoices."""


@line.command("add")
@click.argument("contract")
@click.option("--description", required=True, help="What the invoice line says.")
@click.option("--price", type=DECIMAL, required=True, help="Price of one unit; below zero it is a credit.")
@click.option("--quantity", type=DECIMAL, default="1", show_default=True, help="How many units.")
@click.option("--tax-class", default="standard", show_default=True, help="Which rate of tax applies.")
@click.option("--on", type=DATE, help="The day it is billed on; by default today.")
@REASON
@_YES
@JSON
@click.pass_obj
def add_line(
    path: Path, contract: str, description: str, price: Decimal, quantity: Decimal, tax_class: str,
    on: date | None, reason: str, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Bill one more line on a contract: an amendment that adds a one-time charge."""
    from sync import set_terms

    with open_desk(path) as (store, world), as_wrong_input():
        row = find_contract(store, contract)
        today = today_at(world, row.entity)
        changed = set_terms.with_line(
            row, description=description, price=price, quantity=quantity, tax_class=tax_class, on=on or today,
            today=today,
        )  # fmt: skip
        _put(store, world, row, changed, reason or f"line added: {description}", yes, as_json)


@click.group()
def contract() -> None:
    """Contracts that no deal stands behind."""


@contract.command("add")
@click.argument("file", type=FILE)
@click.option("--entity", required=True, help="The legal entity that sells.")
@click.option("--customer", required=True, help="A customer's id in the CRM, or its name.")
@click.option("--email", default="", help="The customer is new: where its invoices go.")
@_YES
@JSON
@click.pass_obj
def add_contract(path: Path, file: Path, entity: str, customer: str, email: str, yes: bool, as_json: bool) -> None:
    """Add a contract from a terms file: one without a deal, or an invoice written by hand (one-time charges)."""
    from billing.customer import Customer
    from billing.terms_file import load_terms_file
    from sync import set_terms

    agreed = load_terms_file(read_text(file), str(file)).terms
    with open_desk(path) as (store, world), as_wrong_input():
        _check_sells(world, entity, agreed.currency, file)
        known = set_terms.customer_of(store, customer)
        if known is None and not email:
            remedy = "for a new one say with --email where invoices go"
            raise WrongInput([f"--customer: there is no {customer!r}; {remedy}"])
        effect = set_terms.effect_of_new(_context(store, world), entity, agreed)
        if yes:
            buyer = Customer(name=customer, email=email) if known is None else known
            set_terms.add(store, person(), agreed, entity=entity, customer=buyer)
    _say_effect({"contract": agreed.contract, "version": 1}, "", effect, yes, as_json)


def _check_sells(world: LiveWorld, entity: str, currency: str, file: Path) -> None:
    """Raise ``WrongInput`` for a legal entity that is none, or does not sell in the currency of a terms file."""
    if entity not in world.entities:
        raise WrongInput([f"--entity: {entity!r} is unknown; there are: {', '.join(world.entities)}"])
    if currency not in world.entities[entity].currencies:
        sold = ", ".join(world.entities[entity].currencies)
        raise WrongInput([f"{file}: currency: {entity} does not sell in {currency}, but in {sold}"])


def _put(store: Any, world: LiveWorld, row: Any, changed: Any, reason: str, yes: bool, as_json: bool) -> None:
    """Show what changed terms would bill, and put them in force when that is wanted."""
    from sync import proposals, set_terms

    if changed == row.agreed:
        _say_effect({"contract": row.key, "version": row.version}, "nothing", "nothing", False, as_json)
        return
    with as_wrong_input():
        effect = proposals.in_words(proposals.billing_of(_context(store, world), row, changed))
    if yes:
        set_terms.put(store, person(), row, changed, reason)
    told = {"contract": row.key, "version": row.version + yes}
    _say_effect(told, proposals.difference(row.agreed, changed), effect, yes, as_json)


def _say_effect(told: dict[str, Any], changes: str, effect: str, applied: bool, as_json: bool) -> None:
    if as_json:
        print_json({**told, "changes": changes, "effect": effect, "applied": applied})
        return
    if changes:
        click.echo(f"Changes: {changes}")
    click.echo(effect[0].upper() + effect[1:])
    click.echo(
        f"Contract {told['contract']} is at version {told['version']}; the next sync bills it."
        if applied
        else "Nothing is changed yet: give --yes to put it in force."
    )


def _context(store: Any, world: LiveWorld) -> Any:
    from sync.context import Context

    return Context(store, world, "terms", lambda done, total: None)
