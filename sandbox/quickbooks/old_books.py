"""Types old books into the company by the rules that hold for everybody: what they refuse is refused here too."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.quickbooks.books import Books
from sandbox.world.history import OldBooks, OldCustomer, OldDocument, OldLine, line_tax

Row = dict[str, Any]
_ACCOUNTS = {"USD": "Checking", "EUR": "Stripe clearing EUR", "GBP": "Stripe clearing GBP"}


def load(books: Books, old: OldBooks) -> None:
    """Enter customers, invoices, credit memos and payments."""
    _Typist(books).type_all(old)


class _Typist:
    def __init__(self, books: Books) -> None:
        self.books = books
        self.items = {row.get("Sku") or row["Name"]: row["Id"] for row in books.all("Item")}
        self.accounts = {row["Name"]: row["Id"] for row in books.all("Account")}
        self.customers: dict[str, str] = {}
        self.made: dict[str, Row] = {}

    def type_all(self, old: OldBooks) -> None:
        for customer in old.customers:
            self.customers[customer.key] = self._write("Customer", _customer(customer))["Id"]
        for document in old.documents:
            self._document(document)
        for payment in old.payments:
            self._pay(payment.document, payment.amount, payment.on.isoformat(), payment.reference, payment.extra)

    def _write(self, entity: str, body: Row) -> Row:
        return self.books.write(entity, body, "create")

    def _document(self, document: OldDocument) -> None:
        entity = "CreditMemo" if document.is_credit else "Invoice"
        body: Row = {
            "TxnDate": document.issue_on.isoformat(),
            "CustomerRef": {"value": self.customers[document.customer]},
            "Line": [self._line(line) for line in document.lines],
            "TxnTaxDetail": {"TotalTax": sum((line_tax(line) for line in document.lines), Decimal(0))},
        }
        body |= {"DocNumber": document.number} if document.number else {}
        body |= {} if document.is_credit else {"DueDate": document.due_on.isoformat()}
        row = self.made[document.key] = self._write(entity, body)
        if document.voided:
            self.books.write(entity, {"Id": row["Id"], "SyncToken": row["SyncToken"]}, "void")
        if document.applied_to:
            self._apply(document)

    def _line(self, line: OldLine) -> Row:
        code = "TAX" if line.tax else "NON"
        detail = {"ItemRef": {"value": self.items[line.sku]}, "TaxCodeRef": {"value": code}}
        return {
            "DetailType": "SalesItemLineDetail",
            "Amount": line.net,
            "Description": line.text,
            "SalesItemLineDetail": detail,
        }

    def _apply(self, credit: OldDocument) -> None:
        """Use a credit memo up on its invoice, as QuickBooks books it: by a payment of nothing."""
        linked = [("Invoice", credit.applied_to), ("CreditMemo", credit.key)]
        body = {
            "TxnDate": credit.issue_on.isoformat(),
            "CustomerRef": {"value": self.customers[credit.customer]},
            "TotalAmt": Decimal(0),
            "Line": [
                {"Amount": credit.total, "LinkedTxn": [{"TxnId": self.made[key]["Id"], "TxnType": kind}]}
                for kind, key in linked
            ],
        }
        self._write("Payment", body)

    def _pay(self, document: str, amount: Decimal, on: str, reference: str, extra: Decimal) -> None:
        row = self.made[document]
        body: Row = {
            "TxnDate": on,
            "CustomerRef": {"value": row["CustomerRef"]["value"]},
            "TotalAmt": amount + extra,
            "DepositToAccountRef": {"value": self.accounts[_ACCOUNTS[row["CurrencyRef"]["value"]]]},
            "Line": [{"Amount": amount, "LinkedTxn": [{"TxnId": row["Id"], "TxnType": "Invoice"}]}],
        }
        self._write("Payment", {**body, "PaymentRefNum": reference} if reference else body)


def _customer(customer: OldCustomer) -> Row:
    body: Row = {"DisplayName": customer.name, "CurrencyRef": {"value": customer.currency}}
    if customer.email:
        body["PrimaryEmailAddr"] = {"Address": customer.email}
    return body
