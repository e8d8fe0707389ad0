"""A good deal, and small changes to it, for the tests of this folder."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from typing import Any

from mappings import SHIPPED
from mappings.apply import Mapped, NotMapped, apply
from mappings.spec import CrmMapping, load_crm_mapping

Deal = dict[str, Any]

_LINE_ITEMS: list[Deal] = [
    {
        "id": "501",
        "properties": {
            "name": "Platform seats",
            "hs_sku": "PLAT-SEAT",
            "quantity": "25",
            "price": "80.50",
            "hs_discount_percentage": "10",
            "discount": None,
            "recurringbillingfrequency": "quarterly",
            "hs_recurring_billing_start_date": None,
            "hs_recurring_billing_period": "P12M",
            "hs_position_on_quote": "1",
            "tax_class": "standard",
        },
    },
    {
        "id": "502",
        "properties": {
            "name": "Implementation",
            "hs_sku": "IMPL-FEE",
            "quantity": "1",
            "price": "4000",
            "recurringbillingfrequency": "",
            "hs_position_on_quote": "0",
            "tax_class": "services",
        },
    },
]
_DEAL: Deal = {
    "id": "9001",
    "modified_at": "2026-03-02T10:00:00Z",
    "properties": {
        "dealname": "Northwind - Platform 2026",
        "deal_currency_code": "GBP",
        "billing_entity": "uk",
        "contract_start": "2026-03-15",
        "contract_end": None,
        "contract_term_months": "12",
        "billing_frequency": "Quarterly",
        "billing_timing": "In advance",
        "payment_terms": "NET45",
        "billing_anchor_day": "1",
        "po_number": " PO-77 ",
        "billing_email": "",
    },
    "line_items": _LINE_ITEMS,
    "companies": [
        {
            "id": "70",
            "properties": {
                "name": "Northwind Ltd",
                "domain": "northwind.example",
                "phone": "+44 20 7946 0000",
                "address": "1 Mill Street",
                "city": "Leeds",
                "state": None,
                "zip": "LS1 4DY",
                "country": "United Kingdom",
                "vat_number": "GB123456789",
            },
        },
        {"id": "71", "properties": {"name": "An agency"}},
    ],
    "contacts": [
        {"id": "80", "properties": {"email": "ap@northwind.example", "firstname": "Ada", "lastname": "Price"}},
        {"id": "81", "properties": {"email": "cto@northwind.example"}},
    ],
    "url": "https://crm.example/deals/9001",
}


@cache
def shipped() -> CrmMapping:
    """Return the mapping that comes with Netterms."""
    return load_crm_mapping((SHIPPED / "hubspot.toml").read_text(encoding="utf-8"), "hubspot.toml")


@cache
def uncommented() -> CrmMapping:
    """Return the mapping that comes with Netterms, with all that it has in comments."""
    text = (SHIPPED / "hubspot.toml").read_text(encoding="utf-8")
    return load_crm_mapping(re.sub(r"(?m)^# (?=\[contract\.|\w+ = \{)", "", text), "hubspot.toml")


def deal(**properties: str | None) -> Deal:
    """Return a good deal with some properties changed."""
    made = deepcopy(_DEAL)
    made["properties"] |= properties
    return made


def with_line(index: int = 0, **properties: str | None) -> Deal:
    """Return a good deal with some properties of one line changed."""
    made = deal()
    made["line_items"][index]["properties"] |= properties
    return made


def mapped(of: Deal, mapping: CrmMapping | None = None, **options: Any) -> Mapped:
    """Map a deal that is expected to be good."""
    result = apply(mapping or shipped(), of, **options)
    assert isinstance(result, Mapped), [str(fault) for fault in result.faults]
    return result


def faults(of: Deal, mapping: CrmMapping | None = None) -> list[tuple[str, str, str]]:
    """Map a deal that is expected to be bad; return (property, value, problem) of each fault."""
    result = apply(mapping or shipped(), of)
    assert isinstance(result, NotMapped)
    assert all(fault.deal == of["id"] and fault.fix for fault in result.faults)
    return [(fault.property, fault.value, fault.problem) for fault in result.faults]


def changed(old: str, new: str) -> CrmMapping:
    """Return the shipped mapping with one piece of its text replaced."""
    text = (SHIPPED / "hubspot.toml").read_text(encoding="utf-8")
    assert old in text
    return load_crm_mapping(text.replace(old, new), "hubspot.toml")
