"""A deal and a mapping to terms: everything that is wrong with the deal is said at once."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any, Literal

import msgspec

from billing.customer import Address, Customer
from billing.terms import Charge, Terms
from mappings.recipes import Record, Records, Rule, where
from mappings.rejoin import KnownCharge, known_charges, rejoin
from mappings.spec import CrmMapping
from mappings.tables import fold
from mappings.transforms import Unreadable

_EXACT = Context(prec=200)  # quantity x discount keeps every digit
_AGREED: Mapping[str, Sequence[str]] = {  # tables of the contract, and the terms without which there is nothing to say
    "billing_contact": ("name", "email"),
    "renewal": ("auto",),
    "escalator": ("percent",),
    "commitment": ("amount",),
}
_LENGTHS = ("term_months", "free_months")  # of a line: what ends on a day, in months


__all__ = ["DealFault", "KnownCharge", "Mapped", "NotMapped", "apply", "is_contract", "known_charges"]


class DealFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a deal is no contract yet, and what to do. ``property``: ``deal.contract_start``, ``line 4711.price``."""

    deal: str
    property: str
    value: str
    problem: str
    fix: str

    def __str__(self) -> str:
        shown = f" {self.value!r}" if self.value else ""
        return f"deal {self.deal}: {self.property}{shown} {self.problem}; {self.fix}"


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """The contract that a deal says."""

    deal_id: str
    deal_name: str
    entity: str
    terms: Terms
    customer: Customer
    company_id: str
    contact_ids: tuple[str, ...]
    merged_company_ids: tuple[str, ...] = ()  # ids the company had before
    relation: Literal["", "new", "amendment", "renewal"] = ""
    relates_to: str = ""  # as the CRM says it


class NotMapped(msgspec.Struct, frozen=True, kw_only=True):
    """A deal that a person must complete or correct first."""

    deal_id: str
    deal_name: str
    faults: tuple[DealFault, ...]


class _Reading(msgspec.Struct, frozen=True):
    """A term's value with where it was found."""

    value: Any
    where: str = ""
    raw: str = ""


_Readings = dict[str, _Reading]


def is_contract(mapping: CrmMapping, deal: Mapping[str, Any]) -> bool:
    """Say whether a won deal meets the conditions of ``deals.where``; its stage is the connector's matter."""
    records = _records(deal)
    for condition in mapping.conditions:
        record = records.get(condition.path.scope)
        value = fold(record.text(condition.path.property)) if record else ""
        if (condition.is_ and value not in condition.is_) or value in condition.is_not:
            return False
    return True


def apply(
    mapping: CrmMapping, deal: Mapping[str, Any], *, known_keys: Sequence[KnownCharge] = ()
) -> Mapped | NotMapped:
    """Return the contract of a deal (the builtin form of ``CrmDeal``), or everything that keeps it from being one.

    ``known_keys`` are the charges already known of this contract; see ``rejoin``. Never raises for what a CRM holds.
    """
    return _Attempt(mapping, deal).result(known_keys)


def _records(deal: Mapping[str, Any]) -> dict[str, Record]:
    """Return the records every rule may read: the deal, its first company, its first contact."""
    records = {"deal": Record("deal", str(deal["id"]), deal["properties"])}
    for scope, objects in (("company", deal.get("companies")), ("contact", deal.get("contacts"))):
        if objects:
            records[scope] = Record(scope, str(objects[0]["id"]), objects[0]["properties"])
    return records


