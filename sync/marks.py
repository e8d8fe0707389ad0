"""Our mark on a document in the books: whose it is, of which contract, and under which number it was issued.

It tells which document of ours one is after somebody gave it another number. Xero has no place for it.
"""

from __future__ import annotations

from store.invoices import DocumentRow


def of(row: DocumentRow) -> str:
    """Return the mark of an issued document."""
    return f"Netterms {row.entity} {row.contract} {row.number}"


def number(entity: str, mark: str) -> str:
    """Return the number in a mark of a legal entity; empty where it is none of its."""
    words = mark.split()
    return words[-1] if words[:2] == ["Netterms", entity] and len(words) > 2 else ""
