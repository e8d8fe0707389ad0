"""QuickBooks' query language: ``select * from X where a = 'v' and b in ('x') ORDERBY c STARTPOSITION 1 MAXRESULTS 10``.

There is no OR, no join and no projection. Strings stand in single quotes; ``\\'`` and ``\\\\`` escape.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from sandbox.quickbooks.refusal import Refusal

LONGEST_PAGE = 1000
DEFAULT_PAGE = 100
FILTERABLE = {
    "Invoice": {"DocNumber", "TxnDate", "DueDate", "CustomerRef", "Balance", "TotalAmt"},
    "CreditMemo": {"DocNumber", "TxnDate", "CustomerRef", "Balance", "TotalAmt"},
    "Payment": {"PaymentRefNum", "TxnDate", "CustomerRef", "TotalAmt", "UnappliedAmt"},
    "Customer": {"DisplayName", "CompanyName", "GivenName", "FamilyName", "PrimaryEmailAddr", "Active"},
    "Vendor": {"DisplayName", "Active"},
    "Employee": {"DisplayName", "Active"},
    "Item": {"Name", "Sku", "FullyQualifiedName", "Type", "Active"},
    "Account": {"Name", "FullyQualifiedName", "AccountType", "Active"},
    "Purchase": {"DocNumber", "TxnDate", "PaymentType", "AccountRef", "TotalAmt"},
    "Transfer": {"TxnDate"},
    "JournalEntry": {"DocNumber", "TxnDate"},
    "Attachable": {"FileName", "AttachableRef.EntityRef.Type", "AttachableRef.EntityRef.value"},
    "Term": {"Name", "Active"},
    "TaxRate": {"Name", "Active"},
    "TaxCode": {"Name", "Active"},
    "Class": {"Name", "FullyQualifiedName", "Active"},
    "CompanyInfo": set(),
    "Preferences": set(),
}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "in": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_EVERYWHERE = {"Id", "MetaData.CreateTime", "MetaData.LastUpdatedTime"}
_TOKEN = re.compile(r"\s*(?:('(?:\\.|[^'\\])*')|(<=|>=|[=<>(),*])|([\w.%+:-]+))")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Condition:
    """One comparison of a where clause."""

    field: str
    operator: str  # = < > <= >= in like
    values: tuple[str, ...]

    @cached_property
    def is_time(self) -> bool:
        """Whether instants are compared."""
        return _is_time(self.field)

    @cached_property
    def folded(self) -> frozenset[str]:
        """The values without regard to case."""
        return frozenset(value.casefold() for value in self.values)


@dataclass(frozen=True)
class Query:
    """A parsed statement. ``start`` counts from 1."""

    entity: str
    count: bool = False
    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()  # (field, descending)
    start: int = 1
    most: int = DEFAULT_PAGE


class _Reader:
    """Takes a statement apart, token by token."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        text = text.strip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise _parse_error(text[at:])
            self.tokens.append(match[0].strip())
            at = match.end()

    def peek(self) -> str:
        return self.tokens[0].lower() if self.tokens else ""

    def take(self) -> str:
        if not self.tokens:
            raise _parse_error("<EOF>")
        return self.tokens.pop(0)

    def expect(self, word: str) -> None:
        if (token := self.take()).lower() != word:
            raise _parse_error(token)

    def accept(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self.tokens.pop(0)
        return True

    def value(self) -> str:
        token = self.take()
        return _ESCAPE.sub(r"\1", token[1:-1]) if token.startswith("'") else token

    def number(self) -> int:
        token = self.take()
        if not token.isdigit():
            raise _parse_error(token)
        return int(token)


def _is_time(field: str) -> bool:
    return field.startswith("MetaData.")


def _parse_error(near: str) -> Refusal:
    return Refusal("4000", "Error parsing query", f"QueryParserError: Encountered near: {near[:40]}")


def parse(text: str) -> Query:
    """Return the statement; raises ``Refusal`` where QuickBooks would not understand it."""
    reader = _Reader(text)
    reader.expect("select")
    count = reader.accept("count")
    if count:
        reader.expect("(")
    reader.expect("*")
    if count:
        reader.expect(")")
    reader.expect("from")
    entity = _entity(reader.take())
    conditions = _conditions(reader, entity) if reader.accept("where") else ()
    order = _order(reader, entity) if reader.accept("orderby") else ()
    start = reader.number() if reader.accept("startposition") else 1
    most = reader.number() if reader.accept("maxresults") else DEFAULT_PAGE
    if reader.tokens:
        raise _parse_error(reader.tokens[0])
    if most > LONGEST_PAGE:
        raise Refusal("4002", "Invalid query", f"QueryValidationError: maxresults is at most {LONGEST_PAGE}")
    return Query(entity, count, conditions, order, max(1, start), most)


def _entity(word: str) -> str:
    for entity in FILTERABLE:
        if entity.lower() == word.lower():
            return entity
    raise Refusal("4001", "Invalid query", f"QueryValidationError: {word} is no entity")


def _property(word: str, entity: str) -> str:
    if word not in _EVERYWHERE and word not in FILTERABLE[entity]:
        detail = f"QueryValidationError: Property {word} not found for Entity {entity}, or not filterable"
        raise Refusal("4001", "Invalid query", detail)
    return word


def _conditions(reader: _Reader, entity: str) -> tuple[Condition, ...]:
    found = [_condition(reader, entity)]
    while reader.accept("and"):
        found.append(_condition(reader, entity))
    return tuple(found)


def _condition(reader: _Reader, entity: str) -> Condition:
    field, word = _property(reader.take(), entity), reader.take().lower()
    if word in ("=", "<", ">", "<=", ">=", "like"):
        return Condition(field, word, (reader.value(),))
    if word != "in":
        raise _parse_error(word)
    reader.expect("(")
    values = [reader.value()]
    while reader.accept(","):
        values.append(reader.value())
    reader.expect(")")
    return Condition(field, "in", tuple(values))


def _order(reader: _Reader, entity: str) -> tuple[tuple[str, bool], ...]:
    fields = []
    while True:
        field = _property(reader.take(), entity)
        descending = reader.accept("desc")
        if not descending:
            reader.accept("asc")
        fields.append((field, descending))
        if not reader.accept(","):
            return tuple(fields)


def run(query: Query, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the ``QueryResponse`` of ``query`` over every row of its entity. Inactive names need to be asked for."""
    found = [row for row in rows if _matches(query, row)]
    if query.count:
        return {"totalCount": len(found)}
    for field, descending in reversed(query.order):
        found.sort(key=lambda row: _key(_get(row, field), _is_time(field)), reverse=descending)
    page = found[query.start - 1 : query.start - 1 + query.most]
    return {query.entity: page, "startPosition": query.start, "maxResults": len(page)} if page else {}


def _matches(query: Query, row: dict[str, Any]) -> bool:
    if row.get("Active") is False and not any(condition.field == "Active" for condition in query.conditions):
        return False
    return all(_holds(condition, _get(row, condition.field)) for condition in query.conditions)


def _get(row: dict[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value[0] if isinstance(value, list) and value else value  # no list here ever holds two
        value = value.get(name, value.get(name.lower())) if isinstance(value, dict) else None
    if isinstance(value, dict):
        return value.get("value", value.get("Address"))
    return value


def _key(value: Any, is_time: bool) -> Any:
    if is_time:
        return datetime.fromisoformat(value)
    return (0, Decimal(value), "") if isinstance(value, Decimal | int) else (1, Decimal(0), str(value or ""))


def _holds(condition: Condition, value: Any) -> bool:
    if value is None:
        return False
    if condition.operator == "like":
        pattern = ".*".join(re.escape(part) for part in condition.values[0].split("%"))
        return re.fullmatch(pattern, str(value), re.IGNORECASE | re.DOTALL) is not None
    if condition.is_time:
        return _compares(condition, datetime.fromisoformat(value), _moment)
    if isinstance(value, bool):
        return _compares(condition, value, lambda text: text.lower() == "true")
    if isinstance(value, Decimal | int):
        return _compares(condition, Decimal(value), _number)
    if condition.operator in ("=", "in"):
        return str(value).casefold() in condition.folded
    return _compares(condition, str(value).casefold(), str.casefold)


def _compares(condition: Condition, value: Any, read: Callable[[str], Any]) -> bool:
    compare = _OPERATORS[condition.operator]
    return any(compare(value, read(wanted)) for wanted in condition.values)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _parse_error(text) from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _parse_error(text) from None
    if moment.tzinfo is None:
        raise Refusal("4001", "Invalid query", f"QueryValidationError: give a time with its offset, not {text}")
    return moment
