"""Which fields QuickBooks knows, of what type and how long: whatever else a request holds is refused.

A field is written ``Name:type``, with ``*`` for a list and ``<=n`` for the greatest length. Names, types and lengths
are those of Intuit's published schema (version 3) for the entities this stand-in serves; ``DOCUMENTED`` adds lengths
that only Intuit's pages state. A test holds both against the schema where it is at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.quickbooks.refusal import Refusal


@dataclass(frozen=True)
class Field:
    """A field's type in the schema, whether it is a list, and its greatest length."""

    type: str
    many: bool = False
    longest: int | None = None


_ENTITY = "Id:id SyncToken:string MetaData:ModificationMetaData CustomField:CustomField*"
_PLAIN = (
    f"{_ENTITY} DocNumber:string<=21 TxnDate:date DepartmentRef:ReferenceType CurrencyRef:ReferenceType"
    " ExchangeRate:decimal PrivateNote:string LinkedTxn:LinkedTxn* Line:Line* TxnTaxDetail:TxnTaxDetail"
)
_TXN = (
    f"{_PLAIN} CustomerRef:ReferenceType PaymentMethodRef:ReferenceType PaymentRefNum:string"
    " DepositToAccountRef:ReferenceType ARAccountRef:ReferenceType TotalAmt:decimal"
)
_SALE = (
    f"{_TXN} CustomerMemo:MemoRef BillAddr:PhysicalAddress ShipAddr:PhysicalAddress ClassRef:ReferenceType"
    " SalesTermRef:ReferenceType DueDate:date PONumber:string<=15 ShipDate:date TrackingNum:string"
    " GlobalTaxCalculation:GlobalTaxCalculationEnum HomeTotalAmt:decimal ApplyTaxAfterDiscount:boolean"
    " PrintStatus:PrintStatusEnum EmailStatus:EmailStatusEnum BillEmail:EmailAddress BillEmailCc:EmailAddress"
    " Balance:decimal HomeBalance:decimal"
)
_TABLE = {
    "Invoice": f"{_SALE} Deposit:decimal AllowIPNPayment:boolean AllowOnlinePayment:boolean"
    " AllowOnlineCreditCardPayment:boolean AllowOnlineACHPayment:boolean",
    "CreditMemo": f"{_SALE} RemainingCredit:decimal InvoiceRef:ReferenceType",
    "Payment": f"{_TXN} UnappliedAmt:decimal ProcessPayment:boolean",
    "Purchase": f"{_PLAIN} AccountRef:ReferenceType PaymentMethodRef:ReferenceType PaymentRefNum:string"
    " PaymentType:PaymentTypeEnum EntityRef:ReferenceType Credit:boolean TotalAmt:decimal Memo:string"
    " PrintStatus:PrintStatusEnum GlobalTaxCalculation:GlobalTaxCalculationEnum",
    "Transfer": f"{_PLAIN} FromAccountRef:ReferenceType ToAccountRef:ReferenceType Amount:decimal"
    " ClassRef:ReferenceType",
    "JournalEntry": f"{_PLAIN} Adjustment:boolean GlobalTaxCalculation:GlobalTaxCalculationEnum TotalAmt:decimal"
    " HomeTotalAmt:decimal",
    "Attachable": f"{_ENTITY} AttachableRef:AttachableRef* FileName:string<=1000 FileAccessUri:string"
    " TempDownloadUri:string Size:long ContentType:string Category:string Note:string",
    "Term": f"{_ENTITY} Name:string<=31 Active:boolean Type:string DueDays:int<=999",
    "TaxRate": f"{_ENTITY} Name:string<=31 Active:boolean RateValue:decimal",
    "Customer": f"{_ENTITY} Title:string<=15 GivenName:string<=25 MiddleName:string<=15 FamilyName:string<=15"
    " Suffix:string<=15 FullyQualifiedName:string<=41 CompanyName:string DisplayName:string PrintOnCheckName:string"
    " Active:boolean PrimaryPhone:TelephoneNumber Mobile:TelephoneNumber PrimaryEmailAddr:EmailAddress"
    " Taxable:boolean BillAddr:PhysicalAddress ShipAddr:PhysicalAddress Notes:string<=1024 Job:boolean"
    " BillWithParent:boolean ParentRef:ReferenceType SalesTermRef:ReferenceType Balance:decimal"
    " BalanceWithJobs:decimal CurrencyRef:ReferenceType PreferredDeliveryMethod:string ResaleNum:string"
    " PrimaryTaxIdentifier:string",
    "Item": f"{_ENTITY} Name:string<=100 Sku:string<=100 Description:string<=4000 Active:boolean SubItem:boolean"
    " ParentRef:ReferenceType FullyQualifiedName:string<=41 Taxable:boolean UnitPrice:decimal Type:ItemTypeEnum"
    " IncomeAccountRef:ReferenceType ExpenseAccountRef:ReferenceType TrackQtyOnHand:boolean",
    "Account": f"{_ENTITY} Name:string<=100 FullyQualifiedName:string Active:boolean AccountType:AccountTypeEnum"
    " AccountSubType:string CurrentBalance:decimal CurrencyRef:ReferenceType Classification:AccountClassificationEnum",
    "TaxCode": f"{_ENTITY} Name:string<=10 Description:string<=31 Active:boolean Taxable:boolean TaxGroup:boolean"
    " SalesTaxRateList:TaxRateList",
    "TaxRateList": "TaxRateDetail:TaxRateDetail*",
    "TaxRateDetail": "TaxRateRef:ReferenceType",
    "Class": f"{_ENTITY} Name:string FullyQualifiedName:string Active:boolean SubClass:boolean",
    "Line": "Id:id LineNum:positiveInteger Description:string<=4000 Amount:decimal LinkedTxn:LinkedTxn*"
    " DetailType:LineDetailTypeEnum SalesItemLineDetail:SalesItemLineDetail"
    " DescriptionLineDetail:DescriptionLineDetail DiscountLineDetail:DiscountLineDetail"
    " SubTotalLineDetail:SubTotalLineDetail PaymentLineDetail:PaymentLineDetail TaxLineDetail:TaxLineDetail"
    " AccountBasedExpenseLineDetail:AccountBasedExpenseLineDetail JournalEntryLineDetail:JournalEntryLineDetail",
    "TaxLineDetail": "TaxRateRef:ReferenceType PercentBased:boolean TaxPercent:decimal NetAmountTaxable:decimal"
    " OverrideDeltaAmount:decimal",
    "AccountBasedExpenseLineDetail": "CustomerRef:ReferenceType ClassRef:ReferenceType AccountRef:ReferenceType"
    " TaxAmount:decimal TaxCodeRef:ReferenceType TaxInclusiveAmt:decimal",
    "JournalEntryLineDetail": "PostingType:PostingTypeEnum Entity:EntityTypeRef AccountRef:ReferenceType"
    " ClassRef:ReferenceType DepartmentRef:ReferenceType",
    "EntityTypeRef": "Type:EntityTypeEnum EntityRef:ReferenceType",
    "AttachableRef": "EntityRef:ReferenceType IncludeOnSend:boolean",
    "SalesItemLineDetail": "ItemRef:ReferenceType ClassRef:ReferenceType UnitPrice:decimal Qty:decimal"
    " ItemAccountRef:ReferenceType TaxCodeRef:ReferenceType ServiceDate:date DiscountRate:decimal DiscountAmt:decimal",
    "DiscountLineDetail": "PercentBased:boolean DiscountPercent:decimal DiscountAccountRef:ReferenceType"
    " ClassRef:ReferenceType TaxCodeRef:ReferenceType",
    "SubTotalLineDetail": "ItemRef:ReferenceType ServiceDate:date",
    "DescriptionLineDetail": "ServiceDate:date TaxCodeRef:ReferenceType",
    "PaymentLineDetail": "Balance:decimal",
    "TxnTaxDetail": "TxnTaxCodeRef:ReferenceType TotalTax:decimal TaxLine:Line* UseAutomatedSalesTax:boolean",
    "LinkedTxn": "TxnId:id TxnType:string TxnLineId:id",
    "CustomField": "DefinitionId:id Name:string Type:CustomFieldTypeEnum StringValue:string",
    "PhysicalAddress": "Id:id Line1:string<=500 Line2:string<=500 Line3:string<=500 Line4:string<=500"
    " Line5:string<=500 City:string<=255 Country:string<=255 CountryCode:string CountrySubDivisionCode:string<=255"
    " PostalCode:string<=30 Lat:string Long:string",
    "EmailAddress": "Address:string<=100",
    "TelephoneNumber": "FreeFormNumber:string<=21",
    "ModificationMetaData": "CreateTime:dateTime LastUpdatedTime:dateTime",
}
DOCUMENTED = {
    ("Invoice", "PrivateNote"): 4000,
    ("CreditMemo", "PrivateNote"): 4000,
    ("Payment", "PrivateNote"): 4000,
    ("Payment", "PaymentRefNum"): 21,
    ("Purchase", "PrivateNote"): 4000,
    ("Purchase", "PaymentRefNum"): 21,
    ("Transfer", "PrivateNote"): 4000,
    ("JournalEntry", "PrivateNote"): 4000,
    ("Customer", "DisplayName"): 500,
    ("Customer", "CompanyName"): 100,
    ("Customer", "PrimaryTaxIdentifier"): 20,
}
MEMO_LENGTH = 1000
ENUMS = {
    "LineDetailTypeEnum": {
        "SalesItemLineDetail",
        "DescriptionOnly",
        "DiscountLineDetail",
        "SubTotalLineDetail",
        "PaymentLineDetail",
        "TaxLineDetail",
        "AccountBasedExpenseLineDetail",
        "JournalEntryLineDetail",
    },
    "PaymentTypeEnum": {"Cash", "Check", "CreditCard"},
    "PostingTypeEnum": {"Debit", "Credit"},
    "EntityTypeEnum": {"Customer", "Vendor", "Employee"},
    "EmailStatusEnum": {"NotSet", "NeedToSend", "EmailSent"},
    "PrintStatusEnum": {"NotSet", "NeedToPrint", "PrintComplete"},
    "GlobalTaxCalculationEnum": {"TaxInclusive", "TaxExcluded", "NotApplicable"},
    "ItemTypeEnum": {"Service", "NonInventory", "Inventory", "Category", "Group"},
    "CustomFieldTypeEnum": {"StringType", "BooleanType", "NumberType", "DateType"},
    "AccountTypeEnum": {
        "Bank",
        "Accounts Receivable",
        "Other Current Asset",
        "Other Current Liability",
        "Income",
        "Expense",
        "Equity",
    },
    "AccountClassificationEnum": {"Asset", "Equity", "Expense", "Liability", "Revenue"},
}
_REFERENCES = {"ReferenceType": {"value", "name", "type"}, "MemoRef": {"value", "id"}}
_ATTRIBUTES = {"sparse", "domain", "status"}  # of every entity, beside its fields
_NOTATION = re.compile(r"(\w+):(\w+)(\*?)(?:<=(\d+))?")


