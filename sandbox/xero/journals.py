"""Manual journals: entries between accounts that no document and no bank statement stands behind."""

from __future__ import annotations

from decimal import Decimal

from sandbox.xero.books import Books
from sandbox.xero.documents import read_date
from sandbox.xero.lines import tracking
from sandbox.xero.wire import Invalid, Wire, cents, day_fields, number, read_moment

_CLOSED_TO_JOURNALS = ("DEBTORS", "CREDITORS", "RETAINEDEARNINGS")
_ZERO = Decimal("0.00")


def create_journal(books: Books, data: Wire) -> Wire:
    """Save a journal; raises ``Invalid``."""
    narration, status = data.get("Narration") or "", data.get("Status", "DRAFT")
    given, amount_types = data.get("JournalLines") or [], data.get("LineAmountTypes", "NoTax")
    if not narration or status not in ("DRAFT", "POSTED") or amount_types != "NoTax":
        raise Invalid("The sandbox keeps journals with a Narration, as DRAFT or POSTED, without tax")
    lines = [_line(books, one) for one in given]
    if len(lines) < 2 or sum((line["LineAmount"] for line in lines), _ZERO):
        raise Invalid("The total debits must equal the total credits, over at least two lines")
    on = read_date(data, "Date") or books.clock.today
    books.check_open(on)
    journal: Wire = {
        "ManualJournalID": books.new_id(),
        "Narration": narration,
        "Status": status,
        "LineAmountTypes": amount_types,
        "ShowOnCashBasisReports": bool(data.get("ShowOnCashBasisReports", True)),
        "HasAttachments": False,
        "JournalLines": lines,
        "Date": day_fields("Date", on)["Date"],
        "UpdatedDateUTC": books.stamp()["UpdatedDateUTC"],
    }
    books.journals[journal["ManualJournalID"]] = journal
    return journal


def void_journal(books: Books, journal: Wire, data: Wire) -> Wire:
    """Void what was posted, or delete a draft; raises ``Invalid``."""
    wanted = {"POSTED": "VOIDED", "DRAFT": "DELETED"}.get(journal["Status"])
    if wanted is None or data.get("Status") != wanted:
        raise Invalid(f"A journal with status {journal['Status']} cannot become {data.get('Status')}")
    books.check_open(read_moment(journal["Date"]).date())
    journal.update(Status=wanted, UpdatedDateUTC=books.stamp()["UpdatedDateUTC"])
    return journal


def _line(books: Books, data: Wire) -> Wire:
    amount = number(data, "LineAmount")
    if amount is None or not amount or amount != cents(amount):
        raise Invalid("Each journal line needs a LineAmount with at most two decimals")
    account = books.account(code=data.get("AccountCode"), account_id=data.get("AccountID"))
    if account is None:
        raise Invalid(f"Account code '{data.get('AccountCode')}' is not a valid code for this document.")
    if account["Type"] == "BANK" or account.get("SystemAccount") in _CLOSED_TO_JOURNALS:
        raise Invalid(f"Journals cannot be posted to {account['Name']}")
    return {
        "LineAmount": cents(amount),
        "AccountID": account["AccountID"],
        "AccountCode": account["Code"],
        "Description": data.get("Description", ""),
        "TaxType": "NONE",
        "TaxAmount": _ZERO,
        "Tracking": tracking(books, data),
    }
