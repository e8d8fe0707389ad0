"""Which contracts are billed: none whose deal is gone or merged or that may be sold twice, unless a person says so.

Worked out anew from what is known, so that a hold ends by itself when its cause is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import msgspec

from billing.charges import own_start
from billing.terms import Charge, FixedPrice, OneTime, Prepaid, Terms
from store import contracts, deals, invoices
from store.contracts import ContractRow, State
from store.review import Finding
from sync.context import Context

_GONE = {
    "not_won": "is not won any more",
    "deleted": "was deleted",
    "won": "does not meet the conditions of deals.where any more",
}


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """A deal that deals with contracts of their own were merged into; ``keys`` are those contracts'."""

    deal_id: str
    keys: tuple[str, ...]

    @property
    def question(self) -> str:
        """What a person is asked; other contracts make it another question."""
        return f"merged:{self.deal_id}:{','.join(self.keys)}"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the deals and contracts of one CRM after mapping."""

    crm: str
    fates: Mapping[str, tuple[str, str]]  # of every deal that was ever won: fate, what it became
    standing: set[str]  # deals that are won and meet the mapping's conditions
    issued: set[str]  # contracts something was issued for
    answers: Mapping[str, str]
    merged: Mapping[str, Merged]  # by the surviving deal
    undecided: Mapping[str, Finding]  # contracts whose base a person must name


Verdict = tuple[State, str]  # and why, for people
_ACTIVE: Verdict = ("active", "")


def settle(context: Context, facts: Facts) -> None:
    """Give every contract its state; drafts of those that are not billed go."""
    rows = [row for row in contracts.all_contracts(context.store) if row.crm == facts.crm]
    verdicts = {row.key: _verdict(context, facts, row) for row in rows}
    eligible = [row for row in rows if verdicts[row.key] == _ACTIVE]
    for row, verdict in _overlaps(context, facts, eligible):
        verdicts[row.key] = verdict
    for merged in facts.merged.values():
        if merged.question not in facts.answers:
            context.find(_merged_finding(merged, [row for row in rows if row.key in merged.keys]))
    for row in rows:
        if verdicts[row.key] != _ACTIVE or row.state != "active":
            _put(context, row, *verdicts[row.key])


def _put(context: Context, row: ContractRow, state: State, why: str) -> None:
    with context.store.transaction():
        changed = contracts.set_state(context.store, context.actor, row, state, why)
        if state != "active":
            invoices.save_drafts(
                context.store,
                context.actor,
                entity=row.entity,
                contract=row.key,
                customer_id=row.customer_id,
                wanted=(),
            )
    if changed:
        context.count("contracts billed again" if state == "active" else f"contracts {state}")


def _verdict(context: Context, facts: Facts, row: ContractRow) -> Verdict:
    """Say how a contract stands by itself, without looking at the customer's others."""
    if row.state == "closed":
        return row.state, row.why
    survivor = deals.survivor(facts.fates, row.deal_id)
    merged = facts.merged.get(survivor)
    if merged is not None and merged.question not in facts.answers:
        return "held", f"deal {survivor} was merged from deals of contracts {' and '.join(merged.keys)}"
    if survivor not in facts.standing and row.deal_id in facts.fates:
        return _gone(context, facts, row, survivor)
    if f"gone:{row.key}" in facts.answers:
        with context.store.transaction():
            contracts.answer(context.store, f"gone:{row.key}", None)
    if row.key in facts.undecided:
        context.find(facts.undecided[row.key])
        return "held", "a person must say which contract it belongs to"
    return _ACTIVE


def _gone(context: Context, facts: Facts, row: ContractRow, deal_id: str) -> Verdict:
    """Park a contract of a deal that is not won any more; once invoiced a person says whether it ends."""
    fate = facts.fates.get(deal_id, ("not_won", ""))[0]
    why = f"deal {deal_id} {_GONE[fate]}"
    if row.key not in facts.issued:
        return "parked", why
    if f"gone:{row.key}" in facts.answers:
        return _ACTIVE
    context.find(
        Finding(
            code="deal_gone",
            subject=f"contract:{row.key}",
            detail=fate,
            message=f"Deal {deal_id} {row.name!r} {_GONE[fate]} after it was invoiced",
            fix="end=DATE: that is the last day of service, what was billed beyond it is credited; keep_billing: go on"
            " as agreed. Until then nothing more is billed, and nothing is credited",
            actions=("end", "keep_billing"),
        )
    )
    return "held", why


