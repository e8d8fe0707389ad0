"""Terms as the text of a terms file: what ``load_terms_file`` reads back as the very same terms."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from billing.money import plain
from billing.terms import Terms

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def terms_toml(terms: Terms) -> str:
    """Return terms as TOML; what is as by default is left out."""
    return "\n".join(_table(terms, "")).strip("\n") + "\n"


def _table(struct: msgspec.Struct, path: str) -> Iterator[str]:
    """Yield the lines of a table: its own values first, then the tables within it, as TOML wants it."""
    tag = struct.__struct_config__.tag
    if tag is not None:
        yield f"type = {_value(tag)}"
    inner: list[tuple[str, Any]] = []
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if value is None or (not field.required and value == _default(field)):
            continue
        if _holds_tables(value):
            inner.append((f"{path}.{field.name}".lstrip("."), value))
        else:
            yield f"{field.name} = {_value(value)}"
    for name, value in sorted(inner, key=lambda item: item[0] == "amendments"):  # what changed comes after what did
        many = isinstance(value, tuple)
        for one in value if many else [value]:
            yield ""
            yield f"[[{name}]]" if many else f"[{name}]"
            yield from _table(one, name)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _holds_tables(value: object) -> bool:
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, msgspec.Struct)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(str(name))} = {_value(one)}" for name, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return _text(str(value))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """Return a basic string: JSON's escapes are TOML's, which wants DEL escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
