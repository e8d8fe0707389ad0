"""Drafts -> documents: each gets its gapless number in the transaction that makes it final.

After a restore nothing is issued before the books were read back, and what they hold already keeps its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from billing.amendments import in_force
from billing.draft import Draft
from billing.lint import ADVICE
from store import contracts, invoices, planned, restores, review
from store.invoices import DocumentRow
from store.selfcheck import doubted_drafts
from sync.context import Context, Entity
from sync.lost import LostDocuments
from sync.paper import dated

Told = Mapping[str, Mapping[str, Literal["open", "dismissed"]]]  # by contract: the codes of what planning found


def run(context: Context) -> None:
    """Issue every draft that may leave: approved by a person, or of an entity that approves by itself."""
    doubted = doubted_drafts(context.store)
    rows = [row for row in invoices.drafts(context.store) if row.id not in doubted]
    told = review.about_contracts(context.store, "plan_invoices") if rows else {}
    lost = {
        key: LostDocuments(context, entity, [row for row in rows if row.entity == key])
        for key, entity in context.world.entities.items()
        if not restores.is_pending(context.store, entity.accounting)
    }
    for done, row in enumerate(rows, 1):
        entity = context.world.entities.get(row.entity)
        if row.entity in lost and entity is not None and (row.status == "approved" or entity.approve == "auto"):
            _leave(context, entity, row, told, lost[row.entity])
        context.progress(done, len(rows))
    for found in lost.values():
        found.report()


def _leave(context: Context, entity: Entity, row: DocumentRow, told: Told, lost: LostDocuments) -> None:
    """Issue a draft that nothing holds back: a deal, a missing PO number, or what a person must look at first."""
    draft, today = row.draft, context.today(entity.key)
    keys = dict.fromkeys([row.contract, *(one.line.contract for one in draft.lines)])
    if not draft.may_leave(approved=True) or not (row.status == "approved" or _is_decided(draft, keys, told)):
        return
    agreed = []
    for key in keys:
        contract = contracts.get(context.store, key)
        assert contract is not None
        if contract.state != "active":
            return
        agreed.append(in_force(contract.current, today))
    if all(terms.po_number or not terms.po_required for terms in agreed):
        _issue(context, entity, row, draft, agreed[0].payment_terms, lost)


def _is_decided(draft: Draft, keys: Iterable[str], told: Told) -> bool:
    """Say whether a draft may be issued without approval: nothing is open about its contracts but advice, and what it
    waits for was put aside by a person.
    """
    found = [(code, state) for key in keys for code, state in told.get(key, {}).items()]
    put_aside = {code for code, state in found if state == "dismissed"}
    return put_aside.issuperset(draft.waits) and all(code in ADVICE for code, state in found if state == "open")


def _issue(
    context: Context, entity: Entity, row: DocumentRow, draft: Draft, payment_terms: str, lost: LostDocuments
) -> None:
    """Issue a draft under the next number, or under the one that it has in the books already."""
    known = lost.match(row)
    if known is None and lost.holds(row):
        return
    final = dated(draft, payment_terms, known.issue_on if known else context.today(entity.key))
    prefix = entity.number_prefix if row.type == "invoice" else entity.credit_prefix
    with context.store.transaction():
        if invoices.get(context.store, row.id) != row:
            return  # drawn up anew meanwhile: what was not looked at is not issued
        if known is None:
            number = invoices.take_number(context.store, entity.key, prefix, entity.number_digits)
        else:
            number = known.number
            lost.take(known, row.id)
        invoices.issue(context.store, context.actor, row, final, number)
        planned.issued(context.store, list(invoices.slices_of(final)))
    context.count("invoices issued" if row.type == "invoice" else "credit notes issued")
