"""How a document's tax is said to QuickBooks, and what QuickBooks will make of it: pure, so that both can be compared.

- A US company knows two codes. The total that is sent stands and is spread over the taxable lines, so one of them must
  be ``TAX``. Where automated sales tax is on, it is told that the amounts are ours.
- Elsewhere each line has a code with rates. QuickBooks works out each rate on the sum of its lines, halves away from
  zero, to two decimals in every currency. The amounts that are sent per rate stand instead; we send ours as long as
  they differ by no more than rounding can, since anything greater means a wrong code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from billing import money
from connectors.quickbooks.limits import CENT, NotSayable, amount
from connectors.quickbooks.transport import Row

TAXED, UNTAXED = "TAX", "NON"  # the codes of a US company


class Rate(NamedTuple):
    """One rate of a tax code: QuickBooks' id and the percentage."""

    id: str
    percent: Decimal


class TaxRules(NamedTuple):
    """How a company's tax works. ``rates`` of each code are empty for a US company."""

    us: bool
    automated: bool = False  # US: QuickBooks works the tax out by address unless told otherwise
    ours_stand: bool = True  # US, automated: the company lets apps set the tax
    rates: Mapping[str, Sequence[Rate]] = {}


class TaxedLine(NamedTuple):
    """What of a line matters to tax: the id of its code, and its net amount in major units."""

    code: str
    net: Decimal


class Part(NamedTuple):
    """The tax of one rate over a document, in major units."""

    rate: Rate
    net: Decimal
    tax: Decimal


def worked_out(lines: Sequence[TaxedLine], rules: TaxRules) -> list[Part]:
    """Return what QuickBooks works out by itself outside the US: one part per rate, in order of first use."""
    nets: dict[Rate, Decimal] = {}
    for line in lines:
        for rate in rules.rates.get(line.code, ()):
            nets[rate] = nets.get(rate, Decimal(0)) + line.net
    return [Part(rate, net, _cents(net * rate.percent / 100)) for rate, net in nets.items()]


def predicted(lines: Sequence[TaxedLine], tax: Decimal, rules: TaxRules) -> Decimal:
    """Return the total of a document that says ``tax`` in the way of ``detail``."""
    stands = any(line.code == TAXED for line in lines) if rules.us else bool(worked_out(lines, rules))
    return sum((line.net for line in lines), Decimal(0)) + (tax if stands else Decimal(0))


def detail(lines: Sequence[TaxedLine], minor: int, currency: str, rules: TaxRules) -> Row:
    """Return the fields of a document that say its tax of ``minor`` units.

    Raises ``NotSayable`` when QuickBooks' total would be another one all the same.
    """
    tax = amount(minor, currency)
    total = sum((line.net for line in lines), Decimal(0)) + tax
    if total < 0:
        raise NotSayable(f"the total (TotalAmt) is {total} {currency}, QuickBooks takes none below zero: credit it")
    fields = _us(tax, rules) if rules.us else _elsewhere(lines, minor, currency, rules)
    if (there := predicted(lines, tax, rules)) != total:
        raise NotSayable(
            f"QuickBooks would make the total (TotalAmt) {there} {currency} and not {total}: no line has a taxable"
            " code, so the tax would be dropped; correct the tax codes of the ledger mapping"
        )
    return fields


def _us(tax: Decimal, rules: TaxRules) -> Row:
    if not rules.automated:
        return {"TxnTaxDetail": {"TotalTax": tax}}
    if tax and not rules.ours_stand:
        raise NotSayable(
            "the company does not let apps set the sales tax (TotalTax): allow it in QuickBooks under Taxes, or leave"
            " the tax of this entity to QuickBooks"
        )
    return {"TxnTaxDetail": {"TotalTax": tax, "UseAutomatedSalesTax": False}}


def _elsewhere(lines: Sequence[TaxedLine], minor: int, currency: str, rules: TaxRules) -> Row:
    parts = worked_out(lines, rules)
    if not parts:
        return {"GlobalTaxCalculation": "TaxExcluded"}
    shares = _shares(parts, minor, currency)
    slack = (len(lines) + 1) / Decimal(2) * Decimal(1).scaleb(-money.exponent(currency))
    for part, share in zip(parts, shares, strict=True):
        if abs(share - part.tax) > slack:
            raise NotSayable(
                f"QuickBooks works out {part.tax} {currency} of tax (TxnTaxDetail) at {part.rate.percent} % of"
                f" {part.net}, here it is {share}: correct the tax codes of the ledger mapping or the tax rules"
            )
    taxes = [_tax_line(part, share) for part, share in zip(parts, shares, strict=True)]
    total = sum(shares, Decimal(0))
    return {"GlobalTaxCalculation": "TaxExcluded", "TxnTaxDetail": {"TotalTax": total, "TaxLine": taxes}}


def _shares(parts: Sequence[Part], minor: int, currency: str) -> list[Decimal]:
    """Return our tax by rate: as QuickBooks has it, in our currency's units, the rest with the greatest."""
    units = [money.to_minor(part.tax, currency) for part in parts]
    greatest = max(range(len(parts)), key=lambda index: abs(units[index]))
    units[greatest] += minor - sum(units)
    return [amount(each, currency) for each in units]


def _tax_line(part: Part, share: Decimal) -> Row:
    rate = {
        "TaxRateRef": {"value": part.rate.id},
        "PercentBased": True,
        "TaxPercent": part.rate.percent,
        "NetAmountTaxable": part.net,
    }
    return {"Amount": share, "DetailType": "TaxLineDetail", "TaxLineDetail": rate}


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, rounding=ROUND_HALF_UP)
