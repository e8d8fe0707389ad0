"""Journal entries: Xero's manual journals, posted at once.

They have no number and no reference: our key begins the narration. They are in the organisation's own currency, and
not to receivables, payables, retained earnings or a bank account, which Xero keeps to documents and bank lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from billing import money
from connectors.base import Adopted, Created, JournalDraft, LedgerEntry, Ref, Rejected
from connectors.xero import limits
from connectors.xero.batches import BATCH_SIZE, Place, Sending, put_batch
from connectors.xero.client import Client, Json
from connectors.xero.entries import entry_status, first_standing, standing
from connectors.xero.setup import Accounts, Classes, Options, Organisation
from connectors.xero.wire import begins, chunks, day, inexact, minor, too_fine

_JOURNALS = Place("ManualJournals")
_CLOSED = ("DEBTORS", "CREDITORS", "RETAINEDEARNINGS")


class Journals:
    """Journal entries by our key."""

    batch_size = BATCH_SIZE

    def __init__(self, client: Client, accounts: Accounts, classes: Classes, organisation: Organisation) -> None:
        self._client = client
        self._accounts = accounts
        self._classes = classes
        self._organisation = organisation

    def find(self, wanted: Sequence[JournalDraft]) -> list[LedgerEntry | None]:
        """Look each up by the beginning of its narration; one that stands comes before a voided one."""
        currencies = {draft.key: draft.currency for draft in wanted}
        found = []
        for where in chunks([begins("Narration", key) for key in currencies], " OR "):
            for answer in self._client.pages("ManualJournals", [("where", where)]):
                ours = [one for one in answer["ManualJournals"] if _key(one) in currencies]
                found += [_read(one, currencies[_key(one)]) for one in ours]
        return first_standing([draft.key for draft in wanted], found)

    def create(
        self, batch: Sequence[JournalDraft], key: str
    ) -> list[Created[LedgerEntry] | Adopted[LedgerEntry] | Rejected]:
        """Post journals."""
        accounts = self._accounts.coded(line.account for draft in batch for line in draft.lines)
        options = self._classes.named({line.class_ for draft in batch for line in draft.lines if line.class_})
        home = self._organisation.currency()
        sendings = [
            Rejected(problem) if (problem := _problem(draft, accounts, options, home)) else _sending(draft, options)
            for draft in batch
        ]
        return put_batch(
            self._client,
            batch,
            sendings,
            key,
            lambda draft, element: _read(element, draft.currency),
            lambda drafts: standing(self.find(drafts)),
        )


def _problem(draft: JournalDraft, accounts: dict[str, Json], options: Options, home: str) -> str:
    """Say why Xero cannot hold the journal as it is; nothing when it can."""
    if " " in draft.key or not draft.key:
        return f"The key {draft.key!r} must be one word: it begins the narration"
    if draft.currency != home:
        return f"Xero's journals are in {home}, not in {draft.currency}"
    if (
        len(draft.lines) < 2
        or sum(line.amount for line in draft.lines) != 0
        or not all(line.amount for line in draft.lines)
    ):
        return "A journal needs at least two lines, none of them zero, that add up to zero"
    if any(inexact(line.amount, draft.currency) for line in draft.lines):
        return too_fine(draft.currency).reason
    for line in draft.lines:
        account = accounts.get(line.account)
        if account is None:
            return f"Xero has no active account with the code {line.account!r}"
        if account.get("Type") == "BANK" or account.get("SystemAccount") in _CLOSED:
            return f"Xero takes no journals to {account['Name']} ({line.account})"
        if line.class_ and line.class_ not in options:
            return f"Xero has no active tracking option named {line.class_}"
    texts = [("A line's description", line.description, limits.DESCRIPTION) for line in draft.lines]
    return limits.overlong([("The key", draft.key, limits.KEY), *texts])


def _sending(draft: JournalDraft, options: Options) -> Sending:
    lines = []
    for line in draft.lines:
        body: Json = {"LineAmount": money.to_decimal(line.amount, draft.currency), "AccountCode": line.account}
        if line.description:
            body["Description"] = line.description
        if line.class_:
            category, option = options[line.class_]
            body["Tracking"] = [{"Name": category, "Option": option}]
        lines.append(body)
    return Sending(
        _JOURNALS,
        {
            "Narration": f"{draft.key} {draft.memo}".rstrip(),
            "JournalLines": lines,
            "Date": draft.on.isoformat(),
            "LineAmountTypes": "NoTax",
            "Status": "POSTED",
        },
    )


def _key(element: Json) -> str:
    return str(element.get("Narration") or "").partition(" ")[0]


def _read(element: Json, currency: str) -> LedgerEntry:
    debits = [amount for line in element.get("JournalLines", ()) if (amount := line.get("LineAmount") or 0) > 0]
    return LedgerEntry(
        ref=Ref(id=element["ManualJournalID"]),
        key=_key(element),
        status=entry_status(element),
        currency=currency,
        amount=sum(minor(amount, currency) for amount in debits),
        on=day(element, "Date"),
    )
