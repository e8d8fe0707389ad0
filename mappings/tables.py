"""TOML to typed tables, with every fault noted at its key instead of stopping at the first."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from mappings.faults import Report
from mappings.suggest import did_you_mean

Table = TypeVar("Table", bound=msgspec.Struct)

ROLES = ("crm", "ledger", "payments")


def read_toml(text: str, source: str, role: str) -> tuple[dict[str, Any], Report]:
    """Parse a mapping file of ``role``; raises ``MappingError`` at once when it is no TOML or has another role."""
    report = Report(source)
    document: dict[str, Any] = {}
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        report.add("(file)", f"not readable as TOML: {error}", "correct the line it names")
        report.check()
    stated = document.pop("role", None)
    if stated != role:
        report.add("role", f"says {stated!r}" if stated else "is missing", f'write role = "{role}" at the top')
        report.check()
    return document, report


def read_table(table: object, into: type[Table], key: str, report: Report) -> Table | None:
    """Return ``table`` as ``into``; every unknown key, wrong type and missing key is reported under ``key``.

    Returns None when a fault leaves no usable table. ``key`` is empty for the file itself.
    """
    if not isinstance(table, dict):
        report.add(key, f"must be a table, not {_kind_of(table)}", f"write {key.rpartition('.')[2]} = {{ ... }}")
        return None
    fields = _fields(into)
    sound = True
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in fields:
            report.add(join(key, name), "is not known here", did_you_mean(name, fields))
            continue
        try:
            values[fields[name].name] = msgspec.convert(value, fields[name].type)
        except msgspec.ValidationError as error:
            report.add(join(key, name), _plain(str(error)), "see mappings/README.md for what may stand here")
            sound = False
    for name, field in fields.items():
        if field.required and name not in table:
            report.add(join(key, name), "is missing", "add it")
            sound = False
    return into(**values) if sound else None


@cache  # reading a type's annotations takes longer than all the rest
def _fields(into: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(into)}


def join(key: str, name: str) -> str:
    """Return the path of ``name`` under ``key``; a name that TOML must quote is quoted."""
    shown = name if name and all(letter.isalnum() or letter in "_-" for letter in name) else f'"{name}"'
    return f"{key}.{shown}" if key else shown


def fold(value: str) -> str:
    """Return ``value`` as value tables and rules compare it: case and runs of spaces do not count."""
    return " ".join(value.split()).casefold()


def folded_keys(table: Mapping[str, Any], key: str, report: Report) -> dict[str, Any]:
    """Return ``table`` with folded keys; two keys that fold to the same are a fault."""
    folded: dict[str, Any] = {}
    for name, value in table.items():
        if fold(name) in folded:
            report.add(join(key, name), "stands here twice (capitals and spaces do not count)", "remove one")
        folded[fold(name)] = value
    return folded


_TYPES = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false"}
_TYPES |= {"object": "a table", "array": "a list", "null": "nothing"}


def _plain(message: str) -> str:
    """Return msgspec's message in a mapping author's words."""
    text = re.sub(r"`([^`]*)`", lambda found: _TYPES.get(found[1], found[1]), message)
    return text[:1].lower() + text[1:]


def _kind_of(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "a date or time")
