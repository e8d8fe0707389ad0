"""The HTTP side of the stand-in: tokens, tenant, limits, idempotency keys, lists and batches."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Response, request

from sandbox.consent import Consents, client_id
from sandbox.core import Clock, Ledger, OpenDocument, RateLimit, json_response
from sandbox.ledger_events import Watch
from sandbox.pdf import one_page
from sandbox.world.history import OldBooks
from sandbox.xero import documents, old_books, payments, seed
from sandbox.xero.answers import Answers, not_found, only
from sandbox.xero.books import Books
from sandbox.xero.cash import CashDesk
from sandbox.xero.documents import DOCUMENTS, INVOICES, Kind
from sandbox.xero.wire import BadRequest, Invalid, Wire, encode, failed, problem, read_moment, validation_exception

API = "/api.xro/2.0"
_KEY_MINUTES = 6
_GRACE_MINUTES = 30  # how long a used refresh token may be used again
TOLD = {"Contacts": "CONTACT", "Invoices": "INVOICE", "CreditNotes": "CREDITNOTE"}  # what webhooks tell of
_SETTINGS: dict[str, Callable[[Books], list[Wire]]] = {
    "Items": lambda books: books.items,
    "Accounts": lambda books: books.accounts,
    "TaxRates": lambda books: books.tax_rates,
    "TrackingCategories": lambda books: books.tracking,
    "Currencies": lambda books: books.currencies,
}

Handler = Callable[..., Response]


@dataclass(frozen=True)
class _Remembered:
    """An answer given under an idempotency key, and to which request."""

    request: tuple[str, str, bytes]
    status: int
    body: bytes
    at: float


class Xero(Ledger):
    """Xero for one organisation. A test may change ``books``, ``limits`` and ``answers`` directly."""

    name = "xero"
    entity = "uk"

    def __init__(self, clock: Clock, minute: float = 60.0) -> None:
        super().__init__(clock, minute)
        self.answers = Answers(clock)
        self.reset()
        self.routes.after_request(self._with_remaining)
        self.routes.add_url_rule("/connect/token", "token", self._token, methods=["POST"])
        self.routes.add_url_rule("/identity/connect/authorize", "authorize", lambda: self._consents.agree())
        self.routes.add_url_rule("/connections", "connections", self._connections)
        self._add_routes()

    def reset(self) -> None:
        """Go back to the seeded state, with no calls counted."""
        self.limits = (
            RateLimit("minute", 60, 60, path=API),
            RateLimit("day", 5000, 24 * 60 * 60, path=API),
        )
        self.books = Books(self.clock)
        self._windows.clear()
        self._keys: dict[str, _Remembered] = {}
        self._used_refresh_tokens: dict[str, float] = {}
        self._consents = Consents()
        self._tokens = 0
        self._watch = Watch()
        self.answers.counts_pages = True

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every object by type, as it goes over the wire."""
        books = self.books
        everything = {
            "contacts": list(books.contacts.values()),
            "invoices": list(books.invoices.values()),
            "credit_notes": list(books.credit_notes.values()),
            "payments": list(books.payments.values()),
            "bank_transactions": list(books.bank_transactions.values()),
            "overpayments": list(books.overpayments.values()),
            "prepayments": list(books.prepayments.values()),
            "transfers": list(books.transfers.values()),
            "journals": list(books.journals.values()),
            "attachments": [one for hung in books.attachments.values() for one in hung.values()],
            "items": books.items,
            "accounts": books.accounts,
        }
        plain: dict[str, list[dict[str, Any]]] = json.loads(encode(everything))
        return plain

    def happened(self) -> dict[str, Sequence[dict[str, Any]]]:
        """Return what was made or changed in the organisation as the events that Xero sends; deletions it tells not."""
        held = {
            "Contacts": self.books.contacts,
            "Invoices": self.books.invoices,
            "CreditNotes": self.books.credit_notes,
        }
        objects = ((TOLD[path], id_, str(one["UpdatedDateUTC"])) for path in held for id_, one in held[path].items())
        changes = self._watch.look(objects, self.clock.now())
        paths = {category: path for path, category in TOLD.items()}
        return {seed.TENANT: [one.for_xero(seed.TENANT, paths[one.kind]) for one in changes if one.what != "deleted"]}

    def load(self, old: OldBooks) -> None:
        """Type old books into the organisation."""
        old_books.load(self.books, old)

    def open_documents(self) -> list[OpenDocument]:
        """Return every approved invoice with something due."""
        return [
            OpenDocument(
                number=invoice["InvoiceNumber"],
                customer_name=self.books.contacts[invoice["Contact"]["ContactID"]]["Name"],
                currency=invoice["CurrencyCode"],
                balance=invoice["AmountDue"],
                issue_on=read_moment(invoice["Date"]).date(),
                due_on=read_moment(invoice["DueDate"]).date(),
            )
            for invoice in self.books.invoices.values()
            if invoice["Status"] == "AUTHORISED" and invoice["AmountDue"] > 0
        ]

    # ------------------------------------------------------------------------------------------------ limits and tokens

    def account(self) -> str:
        """Return the tenant that the call names: limits count per tenant."""
        return request.headers.get("xero-tenant-id", "")

    def too_many(self, limit: RateLimit, wait: float) -> Response:
        """Return Xero's 429: no body, the limit's name, and whole seconds (fractions where minutes are shorter)."""
        after = str(math.ceil(wait)) if self.minute >= 60 else f"{wait:.3f}"
        return Response(status=429, headers={"X-Rate-Limit-Problem": limit.name, "Retry-After": after})

    def _with_remaining(self, response: Response) -> Response:
        for limit, header in zip(self.limits, ("X-MinLimit-Remaining", "X-DayLimit-Remaining"), strict=True):
            used = len(self._windows.get((limit.name, self.account()), ()))
            response.headers[header] = str(max(0, limit.calls - used))
        return response

    def unauthorized(self) -> Response:
        """Return Xero's own 401."""
        return json_response(problem(401, "Unauthorized", "AuthenticationUnsuccessful"), 401)

    def _refused(self, *, tenant: bool = True) -> Response | None:
        """Return 401 or 403 where the token or the tenant is not known."""
        if not request.headers.get("Authorization", "").startswith("Bearer sandbox-xero"):
            return self.unauthorized()
        if tenant and self.account() != seed.TENANT:
            return json_response(problem(403, "Forbidden", "AuthenticationUnsuccessful"), 403)
        return None

    def _connections(self) -> Response:
        connection = {
            "id": seed.stable_id("connection"),
            "authEventId": seed.stable_id("authorisation"),
            "tenantId": seed.TENANT,
            "tenantType": "ORGANISATION",
            "tenantName": seed.NAME,
            "createdDateUtc": "2024-01-02T09:00:00.0000000",
            "updatedDateUtc": "2024-01-02T09:00:00.0000000",
        }
        return self._refused(tenant=False) or json_response([connection])

    def _token(self) -> Response:
        """Give tokens. A refresh token works once; used again within the grace period it still answers."""
        if not client_id():
            return json_response({"error": "invalid_client"}, 400)
        grant = request.form.get("grant_type")
        if grant == "client_credentials":
            return json_response(self._new_tokens())
        if grant == "authorization_code":
            if not self._consents.redeem(request.form, client_id()):
                return json_response({"error": "invalid_grant"}, 400)
            return json_response(self._rotated())
        if grant != "refresh_token":
            return json_response({"error": "unsupported_grant_type"}, 400)
        given, now = request.form.get("refresh_token", ""), time.monotonic()
        used = self._used_refresh_tokens.setdefault(given, now)
        if not given.startswith("sandbox-xero-refresh") or now - used > _GRACE_MINUTES * self.minute:
            return json_response({"error": "invalid_grant"}, 400)
        return json_response(self._rotated())

    def _rotated(self) -> Wire:
        tokens = self._new_tokens()
        return {**tokens, "refresh_token": f"sandbox-xero-refresh-{self._tokens}"}

    def _new_tokens(self) -> Wire:
        self._tokens += 1
        scope = "offline_access accounting.invoices accounting.payments accounting.contacts accounting.settings.read"
        access = f"sandbox-xero-access-{self._tokens}"
        return {"access_token": access, "expires_in": 1800, "token_type": "Bearer", "scope": scope}

    # ----------------------------------------------------------------------------------------------------------- routes

    def _add_routes(self) -> None:
        self._route("GET", "Organisation", self._organisation)
        for name in _SETTINGS:
            self._route("GET", name, self._settings, name=name)
        self._route("GET", "Contacts", self._list_contacts)
        self._route("GET", "Contacts/<key>", self._get_contact)
        self._route("PUT", "Contacts", self._write_contacts, create=True)
        self._route("POST", "Contacts", self._write_contacts, create=False)
        self._route("POST", "Contacts/<key>", self._write_contacts, create=False)
        for kind in DOCUMENTS:
            name = kind.plural
            self._route("GET", name, self._list_documents, kind=kind)
            self._route("GET", f"{name}/<key>", self._get_document, kind=kind)
            self._route("PUT", name, self._write_documents, kind=kind, create=True)
            self._route("POST", name, self._write_documents, kind=kind, create=False)
            self._route("POST", f"{name}/<key>", self._write_documents, kind=kind, create=False)
        self._route("GET", "Invoices/<key>/OnlineInvoice", self._online_invoice)
        self._route("POST", "Invoices/<key>/Email", self._email)
        self._route("GET", "Payments", self._list_payments)
        self._route("GET", "Payments/<key>", self._get_payment)
        self._route("PUT", "Payments", self._write_payments)
        self._route("POST", "Payments", self._write_payments)
        self._route("POST", "Payments/<key>", self._write_payments)
        CashDesk(lambda: self.books, self.answers).add_routes(self._route)

    def _route(self, method: str, path: str, handler: Handler, **fixed: Any) -> None:
        @wraps(handler)
        def guarded(**arguments: Any) -> Response:
            refused = self._refused()
            if refused is not None:
                return refused
            return self._once(lambda: _handled(lambda: handler(**fixed, **arguments)))

        # Flask wants names without dots; each method of a path is its own endpoint.
        endpoint = re.sub(r"\W+", "-", f"{method} {path}")
        self.routes.add_url_rule(f"{API}/{path}", endpoint, guarded, methods=[method])

    def _once(self, handle: Callable[[], Response]) -> Response:
        """Answer a write; the same ``Idempotency-Key`` within six minutes gives the first answer again, errors too."""
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method == "GET":
            return handle()
        if len(key) > 128:
            return _bad_request("The Idempotency-Key is longer than 128 characters")
        asked = (request.method, request.full_path, request.get_data())
        known = self._keys.get(key)
        if known is not None and time.monotonic() - known.at <= _KEY_MINUTES * self.minute:
            if known.request != asked:
                return _bad_request("The Idempotency-Key was already used for another request")
            return Response(known.body, known.status, content_type="application/json")
        answer = handle()
        self._keys[key] = _Remembered(asked, answer.status_code, answer.get_data(), time.monotonic())
        return answer

    def _organisation(self) -> Response:
        return self.answers.many("Organisations", [self.books.organisation])

    def _settings(self, name: str) -> Response:
        return self.answers.listed(name, _SETTINGS[name](self.books))

    def _list_contacts(self) -> Response:
        found = list(self.books.contacts.values())
        if request.args.get("includeArchived", "").lower() != "true":
            found = [one for one in found if one["ContactStatus"] == "ACTIVE"]
        found = only(found, "IDs", "ContactID")
        term = request.args.get("searchTerm", "").lower()
        if term:
            fields = ("Name", "FirstName", "LastName", "ContactNumber", "EmailAddress")
            found = [one for one in found if any(term in str(one.get(name, "")).lower() for name in fields)]
        return self.answers.listed("Contacts", found)

    def _get_contact(self, key: str) -> Response:
        by_number = (one for one in self.books.contacts.values() if one.get("ContactNumber") == key)
        return self.answers.one("Contacts", self.books.contacts.get(key.lower()) or next(by_number, None))

    def _write_contacts(self, create: bool, key: str = "") -> Response:
        save = self.books.create_contact if create else self.books.upsert_contact
        return self.answers.written(
            "Contacts", lambda data: save({**data, "ContactID": key} if key else data), "ContactID"
        )

    def _list_documents(self, kind: Kind) -> Response:
        found = [one for one in kind.store(self.books).values() if one]
        for argument, field in (("IDs", kind.id), (f"{kind.number}s", kind.number), ("Statuses", "Status")):
            found = only(found, argument, field)
        contacts = request.args.get("ContactIDs")
        if contacts:
            found = [one for one in found if one["Contact"]["ContactID"] in contacts.lower().split(",")]
        if "page" not in request.args:  # Xero leaves the lines out of a list without pages
            found = [{**one, "LineItems": []} for one in found]
        return self.answers.listed(kind.plural, found)

    def _get_document(self, kind: Kind, key: str) -> Response:
        found = documents.find(self.books, kind, key)
        if found is not None and request.headers.get("Accept", "").startswith("application/pdf"):
            total = f"{found['Total']} {found['CurrencyCode']}"
            lines = [f"{kind.plural[:-1]} {found[kind.number]}", str(found["Contact"].get("Name", "")), total]
            return Response(one_page(lines), content_type="application/pdf")
        return self.answers.one(kind.plural, found)

    def _online_invoice(self, key: str) -> Response:
        found = documents.find(self.books, INVOICES, key)
        if found is None:
            return not_found()
        url = f"https://in.xero.example/{found['InvoiceNumber']}"
        return self.answers.many("OnlineInvoices", [{"OnlineInvoiceUrl": url}])

    def _email(self, key: str) -> Response:
        """Mail an approved invoice to its contact, that is: note that it was."""
        found = documents.find(self.books, INVOICES, key)
        if found is None:
            return not_found()
        address = self.books.contacts[found["Contact"]["ContactID"]].get("EmailAddress")
        if found["Status"] not in ("SUBMITTED", "AUTHORISED", "PAID") or not address:
            problem = "The invoice must be approved and its contact must have an email address"
            return Response(encode(validation_exception([failed(found, Invalid(problem))])), 400,
                            content_type="application/json")  # fmt: skip
        found.update(SentToContact=True, **self.books.stamp())
        return Response(status=204)

    def _write_documents(self, kind: Kind, create: bool, key: str = "") -> Response:
        save = documents.create if create else documents.upsert
        places = 4 if request.args.get("unitdp") == "4" else 2

        def one(data: Wire) -> Wire:
            return save(self.books, kind, {**data, kind.id: key} if key else data, places)

        return self.answers.written(kind.plural, one, kind.id)

    def _list_payments(self) -> Response:
        return self.answers.listed("Payments", list(self.books.payments.values()))

    def _get_payment(self, key: str) -> Response:
        return self.answers.one("Payments", self.books.payments.get(key.lower()))

    def _write_payments(self, key: str = "") -> Response:
        def save(data: Wire) -> Wire:
            known = self.books.payments.get(str(key or data.get("PaymentID", "")).lower())
            if known is None and (key or "PaymentID" in data):
                raise Invalid("The payment does not exist")
            if known is not None:
                return payments.delete_payment(self.books, known, data)
            return payments.create_payment(self.books, data)

        return self.answers.written("Payments", save, "PaymentID")


def _handled(handle: Callable[[], Response]) -> Response:
    try:
        return handle()
    except BadRequest as error:
        return _bad_request(str(error))


def _bad_request(message: str) -> Response:
    return json_response({"ErrorNumber": 16, "Type": "QueryParseException", "Message": message}, 400)
