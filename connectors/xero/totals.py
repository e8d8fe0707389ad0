"""What Xero will make of a document's lines, known before anything is sent. Pure.

Xero rounds each line to two decimals, whatever the currency, and adds up: amount = quantity x unit price, tax = the
line's ``TaxAmount`` where one is sent. Ours is the law of the seller, so each line carries our share of the tax; what
still differs by a cent is refused here instead of being found in the books.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from billing import money
from connectors.base import DocumentDraft
from connectors.xero.client import Json
from connectors.xero.limits import LARGEST_AMOUNT
from connectors.xero.wire import cents

DECIMALS = 4  # of a quantity and, with unitdp=4, of a unit price
_STEP = Decimal(1).scaleb(-DECIMALS)
_ZERO = Decimal("0.00")


class Totals(NamedTuple):
    """Amounts of a document in major units."""

    subtotal: Decimal
    tax: Decimal
    total: Decimal


def predicted(lines: Sequence[Json]) -> Totals:
    """Return the totals that Xero will compute from line items as they are sent."""
    counting = [line for line in lines if "UnitAmount" in line]  # a line without is text
    subtotal = sum((line_amount(line["Quantity"], line["UnitAmount"]) for line in counting), _ZERO)
    tax = sum((cents(line["TaxAmount"]) for line in counting), _ZERO)
    return Totals(subtotal, tax, subtotal + tax)


def line_amount(quantity: Decimal, unit_price: Decimal) -> Decimal:
    """Return what Xero makes of a quantity and a price."""
    return cents(quantity * unit_price)


def says(quantity: Decimal, unit_price: Decimal, amount: Decimal) -> bool:
    """Say whether Xero can hold both numbers and would compute ``amount`` from them."""
    if max(abs(quantity), abs(unit_price), abs(quantity * unit_price)) > LARGEST_AMOUNT:
        return False
    if quantity != quantity.quantize(_STEP) or unit_price != unit_price.quantize(_STEP):
        return False
    return line_amount(quantity, unit_price) == amount


def wanted(draft: DocumentDraft) -> Totals:
    """Return the totals of our document."""
    return Totals(*(money.to_decimal(amount, draft.currency) for amount in (draft.subtotal, draft.tax, draft.total)))


def tax_shares(shares: Sequence[int], currency: str) -> list[Decimal]:
    """Return what each line bears of the tax in whole cents, as near to ``shares`` (minor units) as can be.

    The sum is that of the shares where it has whole cents: in a currency with three decimals the cents left over go
    to the largest remainders, the earlier line first.
    """
    step = 10 ** max(0, money.exponent(currency) - 2)  # minor units in one of Xero's cents
    if step == 1:
        return [money.to_decimal(share, currency) for share in shares]
    whole = [share // step for share in shares]
    left = sum(shares) // step - sum(whole)
    for index in sorted(range(len(shares)), key=lambda i: (-(shares[i] % step), i))[:left]:
        whole[index] += 1
    return [Decimal(units).scaleb(-2) for units in whole]
