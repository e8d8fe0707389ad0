"""Credits set against invoices: a credit memo by a payment of nothing, money on account by a line of its payment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from connectors.base import Adopted, AllocationDraft, Created, LedgerAllocation, Rejected
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.quickbooks import rows
from connectors.quickbooks.catalogue import Catalogue
from connectors.quickbooks.collection import Collection, bid
from connectors.quickbooks.limits import NotSayable, above_zero, key_of
from connectors.quickbooks.payments import Part, Parts, link
from connectors.quickbooks.transport import Fault, Row, Transport

AUTO_APPLIED = (
    "where QuickBooks set the credit memo against another invoice by itself, take it off there and switch off Account"
    " and settings, Advanced, Automation, Automatically apply credits"
)
Result = Created[LedgerAllocation] | Adopted[LedgerAllocation] | Rejected


class Held(NamedTuple):
    """Payments as they stand: those that use credit memos by our key, those with money on account by id."""

    by_key: dict[str, list[Row]]
    by_id: dict[str, Row]


def read_held(transport: Transport, keys: Iterable[str], ids: Iterable[str]) -> Held:
    """Read the payments that carry our keys and the payments of these ids: two queries at most."""
    by_key: dict[str, list[Row]] = {}
    for row in transport.among("Payment", "PaymentRefNum", list(keys)):
        by_key.setdefault(str(row.get("PaymentRefNum") or ""), []).append(row)
    return Held(by_key, {str(row["Id"]): row for row in transport.among("Payment", "Id", list(ids))})


def uses(row: Row, kind: str, id: str) -> bool:
    """Say whether a payment has a line on the transaction ``id``."""
    return any(one["TxnType"] == kind and one["TxnId"] == id for line in row["Line"] for one in line["LinkedTxn"])


class Allocations(Collection[AllocationDraft, LedgerAllocation]):
    """Allocations. What is there is always looked up first: a payment's version has to be read anyway."""

    def __init__(self, transport: Transport, catalogue: Catalogue) -> None:
        super().__init__(transport, catalogue)
        self._parts = Parts(transport)

    def find(self, wanted: Sequence[AllocationDraft]) -> list[LedgerAllocation | None]:
        """Find allocations by key, source and document."""
        held = self._held(wanted)
        return [self._found(draft, held) for draft in wanted]

    def create(self, batch: Sequence[AllocationDraft], key: str) -> list[Result]:
        """Set each credit against its invoice, unless that is done."""
        self._check_size(batch)
        held = self._held(batch)
        found = {index: self._found(draft, held) for index, draft in enumerate(batch)}
        results: dict[int, Result] = {index: Adopted(one) for index, one in found.items() if one is not None}
        left = {index: draft for index, draft in enumerate(batch) if index not in results}
        notes = self._use_credit_notes({i: d for i, d in left.items() if d.source_kind == "credit_note"}, key)
        money = {index: draft for index, draft in left.items() if draft.source_kind == "on_account"}
        try:
            results |= notes | self._use_money(money, held, key)
        except ConnectorError as error:
            if not notes:
                raise
            raise OutcomeUnknown(f"QuickBooks took a part of the batch; the rest failed: {error}") from error
        return [results[index] for index in range(len(batch))]

    def _use_credit_notes(self, drafts: Mapping[int, AllocationDraft], key: str) -> dict[int, Result]:
        """Link credit memos and invoices by payments of nothing."""
        rejected, items = self._items(drafts)
        answers = self._transport.write(items, key) if items else {}
        sent = {index: draft for index, draft in drafts.items() if index not in rejected}
        refused = [draft for index, draft in sent.items() if isinstance(answers[bid(index)], Fault)]
        there = self._uses_there(refused) if refused else {}
        return rejected | {
            index: self._judged(draft, answers[bid(index)], there.get(draft.source.id, ()))
            for index, draft in sent.items()
        }

    def _judged(self, draft: AllocationDraft, answer: Row | Fault, there: Sequence[Row]) -> Result:
        """Return what became of the use of a credit memo, of which ``there`` are uses by others."""
        result = self._result(draft, answer, _same(draft, there))
        if isinstance(result, Rejected) and there:
            return Rejected(f"{result.reason}; {AUTO_APPLIED}", result.code)
        return result

    def _uses_there(self, drafts: Sequence[AllocationDraft]) -> dict[str, list[Row]]:
        """Return by credit memo the payments that use it: QuickBooks, or somebody there, may have been quicker."""
        try:
            notes = self._transport.among("CreditMemo", "Id", [draft.source.id for draft in drafts])
            linked = {str(row["Id"]): [str(one["TxnId"]) for one in row.get("LinkedTxn", [])] for row in notes}
            ids = [id for each in linked.values() for id in each]
            payments = {str(row["Id"]): row for row in self._transport.among("Payment", "Id", ids)}
        except ConnectorError as error:  # others of the batch are booked by now
            raise OutcomeUnknown(f"the batch is booked, but what was there before is not known: {error}") from error
        return {note: [payments[id] for id in each if id in payments] for note, each in linked.items()}

    def _use_money(self, drafts: Mapping[int, AllocationDraft], held: Held, key: str) -> dict[int, Result]:
        """Add lines to the payments that the money came with."""
        judged = {index: _part(draft, held) for index, draft in drafts.items()}
        parts = {index: one for index, one in judged.items() if isinstance(one, Part)}
        answers = self._parts.add(parts, held.by_id, key)
        results: dict[int, Result] = {index: one for index, one in judged.items() if isinstance(one, Rejected)}
        return results | {index: self._result(drafts[index], answer, None) for index, answer in answers.items()}

    def _held(self, wanted: Sequence[AllocationDraft]) -> Held:
        keys = [draft.key for draft in wanted if draft.source_kind == "credit_note"]
        ids = [draft.source.id for draft in wanted if draft.source_kind == "on_account"]
        return read_held(self._transport, keys, ids)

    def _found(self, draft: AllocationDraft, held: Held) -> LedgerAllocation | None:
        if draft.source_kind == "on_account":
            row = held.by_id.get(draft.source.id)
            return rows.part(row, draft) if row is not None else None
        for row in held.by_key.get(draft.key, []):
            if uses(row, "CreditMemo", draft.source.id) and uses(row, "Invoice", draft.document.id):
                return rows.allocation(row, draft)
        return None

    def _body(self, draft: AllocationDraft) -> tuple[str, Row]:
        amount = above_zero(draft.amount, draft.currency)
        return "Payment", {
            "PaymentRefNum": key_of(draft.key),
            "TxnDate": draft.on.isoformat(),
            "CustomerRef": {"value": draft.customer.id},
            "CurrencyRef": {"value": draft.currency},
            "TotalAmt": 0,
            "Line": [link(amount, draft.document.id, "Invoice"), link(amount, draft.source.id, "CreditMemo")],
        }

    def _read(self, draft: AllocationDraft, row: Row) -> LedgerAllocation:
        found = rows.part(row, draft) if draft.source_kind == "on_account" else rows.allocation(row, draft)
        if found is None:
            raise OutcomeUnknown(f"QuickBooks answered payment {row.get('Id')} without the line that it was sent")
        return found


def _same(draft: AllocationDraft, there: Sequence[Row]) -> LedgerAllocation | None:
    """Return the use of a credit memo that is the one we want: against that invoice, over that amount."""
    for row in there:
        found = rows.allocation(row, draft)
        if found.amount == draft.amount and rows.used(row, draft.source.id) == draft.amount:
            return found
    return None


def _part(draft: AllocationDraft, held: Held) -> Part | Rejected:
    row = held.by_id.get(draft.source.id)
    if row is None or rows.is_voided(row):
        return Rejected(f"payment {draft.source.id}, which held the money on account, is not there any more")
    if (left := rows.payment(row).unapplied) < draft.amount:
        return Rejected(rows.short_of(draft.source.id, left, draft.amount, draft.currency))
    try:
        amount = above_zero(draft.amount, draft.currency)
        note = rows.part_note(key_of(draft.key), amount, draft.document.id)
    except NotSayable as error:
        return Rejected(str(error))
    return Part(draft.source.id, link(amount, draft.document.id, "Invoice"), note)
