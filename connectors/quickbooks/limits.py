"""What QuickBooks keeps: lengths of texts, decimals of amounts. What does not fit is never cut.

Lengths are those of Intuit's published schema, or of its pages where the schema gives none.
"""

from __future__ import annotations

from decimal import Decimal

from billing import money

NUMBER_LENGTH = 21  # DocNumber and PaymentRefNum
NAME_LENGTH = 500
COMPANY_NAME_LENGTH = 100
TEXT_LENGTH = 4000  # a line's description, a transaction's private note
MEMO_LENGTH = 1000
NOTES_LENGTH = 1024
EMAIL_LENGTH = 100
PHONE_LENGTH = 21
GIVEN_NAME_LENGTH, FAMILY_NAME_LENGTH = 25, 15
TAX_ID_LENGTH = 20
FILE_NAME_LENGTH = 1000
ADDRESS_LENGTHS = {"Line1": 500, "Line2": 500, "City": 255, "CountrySubDivisionCode": 255, "PostalCode": 30}
NUMBER_DIGITS = 15  # significant digits that every reader of JSON keeps
CENT = Decimal("0.01")


class NotSayable(Exception):
    """A draft that QuickBooks cannot hold as it is; the message says why and what to do."""


def fit(what: str, value: str, longest: int, remedy: str) -> str:
    """Return ``value``; raise ``NotSayable`` when it is longer than QuickBooks keeps."""
    if len(value) > longest:
        raise NotSayable(f"{what} has {len(value)} characters, QuickBooks keeps {longest}: {remedy}")
    return value


def key_of(value: str) -> str:
    """Return our key as a reference number; raise ``NotSayable`` when it is empty or too long."""
    if not value:
        raise NotSayable("there is no key: without it, it could not be found again")
    return fit("the key", value, NUMBER_LENGTH, "use the end of the provider's id")


def amount(minor: int, currency: str) -> Decimal:
    """Return minor units in major ones; raise ``NotSayable`` for a third decimal, QuickBooks keeps two of all."""
    value = money.to_decimal(minor, currency)
    if value != value.quantize(CENT):
        raise NotSayable(f"{value} {currency} has a third decimal, QuickBooks keeps two: book it by hand")
    return value if value.as_tuple().exponent == 0 else value.quantize(CENT)


def above_zero(minor: int, currency: str) -> Decimal:
    """Return an amount that moves money; raise ``NotSayable`` for none, or one the other way."""
    if minor <= 0:
        raise NotSayable(f"{money.display(minor, currency)} is not above zero: there is nothing to book")
    return amount(minor, currency)


def digits(what: str, value: Decimal) -> Decimal:
    """Return a number; raise ``NotSayable`` when readers of JSON would lose digits of it."""
    if len(value.normalize().as_tuple().digits) > NUMBER_DIGITS:
        raise NotSayable(f"{what} {value} has more than {NUMBER_DIGITS} digits: round it")
    return value
