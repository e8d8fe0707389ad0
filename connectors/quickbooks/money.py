"""Money that no customer pays: transfers between our accounts, what providers keep, and journal entries."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context
from typing import TypeVar

from billing.money import to_decimal
from connectors.base import ExpenseDraft, JournalDraft, JournalLine, LedgerEntry, TransferDraft
from connectors.quickbooks import rows
from connectors.quickbooks.catalogue import RECEIVABLE
from connectors.quickbooks.collection import Collection
from connectors.quickbooks.limits import (
    TEXT_LENGTH,
    NotSayable,
    above_zero,
    amount,
    fit,
    key_of,
)
from connectors.quickbooks.payments import private_note
from connectors.quickbooks.rows import MARK
from connectors.quickbooks.transport import Row

RATE_DIGITS = 12  # an amount up to a hundred million comes out to the cent
Wanted = TypeVar("Wanted", bound=ExpenseDraft | JournalDraft)


class Transfers(Collection[TransferDraft, LedgerEntry]):
    """Transfers have no number: our key stands in the note, and they are found by their date."""

    def find(self, wanted: Sequence[TransferDraft]) -> list[LedgerEntry | None]:
        """Find transfers by key among those of the same days."""
        days = [draft.on.isoformat() for draft in wanted]
        found = rows.voided_first(self._transport.among("Transfer", "TxnDate", days))
        held = {entry.key: entry for entry in (rows.entry("Transfer", row) for row in found) if entry.key}
        return [held.get(draft.key) for draft in wanted]

    def _body(self, draft: TransferDraft) -> tuple[str, Row]:
        return "Transfer", {
            "TxnDate": draft.on.isoformat(),
            "CurrencyRef": {"value": draft.currency},
            "Amount": above_zero(draft.amount, draft.currency),
            "FromAccountRef": self._catalogue.account(draft.source, draft.currency),
            "ToAccountRef": self._catalogue.account(draft.target, draft.currency),
            **private_note(f"{MARK}{key_of(draft.key)}", draft.memo),
        }

    def _read(self, draft: TransferDraft, row: Row) -> LedgerEntry:
        return rows.entry("Transfer", row)


class _Numbered(Collection[Wanted, LedgerEntry]):
    """Entries whose ``DocNumber`` is our key, in the entity that each draft is written as."""

    def find(self, wanted: Sequence[Wanted]) -> list[LedgerEntry | None]:
        """Find entries by key; of two that bear it the one that counts."""
        held: dict[tuple[str, str], LedgerEntry] = {}
        for entity in dict.fromkeys(self._entity(draft) for draft in wanted):
            keys = [draft.key for draft in wanted if self._entity(draft) == entity]
            for row in rows.voided_first(self._transport.among(entity, "DocNumber", keys)):
                if row.get("PaymentType", "Cash") == "Cash":  # a check is a refund
                    held[entity, row["DocNumber"]] = rows.entry(entity, row)
        return [held.get((self._entity(draft), draft.key)) for draft in wanted]

    def _entity(self, draft: Wanted) -> str:
        raise NotImplementedError

    def _read(self, draft: Wanted, row: Row) -> LedgerEntry:
        return rows.entry(self._entity(draft), row)


class Expenses(_Numbered[ExpenseDraft]):
    """What a provider kept: a purchase from its clearing account. What it gave back is a journal entry.

    A purchase cannot be negative, and only one on a credit card can be a credit.
    """

    def _entity(self, draft: ExpenseDraft) -> str:
        return "Purchase" if draft.amount > 0 else "JournalEntry"

    def _body(self, draft: ExpenseDraft) -> tuple[str, Row]:
        if draft.amount <= 0:
            return "JournalEntry", self._given_back(draft)
        total, home = above_zero(draft.amount, draft.currency), self._catalogue.home_currency()
        detail: Row = {"AccountRef": self._catalogue.account(draft.account, draft.currency, home)}
        line = {"DetailType": "AccountBasedExpenseLineDetail", "Amount": total, "AccountBasedExpenseLineDetail": detail}
        return "Purchase", {
            "DocNumber": key_of(draft.key),
            "TxnDate": draft.on.isoformat(),
            "PaymentType": "Cash",
            "AccountRef": self._catalogue.account(draft.paid_from, draft.currency, home),
            "CurrencyRef": {"value": draft.currency},
            **self._rate(draft),
            "Line": [line],
            **self._tax(draft, detail),
            **private_note(draft.memo),
        }

    def _rate(self, draft: ExpenseDraft) -> Row:
        """Say at which rate an amount was exchanged into, or out of, the company's own currency."""
        home = self._catalogue.home_currency()
        if not draft.exchanged or draft.exchanged_currency != home or draft.currency == home:
            return {}
        exact = to_decimal(draft.exchanged, home) / to_decimal(abs(draft.amount), draft.currency)
        return {"ExchangeRate": Context(RATE_DIGITS).plus(exact)}

    def _tax(self, draft: ExpenseDraft, detail: Row) -> Row:
        """Say the tax code on the line, for which only one without a rate will do; return how amounts are meant."""
        rules = self._catalogue.tax_rules()
        if rules.us:
            return {}
        if not draft.tax_code:
            return {"GlobalTaxCalculation": "NotApplicable"}
        code = self._catalogue.known("TaxCode", draft.tax_code)
        if any(rate.percent for rate in rules.rates.get(str(code["Id"]), ())):
            raise NotSayable(f"tax code {draft.tax_code!r} has a rate, fees are booked as they were kept: name another")
        detail["TaxCodeRef"] = {"value": str(code["Id"])}
        return {"GlobalTaxCalculation": "TaxExcluded"}

    def _given_back(self, draft: ExpenseDraft) -> Row:
        lines = (
            JournalLine(account=draft.paid_from, amount=-draft.amount),
            JournalLine(account=draft.account, amount=draft.amount),
        )
        journal = JournalDraft(key=draft.key, currency=draft.currency, on=draft.on, lines=lines, memo=draft.memo)
        return {**Journals(self._transport, self._catalogue).body(journal), **self._rate(draft)}