def _read(entity: str, row: str) -> dict[str, Field]:
    fields = {}
    for word in row.split():
        match = _NOTATION.fullmatch(word)
        assert match is not None, word
        longest = int(match[4]) if match[4] else DOCUMENTED.get((entity, match[1]))
        fields[match[1]] = Field(match[2], bool(match[3]), longest)
    return fields


FIELDS = {entity: _read(entity, row) for entity, row in _TABLE.items()}


def check(entity: str, body: Any) -> None:
    """Raise ``Refusal`` at the first field of ``body`` that QuickBooks would not take as an ``entity``."""
    if not isinstance(body, dict):
        raise Refusal("2010", "Request has invalid or unsupported property", f"{entity} is no object")
    for name, value in body.items():
        field = FIELDS[entity].get(name)
        if field is None:
            if name not in _ATTRIBUTES:
                detail = f"Property Name:{name} is unsupported or invalid for {entity}"
                raise Refusal("2010", "Request has invalid or unsupported property", detail, name)
        elif value is not None:
            _check_field(name, field, value)


def _check_field(name: str, field: Field, value: Any) -> None:
    if field.many:
        if not isinstance(value, list):
            raise Refusal(
                "2010", "Request has invalid or unsupported property", f"Property Name:{name} is a list", name
            )
        for each in value:
            _check_value(name, field, each)
    else:
        _check_value(name, field, value)


