"""What the outbox must know of everything that is done to cash in the books: one ``Kind`` each.

What a posting belongs to is its number here: ``payment`` and ``allocation`` an application, ``on_account`` a payment,
``credit_use`` and ``refund`` their own rows; the voids have the number of what they void.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from billing.money import display
from connectors.base import (
    Accounting,
    AllocationDraft,
    Collection,
    ExpenseDraft,
    LedgerAllocation,
    LedgerEntry,
    LedgerPayment,
    PaymentDraft,
    Ref,
    RefundDraft,
    TransferDraft,
)
from sync.one_by_one import OneByOne
from sync.outbox import Kind

KEY_LENGTH = 21  # what QuickBooks keeps of a reference; the tail of a provider's id is its unique part


class VoidDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of ours to be voided, and what was posted, by which it is found."""

    payment: Ref
    posted: PaymentDraft


def _voids(ledger: Accounting) -> OneByOne[VoidDraft, LedgerPayment]:
    """Voids of payments, looked up by the payment: one that does not stand is not found, or found as what it is."""

    def find(wanted: Sequence[VoidDraft]) -> list[LedgerPayment | None]:
        found = ledger.payments.find([one.posted for one in wanted])
        return [_voided(draft, payment) for draft, payment in zip(wanted, found, strict=True)]

    return OneByOne(lambda draft, key: ledger.void_payment(draft.payment, key), find)


class RefundVoidDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of ours to be taken back, and what was posted."""

    refund: Ref
    posted: RefundDraft


def _refund_voids(ledger: Accounting) -> OneByOne[RefundVoidDraft, LedgerEntry]:
    return OneByOne(lambda draft, key: ledger.void_refund(draft.refund, draft.posted, key))


def _voided(draft: VoidDraft, found: LedgerPayment | None) -> LedgerPayment | None:
    if found is not None and found.status == "active" and found.ref.id == draft.payment.id:
        return None
    return LedgerPayment(ref=draft.payment, key=draft.posted.key, status="voided")


def key_of(vendor_id: str, prefix: str = "") -> str:
    """Return the key of a posting that belongs to what a provider calls ``vendor_id``."""
    return prefix + vendor_id[-(KEY_LENGTH - len(prefix)) :]


def _payment_differs(draft: PaymentDraft, found: LedgerPayment, adopted: bool) -> str:
    if draft.document is None:
        there, place = found.amount, "on account"
    else:
        there, place = found.applied.get(draft.document.id, 0), "applied to the invoice"
    problems = []
    if there != draft.amount:
        problems.append(f"{display(there, draft.currency)} is {place} there and {_amount(draft)} here")
    if found.currency and found.currency != draft.currency:
        problems.append(f"its currency is {found.currency} there and {draft.currency} here")
    if found.customer_id and found.customer_id != draft.customer.id:
        problems.append(f"it belongs to customer {found.customer_id} there and to {draft.customer.id} here")
    if found.status != "active":
        problems.append(f"it is {found.status} there")
    return "; ".join(problems)


def _allocation_differs(draft: AllocationDraft, found: LedgerAllocation, adopted: bool) -> str:
    if found.amount == draft.amount:
        return ""
    return f"{display(found.amount, draft.currency)} is set against it there and {_amount(draft)} here"


def _entry_differs(draft: RefundDraft | TransferDraft | ExpenseDraft, found: LedgerEntry, adopted: bool) -> str:
    if abs(found.amount) != abs(draft.amount):  # what was given back is a journal entry in some books: its debits' sum
        return f"it is {display(found.amount, draft.currency)} there and {_amount(draft)} here"
    return f"it is {found.status} there" if found.status != "active" else ""


def _never(draft: Any, found: Any, adopted: bool) -> str:
    """Say nothing: what was found void is what was wanted."""
    return ""


def _received(draft: ExpenseDraft) -> str:
    """Return what came in, where the expense is the opposite of one."""
    return display(-draft.amount, draft.currency)


def _expense(name: str, title: Callable[[ExpenseDraft], str]) -> Kind[ExpenseDraft, LedgerEntry]:
    return Kind(
        name=name,
        draft=ExpenseDraft,
        collection=lambda ledger: ledger.expenses,
        title=title,
        differs=_entry_differs,
    )


def _amount(draft: PaymentDraft | AllocationDraft | RefundDraft | TransferDraft | ExpenseDraft) -> str:
    return display(draft.amount, draft.currency)


def _payments(ledger: Accounting) -> Collection[PaymentDraft, LedgerPayment]:
    return ledger.payments


def _allocations(ledger: Accounting) -> Collection[AllocationDraft, LedgerAllocation]:
    return ledger.allocations


PAYMENT: Kind[PaymentDraft, LedgerPayment] = Kind(
    name="payment",
    draft=PaymentDraft,
    collection=_payments,
    title=lambda draft: f"Payment {draft.key} of {_amount(draft)}",
    differs=_payment_differs,
)
ON_ACCOUNT: Kind[PaymentDraft, LedgerPayment] = Kind(
    name="on_account",
    draft=PaymentDraft,
    collection=_payments,
    title=lambda draft: f"Money on account {draft.key} of {_amount(draft)}",
    differs=_payment_differs,
)
ALLOCATION: Kind[AllocationDraft, LedgerAllocation] = Kind(
    name="allocation",
    draft=AllocationDraft,
    collection=_allocations,
    title=lambda draft: f"Use of {_amount(draft)} on account of payment {draft.key}",
    differs=_allocation_differs,
)
CREDIT_USE: Kind[AllocationDraft, LedgerAllocation] = Kind(
    name="credit_use",
    draft=AllocationDraft,
    collection=_allocations,
    title=lambda draft: f"Use of {_amount(draft)} of credit note {draft.key}",
    differs=_allocation_differs,
)
REFUND: Kind[RefundDraft, LedgerEntry] = Kind(
    name="refund",
    draft=RefundDraft,
    collection=lambda ledger: ledger.refunds,
    title=lambda draft: f"Refund {draft.key} of {_amount(draft)}",
    differs=_entry_differs,
)
VOID_PAYMENT: Kind[VoidDraft, LedgerPayment] = Kind(
    name="payment_void",
    draft=VoidDraft,
    collection=_voids,
    title=lambda draft: f"Void of payment {draft.posted.key} of {_amount(draft.posted)}",
    differs=_never,
)
VOID_ON_ACCOUNT: Kind[VoidDraft, LedgerPayment] = Kind(
    name="on_account_void",
    draft=VoidDraft,
    collection=_voids,
    title=lambda draft: f"Void of money on account {draft.posted.key} of {_amount(draft.posted)}",
    differs=_never,
)
VOID_REFUND: Kind[RefundVoidDraft, LedgerEntry] = Kind(
    name="refund_void",
    draft=RefundVoidDraft,
    collection=_refund_voids,
    title=lambda draft: f"Taking back of refund {draft.posted.key} of {_amount(draft.posted)}",
    differs=_never,
)
FEES = _expense("payout_fee", lambda draft: f"Fees {draft.key} of {_amount(draft)}")
NOT_OURS = _expense(
    "payout_other", lambda draft: f"Payments of others {draft.key} of {display(-draft.amount, draft.currency)}"
)
EXCHANGED_OUT = _expense("exchanged_out", lambda draft: f"Exchange {draft.key} of {_amount(draft)}")
EXCHANGED_IN = _expense(
    "exchanged_in", lambda draft: f"Exchange {draft.key} into {display(-draft.amount, draft.currency)}"
)
TRANSFER: Kind[TransferDraft, LedgerEntry] = Kind(
    name="payout",
    draft=TransferDraft,
    collection=lambda ledger: ledger.transfers,
    title=lambda draft: f"Payout {draft.key} of {_amount(draft)}",
    differs=_entry_differs,
)
TRANSFER_BACK: Kind[TransferDraft, LedgerEntry] = Kind(
    name="payout_back",
    draft=TransferDraft,
    collection=lambda ledger: ledger.transfers,
    title=lambda draft: f"Failed payout {draft.key} of {_amount(draft)}",
    differs=_entry_differs,
)
# What we book beside documents, payments and what is set against them, by the kind's name.
ENTRIES: dict[str, Kind[Any, LedgerEntry]] = {
    kind.name: kind for kind in (FEES, NOT_OURS, EXCHANGED_OUT, EXCHANGED_IN, TRANSFER, TRANSFER_BACK, REFUND)
}
