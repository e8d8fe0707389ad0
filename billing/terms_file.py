"""Reads a terms file (TOML, docs/terms.md) and reports all of its faults at once: where, what, and the remedy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from billing import amendments
from billing.facts import IndexSeries
from billing.reading.meanings import meaning
from billing.tax import Rounding
from billing.terms import Terms, check_number


class Document(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A terms file: the terms, and what a legal entity and the world would add to them."""

    tax: dict[str, Decimal] = msgspec.field(default_factory=dict)  # percent by class; without it everything is at 0
    tax_rounding: Rounding = "per_document"
    go_live: date | None = None  # service starting before this day is billed elsewhere
    catch_up_threshold: Decimal = Decimal(1000)  # billed late beyond this much (major units): a person looks first
    timezone: str = "UTC"  # whose days the times of usage records are counted in
    # price index -> day of publication -> value
    indices: dict[str, dict[date, Decimal]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, rate in self.tax.items():
            check_number(f"tax.{name}", rate, most=100)
        for name, values in self.indices.items():
            for day, value in values.items():
                check_number(f"indices.{name}.{day}", value)
        check_number("catch_up_threshold", self.catch_up_threshold)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"timezone {self.timezone!r} is not known: write e.g. 'Europe/London'") from None


class TermsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A terms file as read; ``tax`` is empty where the file has no such table. ``catch_up_threshold``: major units."""

    terms: Terms
    tax: dict[str, Decimal] = {}
    tax_rounding: Rounding = "per_document"
    go_live: date | None = None
    catch_up_threshold: Decimal = Decimal(1000)
    timezone: str = "UTC"
    indices: Mapping[str, IndexSeries] = {}
    source: str = ""


class Fault(NamedTuple):
    """One thing wrong in a terms file. ``path`` is the key, e.g. ``charges[1].price``."""

    path: str
    message: str
    remedy: str


class TermsFileError(ValueError):
    """A terms file cannot be used; ``faults`` holds everything wrong with it."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
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
    faults: list[Fault] = []
    document = _table(data, Document, "", faults)
    faults += [*_amendment_faults(document, faults)]
    if faults:
        raise TermsFileError(source, faults)
    return TermsFile(
        terms=Terms(**{name: getattr(document, name) for name in Terms.__struct_fields__}),
        tax=document.tax,
        tax_rounding=document.tax_rounding,
        go_live=document.go_live,
        catch_up_threshold=document.catch_up_threshold,
        timezone=document.timezone,
        indices={name: tuple(sorted(values.items())) for name, values in document.indices.items()},
        source=source,
    )


def _amendment_faults(document: Any, found: Sequence[Fault]) -> Iterator[Fault]:
    """Yield what cannot be worked into the terms, where all that amendments work on is good."""
    if document is _BAD or {re.split(r"\W", fault.path)[0] for fault in found} & _AMENDED:
        return
    for one in amendments.faults(document):
        yield Fault(one.path, one.message, f"{one.remedy[:1].upper()}{one.remedy[1:]}.")


# Every value is read by itself, so that one fault does not hide the next. What is good of a table is kept, so that the
# checks between its keys, and those of the table around it, run on what there is.
_BAD: Any = object()


def _value(value: Any, kind: Any, path: str, faults: list[Fault]) -> Any:
    """Return a value as what its key takes, or ``_BAD`` with its faults added."""
    plain = _unwrapped(kind)
    if get_origin(plain) is tuple and isinstance(value, list) and value:
        item = get_args(plain)[0]
        read = [_value(entry, item, f"{path}[{index}]", faults) for index, entry in enumerate(value)]
        return tuple(one for one in read if one is not _BAD)
    if get_origin(plain) is dict and isinstance(value, dict):
        return _by_name(value, get_args(plain), path, faults)
    tables = _tables(plain)
    if tables and isinstance(value, dict) and get_origin(plain) is not tuple:
        return _one_of(value, tables, path, faults)
    return _scalar(value, kind, path, faults)


def _by_name(value: dict[str, Any], kinds: tuple[Any, Any], path: str, faults: list[Fault]) -> dict[Any, Any]:
    found = {}
    for name, entry in value.items():
        key = _scalar(name, kinds[0], _join(path, name), faults)
        read = _value(entry, kinds[1], _join(path, name), faults)
        if key is not _BAD and read is not _BAD:
            found[key] = read
    return found


def _scalar(value: Any, kind: Any, path: str, faults: list[Fault]) -> Any:
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        found = _BAD
    if found is _BAD or (isinstance(found, Decimal) and not found.is_finite()):
        faults.append(Fault(path, f"is {_shown(value)}", f"Write {_wanted(kind)}."))
        return _BAD
    return found


