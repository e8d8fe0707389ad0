"""Refunds: payments out of an account of ours against a credit note or money on account. Our key is the reference."""

from __future__ import annotations

from collections.abc import Sequence

from billing import money
from connectors.base import Adopted, Created, LedgerEntry, Ref, RefundDraft, Rejected
from connectors.errors import Refused
from connectors.xero.batches import BATCH_SIZE, Place, Sending, put_batch
from connectors.xero.client import Client, Json
from connectors.xero.credits import SOURCES, Credits, Source, usable
from connectors.xero.payments import OF_INVOICES, paid
from connectors.xero.wire import chunks, day, equals, minor, same_id

_PAYMENTS = Place("Payments")


class Refunds:
    """Refunds by our key and credit. ``memo`` is not sent: a payment has no field for it at Xero."""

    batch_size = BATCH_SIZE

    def __init__(self, client: Client, credits: Credits) -> None:
        self._client = client
        self._credits = credits

    def find(self, wanted: Sequence[RefundDraft]) -> list[LedgerEntry | None]:
        """Look each up by key and credit; a refund that stands comes before a deleted one."""
        drafts = {(draft.key, draft.source.id): draft for draft in wanted}
        found: dict[tuple[str, str], LedgerEntry] = {}
        for where in chunks(list(dict.fromkeys(equals("Reference", draft.key) for draft in wanted)), " OR "):
            for element in self._client.get("Payments", [("where", where)])["Payments"]:
                name = (str(element.get("Reference") or ""), _refunded(element))
                if name in drafts:
                    entry = _read(drafts[name], element)
                    if entry.status == "active" or name not in found:
                        found[name] = entry
        return [found.get((draft.key, draft.source.id)) for draft in wanted]

    def create(
        self, batch: Sequence[RefundDraft], key: str
    ) -> list[Created[LedgerEntry] | Adopted[LedgerEntry] | Rejected]:
        """Book refunds; more than is left of a credit is refused by Xero and so ``Rejected``."""
        sources = self._credits.sources(batch)
        sendings = [_sending(draft, usable(draft, sources)) for draft in batch]
        return put_batch(self._client, batch, sendings, key, _read, self._standing)

    def void(self, ref: Ref, draft: RefundDraft, key: str) -> LedgerEntry:
        """Delete a refund, which is Xero's only way. Raises ``Refused``."""
        (there,) = self._client.get("Payments", [("where", same_id("PaymentID", ref.id))])["Payments"] or (None,)
        if there is None:
            raise Refused(f"Xero holds no refund with the id {ref.id}")
        if there.get("Status") != "DELETED":
            there = self._client.change(f"Payments/{ref.id}", {"Status": "DELETED"}, key)
        return _read(draft, there)

    def _standing(self, wanted: Sequence[RefundDraft]) -> list[LedgerEntry | None]:
        return [found if found is not None and found.status == "active" else None for found in self.find(wanted)]


def _sending(draft: RefundDraft, source: Source | Rejected) -> Sending | Rejected:
    if isinstance(source, Rejected):
        return source
    body: Json = {
        source.name: {source.id: draft.source.id},
        "Account": {"Code": draft.account},
        "Date": draft.on.isoformat(),
        "Amount": money.to_decimal(draft.amount, draft.currency),
        "Reference": draft.key,
    }
    return Sending(_PAYMENTS, body)


def _refunded(element: Json) -> str:
    """Return the id of the credit that a payment gives back, nothing for a payment of an invoice.

    Xero's example of a list shows the credit as if it were an invoice; its specification has a field for each kind.
    """
    if element.get("PaymentType") == OF_INVOICES:
        return ""
    named = (str(element[source.name][source.id]) for source in SOURCES if element.get(source.name))
    return next(named, paid(element))


def _read(draft: RefundDraft, element: Json) -> LedgerEntry:
    return read_refund(element, draft.currency)


def read_refund(element: Json, currency: str) -> LedgerEntry:
    """Return a refund. ``currency``: that of the credit, which a payment does not always show; empty: not known."""
    return LedgerEntry(
        ref=Ref(id=element["PaymentID"]),
        key=element.get("Reference") or "",
        status="active" if element.get("Status") == "AUTHORISED" else "deleted",
        currency=currency,
        amount=minor(element.get("Amount"), currency) if currency else 0,
        on=day(element, "Date"),
    )
