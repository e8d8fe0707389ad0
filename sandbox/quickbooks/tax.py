"""The tax of a sale as this company works it out: by two codes in the US, by rates elsewhere."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from sandbox.quickbooks.refusal import business

if TYPE_CHECKING:
    from sandbox.quickbooks.books import Books

Row = dict[str, Any]
AUTOMATED_RATE = Decimal("8.25")  # percent: what every address has while automated sales tax is on


def tax_of(books: Books, row: Row, lines: list[Row]) -> Row:
    """Return the ``TxnTaxDetail`` of a sale with these lines; raises ``Refusal``."""
    sent = row.get("TxnTaxDetail") or {}
    sold = [line for line in lines if "SalesItemLineDetail" in line]
    return _abroad(books, row, sent, sold) if books.is_abroad() else _us(books, row, sent, sold)


def _us(books: Books, row: Row, sent: Row, lines: list[Row]) -> Row:
    """The tax sent stands, spread over the taxable lines; without any of those there is none."""
    if row.get("GlobalTaxCalculation") is not None:
        raise business("GlobalTaxCalculation is not for companies in the United States.", "GlobalTaxCalculation")
    taxable = [line["Amount"] for line in lines if line["SalesItemLineDetail"]["TaxCodeRef"]["value"] == "TAX"]
    if not taxable:
        return {**sent, "TotalTax": Decimal(0)}
    if books.preferences["TaxPrefs"]["PartnerTaxEnabled"] and _by_address(books, sent):
        net = sum(taxable, Decimal(0))
        return {**sent, "TotalTax": _cents(net * AUTOMATED_RATE / 100)}
    return {**sent, "TotalTax": sent.get("TotalTax", Decimal(0))}


def _by_address(books: Books, sent: Row) -> bool:
    """Say whether automated sales tax works the tax out although one may have been sent."""
    others = books.preferences.get("OtherPrefs", {}).get("NameValue", [])
    forbidden = {"Name": "TaxPrefs.AllowPartnerTaxOverride", "Value": "false"} in others
    return "TotalTax" not in sent or sent.get("UseAutomatedSalesTax") is True or forbidden


def _abroad(books: Books, row: Row, sent: Row, lines: list[Row]) -> Row:
    """Each rate on the sum of its lines; the amounts sent by rate stand instead."""
    if row.get("GlobalTaxCalculation") not in ("TaxExcluded", "NotApplicable"):
        raise business("Make sure all your transactions have a tax rate before you save.", "GlobalTaxCalculation")
    nets: dict[str, Decimal] = {}
    for line in lines:
        code = books.reference("TaxCode", line["SalesItemLineDetail"].get("TaxCodeRef"), "TaxCodeRef")
        for one in code.get("SalesTaxRateList", {}).get("TaxRateDetail", []):
            id = one["TaxRateRef"]["value"]
            nets[id] = nets.get(id, Decimal(0)) + line["Amount"]
    taxes = {id: _cents(net * books.rows["TaxRate"][id]["RateValue"] / 100) for id, net in nets.items()}
    for line in sent.get("TaxLine", []):
        id = line.get("TaxLineDetail", {}).get("TaxRateRef", {}).get("value", "")
        if id not in taxes:
            raise business(f"Tax rate {id} is not one of the lines' tax codes.", "TaxLine")
        taxes[id] = line["Amount"]
    return {"TotalTax": sum(taxes.values(), Decimal(0)), "TaxLine": [_line(books, *one, nets) for one in taxes.items()]}


def _line(books: Books, id: str, tax: Decimal, nets: dict[str, Decimal]) -> Row:
    rate = {"TaxRateRef": {"value": id}, "PercentBased": True, "TaxPercent": books.rows["TaxRate"][id]["RateValue"]}
    detail = {**rate, "NetAmountTaxable": nets[id]}
    return {"Amount": tax, "DetailType": "TaxLineDetail", "TaxLineDetail": detail}


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
