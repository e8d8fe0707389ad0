"""Money that no customer is behind: a provider's fees out of its clearing account, and payouts to the bank."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP

from billing import money
from connectors.base import Adopted, Created, ExpenseDraft, LedgerEntry, Ref, Rejected, TransferDraft
from connectors.xero import limits
from connectors.xero.batches import BATCH_SIZE, Place, Sending, put_batch, put_each
from connectors.xero.client import Client, Json
from connectors.xero.entries import Entry, entry_status, first_standing, standing
from connectors.xero.setup import Accounts, Organisation, not_a_bank
from connectors.xero.wire import chunks, day, equals, minor, unbookable

_TRANSACTIONS = Place("BankTransactions")
_TRANSFERS = Place("BankTransfers")


class Expenses:
    """Money spent (or, below zero, received back) by our key, the transaction's reference.

    Xero wants a contact for each: it is the one that bears the name of the account paid from, made when it is missing.
    """

    batch_size = BATCH_SIZE

    def __init__(self, client: Client, accounts: Accounts, organisation: Organisation) -> None:
        self._client = client
        self._accounts = accounts
        self._organisation = organisation

    def find(self, wanted: Sequence[ExpenseDraft]) -> list[LedgerEntry | None]:
        """Look each up by its key; one that stands comes before a deleted one."""
        keys = list(dict.fromkeys(equals("Reference", draft.key) for draft in wanted))
        answers = [self._client.get("BankTransactions", [("where", where)]) for where in chunks(keys, " OR ")]
        elements = [one for answer in answers for one in answer["BankTransactions"]]
        spent = [read_expense(one) for one in elements if one["Type"] in ("SPEND", "RECEIVE")]
        return first_standing([draft.key for draft in wanted], spent)

    def create(
        self, batch: Sequence[ExpenseDraft], key: str
    ) -> list[Created[LedgerEntry] | Adopted[LedgerEntry] | Rejected]:
        """Book what was kept or given back."""
        accounts = self._accounts.coded(code for draft in batch for code in (draft.paid_from, draft.account))
        sendings = [_expense(draft, accounts, self._rate(draft)) for draft in batch]
        read: Entry[ExpenseDraft] = lambda _, element: read_expense(element)  # noqa: E731 - its type is needed
        return put_batch(self._client, batch, sendings, key, read, lambda drafts: standing(self.find(drafts)))

    def _rate(self, draft: ExpenseDraft) -> Json:
        """Say at which rate an amount was exchanged into, or out of, the organisation's own currency."""
        if not draft.exchanged or draft.exchanged_currency != (home := self._organisation.currency()):
            return {}
        exact = money.to_decimal(abs(draft.amount), draft.currency) / money.to_decimal(draft.exchanged, home)
        return {} if draft.currency == home else {"CurrencyRate": exact.quantize(limits.RATE_STEP, ROUND_HALF_UP)}


def _expense(draft: ExpenseDraft, accounts: dict[str, Json], rate: Json) -> Sending | Rejected:
    problem = unbookable(draft.key, abs(draft.amount), draft.currency)
    if problem is not None:
        return problem
    text = draft.memo or draft.key
    reason = (
        not_a_bank(accounts, draft.paid_from, draft.currency)
        or ("" if draft.account in accounts else f"Xero has no active account with the code {draft.account!r}")
        or limits.overlong([("The memo", text, limits.DESCRIPTION)])
    )
    if reason:
        return Rejected(reason)
    amount = money.to_decimal(abs(draft.amount), draft.currency)
    line: Json = {
        "Description": text,
        "Quantity": 1,
        "UnitAmount": amount,
        "LineAmount": amount,
        "AccountCode": draft.account,
    }
    if draft.tax_code:
        line["TaxType"] = draft.tax_code
    payee = "".join(sign for sign in accounts[draft.paid_from]["Name"] if sign not in limits.NOT_IN_NAMES)
    body: Json = {
        "Type": "SPEND" if draft.amount > 0 else "RECEIVE",
        "Contact": {"Name": " ".join(payee.split())},
        "BankAccount": {"Code": draft.paid_from},
        "Date": draft.on.isoformat(),
        "Reference": draft.key,
        "LineAmountTypes": "Inclusive" if draft.tax_code else "NoTax",  # the amount is what left the account
        "LineItems": [line],
        **rate,
    }
    return Sending(_TRANSACTIONS, body)


def read_expense(element: Json) -> LedgerEntry:
    """Return money spent or received."""
    currency = element.get("CurrencyCode", "")
    amount = minor(element.get("Total"), currency)
    return LedgerEntry(
        ref=Ref(id=element["BankTransactionID"]),
        key=element.get("Reference") or "",
        status=entry_status(element),
        currency=currency,
        amount=amount if element["Type"] == "SPEND" else -amount,
        on=day(element, "Date"),
    )


class Transfers:
    """Transfers between bank accounts by our key, the transfer's reference. ``memo`` has no field at Xero."""

    batch_size = 1  # Xero answers a call with transfers as a whole, so one that it refuses would hide the others

    def __init__(self, client: Client, accounts: Accounts) -> None:
        self._client = client
        self._accounts = accounts

    def find(self, wanted: Sequence[TransferDraft]) -> list[LedgerEntry | None]:
        """Look each up by its key; one that stands comes before a deleted one."""
        currencies = {draft.key: draft.currency for draft in wanted}
        keys = [equals("Reference", key) for key in currencies]
        queries = [[("where", where), ("includeDeleted", "true")] for where in chunks(keys, " OR ")]
        elements = [one for query in queries for one in self._client.get("BankTransfers", query)["BankTransfers"]]
        moved = [read_transfer(one, currencies[one["Reference"]]) for one in elements if one["Reference"] in currencies]
        return first_standing([draft.key for draft in wanted], moved)

    def create(
        self, batch: Sequence[TransferDraft], key: str
    ) -> list[Created[LedgerEntry] | Adopted[LedgerEntry] | Rejected]:
        """Book transfers, each in a call of its own."""
        accounts = self._accounts.coded(code for draft in batch for code in (draft.source, draft.target))
        return put_each(
            batch,
            [_transfer(draft, accounts) for draft in batch],
            key,
            lambda sending, key: self._client.put_one(sending.place.path, sending.body, key)[0],
            lambda draft, element: read_transfer(element, draft.currency),
            lambda drafts: standing(self.find(drafts)),
        )


def _transfer(draft: TransferDraft, accounts: dict[str, Json]) -> Sending | Rejected:
    problem = unbookable(draft.key, draft.amount, draft.currency)
    reasons = [not_a_bank(accounts, code, draft.currency) for code in (draft.source, draft.target)]
    if problem is not None or any(reasons):
        return problem or Rejected("; ".join(filter(None, reasons)))
    body: Json = {
        "FromBankAccount": {"Code": draft.source},
        "ToBankAccount": {"Code": draft.target},
        "Amount": money.to_decimal(draft.amount, draft.currency),
        "Date": draft.on.isoformat(),
        "Reference": draft.key,
    }
    return Sending(_TRANSFERS, body)


def read_transfer(element: Json, currency: str) -> LedgerEntry:
    """Return a transfer in ``currency``; empty: it is not known."""
    return LedgerEntry(
        ref=Ref(id=element["BankTransferID"]),
        key=element.get("Reference") or "",
        status=entry_status(element),
        currency=currency,  # that of both accounts, which a transfer does not show
        amount=minor(element.get("Amount"), currency) if currency else 0,
        on=day(element, "Date"),
    )