class _Attempt:
    """One deal on its way to terms, collecting faults."""

    def __init__(self, mapping: CrmMapping, deal: Mapping[str, Any]) -> None:
        self.mapping = mapping
        self.deal = deal
        self.records = _records(deal)
        self.faults: list[DealFault] = []

    def result(self, known: Sequence[KnownCharge]) -> Mapped | NotMapped:
        """Read everything, then build the terms when nothing is wrong."""
        contract = self.section("contract", self.records)
        name = str(_value(contract, "name", ""))
        self.length(contract)
        customer = self.customer()
        charges = self.charges(contract)
        agreed = self.agreed()
        terms = None
        if not self.faults:
            terms = self.terms(contract, agreed, rejoin(charges, contract["starts_on"].value, known))
        if terms is None or customer is None:
            return NotMapped(deal_id=self.records["deal"].id, deal_name=name, faults=tuple(self.faults))
        return Mapped(
            deal_id=self.records["deal"].id,
            deal_name=name,
            entity=contract["entity"].value,
            terms=terms,
            customer=customer,
            company_id=self.records["company"].id,
            contact_ids=tuple(str(contact["id"]) for contact in self.deal.get("contacts") or ()),
            merged_company_ids=tuple(map(str, self.deal["companies"][0].get("merged_ids") or ())),
            relation=_value(contract, "relation", ""),
            relates_to=_value(contract, "relates_to", ""),
        )

    # ------------------------------------------------------------------------------------------------ reading terms

    def fault(self, where: str, value: str, problem: str, fix: str) -> None:
        """Note what is wrong at one property."""
        self.faults.append(
            DealFault(deal=self.records["deal"].id, property=where, value=value, problem=problem, fix=fix)
        )

    def section(self, name: str, records: Records) -> _Readings:
        """Return the readings of a section, by term; a term that has no value is not there."""
        read = {term: self.read(rule, records) for term, rule in self.mapping.sections[name].items()}
        return {term: reading for term, reading in read.items() if reading}

    def read(self, rule: Rule, records: Records) -> _Reading | None:
        """Return the value of one rule; report a value that is refused or missing."""
        for recipe in rule.recipes:
            raw, place = recipe.raw(records)
            if not raw:
                continue
            try:
                value = recipe.convert(raw)
            except Unreadable as error:
                table = (
                    f", or add it to {rule.key}.values in {self.mapping.source}" if recipe.values is not None else ""
                )
                self.fault(place, raw, error.problem, f"in the CRM, {error.fix}{table}")
                return None
            if value is not None:
                return _Reading(value, place, raw)
        if rule.default is not None:
            return _Reading(rule.default)
        if rule.required:
            self.missing(rule, records)
        return None

    def missing(self, rule: Rule, records: Records) -> None:
        """Report a required term that nothing fills."""
        places = [where(path, records) for path in rule.sources()]
        others = f", or {' or '.join(places[1:])}" if places[1:] else ""
        fix = f"fill it in the CRM{others}, or give {rule.key} a default in {self.mapping.source}"
        self.fault(places[0] if places else rule.key, "", "is empty", fix)

    def length(self, terms: _Readings) -> None:
        """Find the last day from the term in months where no end is given; an end that cannot be is a fault."""
        starts, months, ends = terms.get("starts_on"), terms.get("term_months"), terms.get("ends_on")
        if starts is None:
            return
        last = _last_day(starts.value, months.value) if months else None
        if months and ends is None:
            terms["ends_on"] = _Reading(last, months.where, months.raw)
        elif months and ends and ends.value != last:
            problem = f"contradicts {months.where} ({months.raw}), which ends on {last}"
            self.fault(ends.where, ends.raw, problem, f"correct one of them or empty {months.where}")
        if ends and ends.value < starts.value:
            problem = f"lies before the start {starts.value} ({starts.where})"
            self.fault(ends.where, ends.raw, problem, "correct the start or the end in the CRM")
            del terms["ends_on"]  # nothing else is held against it

    def agreed(self) -> dict[str, Any]:
        """Return what the contract says in tables of their own; one without what it is about (0, no) says nothing."""
        found: dict[str, Any] = {}
        for name, abouts in _AGREED.items():
            fields = {term: reading.value for term, reading in self.section(f"contract.{name}", self.records).items()}
            if any(fields.get(about) for about in abouts):
                found[name] = fields
        if commitment := found.pop("commitment", None):
            found["commitments"] = [{"key": "commitment", **commitment}]
        return found

    # ------------------------------------------------------------------------------------------------- the customer

    def customer(self) -> Customer | None:
        """Return the deal's customer; without a company nobody can be billed."""
        if "company" not in self.records:
            self.fault("company", "", "is missing", "associate the deal with the company that is billed")
            return None
        address = {term: reading.value for term, reading in self.section("customer.address", self.records).items()}
        fields = {term: reading.value for term, reading in self.section("customer", self.records).items()}
        return Customer(**fields, address=Address(**address)) if "name" in fields else None

    # --------------------------------------------------------------------------------------------------- the charges

    def charges(self, contract: _Readings) -> list[Charge]:
        """Return a charge per line item, in the order of their positions where the CRM has one."""
        items = self.deal.get("line_items") or ()
        if not items:
            self.fault("line_items", "", "are missing: nothing was sold", "add the line items to the deal")
        placed: list[tuple[int, Charge]] = []
        kinds: set[str | None] = set()
        for item in items:
            line = Record(f"line {item['id']}", str(item["id"]), item["properties"])
            records = {**self.records, "line": line}
            before, read = len(self.faults), self.section("line", records)
            kinds.add(kind := _value(read, "kind"))
            fields = self.fields(kind, records, read, contract)
            if len(self.faults) == before and (charge := self.build(fields, line.label)):
                placed.append((_value(read, "position", 0), charge))
        self.same_kind(contract.get("kind"), kinds)
        return [charge for _, charge in sorted(placed, key=lambda pair: pair[0])]

    def fields(self, kind: str | None, records: Records, read: _Readings, contract: _Readings) -> dict[str, Any]:
        """Return a charge's fields from the readings of its line, adding those of its kind."""
        fields = {term: reading.value for term, reading in read.items() if term not in ("kind", "position")}
        discounts = self.discounts(records, read)
        if kind is not None:
            own = self.section(f"line.{kind}", records)
            self.within(own, contract)
            fields |= {term: reading.value for term, reading in own.items() if term not in _LENGTHS}
            discounts += _free(own, contract)
        return {**fields, "type": kind, "discounts": discounts}

    def same_kind(self, kind: _Reading | None, of_lines: set[str | None]) -> None:
        """Hold what the deal says of itself against its lines: recurring needs a line that recurs, one_time none."""
        if kind is None or not of_lines or None in of_lines or ("recurring" in of_lines) == (kind.value == "recurring"):
            return
        problem = "does not fit: " + ("a line recurs" if "recurring" in of_lines else "no line recurs")
        self.fault(kind.where, kind.raw, problem, "correct the deal, or the billing frequency of its lines")

    def within(self, own: _Readings, contract: _Readings) -> None:
        """Check a line's own dates against each other and against the contract's."""
        starts = own.get("starts_on") or contract.get("starts_on")
        dates = {**own, "starts_on": starts} if starts else dict(own)
        self.length(dates)
        if "ends_on" in dates:
            own["ends_on"] = dates["ends_on"]
        first, last = _value(contract, "starts_on", date.min), _value(contract, "ends_on", date.max)
        for day in (own.get("starts_on"), own.get("ends_on")):
            if day and not first <= day.value <= last:
                problem = f"is {day.value}, outside the contract ({first} to {last})"
                self.fault(day.where, day.raw, problem, "correct the line's dates or the contract's")

    def discounts(self, records: Records, line: _Readings) -> list[dict[str, Any]]:
        """Return the line's discount, and until when: a percentage, an amount per unit or an amount off each period."""
        read = {term: reading for term, reading in self.section("discounts", records).items() if reading.value}
        until: dict[str, Any] = {term: read.pop(term).value for term in ("ends_on", "periods") if term in read}
        if len(read) > 1:
            one, other = list(read.values())[:2]
            problem = f"contradicts {other.where} ({other.raw}): both give a discount"
            self.fault(one.where, one.raw, problem, "empty one of them")
            return []
        for term, reading in read.items():
            if term == "amount_per_unit" and reading.value > _value(line, "price", reading.value):
                self.fault(reading.where, reading.raw, "is more than the price", "write at most the price of one unit")
        if "percent" in read:
            return [{"percent": read["percent"].value, **until}]
        if "amount_per_unit" in read:
            quantity = _value(line, "quantity", Decimal(0))
            return [{"amount": _EXACT.multiply(read["amount_per_unit"].value, quantity), **until}]
        return [{"amount": read["amount"].value, **until}] if "amount" in read else []

    # ------------------------------------------------------------------------------------------------------ building

    def build(self, fields: Mapping[str, Any], label: str) -> Charge | None:
        """Return the charge; what billing refuses is a fault of the line."""
        try:
            charge: Charge = msgspec.convert(fields, Charge)
        except ValueError as error:
            self.fault(label, "", f"makes no charge: {error}", "correct the line in the CRM, or the mapping")
            return None
        return charge

    def terms(self, contract: _Readings, agreed: Mapping[str, Any], charges: Sequence[Charge]) -> Terms | None:
        """Return the terms; what billing refuses is a fault of the deal."""
        fields = {term: reading.value for term, reading in contract.items()}
        for ours in ("name", "entity", "kind", "term_months", "relation", "relates_to"):
            fields.pop(ours, None)
        fields |= {**agreed, "contract": fields.pop("key"), "customer": self.records["company"].id}
        try:
            return msgspec.convert({**fields, "charges": list(charges)}, Terms)
        except ValueError as error:
            self.fault("deal", "", f"makes no contract: {error}", "correct the deal in the CRM, or the mapping")
            return None


def _value(readings: _Readings, term: str, default: Any = None) -> Any:
    return readings[term].value if term in readings else default


def _free(own: _Readings, contract: _Readings) -> list[dict[str, Any]]:
    """Return the discount that makes a charge's first months free."""
    months, starts = own.get("free_months"), own.get("starts_on") or contract.get("starts_on")
    if months is None or starts is None:
        return []
    return [{"percent": 100, "ends_on": _last_day(starts.value, months.value)}]


def _last_day(starts: date, months: int) -> date:
    """Return the last day of ``months`` months from ``starts``: the day before the same day of the month, clamped."""
    month = starts.month - 1 + months
    year, month = starts.year + month // 12, month % 12 + 1
    return date(year, month, min(starts.day, monthrange(year, month)[1])) - timedelta(days=1)