def _check_value(name: str, field: Field, value: Any) -> None:
    if field.type in FIELDS:
        check(field.type, value)
    elif field.type in _REFERENCES:
        _check_reference(name, field, value)
    elif field.type in ("decimal", "positiveInteger", "int", "long"):
        _check_number(name, value)
    elif field.type == "boolean":
        if not isinstance(value, bool):
            raise Refusal("2010", "Request has invalid or unsupported property", f"{name} is true or false", name)
    elif field.type == "date":
        _check_date(name, value)
    else:
        _check_text(name, field, value)


def _check_reference(name: str, field: Field, value: Any) -> None:
    if not isinstance(value, dict) or set(value) - _REFERENCES[field.type] or not isinstance(value.get("value"), str):
        detail = f'Property Name:{name} is an object with a text "value"'
        raise Refusal("2010", "Request has invalid or unsupported property", detail, name)
    if field.type == "MemoRef":
        _check_text(name, Field("string", longest=MEMO_LENGTH), value["value"])


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Refusal("2090", "Invalid Number", f"Invalid Number : {name} must be a number, not {value!r}", name)


def _check_date(name: str, value: Any) -> None:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        raise Refusal("2080", "Invalid Date", f"Invalid Date : {name} {value!r} is no YYYY-MM-DD", name) from None


def _check_text(name: str, field: Field, value: Any) -> None:
    if not isinstance(value, str):
        raise Refusal("2010", "Request has invalid or unsupported property", f"Property Name:{name} is a text", name)
    if field.longest is not None and len(value) > field.longest:
        message = "String length is either shorter or longer than supported by specification"
        detail = f"String length specified does not match the supported length. Min:0 Max:{field.longest}"
        raise Refusal("2050", message, f"{detail} supplied:{len(value)}", name)
    allowed = ENUMS.get(field.type)
    if allowed is not None and value not in allowed:
        raise Refusal("2170", "Invalid Enumeration", f"Invalid Enumeration : {name} {value}", name)
