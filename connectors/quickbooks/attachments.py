"""Files that hang on documents."""

from __future__ import annotations

from connectors.base import DocumentType, Ref
from connectors.errors import Refused
from connectors.quickbooks.documents import ENTITIES
from connectors.quickbooks.limits import FILE_NAME_LENGTH, NotSayable, fit
from connectors.quickbooks.transport import Transport, quote


def attach(transport: Transport, document: Ref, kind: DocumentType, name: str, content: bytes, key: str) -> None:
    """Hang a PDF on a document unless one of that name hangs there. Raises ``Refused``."""
    try:
        fit("the file's name", name, FILE_NAME_LENGTH, "shorten it")
    except NotSayable as error:
        raise Refused(str(error)) from error
    entity = ENTITIES[kind]
    place = f"AttachableRef.EntityRef.Type = {quote(entity)} and AttachableRef.EntityRef.value = {quote(document.id)}"
    if any(row.get("FileName") == name for row in transport.pages("Attachable", place)):
        return
    where = {"EntityRef": {"type": entity, "value": document.id}}
    described = {"AttachableRef": [where], "FileName": name, "ContentType": "application/pdf"}
    transport.upload(described, content, key)
