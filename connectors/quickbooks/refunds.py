"""Money given back: a check on receivables, set against the credit it is paid from.

QuickBooks' refund receipt is for a sale that has no credit memo: it books the return itself. Here the credit exists
already, as a credit memo or as money on account, so a receipt would book the return twice and leave the credit open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from connectors.base import Adopted, Created, LedgerEntry, Ref, RefundDraft, Rejected
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.quickbooks import rows
from connectors.quickbooks.allocations import Held, read_held, uses
from connectors.quickbooks.catalogue import Catalogue
from connectors.quickbooks.collection import Collection, bid
from connectors.quickbooks.limits import NotSayable, above_zero, key_of
from connectors.quickbooks.payments import Part, Parts, link, private_note
from connectors.quickbooks.transport import Fault, Item, Row, Transport, derived

Result = Created[LedgerEntry] | Adopted[LedgerEntry] | Rejected
CHECK = "Check"


class Refunds(Collection[RefundDraft, LedgerEntry]):
    """Refunds. A refund takes two writes, so what is there is always looked up first and only the rest is written."""

    def __init__(self, transport: Transport, catalogue: Catalogue) -> None:
        super().__init__(transport, catalogue)
        self._parts = Parts(transport)

    def find(self, wanted: Sequence[RefundDraft]) -> list[LedgerEntry | None]:
        """Find refunds by key; one that is not set against its credit yet is not found, so that this is done."""
        checks = self._checks(wanted)
        held = self._held(wanted) if checks else Held({}, {})
        return [_found(draft, checks, held) for draft in wanted]

    def create(self, batch: Sequence[RefundDraft], key: str) -> list[Result]:
        """Pay each refund and set it against its credit, unless that is done."""
        self._check_size(batch)
        checks, held = self._checks(batch), self._held(batch)
        found = {index: _found(draft, checks, held) for index, draft in enumerate(batch)}
        results: dict[int, Result] = {index: Adopted(one) for index, one in found.items() if one is not None}
        wanted = {index: draft for index, draft in enumerate(batch) if index not in results}
        left = self._left(wanted.values(), held)
        reasons = {index: _refused(draft, checks.get(draft.key), left) for index, draft in wanted.items()}
        results |= {index: Rejected(reason) for index, reason in reasons.items() if reason}
        paid, refused = self._pay({index: wanted[index] for index in wanted if not reasons[index]}, checks, key)
        results |= refused
        results |= self._settle({index: (wanted[index], check) for index, check in paid.items()}, held, key)
        return [results[index] for index in range(len(batch))]

    def void(self, ref: Ref, draft: RefundDraft, key: str) -> LedgerEntry:
        """Take a refund off its credit, then delete its check. Stopped between, it goes on from there."""
        for row in self._users(ref, draft):
            self._take_off(row, ref, derived(key, row["Id"], row["SyncToken"]))
        for check in self._transport.among("Purchase", "Id", [ref.id]):
            if not rows.is_voided(check):
                gone = {"Id": check["Id"], "SyncToken": check["SyncToken"]}
                self._transport.change("Purchase", gone, derived(key, check["SyncToken"]), operation="delete")
        return LedgerEntry(ref=ref, key=draft.key, status="deleted", currency=draft.currency)

    def _users(self, ref: Ref, draft: RefundDraft) -> list[Row]:
        held = self._held([draft])
        found = held.by_key.get(draft.key, []) if draft.source_kind == "credit_note" else held.by_id.values()
        return [row for row in found if not rows.is_voided(row) and uses(row, CHECK, ref.id)]

    def _take_off(self, row: Row, ref: Ref, key: str) -> None:
        """Void the payment of nothing that sets a check against a credit memo, or take the line off the money's own."""
        change: Row = {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True}
        if not row["TotalAmt"]:
            self._transport.change("Payment", change, key, operation="update", include="void")
            return
        kept = [line for line in row["Line"] if all(one["TxnId"] != ref.id for one in line["LinkedTxn"])]
        lines = [{name: line[name] for name in ("Amount", "LinkedTxn")} for line in kept]
        same = {"CustomerRef": {"value": row["CustomerRef"]["value"]}, "TotalAmt": row["TotalAmt"], "Line": lines}
        self._transport.change("Payment", change | same, key)

    def _pay(
        self, drafts: Mapping[int, RefundDraft], checks: Mapping[str, Row], key: str
    ) -> tuple[dict[int, Row], dict[int, Result]]:
        """Return the checks of refunds, written where they are not there yet, and what is refused."""
        rejected, items = self._items({index: draft for index, draft in drafts.items() if draft.key not in checks})
        answers = self._transport.write(items, key) if items else {}
        paid = {index: checks[draft.key] for index, draft in drafts.items() if draft.key in checks}
        refused: dict[int, Result] = {**rejected}
        for index in drafts:
            answer = answers.get(bid(index))
            if isinstance(answer, Fault):
                refused[index] = Rejected(answer.text, answer.code)
            elif answer is not None:
                paid[index] = answer
        return paid, refused

    def _settle(self, paid: Mapping[int, tuple[RefundDraft, Row]], held: Held, key: str) -> dict[int, Result]:
        """Set checks against their credits; those stand already, whatever comes of it."""
        notes = [
            Item(bid(index), "Payment", _use_of_credit_note(draft, check))
            for index, (draft, check) in paid.items()
            if draft.source_kind == "credit_note"
        ]
        parts = {
            index: Part(draft.source.id, link(above_zero(draft.amount, draft.currency), check["Id"], CHECK), "")
            for index, (draft, check) in paid.items()
            if draft.source_kind == "on_account"
        }
        try:
            written = self._transport.write(notes, derived(key, "settle")) if notes else {}
            answers = {index: written[bid(index)] for index in paid if bid(index) in written}
            answers |= self._parts.add(parts, held.by_id, key)
        except ConnectorError as error:
            raise OutcomeUnknown(f"refunds are booked but may not be set against their credits: {error}") from error
        return {index: _settled(*paid[index], answer) for index, answer in answers.items()}

    def _checks(self, wanted: Sequence[RefundDraft]) -> dict[str, Row]:
        found = self._transport.among("Purchase", "DocNumber", [draft.key for draft in wanted])
        return {str(row["DocNumber"]): row for row in found if row["PaymentType"] == CHECK and not rows.is_voided(row)}

    def _held(self, wanted: Sequence[RefundDraft]) -> Held:
        keys = [draft.key for draft in wanted if draft.source_kind == "credit_note"]
        ids = [draft.source.id for draft in wanted if draft.source_kind == "on_account"]
        return read_held(self._transport, keys, ids)

    def _left(self, wanted: Iterable[RefundDraft], held: Held) -> dict[str, int]:
        """Return what is left of each credit: money must not leave before that is known."""
        notes = [draft.source.id for draft in wanted if draft.source_kind == "credit_note"]
        memos = self._transport.among("CreditMemo", "Id", notes)
        left = {str(row["Id"]): rows.document("CreditMemo", row).balance for row in memos}
        return left | {id: rows.payment(row).unapplied for id, row in held.by_id.items()}

    def _body(self, draft: RefundDraft) -> tuple[str, Row]:
        amount, home = above_zero(draft.amount, draft.currency), self._catalogue.home_currency()
        receivables = self._catalogue.receivables(draft.currency)
        if receivables is None:
            raise NotSayable(f"QuickBooks has no account of receivables in {draft.currency}: create one there")
        line = {
            "DetailType": "AccountBasedExpenseLineDetail",
            "Amount": amount,
            "AccountBasedExpenseLineDetail": {"AccountRef": {"value": receivables}},
        }
        elsewhere = {} if self._catalogue.tax_rules().us else {"GlobalTaxCalculation": "NotApplicable"}
        return "Purchase", {
            "DocNumber": key_of(draft.key),
            "TxnDate": draft.on.isoformat(),
            "PaymentType": CHECK,
            "AccountRef": self._catalogue.account(draft.account, draft.currency, home),
            "EntityRef": {"value": draft.customer.id, "type": "Customer"},
            "CurrencyRef": {"value": draft.currency},
            "Line": [line],
            **elsewhere,
            **private_note(draft.memo),
        }