def _merged_finding(merged: Merged, rows: list[ContractRow]) -> Finding:
    named = " and ".join(f"{row.key} {row.name!r}" for row in rows)
    return Finding(
        code="deals_merged",
        subject=f"contract:{rows[0].key}",
        detail=merged.question,
        message=f"Deals with contracts {named} were merged into deal {merged.deal_id}",
        fix="follow=KEY: that contract takes what the merged deal says, the other ends without credit; keep_both: both"
        " go on as agreed before, whatever the merged deal says. Until then nothing more is billed for them",
        actions=("follow", "keep_both"),
    )


# ------------------------------------------------------------------------------------------------------------ overlaps


def _overlaps(context: Context, facts: Facts, rows: list[ContractRow]) -> Iterator[tuple[ContractRow, Verdict]]:
    """Yield the contracts that sell what their customer buys already at that time, with nobody having said so."""
    by_customer: dict[tuple[int, str], list[ContractRow]] = defaultdict(list)
    for row in rows:
        if row.entity in context.world.entities:
            by_customer[row.customer_id, row.entity].append(row)
    for group in by_customer.values():
        if len(group) > 1:
            sales = sorted((_sale(facts, row) for row in group), key=lambda sale: sale.age)
            for place, newer in enumerate(sales):
                held = [found for older in sales[:place] if (found := _overlap(context, facts, older, newer))]
                if held:
                    yield newer.row, min(held)  # an answer that parks it counts less than a question that is open


class _Sale(msgspec.Struct, frozen=True):
    """A contract as it is compared: its age, and per charge the product with the first and last day it is for."""

    row: ContractRow
    age: tuple[bool, date, int, str]  # invoiced first, then by start, then the older deal
    services: tuple[tuple[str, str, date, date], ...]  # product, its name for people, first and last day


def _sale(facts: Facts, row: ContractRow) -> _Sale:
    terms = row.agreed
    age = (row.key not in facts.issued, terms.starts_on, len(row.deal_id), row.deal_id)
    return _Sale(row, age, tuple(_service(terms, charge) for charge in terms.charges))


def _overlap(context: Context, facts: Facts, first: _Sale, second: _Sale) -> Verdict | None:
    older, newer = first.row, second.row
    if newer.relation == "new" or "amendment" in (older.relation, newer.relation):
        return None
    sold = _sold_twice(first, second, context.world.entities[newer.entity].go_live)
    if not sold:
        return None
    answer = facts.answers.get(overlap_question(older.key, newer.key), "")
    if answer == "bill_both":
        return None
    why = f"{older.key} sells {sold} already"
    if answer == f"ignore:{newer.key}":
        return "parked", why
    context.find(
        Finding(
            code="overlap",
            subject=f"contract:{newer.key}",
            detail=older.key,
            message=f"Deals {older.deal_id} {older.name!r} and {newer.deal_id} {newer.name!r} sell the same customer"
            f" {sold}",
            fix=f"bill_both: both are meant; end_first: {older.key} ends before {newer.key} starts; ignore_second:"
            f" {newer.key} is not billed. Until then {newer.key} is not billed",
            actions=("bill_both", "end_first", "ignore_second"),
        )
    )
    return "held", why


def overlap_question(one: str, other: str) -> str:
    """Return the question whether two contracts are both meant."""
    return f"overlap:{min(one, other)}:{max(one, other)}"


def _sold_twice(older: _Sale, newer: _Sale, go_live: date) -> str:
    """Name the products that both sell, with the days since go-live on which both do; empty when there are none."""
    found = []
    for product, name, starts, ends in newer.services:
        for other, _, first, last in older.services:
            begin, end = max(starts, first, go_live), min(ends, last)
            if product == other and begin <= end:
                found.append(f"{name} {_days(begin, end)}")
    return ", ".join(dict.fromkeys(found))


def _service(terms: Terms, charge: Charge) -> tuple[str, str, date, date]:
    product = charge.product or " ".join(charge.description.casefold().split())
    name = charge.product or charge.description
    start = own_start(charge) or terms.starts_on
    if isinstance(charge, OneTime | Prepaid | FixedPrice):
        return product, name, start, start
    ends = [day for day in (charge.ends_on, terms.ends_on) if day is not None]
    return product, name, start, min(ends, default=date.max)


def _days(first: date, last: date) -> str:
    if first == last:
        return f"on {first}"
    return f"from {first} on" if last == date.max else f"from {first} to {last}"


def day_before(row: ContractRow) -> date:
    """Return the day before a contract starts."""
    return row.agreed.starts_on - timedelta(days=1)
