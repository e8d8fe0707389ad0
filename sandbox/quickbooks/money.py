"""Purchases, transfers and journal entries, and what each adds to the balances of accounts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.quickbooks.refusal import Refusal, business, missing
from sandbox.quickbooks.rules import Row, Rule, amount, cents, currency_of, rate_of
from sandbox.quickbooks.seed import HOME

if TYPE_CHECKING:
    from sandbox.quickbooks.books import Books

RECEIVABLE = "Accounts Receivable"
_MONEY = ("Bank", "Other Current Asset", "Credit Card")


def purchase(books: Books, row: Row, before: Row | None) -> Row:
    """Lines on accounts, paid from an account that holds money; a check on receivables names whom it is for."""
    if row.get("PaymentType") not in ("Cash", "Check", "CreditCard"):
        raise missing("PaymentType") if "PaymentType" not in row else _no_enum("PaymentType", row["PaymentType"])
    paid_from = books.reference("Account", row.get("AccountRef"), "AccountRef")
    if paid_from["AccountType"] not in _MONEY:
        raise business(f"{paid_from['Name']} is no account to pay from.", "AccountRef")
    currency = _currency(row, paid_from)
    lines = [_expense_line(books, row, line, currency) for line in row.get("Line") or []]
    if not lines:
        raise missing("Line")
    total = sum((line["Amount"] for line in lines), Decimal(0))
    if total < 0:
        raise business("Transaction amount must be 0 or greater.", "TotalAmt")
    if books.is_abroad() and row.get("GlobalTaxCalculation") is None:
        raise business("Make sure all your transactions have a tax rate before you save.", "GlobalTaxCalculation")
    return {**row, **_common(books, row, currency), "TotalAmt": total, "Line": lines}


def _expense_line(books: Books, row: Row, line: Row, currency: str) -> Row:
    if line.get("DetailType") != "AccountBasedExpenseLineDetail":
        raise _no_enum("DetailType", line.get("DetailType"))
    detail = dict(line.get("AccountBasedExpenseLineDetail") or {})
    account = books.reference("Account", detail.get("AccountRef"), "AccountRef")
    _check_held(account, currency)
    if account["AccountType"] == RECEIVABLE:
        payee = row.get("EntityRef") or {}
        if payee.get("type") != "Customer" or payee.get("value") not in books.rows["Customer"]:
            raise business("When you use Accounts Receivable, you must choose a customer in the Name field.")
        if account["CurrencyRef"]["value"] != currency:
            raise business(f"{account['Name']} is not the receivables account of {currency}.", "AccountRef")
    if books.is_abroad() and row.get("GlobalTaxCalculation") != "NotApplicable":
        books.reference("TaxCode", detail.get("TaxCodeRef"), "TaxCodeRef")
    return {**line, "Amount": amount(line, "Amount"), "AccountBasedExpenseLineDetail": detail}


def transfer(books: Books, row: Row, before: Row | None) -> Row:
    """Money from one account of the balance sheet to another."""
    source = books.reference("Account", row.get("FromAccountRef"), "FromAccountRef")
    target = books.reference("Account", row.get("ToAccountRef"), "ToAccountRef")
    if source["Id"] == target["Id"]:
        raise business("You can't transfer money to the account it comes from.", "ToAccountRef")
    if {source["Classification"], target["Classification"]} - {"Asset", "Liability", "Equity"}:
        raise business("Transfers are between balance sheet accounts.", "FromAccountRef")
    currency = _currency(row, source)
    _check_held(target, currency)
    if (value := amount(row, "Amount")) <= 0:
        raise business("Transaction amount must be greater than 0.", "Amount")
    return {**row, **_common(books, row, currency), "Amount": value}


def journal(books: Books, row: Row, before: Row | None) -> Row:
    """Debits and credits that balance; receivables name a customer."""
    currency = row.get("CurrencyRef", {}).get("value", books.home)
    lines = [_journal_line(books, line, currency) for line in row.get("Line") or []]
    totals = {"Debit": Decimal(0), "Credit": Decimal(0)}
    for line in lines:
        totals[line["JournalEntryLineDetail"]["PostingType"]] += line["Amount"]
    if len(lines) < 2 or totals["Debit"] != totals["Credit"]:
        raise business("Please balance debits and credits.", "Line")
    return {**row, **_common(books, row, currency), "TotalAmt": totals["Debit"], "Line": lines}


def _journal_line(books: Books, line: Row, currency: str) -> Row:
    if line.get("DetailType") != "JournalEntryLineDetail":
        raise _no_enum("DetailType", line.get("DetailType"))
    detail = line.get("JournalEntryLineDetail") or {}
    if detail.get("PostingType") not in ("Debit", "Credit"):
        raise _no_enum("PostingType", detail.get("PostingType"))
    account = books.reference("Account", detail.get("AccountRef"), "AccountRef")
    _check_held(account, currency)
    if account["AccountType"] == RECEIVABLE:
        named = (detail.get("Entity") or {}).get("EntityRef")
        if named is None:
            raise business("When you use Accounts Receivable, you must choose a customer in the Name field.")
        books.reference("Customer", named, "Entity")
    if "ClassRef" in detail:
        books.reference("Class", detail["ClassRef"], "ClassRef")
    if (value := amount(line, "Amount")) < 0:
        raise business("Amounts of a journal entry are not negative.", "Amount")
    return {**line, "Amount": value}


def _common(books: Books, row: Row, currency: str) -> Row:
    return {
        "CurrencyRef": currency_of(currency),
        "ExchangeRate": rate_of(books, row, currency),
        "TxnDate": row.get("TxnDate") or books.clock.today.isoformat(),
    }


def _currency(row: Row, account: Row) -> str:
    currency: str = row.get("CurrencyRef", {}).get("value", account["CurrencyRef"]["value"])
    _check_held(account, currency)
    return currency


def _check_held(account: Row, currency: str) -> None:
    held = account["CurrencyRef"]["value"]
    if held not in (currency, HOME):
        raise business(f"{account['Name']} holds {held}, the transaction is in {currency}.", "CurrencyRef")


def _no_enum(name: str, value: Any) -> Refusal:
    return Refusal("2170", "Invalid Enumeration", f"Invalid Enumeration : {name} {value}", name)


RULES: dict[str, Rule] = {"Purchase": purchase, "Transfer": transfer, "JournalEntry": journal}


# ------------------------------------------------------------------------------------------------- balances of accounts


class Posting(NamedTuple):
    """A debit (above zero) or credit of an account, in the currency of its transaction."""

    account: str
    amount: Decimal


def balances(books: Books) -> dict[str, Decimal]:
    """Return every account's balance in its own currency: debits less credits."""
    found: dict[str, Decimal] = {id: Decimal(0) for id in books.rows["Account"]}
    for entity in ("Invoice", "CreditMemo", "Payment", "Purchase", "Transfer", "JournalEntry"):
        for row in books.rows[entity].values():
            for posting in _postings(books, entity, row):
                held = books.rows["Account"][posting.account]["CurrencyRef"]["value"]
                same = held == row["CurrencyRef"]["value"]
                found[posting.account] += posting.amount if same else cents(posting.amount * row["ExchangeRate"])
    return found