class Journals(_Numbered[JournalDraft]):
    """Journal entries."""

    def _entity(self, draft: JournalDraft) -> str:
        return "JournalEntry"

    def _body(self, draft: JournalDraft) -> tuple[str, Row]:
        return "JournalEntry", self.body(draft)

    def body(self, draft: JournalDraft) -> Row:
        """Return a ``JournalEntry``; raise ``NotSayable`` for one that does not balance."""
        if sum(line.amount for line in draft.lines) or not any(line.amount for line in draft.lines):
            raise NotSayable("the lines (Line.Amount) do not add up to zero, or say nothing: correct the entry")
        return {
            "DocNumber": key_of(draft.key),
            "TxnDate": draft.on.isoformat(),
            "CurrencyRef": {"value": draft.currency},
            "Line": [self._line(line, draft.currency) for line in draft.lines if line.amount],
            **private_note(draft.memo),
        }

    def _line(self, line: JournalLine, currency: str) -> Row:
        home = self._catalogue.home_currency()
        detail: Row = {
            "PostingType": "Debit" if line.amount > 0 else "Credit",
            "AccountRef": self._catalogue.account(line.account, currency, home),
        }
        if line.customer is not None:
            detail["Entity"] = {"Type": "Customer", "EntityRef": {"value": line.customer.id}}
        elif self._catalogue.known("Account", line.account).get("AccountType") == RECEIVABLE:
            raise NotSayable(f"a line on {line.account!r} names no customer (Entity), as receivables need: name one")
        if line.class_:
            detail["ClassRef"] = self._catalogue.reference("Class", line.class_)
        row: Row = {
            "DetailType": "JournalEntryLineDetail",
            "Amount": amount(abs(line.amount), currency),
            "JournalEntryLineDetail": detail,
        }
        if line.description:
            row["Description"] = fit("a line's text", line.description, TEXT_LENGTH, "shorten it")
        return row
