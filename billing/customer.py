"""The customer as every part of the service knows it."""

from __future__ import annotations

from typing import Literal

import msgspec


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A postal address; ``country`` is an ISO 3166-1 alpha-2 code."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is billed: one legal name with the facts by which it is recognised elsewhere."""

    name: str
    email: str = ""  # where invoices go
    domain: str = ""
    tax_id: str = ""
    phone: str = ""
    contact_name: str = ""
    ledger_id: str = ""  # its id in the books, where the CRM keeps one
    address: Address = Address()
    delivery: Literal["", "netterms", "ledger", "none"] = ""  # who mails what is issued; empty: as for everybody
