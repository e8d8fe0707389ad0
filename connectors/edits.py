"""What ledgers share about putting a document of ours back: what has to be written, and when nothing may be."""

from __future__ import annotations

from connectors.base import DocumentDraft, LedgerDocument
from connectors.errors import Refused

FREE = {"number", "due_on", "po_number"}  # no amount depends on these: they may be written when something is paid


def to_put_back(draft: DocumentDraft, seen: LedgerDocument, there: LedgerDocument) -> list[str]:
    """Return the names of the draft's fields to write over a document as it is ``there`` now; empty: it says them all.

    Raises ``Refused`` for what may not be overwritten: ``seen`` is what a person decided on, and no more than that.
    """
    name = f"{draft.number} (id {there.ref.id})"
    if there.status in ("voided", "deleted"):
        raise Refused(f"{name} is {there.status}: what is void is not put back")
    wanted = draft.differs_from(there)
    if wanted and not there.says_what(seen):
        raise Refused(f"{name} was changed again since a person looked at it: look at both sides again")
    if there.balance != there.total and not FREE.issuperset(wanted):
        raise Refused(
            f"{name} is paid or used in part, so its lines, customer and date stand: take off there what pays it, or"
            " correct the difference with a credit note"
        )
    return wanted
