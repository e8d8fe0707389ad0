"""The bank side of the books: money spent, received and received on account, and transfers between accounts."""

from __future__ import annotations

from decimal import Decimal

from sandbox.xero import documents, seed
from sandbox.xero.books import Books
from sandbox.xero.documents import OVERPAYMENTS, PREPAYMENTS, Kind, read_date
from sandbox.xero.lines import ON_ACCOUNT, SALE, SPENDING, line_item
from sandbox.xero.payments import amount_of, is_base
from sandbox.xero.wire import Invalid, Wire, day_fields, number, read_moment

_ON_ACCOUNT: dict[str, Kind] = {kind.type: kind for kind in (OVERPAYMENTS, PREPAYMENTS)}
_USES = {"SPEND": SPENDING, "RECEIVE": SPENDING, "RECEIVE-OVERPAYMENT": ON_ACCOUNT, "RECEIVE-PREPAYMENT": SALE}
_AMOUNT_TYPES = ("Exclusive", "Inclusive", "NoTax")
_SHOWN = ("AccountID", "Code", "Name")
_ZERO = Decimal("0.00")


def create_transaction(books: Books, data: Wire, unit_places: int) -> Wire:
    """Save money spent or received; on account it becomes an overpayment or prepayment. Raises ``Invalid``."""
    kind = data.get("Type")
    if kind not in _USES:
        raise Invalid(f"The sandbox keeps no bank transactions of type {kind}")
    account = bank_account(books, data.get("BankAccount") or {})
    currency = _currency(data, account, kind in _ON_ACCOUNT)
    on = read_date(data, "Date") or books.clock.today
    books.check_open(on)
    lines = _lines(books, data, kind, unit_places)
    contact = books.payee(data.get("Contact") or {})
    transaction: Wire = {
        "BankTransactionID": books.new_id(),
        "Type": kind,
        "Contact": {name: contact[name] for name in ("ContactID", "Name")},
        "BankAccount": {name: account[name] for name in _SHOWN},
        "IsReconciled": bool(data.get("IsReconciled", False)),
        "Status": "AUTHORISED",
        "CurrencyCode": currency,
        "CurrencyRate": number(data, "CurrencyRate") or books.rate(currency),
        "HasAttachments": False,
        **day_fields("Date", on),
        **lines,
        **books.stamp(),
    }
    transaction.pop("UpdatedDateUTCString")  # bank transactions have it in one spelling only
    if kind in _ON_ACCOUNT:
        _put_on_account(books, _ON_ACCOUNT[kind], transaction)
    else:  # a reference is kept of money spent and received only
        transaction["Reference"] = data.get("Reference", "")
    books.bank_transactions[transaction["BankTransactionID"]] = transaction
    return transaction


def delete_transaction(books: Books, transaction: Wire, data: Wire) -> Wire:
    """Delete a bank transaction, and void what lies on account by it unless it was used. Raises ``Invalid``."""
    if data.get("Status") != "DELETED" or transaction["Status"] != "AUTHORISED":
        raise Invalid("The sandbox only deletes bank transactions, and each only once")
    books.check_open(read_moment(transaction["Date"]).date())
    kind = _ON_ACCOUNT.get(transaction["Type"])
    if kind is not None:
        credit = kind.store(books)[transaction[kind.id]]
        if credit["Allocations"] or credit["Payments"]:
            raise Invalid(f"This {kind.name} has been allocated or refunded and cannot be deleted")
        credit.update(Status="VOIDED", **books.stamp())
        documents.settle(books, kind, credit)
    transaction.update(Status="DELETED", UpdatedDateUTC=books.stamp()["UpdatedDateUTC"])
    return transaction


