"""Which fields the API knows in what is sent to it: any other is refused, so that a misspelt one is noticed."""

from __future__ import annotations

from typing import Any

from sandbox.xero.wire import BadRequest, Wire

# What answers say of an object and callers may send back.
_STATE = (
    "StatusAttributeString ValidationErrors Warnings HasValidationErrors HasErrors HasAttachments Attachments"
    " DateString DueDateString UpdatedDateUTC UpdatedDateUTCString"
)
_MONEY = (
    "Type Contact:contact LineItems:line Date LineAmountTypes Reference CurrencyCode CurrencyRate Status SubTotal"
    f" TotalTax Total Payments {_STATE}"
)
_DOCUMENT = f"DueDate SentToContact BrandingThemeID FullyPaidOnDate InvoiceAddresses {_MONEY}"
_CREDIT = "RemainingCredit AppliedAmount Allocations"
_SHAPES = {
    "contact": (
        "ContactID MergedToContactID ContactNumber AccountNumber ContactStatus Name FirstName LastName CompanyNumber"
        " EmailAddress ContactPersons BankAccountDetails TaxNumber TaxNumberType AccountsReceivableTaxType"
        " AccountsPayableTaxType Addresses:address Phones:phone IsSupplier IsCustomer DefaultCurrency XeroNetworkKey"
        " SalesDefaultAccountCode PurchasesDefaultAccountCode PaymentTerms ContactGroups Website BrandingTheme Discount"
        f" Balances {_STATE}"
    ),
    "address": (
        "AddressType AddressLine1 AddressLine2 AddressLine3 AddressLine4 City Region PostalCode Country AttentionTo"
    ),
    "phone": "PhoneType PhoneNumber PhoneAreaCode PhoneCountryCode",
    "line": (
        "LineItemID Description Quantity UnitAmount ItemCode AccountCode AccountID TaxType TaxAmount Item LineAmount"
        " Tracking:tracking DiscountRate DiscountAmount"
    ),
    "tracking": "TrackingCategoryID TrackingOptionID Name Option Options Status",
    "invoice": (
        f"InvoiceID InvoiceNumber Url ExpectedPaymentDate PlannedPaymentDate AmountDue AmountPaid AmountCredited"
        f" CreditNotes Prepayments Overpayments {_DOCUMENT}"
    ),
    "credit_note": f"CreditNoteID CreditNoteNumber {_CREDIT} {_DOCUMENT}",
    "overpayment": f"OverpaymentID {_CREDIT} {_MONEY}",
    "prepayment": f"PrepaymentID InvoiceNumber BrandingThemeID {_CREDIT} {_MONEY}",
    "account": "AccountID Code Name Type Status CurrencyCode",
    "payment": (
        "Invoice:invoice CreditNote:credit_note Overpayment:overpayment Prepayment:prepayment InvoiceNumber"
        " CreditNoteNumber Account:account Code Date CurrencyRate Amount BankAmount Reference IsReconciled Status"
        f" PaymentType PaymentID BatchPaymentID Particulars Details HasAccount {_STATE}"
    ),
    "allocation": (
        "AllocationID Invoice:invoice CreditNote:credit_note Overpayment:overpayment Prepayment:prepayment Amount Date"
        f" IsDeleted {_STATE}"
    ),
    "bank_transaction": (
        "Type Contact:contact LineItems:line BankAccount:account IsReconciled Date Reference CurrencyCode"
        " CurrencyRate Url Status LineAmountTypes SubTotal TotalTax Total BankTransactionID PrepaymentID OverpaymentID"
        f" {_STATE}"
    ),
    "transfer": (
        "FromBankAccount:account ToBankAccount:account Amount Date BankTransferID CurrencyRate Reference"
        " FromBankTransactionID ToBankTransactionID FromIsReconciled ToIsReconciled CreatedDateUTC Status FromTracking"
        f" ToTracking {_STATE}"
    ),
    "journal": (
        "Narration JournalLines:journal_line Date LineAmountTypes Status Url ShowOnCashBasisReports"
        f" ManualJournalID {_STATE}"
    ),
    "journal_line": "LineAmount AccountCode AccountID Description TaxType TaxAmount Tracking:tracking IsBlank",
}
_COLLECTIONS = {
    "Contacts": "contact",
    "Invoices": "invoice",
    "CreditNotes": "credit_note",
    "Payments": "payment",
    "Allocations": "allocation",
    "BankTransactions": "bank_transaction",
    "BankTransfers": "transfer",
    "ManualJournals": "journal",
}
_KNOWN = {shape: dict((*name.partition(":")[::2],) for name in names.split()) for shape, names in _SHAPES.items()}


def check_fields(collection: str, data: Wire) -> None:
    """Raise ``BadRequest`` when an element of ``collection`` has a field that the API does not know."""
    _check(_COLLECTIONS[collection], data)


def _check(shape: str, value: Any) -> None:
    for one in value if isinstance(value, list) else [value]:
        for name, part in one.items() if isinstance(one, dict) else ():
            if name not in _KNOWN[shape]:
                raise BadRequest(
                    f"JSON for post data was invalid, could not find member '{name}' on object of type {shape}"
                )
            if _KNOWN[shape][name]:
                _check(_KNOWN[shape][name], part)