def _shown(value: Any) -> str:
    """Return a value about as the file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return ("a table" if isinstance(value, dict) else "a list") if value else "empty"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _one_of(value: dict[str, Any], tables: Sequence[Any], path: str, faults: list[Fault]) -> Any:
    """Read a table; where it may be of several kinds its ``type`` chooses."""
    if len(tables) == 1 and tables[0].__struct_config__.tag is None:
        return _table(value, tables[0], path, faults)
    by_tag = {kind.__struct_config__.tag: kind for kind in tables}
    tag = value.get("type")
    if isinstance(tag, str) and tag in by_tag:
        return _table(value, by_tag[tag], path, faults)
    told = "is missing" if tag is None else f"{tag!r} is no kind of charge"
    nearest = _nearest(str(tag), list(by_tag))
    faults.append(Fault(_join(path, "type"), told, f"{nearest} Write one of: {', '.join(by_tag)}.".lstrip()))
    return _BAD


def _table(data: Mapping[str, Any], kind: type[Any], path: str, faults: list[Fault]) -> Any:
    """Read one table; what comes back has the good keys only, or is ``_BAD`` where too little is good."""
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    names = [*known, *([kind.__struct_config__.tag_field] if kind.__struct_config__.tag_field else [])]
    read: dict[str, Any] = {name: _BAD for name in data if name not in names}
    faults += [_unknown(name, names, path) for name in read]
    for name, field in known.items():
        if name in data:
            read[name] = _value(data[name], field.type, _join(path, name), faults)
        elif field.required:
            read[name] = _BAD
            wanted = _EXAMPLES.get(name) or f"{name}, {_wanted(field.type)}"
            faults.append(Fault(_join(path, name), "is missing", f"Add it: {wanted}."))
    return _checked(kind, read, path, faults)


def _checked(kind: type[Any], read: dict[str, Any], path: str, faults: list[Fault]) -> Any:
    """Run a table's own checks on its good keys, again without those at fault until nothing more is found."""
    good = {name: value for name, value in read.items() if value is not _BAD}
    while message := _refusal(kind, good):
        causes = [name for name in good if _refusal(kind, {**good, name: _BAD}) != message]
        if causes or len(good) == len(read):  # else it is only that a faulty key is left out
            faults.append(_fault_of(message, causes, path))
        if not causes:
            return _BAD
        good = {name: value for name, value in good.items() if name not in causes}
    return _made(kind, good)


def _fault_of(message: str, causes: Sequence[str], path: str) -> Fault:
    """Word what a table's own check says: at the key it begins with (``tax.standard is 120``), or that it is about."""
    begins = re.match(r"[\w.-]*\w", message)
    named = begins[0] if begins and begins[0].partition(".")[0] in causes else ""
    at = named or (causes[0] if len(causes) == 1 else "")
    remedy = f"Correct {' or '.join(causes)}." if len(causes) > 1 else ""
    return Fault(_join(path, at).rstrip(".") or "the file", message, remedy)


def _refusal(kind: type[Any], values: Mapping[str, Any]) -> str:
    """Return why a kind refuses these values together; empty: it does not, or too much is missing to say."""
    try:
        _made(kind, values)
    except ValueError as error:
        return str(error)
    return ""


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Make a table of what is good; a key that is needed and is not there is told already and stands in as nothing."""
    absent = {
        field.name: () if get_origin(_unwrapped(field.type)) is tuple else None
        for field in msgspec.structs.fields(kind)
        if field.required
    }
    try:
        return kind(**{**absent, **{name: value for name, value in values.items() if value is not _BAD}})
    except (TypeError, AttributeError):  # a check that needs what is not there
        return _BAD


def _unwrapped(kind: Any) -> Any:
    """Return a key's type without its bounds and without "or nothing"."""
    if get_origin(kind) is Annotated:
        return _unwrapped(get_args(kind)[0])
    parts = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is not None and NoneType in get_args(kind) and len(parts) == 1:
        return _unwrapped(parts[0])
    return kind


def _wanted(kind: Any) -> str:
    """Say what a key takes, from its type: ``a whole number from 1 to 31 or "last"``."""
    return " or ".join(dict.fromkeys(_forms(kind)))


def _forms(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Annotated:
        plain, *metas = get_args(kind)
        meta = metas[0]
        if plain is int:
            most = f" to {meta.le}" if meta.le is not None else " upwards"
            yield f"a whole number from {meta.ge}{most}"
        elif plain is str:
            yield _PATTERNS.get(meta.pattern, "text in quotes")
        elif meta.min_length:
            yield "at least one table, written [[...]]"
        else:
            yield from _forms(plain)
    elif get_origin(kind) is Literal:
        yield f"one of: {', '.join(str(choice) for choice in get_args(kind))}"
    elif get_origin(kind) is tuple:
        item = get_args(kind)[0]
        yield "a list of tables, [[...]]" if _tables(item) else f"a list, each entry {_wanted(item)}"
    elif get_origin(kind) is dict or _tables(kind):
        yield "it as a table"
    elif kind in _TYPES:
        yield _TYPES[kind]
    else:
        for part in get_args(kind):
            yield from _forms(part) if part is not NoneType else ()


def _tables(kind: Any) -> list[Any]:
    """Return the kinds of table that a type allows."""
    return [one for one in get_args(kind) or (kind,) if isinstance(one, type) and issubclass(one, msgspec.Struct)]


def _unknown(name: str, names: Sequence[str], path: str) -> Fault:
    return Fault(_join(path, name), "is not known here", _nearest(name, names) or f"Known are: {', '.join(names)}.")


def _nearest(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_AMENDED = {"amendments", "charges", "commitments", "starts_on", "ends_on", "trial_ends_on", "anchor_day", "renewal"}
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
_TYPES = {
    date: "a date without quotes, e.g. 2026-03-15",
    Decimal: "a number, e.g. 1200.00",
    int: "a whole number, e.g. 15",
    bool: "true or false without quotes",
    str: "text in quotes",
}
_PATTERNS = {
    "^[^/\\s]+$": "1 to 100 characters without spaces and slashes, e.g. ACME-2026",
    "^[A-Z]{3}$": "the ISO 4217 code in capitals, e.g. USD",
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a terms file, each key with its meaning. Numbers may be written bare or in quotes."""
    found: dict[str, Any] = _numbers_too(msgspec.json.schema(Document))
    for table, definition in found["$defs"].items():
        for name, key in definition["properties"].items():
            key["description"] = meaning(table, name)
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
