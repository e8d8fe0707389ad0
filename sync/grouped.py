"""One invoice for several contracts of a customer, where their terms ask for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from billing.amendments import in_force
from billing.draft import Draft
from billing.grouping import Together, merge, together
from billing.tax import Rounding
from billing.terms import BillingContact, LateFee, Terms
from store.invoices import Wanted, drawn

CUSTOMERS = 200  # that are planned at once, with all their contracts of this kind


class Member(NamedTuple):
    """A contract whose invoices stand beside those of others: its customer, its terms and what it should bill."""

    customer_id: int
    terms: Terms
    drafts: Sequence[Draft]


class _Alike(NamedTuple):
    """What invoices must have in common to be one; what follows from the invoice as a whole is among it."""

    customer_id: int
    draft: Together
    payment_terms: str
    contact: BillingContact | None
    late_fee: LateFee | None


def batches(customers: Iterable[int]) -> Iterator[list[int]]:
    """Yield customers in order, a few at a time."""
    waiting = sorted(customers)
    for start in range(0, len(waiting), CUSTOMERS):
        yield waiting[start : start + CUSTOMERS]


def wanted(members: Iterable[Member], today: date, rounding: Rounding) -> list[Wanted]:
    """Return the drafts that each contract should have; an invoice of several belongs to the first of them.

    Credit notes stay as they are: each corrects what one contract was billed.
    """
    kept: dict[str, Wanted] = {}
    groups: dict[_Alike, list[Draft]] = defaultdict(list)
    for one in members:
        notes = [draft for draft in one.drafts if draft.type == "credit_note"]
        kept[one.terms.contract] = Wanted(one.terms.contract, one.customer_id, [*map(drawn, notes)])
        for draft in one.drafts:
            if draft.type == "invoice":
                groups[_alike(one, draft, today)].append(draft)
    for parts in groups.values():
        first, *others = (draft.contract for draft in parts)
        name = parts[0].customer  # the same customer, whatever its deals called it
        invoice = merge([msgspec.structs.replace(draft, customer=name) for draft in parts], rounding)
        kept[first] = kept[first]._replace(drafts=[*kept[first].drafts, drawn(invoice)], beside=others)
    return list(kept.values())


def _alike(one: Member, draft: Draft, today: date) -> _Alike:
    return _Alike(
        one.customer_id,
        together(draft)._replace(customer=""),
        in_force(one.terms, today).payment_terms,
        one.terms.billing_contact,
        one.terms.late_fee,
    )