def create_transfer(books: Books, data: Wire) -> Wire:
    """Save a transfer between two bank accounts of one currency; raises ``Invalid``."""
    source, target = (bank_account(books, data.get(name) or {}) for name in ("FromBankAccount", "ToBankAccount"))
    if source is target or _currency_of(source) != _currency_of(target):
        raise Invalid("The accounts of a bank transfer must differ and have the same currency")
    on = read_date(data, "Date") or books.clock.today
    books.check_open(on)
    transfer: Wire = {
        "BankTransferID": books.new_id(),
        "FromBankAccount": {name: source[name] for name in _SHOWN},
        "ToBankAccount": {name: target[name] for name in _SHOWN},
        "Amount": amount_of(data),
        "Reference": data.get("Reference", ""),
        "CurrencyRate": books.rate(_currency_of(source)),
        "FromIsReconciled": False,
        "ToIsReconciled": False,
        "HasAttachments": False,
        "Status": "AUTHORISED",
        "CreatedDateUTC": books.stamp()["UpdatedDateUTC"],
        **day_fields("Date", on),
    }
    books.transfers[transfer["BankTransferID"]] = transfer
    books.touch_transfer(transfer)
    return transfer


def delete_transfer(books: Books, transfer: Wire, data: Wire) -> Wire:
    """Delete a transfer, the only change Xero allows. Raises ``Invalid``."""
    if data.get("Status") != "DELETED" or transfer["Status"] == "DELETED":
        raise Invalid("A bank transfer can only be deleted, and only once")
    transfer["Status"] = "DELETED"
    books.touch_transfer(transfer)
    return transfer


def bank_account(books: Books, wanted: Wire) -> Wire:
    """Return a bank account by its code or id; raises ``Invalid``."""
    account = books.account(code=wanted.get("Code"), account_id=wanted.get("AccountID"))
    if account is None or account["Type"] != "BANK" or account["Status"] != "ACTIVE":
        raise Invalid(f"{wanted.get('Code') or wanted.get('AccountID')!r} is not an active bank account")
    return account


def _currency_of(account: Wire) -> str:
    return str(account.get("CurrencyCode", seed.BASE_CURRENCY))


def _currency(data: Wire, account: Wire, on_account: bool) -> str:
    """Return the currency: the account's, or for money on account in a base account the one that was sent."""
    held = _currency_of(account)
    wanted = data.get("CurrencyCode") or held
    if wanted != held and not (on_account and is_base(account)):
        raise Invalid(f"Account {account['Code']} is in {held}: setting the currency {wanted} is not supported")
    return str(wanted)


def _lines(books: Books, data: Wire, kind: str, unit_places: int) -> Wire:
    given, amount_types = data.get("LineItems") or [], data.get("LineAmountTypes", "Exclusive")
    if amount_types not in _AMOUNT_TYPES or not given or (kind in _ON_ACCOUNT and len(given) != 1):
        raise Invalid("Line items must be given, of money on account exactly one, with valid LineAmountTypes")
    lines = [line_item(books, one, amount_types, unit_places, _USES[kind]) for one in given]
    net = sum((line["LineAmount"] for line in lines), _ZERO)
    tax = sum((line["TaxAmount"] for line in lines), _ZERO)
    if kind == OVERPAYMENTS.type and tax:
        raise Invalid("An overpayment cannot have tax")
    total = net if amount_types == "Inclusive" else net + tax
    if total <= 0:
        raise Invalid("The total of a bank transaction must be greater than zero")
    sums = {"SubTotal": total - tax, "TotalTax": tax, "Total": total}
    return {"LineAmountTypes": amount_types, "LineItems": lines, **sums}


def _put_on_account(books: Books, kind: Kind, transaction: Wire) -> None:
    names = ("Type", "Contact", "Date", "DateString", "Status", "LineAmountTypes", "LineItems", "SubTotal", "TotalTax",
             "Total", "CurrencyCode", "CurrencyRate", "HasAttachments")  # fmt: skip
    credit: Wire = {kind.id: books.new_id(), **{name: transaction[name] for name in names}, **books.stamp()}
    kind.store(books)[credit[kind.id]] = documents.settle(books, kind, credit)
    transaction[kind.id] = credit[kind.id]
