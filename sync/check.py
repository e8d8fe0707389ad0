"""Holds configuration and mappings against what the vendors really have, before any money depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from connectors.base import LedgerSetup
from connectors.errors import AuthExpired, ConnectorError, DailyLimit, Forbidden
from mappings.ledger import books_payouts, check_ledger
from mappings.spec import check_against, check_stages, check_write_back
from sync.books import clash
from sync.context import Entity, Source, World

_ObjectType = Literal["deals", "line_items", "companies", "contacts"]


class Checked(msgspec.Struct, frozen=True):
    """What was found: each connection's account name, every fault with its fix, and what is left undone on purpose."""

    connections: dict[str, str]
    faults: list[str]
    notes: list[str] = []  # msgspec copies the default


def check_all(world: World, series: Mapping[str, Mapping[str, int]] | None = None) -> Checked:
    """Try every connection and hold every mapping against it; one that fails stops no other.

    ``series``: by legal entity the next number of each series that was begun, by its prefix.
    """
    accounts: dict[str, str] = {}
    faults: list[str] = []
    for source in world.sources:
        try:
            accounts[source.name] = world.connector(source.name).probe().account_name
            faults += _CHECKS[source.role](world, source)
            faults += _series(world, source, series or {}) if source.role == "accounting" else []
        except AuthExpired as error:
            faults.append(f"{world.file}: connections.{source.name}: {error}: reconnect it or give it another token")
        except Forbidden as error:
            faults.append(f"{world.file}: connections.{source.name}: {error}: grant that, and connect it anew")
        except DailyLimit as error:
            faults.append(f"connections.{source.name}: {error}: its jobs wait until then, the others go on")
        except ConnectorError as error:
            faults.append(f"{world.file}: connections.{source.name}.base_url: no usable answer: {error}")
    return Checked(accounts, faults, _undone(world))


def _undone(world: World) -> list[str]:
    """Say whose payouts are not booked, as no bank account is named for them."""
    notes = []
    for source in world.sources:
        entity = world.entities.get(source.entity)
        if source.role != "payments" or entity is None or entity.post_payments == "ledger":
            continue
        mapping = world.ledger_mapping(entity.accounting)
        if not books_payouts(mapping, source.name):
            notes.append(
                f"{mapping.source}: bank: payouts and fees of {source.name} are not booked at {entity.accounting}:"
                " name the account in which they arrive, and that of the fees"
            )
    return notes


def _crm(world: World, source: Source) -> list[str]:
    crm = world.connector(source.name)
    mapping = world.crm_mapping(source.name)
    known = {kind: crm.properties(kind) for kind in get_args(_ObjectType)}
    options = {kind: {found.name: found.options for found in properties} for kind, properties in known.items()}
    types = {kind: {found.name: found.type for found in properties} for kind, properties in known.items()}
    faults = [*check_stages(mapping, crm.stages()), *check_against(mapping, options)]
    return [str(fault) for fault in (*faults, *(check_write_back(mapping, types) if source.write_back else ()))]


def _ledger(world: World, source: Source) -> list[str]:
    setup = world.connector(source.name).setup()
    mapping = world.ledger_mapping(source.name)
    faults = [str(fault) for fault in check_ledger(mapping, msgspec.to_builtins(setup))]
    faults += [f"{source.name}: {problem}" for problem in setup.problems]
    for entity in world.entities.values():
        if entity.accounting == source.name:
            faults += [f"{source.name}: {problem}" for problem in not_booked(setup, entity)]
            faults += [
                f"{mapping.source}: clearing: {entity.key} sells in {currency}, but no account takes its payments: "
                f"add {currency} to the table"
                for currency in entity.currencies
                if currency not in mapping.clearing
            ]
    return faults


def not_booked(setup: LedgerSetup, entity: Entity) -> list[str]:
    """Say which currencies a legal entity sells in and its ledger does not take, with the remedy."""
    others = ", ".join(currency for currency in entity.currencies if currency != setup.home_currency)
    if not others or not setup.one_currency:
        return []
    return [f"{entity.key} sells in {others}, but only {setup.home_currency} can be booked: {setup.one_currency}"]


def _series(world: World, source: Source, begun: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Hold our number series against what the ledger has: a number that others used would be refused there."""
    faults = []
    for entity in (one for one in world.entities.values() if one.accounting == source.name):
        for key, prefix in (("number_prefix", entity.number_prefix), ("credit_note_prefix", entity.credit_prefix)):
            following = {prefix: begun.get(entity.key, {}).get(prefix, 1)}
            if taken := clash(world.connector(source.name).numbers(prefix), following, entity.number_digits):
                faults.append(
                    f"{world.file}: entities.{entity.key}.{key}: {source.name} has {taken} already, which the series"
                    " would come to: choose another prefix, or renumber it there"
                )
    return faults


def _payments(world: World, source: Source) -> list[str]:
    world.payments_mapping(source.name)
    return []


def _mail(world: World, source: Source) -> list[str]:
    return []  # signing in is the whole check


_CHECKS: dict[str, Any] = {"crm": _crm, "accounting": _ledger, "payments": _payments, "mail": _mail}
