"""Files that a person hangs on a document in the books: a signed order, a time sheet.

No intent is kept: one that hangs there under its name is not attached again, so a lost answer is settled by saying it
once more.
"""

from __future__ import annotations

from connectors.base import Ref
from connectors.errors import ConnectorError
from store import audit, links
from store.audit import Actor
from store.database import Store
from store.invoices import DocumentRow
from sync.context import World


def attach(store: Store, world: World, actor: Actor, row: DocumentRow, name: str, content: bytes) -> None:
    """Hang a PDF on a document in the books. Raises ``ValueError`` saying why it does not hang there."""
    if not content.startswith(b"%PDF-"):
        raise ValueError(f"{name} is no PDF: ledgers show their users nothing else beside a document")
    entity = world.entities.get(row.entity)
    if entity is None:
        raise ValueError(f"{row.number} was issued by {row.entity}, which is not configured")
    link = links.of_ours(store, entity.accounting, "document", [row.id]).get((row.id, ""))
    if link is None:
        raise ValueError(f"{row.number} is not in the books of {entity.accounting} yet: attach it after the next sync")
    try:
        world.connector(entity.accounting).attach(Ref(id=link.vendor_id), row.type, name, content, world.new_key())
    except ConnectorError as error:
        raise ValueError(f"{error}; give the command again: a file is not attached twice") from None
    with store.transaction():
        audit.write(store, actor, "attached", f"document:{row.id}", after={"file": name})
