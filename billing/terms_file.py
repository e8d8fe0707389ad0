"""Reads a terms file (TOML, docs/terms.md) and reports all of its faults at once: where, what, and the remedy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from billing.terms import Terms, check_number, parse_interval, parse_payment_terms, repeated


class Document(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A terms file: the terms, and what a legal entity would add to them."""

    tax: dict[str, Decimal] = msgspec.field(default_factory=dict)  # percent by class; without it everything is at 0
    go_live: date | None = None  # service starting before this day is billed elsewhere


class TermsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A terms file as read; ``tax`` is empty where the file has no such table."""

    terms: Terms
    tax: dict[str, Decimal] = msgspec.field(default_factory=dict)
    go_live: date | None = None
    source: str = ""


class Fault(NamedTuple):
    """One thing wrong in a terms file. ``path`` is the key, e.g. ``charges[1].price``."""

    path: str
    message: str
    remedy: str


class TermsFileError(ValueError):
    """A terms file cannot be used; ``faults`` holds everything wrong with it."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        super().__init__(
            "\n".join(f"{source}: {fault.path}: {fault.message}. {fault.remedy}".strip() for fault in faults)
        )


def load_terms_file(text: str, source: str) -> TermsFile:
    """Read the text of a terms file; ``source`` names it in messages. Raises ``TermsFileError`` with every fault."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise TermsFileError(
            source, [Fault("TOML", str(error), "Correct the line; see docs/terms.md for examples.")]
        ) from None
    faults = _faults(data, Document, "")
    if faults:
        raise TermsFileError(source, faults)
    document = msgspec.convert(data, Document)
    terms = Terms(**{name: getattr(document, name) for name in Terms.__struct_fields__})
    return TermsFile(terms=terms, tax=document.tax, go_live=document.go_live, source=source)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a terms file. Numbers may be written bare or in quotes."""
    found: dict[str, Any] = _numbers_too(msgspec.json.schema(Document))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Terms file", **found}


def _numbers_too(node: Any) -> Any:
    if isinstance(node, list):
        return [_numbers_too(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        kept = {key: value for key, value in node.items() if key not in ("type", "format")}
        return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}], **kept}
    return {key: _numbers_too(value) for key, value in node.items()}


# msgspec stops at the first fault, so a table is converted key by key, and as a whole once every key is good.
def _faults(data: Mapping[str, Any], kind: type[msgspec.Struct], path: str) -> list[Fault]:
    """Return what is wrong with one table of a kind, the tables within it included."""
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    names = [*known, *([kind.__struct_config__.tag_field] if kind.__struct_config__.tag_field else [])]
    found = [_unknown(name, names, path) for name in data if name not in names]
    for name, field in known.items():
        if name in data:
            found += _value_faults(data[name], field.type, _join(path, name), _CHECKS.get(name))
        elif field.required:
            found.append(Fault(_join(path, name), "is missing", f"Add it: {_EXAMPLES.get(name, name + ' = ...')}"))
    if kind is Document:
        found += _faults_between_keys(data)
    return found or _convert_faults(data, kind, path)


def _value_faults(value: Any, kind: Any, path: str, check: Callable[[Any], object] | None) -> list[Fault]:
    item = _item_type(kind)
    if item is not None and isinstance(value, list) and value:
        return [fault for index, entry in enumerate(value) for fault in _entry_faults(entry, item, f"{path}[{index}]")]
    if get_origin(kind) is dict and isinstance(value, dict):
        of = get_args(kind)[1]
        return [fault for name, entry in value.items() for fault in _value_faults(entry, of, _join(path, name), check)]
    found = _convert_faults(value, kind, path)
    if check is None or found:
        return found
    try:
        check(msgspec.convert(value, kind))
    except ValueError as error:
        return [Fault(path, str(error), "")]
    return []


def _entry_faults(entry: Any, item: Any, path: str) -> list[Fault]:
    """Return the faults of one table in an array of tables; where there are several kinds its ``type`` chooses."""
    if not isinstance(entry, dict):
        return _convert_faults(entry, item, path)
    kinds = get_args(item) or (item,)
    if len(kinds) == 1 and kinds[0].__struct_config__.tag is None:
        return _faults(entry, kinds[0], path)
    by_tag = {kind.__struct_config__.tag: kind for kind in kinds}
    tag = entry.get("type")
    if not isinstance(tag, str) or tag not in by_tag:
        told = "is missing" if tag is None else f"{tag!r} is no kind of charge"
        nearest = _nearest(str(tag), list(by_tag))
        return [Fault(_join(path, "type"), told, f"{nearest} Write one of: {', '.join(by_tag)}.".lstrip())]
    return _faults(entry, by_tag[tag], path)


