"""What Xero takes of each field, checked before anything is sent. Lengths are in characters, from its specification."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

NAME, EMAIL = 255, 255
CONTACT_NUMBER, TAX_NUMBER, PHONE = 50, 50, 50
ADDRESS_LINE, CITY, REGION, POSTAL_CODE, COUNTRY, ATTENTION = 500, 255, 255, 50, 50, 255
DOCUMENT_NUMBER, REFERENCE, DESCRIPTION = 255, 255, 4000
ITEM_CODE, ACCOUNT_CODE = 30, 10
KEY = 21  # of our own: what every ledger has a place for
LARGEST_AMOUNT = Decimal("9999999999.99")
RATE_STEP = Decimal("0.000001")  # of exchange rates
LARGEST_FILE = 3_500_000  # bytes
MOST_FILES = 10  # on one document
NOT_IN_NAMES = "<>"
NOT_IN_FILE_NAMES = '<>:"/\\|?*'


def overlong(fields: Iterable[tuple[str, str, int]]) -> str:
    """Return a sentence about the first text (what it is, text, most characters) that is too long, else nothing."""
    for what, text, most in fields:
        if len(text) > most:
            return f"{what} has {len(text)} characters; Xero takes {most}"
    return ""


def forbidden(what: str, text: str, signs: str) -> str:
    """Return a sentence about the first of ``signs`` that stands in ``text``, else nothing."""
    found = next((sign for sign in signs if sign in text), "")
    return f"{what} {text!r} has a {found!r}, which Xero does not take" if found else ""
