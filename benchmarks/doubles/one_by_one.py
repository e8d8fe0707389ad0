"""A push as integrations often do it: an object of the vendor's SDK for each invoice, each in a call of its own.

``python one_by_one.py URL COUNT``: so many invoices of three lines, by xero-python to the stand-in at ``URL``.
"""

from __future__ import annotations

import sys
from datetime import date

from xero_python.accounting import AccountingApi, Contact, Contacts, CurrencyCode, Invoice, Invoices, LineItem
from xero_python.api_client import ApiClient, Configuration
from xero_python.api_client.oauth2 import OAuth2Token

TENANT = "5d4f1c1e-0000-4000-8000-00000000c0de"
LINES = (("Platform fee", 1, 1200.00), ("Seats", 25, 49.00), ("Support", 1, 310.50))


def main(url: str, count: int) -> None:
    """Create the invoices."""
    client = ApiClient(
        Configuration(oauth2_token=OAuth2Token()),
        oauth2_token_getter=lambda: {
            "access_token": "sandbox-xero-1",
            "token_type": "Bearer",
            "expires_in": 1800,
            "scope": [],
        },
    )
    api = AccountingApi(client, base_url=f"{url}/xero/api.xro/2.0")
    buyer = api.create_contacts(TENANT, Contacts(contacts=[Contact(name="One by one")])).contacts[0]
    lines = [
        LineItem(description=text, quantity=quantity, unit_amount=price, account_code="200", tax_type="OUTPUT2")
        for text, quantity, price in LINES
    ]
    day = date(2026, 9, 1)
    for number in range(count):
        invoice = Invoice(
            type="ACCREC", contact=Contact(contact_id=buyer.contact_id), invoice_number=f"X{number:06}", date=day,
            due_date=day, status="AUTHORISED", line_items=lines, currency_code=CurrencyCode.GBP,
        )  # fmt: skip
        api.create_invoices(TENANT, Invoices(invoices=[invoice]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
