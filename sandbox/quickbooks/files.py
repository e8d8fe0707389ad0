"""Files that hang on transactions: how an upload is read, and what an ``Attachable`` must say."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.quickbooks.refusal import business, missing, no_reference
from sandbox.quickbooks.rules import Rule

if TYPE_CHECKING:
    from sandbox.quickbooks.books import Books

Row = dict[str, Any]


def attachable(books: Books, row: Row, before: Row | None) -> Row:
    """A file or a note, and objects that exist."""
    if not row.get("FileName") and not row.get("Note"):
        raise missing("FileName or Note")
    for place in row.get("AttachableRef", []):
        target = place.get("EntityRef") or {}
        kind, id = target.get("type", ""), target.get("value", "")
        if id not in books.rows.get(kind, {}):
            raise no_reference(kind, id, "AttachableRef")
    return row


def upload(form: Mapping[str, str]) -> tuple[Row, bytes]:
    """Return what an upload says of its file, and the file; raises ``Refusal``."""
    try:
        described = json.loads(form["file_metadata_01"])
        content = base64.b64decode("".join(form["file_content_01"].split()), validate=True)
    except (KeyError, ValueError, binascii.Error):
        raise business("An upload has file_metadata_01 (JSON) and file_content_01 (base64)") from None
    return {**described, "Size": len(content)}, content


RULES: dict[str, Rule] = {"Attachable": attachable}
