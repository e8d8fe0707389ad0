"""QuickBooks' published schema: the dictionary of fields, and the XSD for objects that it leaves out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

_XS = "{http://www.w3.org/2001/XMLSchema}"
_LEFT_OUT = (
    "Purchase",
    "Transfer",
    "AccountBasedExpenseLineDetail",
    "DescriptionLineDetail",
    "AttachableRef",
    "TaxRateList",
    "TaxRateDetail",
)


@cache
def published(specs: Path) -> dict[str, Any]:
    """Return ``entities`` (name -> field -> type, many, max_len) and ``enums``."""
    schema: dict[str, Any] = json.loads((specs / "qbo" / "fields.json").read_text())
    roots = [ElementTree.parse(path).getroot() for path in sorted((specs / "qbo").glob("*.xsd"))]
    types = {node.get("name", ""): node for root in roots for node in root.iter(f"{_XS}complexType")}
    for name in _LEFT_OUT:
        assert name not in schema["entities"]
        schema["entities"][name] = _fields(types, name, schema["entities"]["Invoice"])
    return schema


def _fields(types: dict[str, ElementTree.Element], name: str, lengths: dict[str, Any]) -> dict[str, Any]:
    """Return a type's own fields after those it inherits; lengths of inherited ones are as an invoice's are."""
    node = types[name]
    extension = node.find(f".//{_XS}extension")
    base = _local(extension.get("base", "")) if extension is not None else ""
    found = _fields(types, base, lengths) if base in types else {}
    for element in node.iter(f"{_XS}element"):
        field, kind = element.get("name"), element.get("type")
        if field and kind:
            found[field] = {"type": _local(kind), "many": element.get("maxOccurs") == "unbounded"}
            if name in ("Transaction", "IntuitEntity") and "max_len" in lengths.get(field, {}):
                found[field]["max_len"] = lengths[field]["max_len"]
    return found


def _local(name: str) -> str:
    return name.split(":")[-1]
