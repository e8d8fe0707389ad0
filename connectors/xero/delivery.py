"""Xero's own paper and mail: a document as PDF, the page where it is paid, mail that Xero sends, files hung on it."""

from __future__ import annotations

from urllib.parse import quote

from connectors.base import DocumentType
from connectors.errors import Refused
from connectors.xero import limits
from connectors.xero.client import Client, Json
from connectors.xero.document_body import KINDS

_PATHS = {kind.ours: kind.path for kind in KINDS}


def pdf(client: Client, kind: DocumentType, id: str) -> bytes:
    """Return a document as Xero prints it: the same address as its data, asked for as a PDF."""
    return client.pdf(f"{_PATHS[kind]}/{id}")


def payment_link(client: Client, id: str) -> str:
    """Return the invoice's page at Xero, which takes payments where a payment service is connected."""
    found = client.get(f"Invoices/{id}/OnlineInvoice").get("OnlineInvoices") or [{}]
    return str(found[0].get("OnlineInvoiceUrl") or "")


def send(client: Client, kind: DocumentType, id: str, email: str, key: str) -> None:
    """Let Xero mail an invoice. It knows one address only, the contact's; raises ``Refused`` when that is another."""
    if kind != "invoice":
        raise Refused("Xero cannot be told to mail a credit note: send it by hand, or set delivery to netterms")
    contact = _only(client.get(f"Invoices/{id}")["Invoices"])["Contact"]
    address = str(_only(client.get(f"Contacts/{contact['ContactID']}")["Contacts"]).get("EmailAddress") or "")
    if address.casefold() != email.casefold():
        raise Refused(f"Xero would mail {address or 'nobody'} instead of {email}: correct the contact's address there")
    client.post(f"Invoices/{id}/Email", key)


def attach(client: Client, kind: DocumentType, id: str, name: str, content: bytes, key: str) -> None:
    """Hang a file on a document unless one of that name hangs there. Raises ``Refused`` for what Xero does not take."""
    problem = limits.forbidden("The file's name", name, limits.NOT_IN_FILE_NAMES)
    if not problem and not content:
        problem = f"The file {name} is empty"
    if not problem and len(content) > limits.LARGEST_FILE:
        problem = f"The file {name} has {len(content)} bytes; Xero takes {limits.LARGEST_FILE} in a call"
    if problem:
        raise Refused(problem)
    path = f"{_PATHS[kind]}/{id}/Attachments"
    hung = [str(one.get("FileName")) for one in client.get(path).get("Attachments") or ()]
    if name in hung:
        return
    if len(hung) >= limits.MOST_FILES:
        raise Refused(f"{len(hung)} files hang on the document already; Xero takes {limits.MOST_FILES}")
    client.upload(f"{path}/{quote(name, safe='')}", content, key)


def _only(elements: list[Json]) -> Json:
    return elements[0]
