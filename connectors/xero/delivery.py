"""Xero's own paper and mail: a document as PDF, the page where it is paid, and the mail that Xero sends."""

from __future__ import annotations

from connectors.base import DocumentType
from connectors.errors import Refused
from connectors.xero.client import Client, Json
from connectors.xero.documents import KINDS

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


def _only(elements: list[Json]) -> Json:
    return elements[0]
