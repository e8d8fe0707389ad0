"""HubSpot and Stripe as quick as can be, for measuring clients: each answer is computed from its records' numbers.

They know only the calls of a pull. A deal has three line items, a company and a contact of its own; a payment has a
customer and a payment intent. Nothing is limited. Started as ``python vendors.py COUNT``, it prints its port.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = {"deals": 10_000_000, "line_items": 20_000_000, "companies": 50_000_000, "contacts": 60_000_000}
LINES = 3
PROPERTIES = {
    "deals": (
        '"amount":"%(n)d.00","closedate":"2026-01-31T00:00:00Z","createdate":"2026-01-01T00:00:00Z",'
        '"dealname":"Deal %(n)d",'
        '"dealstage":"closedwon","pipeline":"default","deal_currency_code":"USD","contract_start":"2026-02-01",'
        '"contract_term_months":"12","payment_terms":"Net 30","billing_frequency":"monthly","billing_entity":"us",'
        '"po_number":"PO-%(n)d","dealtype":"newbusiness","hs_merged_object_ids":null,'
        '"hs_object_id":"%(id)d","hs_lastmodifieddate":"%(at)s"'
    ),
    "line_items": (
        '"name":"Product %(n)d","quantity":"%(n)d","price":"100.50","hs_sku":"SKU-%(n)d",'
        '"recurringbillingfrequency":"monthly",'
        '"hs_position_on_quote":"0","tax_class":"services","discount":null,"hs_discount_percentage":null,'
        '"hs_object_id":"%(id)d","hs_lastmodifieddate":"%(at)s"'
    ),
    "companies": (
        '"name":"Company %(n)d","domain":"c%(n)d.example","address":"1 Main Street","city":"Springfield","state":"IL",'
        '"zip":"62701","country":"United States","phone":"555-0100","vat_number":null,"hs_merged_object_ids":null,'
        '"hs_object_id":"%(id)d","hs_lastmodifieddate":"%(at)s"'
    ),
    "contacts": (
        '"email":"p%(n)d@c%(n)d.example","firstname":"Pat","lastname":"Number %(n)d","hs_merged_object_ids":null,'
        '"hs_object_id":"%(id)d","lastmodifieddate":"%(at)s"'
    ),
}
RECORDS = {
    kind: '{"id":"%(id)d","properties":{' + text + '},"createdAt":"%(at)s","updatedAt":"%(at)s","archived":false}'
    for kind, text in PROPERTIES.items()
}
KINDS = {"line_items": (19, LINES), "companies": (5, 1), "contacts": (3, 1)}  # association type, how many of a deal
CHARGE = (
    '{"id":"txn_%(n)08d","object":"balance_transaction","amount":%(amount)d,"available_on":1767400000,"created":%(at)d,'
    '"currency":"usd","description":null,"exchange_rate":null,"fee":59,"fee_details":[],"net":%(net)d,'
    '"reporting_category":"charge","status":"available","type":"charge","source":{"id":"ch_%(n)08d","object":"charge",'
    '"amount":%(amount)d,"amount_captured":%(amount)d,"amount_refunded":0,"captured":true,"created":%(at)d,'
    '"currency":"usd","status":"succeeded","disputed":false,"description":"Invoice US-%(n)08d","metadata":{},'
    '"payment_method_details":{"type":"card","card":{"brand":"visa","last4":"4242"}},'
    '"billing_details":{"name":"Payer %(n)d","email":"p%(n)d@example.com"},"balance_transaction":"txn_%(n)08d",'
    '"customer":{"id":"cus_%(n)08d","object":"customer","name":"Payer %(n)d","email":"p%(n)d@example.com",'
    '"metadata":{}},'
    '"payment_intent":{"id":"pi_%(n)08d","object":"payment_intent","metadata":{"invoice_number":"US-%(n)08d"}}}}'
)


def record(kind: str, id_: int) -> str:
    """Return a record of the CRM: each was modified a second after the one before it."""
    number = id_ - FIRST[kind]
    at = (BEGIN + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return RECORDS[kind] % {"id": id_, "n": number, "at": at}


class Vendors:
    """Both of them, with ``count`` deals and ``count`` payments."""

    def __init__(self, count: int) -> None:
        self.count = count

    def answer(self, path: str, query: dict[str, list[str]], body: Any) -> str:
        """Return the answer to a call; raises ``KeyError`` for one that is no part of a pull."""
        parts = path.strip("/").split("/")
        if parts[:2] == ["stripe", "v1"]:
            return {"balance_transactions": self._moves}.get(parts[2], _empty)(query)
        if parts[1] == "account-info":
            return '{"portalId":1,"uiDomain":"app.hubspot.com"}'
        if parts[-1] == "search":
            return self._search(parts[-2], body)
        if "associations" in parts:
            return self._associations(parts[-3], body)
        kind = parts[-3]
        found = ",".join(record(kind, int(one["id"])) for one in body["inputs"])
        return f'{{"status":"COMPLETE","results":[{found}]}}'

    def _search(self, kind: str, body: Any) -> str:
        filters = [one for group in body["filterGroups"] for one in group["filters"]]
        since = next((int(one["value"]) for one in filters if one["operator"] == "GTE"), 0)
        skipped = max(0, -(-(since - int(BEGIN.timestamp() * 1000)) // 1000))
        if len(body["filterGroups"]) > 1:  # what is won or modified since, the latest change first: all there is
            numbers, total = range(self.count - 1, max(-1, self.count - 1 - int(body["limit"])), -1), self.count
        else:
            numbers, total = range(skipped, min(self.count, skipped + int(body["limit"]))), self.count - skipped
        found = ",".join(record(kind, FIRST[kind] + number) for number in numbers)
        return f'{{"total":{total},"results":[{found}]}}'

    def _associations(self, to: str, body: Any) -> str:
        type_id, each = KINDS[to]
        ends = (
            '{"toObjectId":"%d","associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":'
            + f'{type_id},"label":null}}]}}'
        )
        results = []
        for one in body["inputs"]:
            first = FIRST[to] + (int(one["id"]) - FIRST["deals"]) * each
            linked = ",".join(ends % (first + place) for place in range(each))
            results.append(f'{{"from":{{"id":"{one["id"]}"}},"to":[{linked}]}}')
        return f'{{"status":"COMPLETE","results":[{",".join(results)}]}}'

    def _moves(self, query: dict[str, list[str]]) -> str:
        after = query.get("starting_after", [""])[0]
        top = int(after.removeprefix("txn_")) if after else self.count
        numbers = range(top - 1, max(-1, top - 1 - int(query["limit"][0])), -1)
        at = int(BEGIN.timestamp())
        found = ",".join(CHARGE % {"n": n, "amount": 1000 + n, "net": 941 + n, "at": at + n} for n in numbers)
        more = "true" if numbers and numbers[-1] > 0 else "false"
        return f'{{"object":"list","has_more":{more},"url":"/v1/balance_transactions","data":[{found}]}}'


def _empty(query: dict[str, list[str]]) -> str:
    return '{"object":"list","has_more":false,"url":"/v1/x","data":[]}'


def handler(answer: Callable[[str, dict[str, list[str]], Any], str]) -> type[BaseHTTPRequestHandler]:
    """Return what serves: connections stay open, and each answer is one packet."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 20

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            sent = answer(parts.path, parse_qs(parts.query), body).encode()
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(sent)
            )
            self.wfile.write(sent)
            self.wfile.flush()

        do_POST = do_GET

    return Handler


def main() -> None:
    """Serve until killed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(Vendors(int(sys.argv[1])).answer))
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
