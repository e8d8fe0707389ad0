"""Xero's query language: ``where`` filters such as ``Type=="ACCREC" AND AmountDue>0`` and ``order``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.xero.wire import BadRequest, Wire, read_moment

Test = Callable[[Wire], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")
    | (?P<guid>guid\(\s*"(?P<id>[^"]*)"\s*\))
    | (?P<date>datetime\((?P<parts>[\d,\s]+)\))
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<operator>==|!=|>=|<=|=|>|<|&&|\|\||\(|\))
    | (?P<word>\w+(?:\.\w+)*))""",
    re.VERBOSE | re.IGNORECASE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_METHODS: dict[str, Callable[[str, str], bool]] = {
    "Contains": operator.contains,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}
_WORDS = {"true": True, "false": False, "null": None}


def where(text: str) -> Test:
    """Return the test that ``text`` says; raises ``BadRequest`` for what is not understood."""
    parser = _Parser(text)
    test = parser.any_of()
    parser.end()
    return test


def order(text: str, items: list[Wire]) -> list[Wire]:
    """Return ``items`` ordered by ``Field [ASC|DESC]``, several separated by commas."""
    for part in reversed(text.split(",")):
        field, _, direction = part.strip().partition(" ")
        items = sorted(items, key=lambda item: _sortable(item, field), reverse=direction.upper() == "DESC")
    return items


def _sortable(item: Wire, field: str) -> tuple[bool, Any]:
    found = _value(item, field)
    if isinstance(found, str) and found.startswith("/Date("):
        found = read_moment(found)
    return (found is not None, found)


def _value(item: Wire, path: str) -> Any:
    found: Any = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, Any]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise BadRequest(f"{text!r} cannot be parsed at {text[at:]!r}")
            self._tokens.append(_token(match))
            at = match.end()

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._tokens:
            self._fail()

    def any_of(self) -> Test:
        """Read tests joined by OR."""
        tests = [self._all_of()]
        while self._take("||", "or"):
            tests.append(self._all_of())
        return lambda item: any(test(item) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._one()]
        while self._take("&&", "and"):
            tests.append(self._one())
        return lambda item: all(test(item) for test in tests)

    def _one(self) -> Test:
        if self._take("("):
            test = self.any_of()
            self._need(")")
            return test
        path = self._next("word")
        name, _, method = path.rpartition(".")
        if method in _METHODS:
            return self._method(name, method)
        sign = self._next("operator")
        if sign not in _COMPARISONS:
            self._fail()
        return _comparing(path, _COMPARISONS[sign], self._next("value"))

    def _method(self, path: str, method: str) -> Test:
        self._need("(")
        wanted = self._next("value")
        self._need(")")
        return lambda item: _METHODS[method](_value(item, path) or "", wanted)

    def _take(self, *tokens: str) -> bool:
        if self._tokens and str(self._tokens[0][1]).lower() in tokens and self._tokens[0][0] != "value":
            self._tokens.pop(0)
            return True
        return False

    def _need(self, token: str) -> None:
        if not self._take(token):
            self._fail()

    def _next(self, kind: str) -> Any:
        if not self._tokens or self._tokens[0][0] != kind:
            self._fail()
        return self._tokens.pop(0)[1]

    def _fail(self) -> Any:
        raise BadRequest(f"{self._text!r} cannot be parsed")


def _token(match: re.Match[str]) -> tuple[str, Any]:
    if match["string"] is not None:
        return "value", re.sub(r"\\(.)", r"\1", match["string"][1:-1])
    if match["guid"] is not None:
        return "value", match["id"].lower()
    if match["date"] is not None:
        year, month, day, hour, minute, second = [*(int(part) for part in match["parts"].split(",")), 0, 0, 0][:6]
        return "value", datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    if match["number"] is not None:
        return "value", Decimal(match["number"])
    if match["operator"] is not None:
        return "operator", match["operator"]
    word = match["word"]
    return ("value", _WORDS[word.lower()]) if word.lower() in _WORDS else ("word", word)


def _comparing(path: str, comparison: Callable[[Any, Any], bool], wanted: Any) -> Test:
    def test(item: Wire) -> bool:
        found = _value(item, path)
        if isinstance(wanted, datetime) and isinstance(found, str):
            found = read_moment(found)
        if comparison not in (operator.eq, operator.ne) and (found is None or wanted is None):
            return False
        return comparison(found, wanted)

    return test