def _faults_between_keys(data: Mapping[str, Any]) -> list[Fault]:
    """Return the faults that lie between two keys, so that a fault elsewhere does not hide them."""
    found = []
    starts, ends = data.get("starts_on"), data.get("ends_on")
    if type(starts) is date and type(ends) is date and ends < starts:
        found.append(Fault("ends_on", f"{ends} lies before starts_on {starts}", "Correct one of the two dates."))
    charges = data.get("charges")
    keys = [entry.get("key") for entry in charges if isinstance(entry, dict)] if isinstance(charges, list) else []
    for key in repeated([key for key in keys if isinstance(key, str)]):
        message = f"key {key!r} is used more than once"
        found.append(Fault("charges", message, "Give each charge a key of its own: billed lines are found by it."))
    return found


def _convert_faults(value: Any, kind: Any, path: str) -> list[Fault]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, inner = str(error).partition(" - at `$")
        return [Fault(f"{path}{inner.rstrip('`')}".lstrip(".") or "the file", message, _remedy(message, kind, path))]
    return []


def _remedy(message: str, kind: Any, path: str) -> str:
    """Say what to write: by the key where it has its own rule, else by the choices or the type that it takes."""
    name = path.rpartition(".")[2]
    if name in _REMEDIES:
        return _REMEDIES[name]
    if "enum value" in message:
        return f"Write one of: {', '.join(str(choice) for choice in _choices(kind))}."
    words = _WORDS.findall(message.partition(", got")[0])
    return next((_TYPE_REMEDIES[word] for word in words if word in _TYPE_REMEDIES), "See docs/terms.md.")


def _choices(kind: Any) -> list[Any]:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for part in get_args(kind) for choice in _choices(part)]


def _item_type(kind: Any) -> Any:
    """Return what a field's tuples hold when that is a table (or one of several), else None."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is not tuple:
        return None
    return get_args(kind)[0]


def _unknown(name: str, names: Sequence[str], path: str) -> Fault:
    return Fault(_join(path, name), "is not known here", _nearest(name, names) or f"Known are: {', '.join(names)}.")


def _nearest(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_CHECKS: dict[str, Callable[[Any], object]] = {
    "payment_terms": parse_payment_terms,
    "every": parse_interval,
    "price_per": lambda value: value is None or parse_interval(value),
    "price": lambda value: check_number("price", value, least=None),
    "quantity": lambda value: check_number("quantity", value),
    "percent": lambda value: check_number("percent", value, most=100),
    "amount": lambda value: check_number("amount", value),
    "tax": lambda value: check_number("a tax rate", value, most=100),
}
_EXAMPLES = {
    "contract": 'contract = "ACME-2026"',
    "customer": 'customer = "Acme Ltd"',
    "currency": 'currency = "USD"',
    "starts_on": "starts_on = 2026-03-15",
    "charges": "at least one [[charges]] table",
    "key": 'key = "seats", a name that stays the same for ever',
    "description": 'description = "what the invoice line says"',
    "price": "price = 1200.00",
}
_REMEDIES = {
    "contract": "Write 1 to 100 characters without spaces and slashes, e.g. ACME-2026.",
    "key": "Write 1 to 100 characters without spaces and slashes, e.g. seats.",
    "currency": "Write the ISO 4217 code in capitals, e.g. USD.",
    "anchor_day": 'Write a day from 1 to 31, or "last".',
    "issue_days_before": "Write a number of days from 0 to 180.",
    "description": "Write what the invoice line says.",
    "charges": "Write at least one [[charges]] table.",
}
_WORDS = re.compile(r"\w+")
_TYPE_REMEDIES = {
    "date": "Write a date without quotes, e.g. 2026-03-15.",
    "decimal": "Write a number, e.g. 1200.00.",
    "int": "Write a whole number, e.g. 15.",
    "bool": "Write true or false without quotes.",
    "str": "Write text in quotes.",
    "array": "Write it as a list.",
    "object": "Write it as a table.",
}
