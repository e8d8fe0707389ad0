"""The paths of everything that moves money without a document of its own, and of the files hung on documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, request

from sandbox.xero import bank, documents, journals, payments
from sandbox.xero.answers import Answers, not_found
from sandbox.xero.books import Books
from sandbox.xero.documents import CREDITS, DOCUMENTS, OVERPAYMENTS, PREPAYMENTS, Kind
from sandbox.xero.wire import BadRequest, Invalid, Wire

_LARGEST_FILE = 10_000_000
_MOST_FILES = 10
_SIDES = ("FromBankAccount", "ToBankAccount")
Route = Callable[..., None]


class CashDesk:
    """Bank transactions, money on account, transfers, journals, allocations and attachments."""

    def __init__(self, books: Callable[[], Books], answers: Answers) -> None:
        self._books = books
        self._answers = answers

    def add_routes(self, route: Route) -> None:
        """Name every path to ``route``."""
        for name, listed, written in (
            ("BankTransactions", lambda books: books.bank_transactions, self._write_transactions),
            ("BankTransfers", lambda books: books.transfers, self._write_transfers),
            ("ManualJournals", lambda books: books.journals, self._write_journals),
        ):
            if name != "BankTransfers":
                route("GET", name, self._listed, name=name, store=listed)
            route("GET", f"{name}/<key>", self._one, name=name, store=listed)
            route("PUT", name, written)
            route("POST", name, written)
            route("POST", f"{name}/<key>", written)
        route("GET", "BankTransfers", self._transfers)
        for kind in (OVERPAYMENTS, PREPAYMENTS):
            route("GET", kind.plural, self._listed, name=kind.plural, store=kind.store)
            route("GET", f"{kind.plural}/<key>", self._one, name=kind.plural, store=kind.store)
        for kind in CREDITS:
            route("PUT", f"{kind.plural}/<key>/Allocations", self._allocate, kind=kind)
        for kind in DOCUMENTS:
            route("GET", f"{kind.plural}/<key>/Attachments", self._attachments, kind=kind)
            route("PUT", f"{kind.plural}/<key>/Attachments/<name>", self._attach, kind=kind)

    def _listed(self, name: str, store: Callable[[Books], dict[str, Wire]]) -> Response:
        found = list(store(self._books()).values())
        if "page" not in request.args:  # lines come only with pages
            lines = "JournalLines" if name == "ManualJournals" else "LineItems"
            found = [{**one, lines: []} for one in found]
        return self._answers.listed(name, found)

    def _transfers(self) -> Response:
        """Answer a list of transfers: as in Xero's example without the codes of accounts, and never in pages."""
        books = self._books()
        found = list(books.transfers.values())
        if request.args.get("includeDeleted", "").lower() != "true":
            found = [one for one in found if one["Status"] != "DELETED"]
        shown = [{**one, **{side: _without_code(one[side]) for side in _SIDES}} for one in found]
        return self._answers.listed(
            "BankTransfers", shown, lambda one: books.transfers_changed[one["BankTransferID"]], paged=False
        )

    def _one(self, name: str, store: Callable[[Books], dict[str, Wire]], key: str) -> Response:
        return self._answers.one(name, store(self._books()).get(key.lower()))

    def _write_transactions(self, key: str = "") -> Response:
        books, places = self._books(), 4 if request.args.get("unitdp") == "4" else 2

        def save(data: Wire) -> Wire:
            known = _known(books.bank_transactions, data, "BankTransactionID", key)
            return (
                bank.delete_transaction(books, known, data) if known else bank.create_transaction(books, data, places)
            )

        return self._answers.written("BankTransactions", save, "BankTransactionID")

    def _write_transfers(self, key: str = "") -> Response:
        books = self._books()

        def save(data: Wire) -> Wire:
            known = _known(books.transfers, data, "BankTransferID", key)
            return bank.delete_transfer(books, known, data) if known else bank.create_transfer(books, data)

        return self._answers.written("BankTransfers", save, "BankTransferID")

    def _write_journals(self, key: str = "") -> Response:
        books = self._books()

        def save(data: Wire) -> Wire:
            known = _known(books.journals, data, "ManualJournalID", key)
            return journals.void_journal(books, known, data) if known else journals.create_journal(books, data)

        return self._answers.written("ManualJournals", save, "ManualJournalID")

    def _allocate(self, kind: Kind, key: str) -> Response:
        credit = documents.find(self._books(), kind, key)
        if credit is None:
            return not_found()
        return self._answers.written(
            "Allocations", lambda data: payments.allocate(self._books(), kind, credit, data), "AllocationID"
        )

    def _attachments(self, kind: Kind, key: str) -> Response:
        document = documents.find(self._books(), kind, key)
        if document is None:
            return not_found()
        hung = self._books().attachments[document[kind.id]].values()
        return self._answers.many("Attachments", [_shown(one) for one in hung])

    def _attach(self, kind: Kind, key: str, name: str) -> Response:
        """Hang a file on a document; the same name again replaces the file."""
        books, content = self._books(), request.get_data()
        document = documents.find(books, kind, key)
        if document is None:
            return not_found()
        hung = books.attachments[document[kind.id]]
        if not content or len(content) > _LARGEST_FILE or (len(hung) >= _MOST_FILES and name not in hung):
            raise BadRequest(f"A document takes {_MOST_FILES} files of up to {_LARGEST_FILE} bytes")
        hung[name] = {
            "AttachmentID": books.new_id(),
            "FileName": name,
            "Url": request.base_url,
            "MimeType": "application/pdf" if name.lower().endswith(".pdf") else "application/octet-stream",
            "ContentLength": len(content),
            "IncludeOnline": request.args.get("IncludeOnline", "").lower() == "true",
            "Content": content.decode("latin-1"),
        }
        document.update(HasAttachments=True, **books.stamp())
        return self._answers.many("Attachments", [_shown(hung[name])])


def _known(store: dict[str, Wire], data: Wire, id_name: str, key: str) -> Wire | None:
    """Return the object that a write is about, None for a new one; raises ``Invalid`` for an unknown id."""
    named: Any = key or data.get(id_name)
    if not named:
        return None
    if str(named).lower() not in store:
        raise Invalid(f"No object with {id_name} {named} exists")
    return store[str(named).lower()]


def _without_code(account: Wire) -> Wire:
    return {name: value for name, value in account.items() if name != "Code"}


def _shown(attachment: Wire) -> Wire:
    return {name: value for name, value in attachment.items() if name != "Content"}
