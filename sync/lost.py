"""Documents that the books hold and a restored store does not know: they are never billed a second time.

Planning draws up anew what was issued and lost. A draft for the same customer over the same amount *is* the lost
document: it is issued again under the number that the books have, and found there when it is to be booked. Drafts for a
customer of whom something else was lost wait until a person has looked.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from billing.dunning import STEPS
from billing.money import display
from store import links, mail, restores
from store.invoices import DocumentRow
from store.restores import Lost
from store.review import Finding
from sync import identity
from sync.context import Context, Entity


class LostDocuments:
    """What was lost of a legal entity, and what of it is known again."""

    def __init__(self, context: Context, entity: Entity, drafts: list[DocumentRow]) -> None:
        self._context = context
        self._entity = entity
        self._left = restores.lost(context.store, entity.key)
        if self._left:
            self._link(drafts)
            self._ours = links.by_ours(context.store, entity.accounting, "customer")
            self._theirs = links.by_vendor(context.store, entity.accounting, "customer")

    def _link(self, drafts: list[DocumentRow]) -> None:
        """Find the drafts' customers in the books, as far as that is certain: they may have been made there since."""
        context, connection = self._context, self._entity.accounting
        wanted = {(row.customer_id, row.currency) for row in drafts}
        wanted -= links.by_ours(context.store, connection, "customer").keys()
        identity.link_certain(context, connection, wanted)

    def match(self, row: DocumentRow) -> Lost | None:
        """Return the lost document that a draft is: the first of its customer, kind and amount."""
        if not self._left:
            return None
        link = self._ours.get((row.customer_id, row.currency))
        meant = (row.type, row.currency, row.total, link and link.vendor_id)
        return next(
            (one for one in self._left if (one.type, one.currency, one.total, one.ledger_customer) == meant), None
        )

    def holds(self, row: DocumentRow) -> bool:
        """Say whether a draft may bill what a lost document bills: one of its customer, or of one not known here."""
        if not self._left:
            return False
        link = self._ours.get((row.customer_id, row.currency))
        if link is not None:
            return any(one.ledger_customer == link.vendor_id for one in self._left)
        return any(one.ledger_customer not in self._theirs for one in self._left)

    def take(self, lost: Lost, document_id: int) -> None:
        """Note that a lost document is known again. Call inside the transaction that issues it."""
        restores.take(self._context.store, lost.id, document_id)
        self._left.remove(lost)

    def report(self) -> None:
        """Show what the books hold that is still not known here."""
        for one in self._left:
            self._context.find(
                Finding(
                    code="books_ahead",
                    subject=f"lost:{one.id}",
                    message=(
                        f"{one.number} of {one.issue_on} over {display(one.total, one.currency)} is in the books"
                        f" ({one.connection}, customer {one.ledger_customer}) but is not known here since the restore;"
                        " nothing more is issued to that customer until this is settled"
                    ),
                    fix="a draft of the same amount takes its number by itself; release: it bills nothing that would"
                    " be billed again, it counts as made by others",
                    actions=("release", "dismiss"),
                )
            )


def may_have_been_mailed(context: Context, entity: Entity, row: DocumentRow, step: str) -> bool:
    """Say whether a mail may have gone out before the latest restore, after the backup that was put back.

    An invoice may have been delivered if it was issued before the restore; a reminder if its day had come, too.
    """
    restore = restores.latest(context.store)
    if restore is None or not restores.was_issued_before(context.store, row.id):
        return False
    if step == mail.INVOICE:
        return True
    days = {str(name): count for name, count in zip(STEPS, entity.reminder_days, strict=False)}
    due = row.due_on + timedelta(days=days.get(step, 0))
    return due <= restore.at.astimezone(ZoneInfo(entity.timezone)).date()
