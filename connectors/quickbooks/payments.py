"""Payments, on an invoice or on account, and what is set against them later.

QuickBooks keeps no key of a payment unique. So ours stands in ``PaymentRefNum`` and, for what shares a key with
another payment or is a part of one, on a line of ``PrivateNote`` of its own that begins with our mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from connectors.base import LedgerPayment, PaymentDraft, Ref
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.quickbooks import rows
from connectors.quickbooks.collection import Collection, bid
from connectors.quickbooks.limits import TEXT_LENGTH, NotSayable, above_zero, fit, key_of
from connectors.quickbooks.rows import ON_ACCOUNT
from connectors.quickbooks.transport import STALE, Fault, FaultError, Item, Row, Transport, decimal, derived


class Payments(Collection[PaymentDraft, LedgerPayment]):
    """Payments, found by our key together with the invoice they pay, or with our word that they are on account."""

    def find(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment | None]:
        """Find payments by key and document; a voided one pays nothing any more and is not found."""
        found: dict[tuple[str, str], LedgerPayment] = {}
        for row in self._transport.among("Payment", "PaymentRefNum", [draft.key for draft in wanted]):
            payment = rows.payment(row)
            if rows.is_on_account(row):
                if payment.status == "active":
                    found[payment.key, ""] = payment
            else:
                found.update({(payment.key, document): payment for document in payment.applied})
        return [found.get((draft.key, draft.document.id if draft.document else "")) for draft in wanted]

    def void(self, ref: Ref, key: str) -> LedgerPayment:
        """Void a payment, whatever was done to it meanwhile. Raises ``Refused``."""
        for attempt in (1, 2):
            row = self._transport.get("Payment", ref.id)
            if rows.is_voided(row):
                break
            change = {"Id": ref.id, "SyncToken": row["SyncToken"], "sparse": True}
            try:
                once = derived(key, row["SyncToken"])
                return rows.payment(self._transport.change("Payment", change, once, operation="update", include="void"))
            except FaultError as error:
                if error.code != STALE or attempt == 2:
                    raise
        return rows.payment(row)

    def _body(self, draft: PaymentDraft) -> tuple[str, Row]:
        total = above_zero(draft.amount, draft.currency)
        home = self._catalogue.home_currency()
        note = [draft.memo, *([] if draft.document else [ON_ACCOUNT])]
        lines = [link(total, draft.document.id, "Invoice")] if draft.document else []
        return "Payment", {
            "PaymentRefNum": key_of(draft.key),
            "TxnDate": draft.received_on.isoformat(),
            "CustomerRef": {"value": draft.customer.id},
            "CurrencyRef": {"value": draft.currency},
            "TotalAmt": total,
            "DepositToAccountRef": self._catalogue.account(draft.account, draft.currency, home),
            **({"Line": lines} if lines else {}),
            **private_note(*note),
        }

    def _read(self, draft: PaymentDraft, row: Row) -> LedgerPayment:
        return rows.payment(row)


def link(amount: Decimal, id: str, kind: str) -> Row:
    """Return a payment's line: so much of it is set against the transaction ``id``."""
    return {"Amount": amount, "LinkedTxn": [{"TxnId": id, "TxnType": kind}]}


def private_note(*lines: str) -> Row:
    """Return a transaction's note for the bookkeeper; nothing where there is nothing to say."""
    text = "\n".join(filter(None, lines))
    return {"PrivateNote": fit("the memo", text, TEXT_LENGTH, "shorten it")} if text else {}


class Part(NamedTuple):
    """What is to be set against a payment that exists: a line more, and the note that says whose it is."""

    payment: str
    line: Row
    note: str


class Parts:
    """Sets money on account against something, by adding lines to the payments that it came with."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def add(self, wanted: Mapping[int, Part], held: Mapping[str, Row], key: str) -> dict[int, Row | Fault]:
        """Add each part to its payment of ``held``; return the payment or the fault by the position in ``wanted``.

        Several parts of one payment go out one after another, since each changes its version. A payment that somebody
        changed meanwhile is read once more. Raises ``OutcomeUnknown`` when some may be added and others not.
        """
        current, waiting, read_again = dict(held), dict(wanted), set[str]()
        results: dict[int, Row | Fault] = {}
        while waiting:
            first = {waiting[index].payment: index for index in sorted(waiting, reverse=True)}
            try:
                answers = self._send({index: (waiting[index], current[id]) for id, index in first.items()}, key)
                stale = [id for id, i in first.items() if _is_stale(answers[i]) and id not in read_again]
                current.update({row["Id"]: row for row in self._transport.among("Payment", "Id", stale)})
            except ConnectorError as error:
                if not results:
                    raise
                raise OutcomeUnknown(f"QuickBooks took a part of the batch; the rest failed: {error}") from error
            read_again.update(stale)
            for id, index in first.items():
                if id not in stale:
                    results[index] = answer = answers[index]
                    current[id] = current[id] if isinstance(answer, Fault) else answer
                    del waiting[index]
        return results

    def _send(self, parts: Mapping[int, tuple[Part, Row]], key: str) -> dict[int, Row | Fault]:
        """Add one part to each of some payments, in one call; what cannot be said is a fault of its own."""
        results: dict[int, Row | Fault] = {}
        items = []
        for index, (part, row) in parts.items():
            try:
                items.append(Item(bid(index), "Payment", _with(part, row), "update"))
            except NotSayable as error:
                results[index] = Fault("", str(error))
        answers = self._transport.write(items, _key(key, items)) if items else {}
        return results | {index: answers[bid(index)] for index in parts if index not in results}


def _key(key: str, items: Sequence[Item]) -> str:
    """Return a key for one call: another one as soon as the payments are not the same any more."""
    return derived(key, *(f"{item.id}:{item.body['SyncToken']}" for item in items))


def _is_stale(answer: Row | Fault) -> bool:
    return isinstance(answer, Fault) and answer.code == STALE


def _with(part: Part, row: Row) -> Row:
    """Return the update of a payment that adds ``part``: QuickBooks replaces all lines and the whole note."""
    (linked,) = part.line["LinkedTxn"]
    lines = [{name: line[name] for name in ("Amount", "LinkedTxn")} for line in row.get("Line", [])]
    same = [line for line in lines if line["LinkedTxn"] == [linked]]
    others = [line for line in lines if line["LinkedTxn"] != [linked]]
    total = sum((decimal(line["Amount"]) for line in same), Decimal(part.line["Amount"]))
    return {
        "Id": row["Id"],
        "SyncToken": row["SyncToken"],
        "sparse": True,
        "CustomerRef": {"value": row["CustomerRef"]["value"]},
        "TotalAmt": row["TotalAmt"],
        "Line": [*others, {**part.line, "Amount": total}],
        **private_note(str(row.get("PrivateNote") or ""), part.note),
    }