def _refused(draft: RefundDraft, check: Row | None, left: Mapping[str, int]) -> str:
    """Return why a refund cannot be made or finished, empty when it can."""
    if check is not None:
        entry, payee = rows.entry("Purchase", check), (check.get("EntityRef") or {}).get("value")
        if (entry.amount, entry.currency, payee) != (draft.amount, draft.currency, draft.customer.id):
            return f"check {check['Id']} bears the number {draft.key} and is another one: number it anew"
    if left.get(draft.source.id, 0) >= draft.amount:
        return ""
    reason = rows.short_of(draft.source.id, left.get(draft.source.id), draft.amount, draft.currency)
    return reason if check is None else f"the refund is booked as check {check['Id']}, but {reason}"


def _use_of_credit_note(draft: RefundDraft, check: Row) -> Row:
    amount = above_zero(draft.amount, draft.currency)
    return {
        "PaymentRefNum": draft.key,
        "TxnDate": draft.on.isoformat(),
        "CustomerRef": {"value": draft.customer.id},
        "CurrencyRef": {"value": draft.currency},
        "TotalAmt": 0,
        "Line": [link(amount, check["Id"], CHECK), link(amount, draft.source.id, "CreditMemo")],
    }


def _settled(draft: RefundDraft, check: Row, answer: Row | Fault) -> Result:
    if isinstance(answer, Fault):
        what = f"the refund is booked as check {check['Id']}, but not set against {draft.source.id}"
        return Rejected(f"{what}: set it there by hand, or void the check ({answer.text})", answer.code)
    return Created(rows.entry("Purchase", check))


def _found(draft: RefundDraft, checks: Mapping[str, Row], held: Held) -> LedgerEntry | None:
    check = checks.get(draft.key)
    if check is None:
        return None
    on_account = [held.by_id[draft.source.id]] if draft.source.id in held.by_id else []
    users = on_account if draft.source_kind == "on_account" else held.by_key.get(draft.key, [])
    settled = any(uses(row, CHECK, check["Id"]) for row in users)
    return rows.entry("Purchase", check) if settled else None