def _postings(books: Books, entity: str, row: Row) -> Iterator[Posting]:
    total: Decimal = row.get("TotalAmt", Decimal(0))
    if entity in ("Invoice", "CreditMemo"):
        sign = 1 if entity == "Invoice" else -1
        yield Posting(_receivables(books, row), sign * total)
        for line in row["Line"]:
            if line["DetailType"] == "SalesItemLineDetail":
                item = books.rows["Item"][line["SalesItemLineDetail"]["ItemRef"]["value"]]
                yield Posting(item["IncomeAccountRef"]["value"], -sign * line["Amount"])
    elif entity == "Payment":
        yield Posting(_receivables(books, row), -total)
        if "DepositToAccountRef" in row:
            yield Posting(row["DepositToAccountRef"]["value"], total)
    elif entity == "Purchase":
        yield Posting(row["AccountRef"]["value"], -total)
        for line in row["Line"]:
            yield Posting(line["AccountBasedExpenseLineDetail"]["AccountRef"]["value"], line["Amount"])
    elif entity == "Transfer":
        yield Posting(row["FromAccountRef"]["value"], -row["Amount"])
        yield Posting(row["ToAccountRef"]["value"], row["Amount"])
    else:
        for line in row["Line"]:
            detail = line["JournalEntryLineDetail"]
            yield Posting(
                detail["AccountRef"]["value"], line["Amount"] * (1 if detail["PostingType"] == "Debit" else -1)
            )


def _receivables(books: Books, row: Row) -> str:
    """Return the account of receivables in a transaction's currency, else the home currency's."""
    accounts = [one for one in books.rows["Account"].values() if one["AccountType"] == RECEIVABLE]
    same = [one for one in accounts if one["CurrencyRef"]["value"] == row["CurrencyRef"]["value"]]
    return str((same or accounts)[0]["Id"])
