"""The lines of a document: what Xero checks on each and how it computes amount and tax."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sandbox.xero.books import Books
from sandbox.xero.wire import Invalid, Wire, cents, number

_LARGEST = Decimal("9999999999.99")
_QUANTITY_STEP = Decimal("0.0001")


@dataclass(frozen=True)
class Use:
    """What lines are for: which accounts and tax rates fit."""

    rates: str = "CanApplyToRevenue"
    receivables: bool = False  # they must be booked to accounts receivable, and otherwise never


SALE = Use()
SPENDING = Use("CanApplyToExpenses")
ON_ACCOUNT = Use(receivables=True)


def line_item(books: Books, data: Wire, amount_types: str, unit_places: int, use: Use = SALE) -> Wire:
    """Return one line with its amounts; ``unit_places`` is 2, or 4 with ``unitdp=4``. Raises ``Invalid``."""
    item = _item(books, data)
    description = data.get("Description") or item.get("Description") or ""
    if not description or len(description) > 4000:
        raise Invalid("Description of a line item must be 1 to 4000 characters long")
    line: Wire = {"LineItemID": data.get("LineItemID") or books.new_id(), "Description": description, "Tracking": []}
    if _is_text(data):
        return {**line, "LineAmount": Decimal("0.00"), "TaxAmount": Decimal("0.00")}
    line.update(_amounts(data, unit_places))
    line.update(_account_and_tax(books, data, item, amount_types, line["LineAmount"], use))
    if item:
        line["ItemCode"] = item["Code"]
        line["Item"] = {name: item[name] for name in ("ItemID", "Code", "Name")}
    line["Tracking"] = tracking(books, data)
    return line


def _is_text(data: Wire) -> bool:
    money = ("Quantity", "UnitAmount", "LineAmount", "AccountCode", "AccountID", "ItemCode", "TaxAmount")
    return not any(data.get(name) for name in money)  # as it comes back, its amounts are zero


def _item(books: Books, data: Wire) -> Wire:
    if not data.get("ItemCode"):
        return {}
    item = books.item(data["ItemCode"])
    if item is None:
        raise Invalid(f"Item code '{data['ItemCode']}' is not valid")
    return item


def _amounts(data: Wire, unit_places: int) -> Wire:
    quantity = (number(data, "Quantity") or Decimal(1)).quantize(_QUANTITY_STEP, ROUND_HALF_UP)
    unit, amount = number(data, "UnitAmount"), number(data, "LineAmount")
    if unit is None and amount is None:
        raise Invalid("UnitAmount or LineAmount must be given")
    if unit is None:
        unit = (amount or Decimal(0)) / quantity
    unit = unit.quantize(Decimal(1).scaleb(-unit_places), ROUND_HALF_UP)
    discounts = {name: number(data, name) for name in ("DiscountRate", "DiscountAmount")}
    expected = _discounted(quantity * unit, discounts)
    if amount is not None and amount != expected:
        raise Invalid(f"The line total {amount} does not match the expected line total {expected}")
    if abs(expected) > _LARGEST:
        raise Invalid(f"The line total {expected} is larger than {_LARGEST}")
    given = {name: value for name, value in discounts.items() if value is not None}
    return {"Quantity": quantity, "UnitAmount": unit, "LineAmount": expected, **given}


def _discounted(gross: Decimal, discounts: dict[str, Decimal | None]) -> Decimal:
    rate, amount = discounts["DiscountRate"], discounts["DiscountAmount"]
    if rate is not None:
        gross -= gross * rate / 100
    return cents(gross - (amount or 0))


def _account_and_tax(books: Books, data: Wire, item: Wire, amount_types: str, amount: Decimal, use: Use) -> Wire:
    sales = item.get("SalesDetails", {})
    code = data.get("AccountCode") or (None if data.get("AccountID") else sales.get("AccountCode"))
    if not code and not data.get("AccountID"):
        raise Invalid("Account code must be specified")
    account = books.account(code=code, account_id=data.get("AccountID"))
    fits = account is not None and (account.get("SystemAccount") == "DEBTORS") == use.receivables
    if account is None or account["Type"] == "BANK" or not fits:
        raise Invalid(f"Account code '{code or data['AccountID']}' is not a valid code for this document.")
    of_item = None if data.get("AccountCode") else sales.get("TaxType")
    tax_type = data.get("TaxType") or of_item or account["TaxType"]
    rate = books.tax_rate(tax_type or "NONE")
    if rate is None or not rate[use.rates]:
        raise Invalid(f"The TaxType code '{tax_type}' does not exist or cannot be used for this type of transaction.")
    tax = _tax(number(data, "TaxAmount"), rate["EffectiveRate"], amount_types, amount)
    return {"AccountCode": account["Code"], "AccountID": account["AccountID"], "TaxType": tax_type, "TaxAmount": tax}


def _tax(given: Decimal | None, percent: Decimal, amount_types: str, amount: Decimal) -> Decimal:
    """Return the tax of a line: rounded by line, unless an amount was sent, which stands."""
    if amount_types == "NoTax":
        return Decimal("0.00")
    if given is not None:
        return cents(given)
    return cents(amount * percent / (100 + percent if amount_types == "Inclusive" else 100))


def tracking(books: Books, data: Wire) -> list[Wire]:
    """Return the tracking options of a line; raises ``Invalid`` for too many or unknown ones."""
    given: list[Wire] = data.get("Tracking") or []
    if len(given) > 2:
        raise Invalid("A line item can have at most two tracking categories")
    for one in given:
        if not books.has_tracking(one.get("Name", ""), one.get("Option", "")):
            raise Invalid(f"The tracking option '{one.get('Option')}' of '{one.get('Name')}' does not exist")
    return [{"Name": one["Name"], "Option": one["Option"]} for one in given]
