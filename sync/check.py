"""Holds configuration and mappings against what the vendors really have, before any money depends on it."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from connectors.errors import AuthExpired, ConnectorError
from mappings.ledger import check_ledger
from mappings.spec import check_against, check_stages
from sync.context import Source, World

_ObjectType = Literal["deals", "line_items", "companies", "contacts"]


class Checked(msgspec.Struct, frozen=True):
    """What was found: each connection's account name, and every fault with its fix."""

    connections: dict[str, str]
    faults: list[str]


def check_all(world: World) -> Checked:
    """Try every connection and hold every mapping against it; one that fails stops no other."""
    accounts: dict[str, str] = {}
    faults: list[str] = []
    for source in world.sources:
        try:
            accounts[source.name] = world.connector(source.name).probe().account_name
            faults += _CHECKS[source.role](world, source)
        except AuthExpired as error:
            faults.append(f"{world.file}: connections.{source.name}: {error}: reconnect it or give it another token")
        except ConnectorError as error:
            faults.append(f"{world.file}: connections.{source.name}.base_url: no usable answer: {error}")
    return Checked(accounts, faults)


def _crm(world: World, source: Source) -> list[str]:
    crm = world.connector(source.name)
    mapping = world.crm_mapping(source.name)
    existing = {kind: {found.name: found.options for found in crm.properties(kind)} for kind in get_args(_ObjectType)}
    return [str(fault) for fault in (*check_stages(mapping, crm.stages()), *check_against(mapping, existing))]


def _ledger(world: World, source: Source) -> list[str]:
    setup = world.connector(source.name).setup()
    mapping = world.ledger_mapping(source.name)
    faults = [str(fault) for fault in check_ledger(mapping, msgspec.to_builtins(setup))]
    faults += [f"{source.name}: {problem}" for problem in setup.problems]
    for entity in world.entities.values():
        if entity.accounting == source.name:
            faults += [
                f"{mapping.source}: clearing: {entity.key} sells in {currency}, but no account takes its payments: "
                f"add {currency} to the table"
                for currency in entity.currencies
                if currency not in mapping.clearing
            ]
    return faults


def _payments(world: World, source: Source) -> list[str]:
    world.payments_mapping(source.name)
    return []


_CHECKS: dict[str, Any] = {"crm": _crm, "accounting": _ledger, "payments": _payments}
