"""A stand-in of QuickBooks Online: batches, queries, change data capture, limits and refusals over kept state.

It answers under ``/quickbooks`` as ``https://quickbooks.api.intuit.com`` does (version 3, minor version 75). A request
with a ``requestid`` seen before gets the first answer again, whatever its body. Any bearer token that begins with
``sandbox-quickbooks`` is taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import Response, request

from sandbox.consent import Consents, client_id
from sandbox.core import Clock, Ledger, OpenDocument, RateLimit, json_response
from sandbox.ledger_events import Watch
from sandbox.pdf import one_page
from sandbox.quickbooks import files, old_books, query
from sandbox.quickbooks.books import PACIFIC, WRITABLE, Books
from sandbox.quickbooks.refusal import Refusal, business
from sandbox.quickbooks.seed import REALM
from sandbox.world.history import OldBooks

TOKEN = "sandbox-quickbooks"  # the beginning of every accepted access token
LARGEST_BATCH = 30
GRANT = timedelta(days=5 * 365)  # how long a consent lives
TOLD = ("Customer", "Invoice", "CreditMemo", "Payment")  # what webhooks tell of
_PATHS = {entity.lower(): entity for entity in WRITABLE}
_STATE = {
    "customers": "Customer",
    "invoices": "Invoice",
    "creditmemos": "CreditMemo",
    "payments": "Payment",
    "items": "Item",
    "accounts": "Account",
    "purchases": "Purchase",
    "transfers": "Transfer",
    "journals": "JournalEntry",
    "attachables": "Attachable",
}


class QuickBooks(Ledger):
    """One US company (realm ``9130350000000001``) whose home currency is USD."""

    name = "quickbooks"
    entity = "us"
    limits: Sequence[RateLimit] = (
        RateLimit("second", 10, 1),
        RateLimit("minute", 500, 60),
        RateLimit("batches", 120, 60, path="/batch"),
    )

    def __init__(self, clock: Clock, minute: float = 60.0) -> None:
        super().__init__(clock, minute)
        self.books = Books(clock)
        self.reset()
        company = "/v3/company/<realm>"
        self._route("POST", f"{company}/batch", self._batch)
        self._route("GET", f"{company}/query", self._query)
        self._route("POST", f"{company}/query", self._query)
        self._route("GET", f"{company}/cdc", self._cdc)
        self._route("GET", f"{company}/companyinfo/<id>", self._company_info)
        self._route("GET", f"{company}/preferences", self._preferences)
        self._route("POST", f"{company}/<path>/<id>/send", self._send)
        self._route("POST", f"{company}/upload", self._upload)
        self.routes.add_url_rule(f"{company}/<path>/<id>/pdf", "pdf", self._pdf)
        self._route("POST", f"{company}/<path>", self._write)
        self._route("GET", f"{company}/<path>/<id>", self._read)
        self.routes.add_url_rule("/connect/oauth2", "authorize", lambda: self._consents.agree({"realmId": REALM}))
        self.routes.add_url_rule("/oauth2/v1/tokens/bearer", "token", self._token, methods=["POST"])

    def reset(self) -> None:
        """Go back to the seeded company; answers by ``requestid`` and rotated refresh tokens are forgotten."""
        self.books = Books(self.clock)
        self._answers: dict[str, tuple[dict[str, Any], int]] = {}
        self._refreshes = 0
        self.grant_ends = self.clock.now() + GRANT  # until when tokens are renewed, however often they were
        self.files: dict[str, bytes] = {}  # by the id of the attachable
        self._watch = Watch()
        self._consents = Consents()
        self.metered = {"reads": 0, "writes": 0}  # each item of a batch counts like a call

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every object by type, and under ``meter`` what Intuit would have metered."""
        rows = {name: [_plain(row) for row in self.books.all(entity)] for name, entity in _STATE.items()}
        return {**rows, "meter": [dict(self.metered)]}

    def happened(self) -> dict[str, Sequence[dict[str, Any]]]:
        """Return what changed in the company as the CloudEvents that Intuit sends."""
        rows = ((entity, row["Id"], row["SyncToken"]) for entity in TOLD for row in self.books.all(entity))
        return {REALM: [change.for_intuit(REALM) for change in self._watch.look(rows, self.clock.now())]}

    def load(self, old: OldBooks) -> None:
        """Type old books into the company."""
        old_books.load(self.books, old)

    def open_documents(self) -> list[OpenDocument]:
        """Return every unpaid invoice; the customer's name is its DisplayName."""
        return [
            OpenDocument(
                number=row.get("DocNumber", ""),
                customer_name=row["CustomerRef"]["name"],
                currency=row["CurrencyRef"]["value"],
                balance=row["Balance"],
                issue_on=date.fromisoformat(row["TxnDate"]),
                due_on=date.fromisoformat(row["DueDate"]),
            )
            for row in self.books.all("Invoice")
            if row["Balance"] > 0
        ]

    # --------------------------------------------------------------------------------------------- access and limits

    def account(self) -> str:
        """Return the realm: limits are counted per company."""
        return str((request.view_args or {}).get("realm", "oauth"))

    def too_many(self, limit: RateLimit, wait: float) -> Response:
        """Return the 429, in XML even to who asked for JSON, and without a hint how long to wait."""
        body = (
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
            f'<IntuitResponse time="{self._time()}" xmlns="http://schema.intuit.com/finance/v3"><Fault type="SERVICE">'
            '<Error code="3001"><Message>message=ThrottleExceeded; errorCode=003001; statusCode=429</Message>'
            f"<Detail>The request limit was reached ({limit.name}). Try again later</Detail>"
            "</Error></Fault></IntuitResponse>"
        )
        return Response(body, 429, content_type="application/xml")

    def unauthorized(self) -> Response:
        """Return the 401, whose names are in lower case unlike every other fault's."""
        message = "message=AuthenticationFailed; errorCode=003200; statusCode=401"
        error = {"message": message, "detail": "Token expired or revoked", "code": "3200", "element": None}
        return json_response({"fault": {"error": [error], "type": "AUTHENTICATION"}, "time": self._time()}, 401)

    def _token(self) -> Response:
        """Renew tokens; the refresh token used stops working (the first one is ``refresh-0``)."""
        basic = request.authorization is not None and request.authorization.type == "basic"
        if not basic:
            return json_response({"error": "invalid_client"}, 401)
        grant = request.form.get("grant_type")
        if grant not in ("refresh_token", "authorization_code"):
            return json_response({"error": "unsupported_grant_type"}, 400)
        if grant == "authorization_code":
            good = self._consents.redeem(request.form, client_id())
        else:
            good = request.form.get("refresh_token") == f"refresh-{self._refreshes}"
        if not good:
            return json_response({"error": "invalid_grant", "error_description": "Incorrect or used Token"}, 400)
        left = self.grant_ends - self.clock.now()
        if grant == "authorization_code":
            self.grant_ends += GRANT - left
            left = GRANT
        if left <= timedelta(0):
            return json_response({"error": "invalid_grant", "error_description": "Token expired"}, 400)
        self._refreshes += 1
        tokens = {"access_token": f"{TOKEN}-{self._refreshes}", "refresh_token": f"refresh-{self._refreshes}"}
        lives = {"expires_in": 3600, "x_refresh_token_expires_in": 8_726_400}
        if request.headers.get("x-include-refresh-token-hard-expires-in") == "true":
            lives["x_refresh_token_hard_expires_in"] = int(left.total_seconds())
        return json_response({"token_type": "bearer", **tokens, **lives})

    def _route(self, method: str, rule: str, handle: Callable[..., tuple[dict[str, Any], int]]) -> None:
        def run(realm: str, **parts: str) -> Response:
            if (refused := self._refused(realm)) is not None:
                return refused
            body, status = self._once(lambda: handle(**parts))
            shown = body if self.books.has_currencies else _without_currency(body)
            return _answer({**shown, "time": self._time()}, status)

        self.routes.add_url_rule(rule, f"{method} {rule}".replace(".", "_"), run, methods=[method])

    def _refused(self, realm: str) -> Response | None:
        """Return 401 or 403 where the token or the company is not known."""
        if not request.headers.get("Authorization", "").startswith(f"Bearer {TOKEN}"):
            return self.unauthorized()
        if realm != REALM:
            refusal = Refusal("3100", "ApplicationAuthorizationFailed", f"No access to company {realm}")
            return _answer({**refusal.fault(), "time": self._time()}, 403)
        return None

    def _once(self, handle: Callable[[], tuple[dict[str, Any], int]]) -> tuple[dict[str, Any], int]:
        """Return the first answer to this ``requestid`` if there was one, else handle the request."""
        key = request.args.get("requestid", "")
        if key and key in self._answers:
            return self._answers[key]
        try:
            if len(key) > 50:
                raise business("requestid is at most 50 characters")
            answer = handle()
        except Refusal as refusal:
            answer = refusal.fault(), 400
        if key:
            self._answers[key] = answer
        return answer

    def forget_answers(self) -> None:
        """Know no ``requestid`` any more: Intuit does not say how long it does."""
        self._answers.clear()

    def _time(self) -> str:
        return self.clock.now().astimezone(PACIFIC).isoformat(timespec="milliseconds")

    # ------------------------------------------------------------------------------------------------------- handlers

    def _batch(self) -> tuple[dict[str, Any], int]:
        items = _body().get("BatchItemRequest")
        if not isinstance(items, list) or not items:
            raise Refusal("2020", "Required param missing", "BatchItemRequest is missing or empty")
        if len(items) > LARGEST_BATCH:
            raise business(f"A batch has at most {LARGEST_BATCH} items, not {len(items)}")
        ids = [str(item.get("bId", "")) for item in items]
        if len(request.args.get("requestid", "")) > 36 or any(not 0 < len(id) <= 10 for id in ids):
            raise business("In a batch requestid is at most 36 characters and each bId 1 to 10")
        if len(set(ids)) < len(ids):
            raise business("Each bId of a batch is another")
        answers = [{**self._batch_item(item), "bId": id} for item, id in zip(items, ids, strict=True)]
        return {"BatchItemResponse": answers}, 200

    def _batch_item(self, item: dict[str, Any]) -> dict[str, Any]:
        try:
            if "Query" in item:
                return self._run(item["Query"])
            entities = [entity for entity in WRITABLE if entity in item]
            if len(entities) != 1:
                raise Refusal("2010", "Request has invalid or unsupported property", "An item holds one object")
            voids = item.get("optionsData") == "void"
            self.metered["writes"] += 1
            operation = "void" if voids else item.get("operation", "")
            return {entities[0]: self.books.write(entities[0], item[entities[0]], operation)}
        except Refusal as refusal:
            return refusal.fault()

    def _write(self, path: str) -> tuple[dict[str, Any], int]:
        entity = _entity(path)
        operation = request.args.get("operation", "create")
        if operation == "update" and request.args.get("include") == "void":
            operation = "void"
        self.metered["writes"] += 1
        return {entity: self.books.write(entity, _body(), operation)}, 200

    def _read(self, path: str, id: str) -> tuple[dict[str, Any], int]:
        self.metered["reads"] += 1
        row = self.books.get(_entity(path), id)
        if path == "invoice" and request.args.get("include") == "invoiceLink":
            row = {**row, "InvoiceLink": f"https://pay.quickbooks.example/{row.get('DocNumber', id)}"}
        return {_entity(path): row}, 200

    def _pdf(self, realm: str, path: str, id: str) -> Response:
        if (refused := self._refused(realm)) is not None:
            return refused
        self.metered["reads"] += 1
        try:
            row = self.books.get(_entity(path), id)
        except Refusal as refusal:
            return _answer({**refusal.fault(), "time": self._time()}, 400)
        total = f"{row.get('TotalAmt', 0)} {row.get('CurrencyRef', {}).get('value', '')}"
        lines = [f"{_entity(path)} {row.get('DocNumber', id)}", row.get("CustomerRef", {}).get("name", ""), total]
        return Response(one_page(lines), content_type="application/pdf")

    def _send(self, path: str, id: str) -> tuple[dict[str, Any], int]:
        """Mail a document, that is: note on it that it was mailed, and to whom."""
        self.metered["writes"] += 1
        entity = _entity(path)
        return {entity: self.books.mailed(entity, id, request.args.get("sendTo", ""))}, 200

    def _upload(self) -> tuple[dict[str, Any], int]:
        """Keep a file; a refusal stands beside the other files of the call, under a 200."""
        self.metered["writes"] += 1
        described, content = files.upload(request.form)
        try:
            row = self.books.write("Attachable", described, "create")
        except Refusal as refusal:
            return {"AttachableResponse": [refusal.fault()]}, 200
        self.files[row["Id"]] = content
        return {"AttachableResponse": [{"Attachable": row}]}, 200

    def _query(self) -> tuple[dict[str, Any], int]:
        return self._run(request.args.get("query") or request.get_data(as_text=True)), 200

    def _run(self, statement: str) -> dict[str, Any]:
        self.metered["reads"] += 1
        parsed = query.parse(statement)
        return {"QueryResponse": query.run(parsed, self.books.all(parsed.entity))}

    def _cdc(self) -> tuple[dict[str, Any], int]:
        self.metered["reads"] += 1
        try:
            since = datetime.fromisoformat(request.args.get("changedSince", ""))
        except ValueError:
            raise Refusal("4001", "Invalid query", "changedSince is no time") from None
        since = since if since.tzinfo else since.replace(tzinfo=PACIFIC)
        entities = [name.strip() for name in request.args.get("entities", "").split(",")]
        return {"CDCResponse": [{"QueryResponse": self.books.changed(entities, since)}]}, 200

    def _company_info(self, id: str) -> tuple[dict[str, Any], int]:
        self.metered["reads"] += 1
        return {"CompanyInfo": self.books.company_info}, 200

    def _preferences(self) -> tuple[dict[str, Any], int]:
        self.metered["reads"] += 1
        return {"Preferences": self.books.preferences}, 200


def _without_currency(value: Any) -> Any:
    """Return an answer as a company gives it that knows one currency only."""
    if isinstance(value, list):
        return [_without_currency(each) for each in value]
    if not isinstance(value, dict):
        return value
    untold = ("CurrencyRef", "ExchangeRate", "HomeTotalAmt")
    return {name: _without_currency(each) for name, each in value.items() if name not in untold}


def _entity(path: str) -> str:
    if path not in _PATHS:
        raise Refusal("500", "Unsupported Operation", f"Operation {path} is not supported")
    return _PATHS[path]


def _body() -> dict[str, Any]:
    try:
        body = json.loads(request.get_data(as_text=True), parse_float=Decimal)
    except ValueError:
        raise Refusal("2010", "Request has invalid or unsupported property", "The body is no JSON") from None
    return body if isinstance(body, dict) else {}


def _answer(body: dict[str, Any], status: int) -> Response:
    return json_response(_plain(body), status, {"intuit_tid": f"1-{status}-sandbox"})


def _plain(value: Any) -> Any:
    """Return ``value`` with each Decimal as a JSON number."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
