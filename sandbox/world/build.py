"""Deals and their terms as salespeople write them down, from one seed."""

from __future__ import annotations

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count, cycle, islice
from random import Random

from sandbox.world.buyers import BuyerMaker, person
from sandbox.world.history import OldBooks, bare_name, old_books
from sandbox.world.model import FAULTS, PRODUCTS, Buyer, CrmRecord, Product, World

DAYS_BEFORE, DAYS_AFTER = 45, 50  # over which deals are won around the first day
TERMS_AS_WRITTEN = {
    "Net 30": 34, "NET45": 10, "net 60 days": 8, "Due on receipt": 10, "EOM + 15": 8, "30 days": 14, "Net 14": 10,
    "net30": 6,
}  # fmt: skip
# the deal's label -> HubSpot's value on a line, months in a period, how often it is agreed
FREQUENCIES = {
    "Monthly": ("monthly", 1, 40),
    "Quarterly": ("quarterly", 3, 20),
    "Semi-annually": ("per_six_months", 6, 6),
    "Annually": ("annually", 12, 27),
    "One-off": ("", 1, 7),
}
OWNERS = ("7100011", "7100012", "7100013", "7100014")
OPEN_STAGES = ("qualifiedtobuy", "presentationscheduled", "decisionmakerboughtin", "contractsent")
_BY_SKU = {product.sku: product for product in PRODUCTS}
_EXTRAS = {"DATA-API": 0.2, "SUPPORT-PREM": 0.25, "IMPL-FEE": 0.35, "TRAINING": 0.12, "CS-RETAINER": 0.15}
_ONE_TIME = ("IMPL-FEE", "TRAINING")


def build_world(*, seed: int, deals: int, history: int, today: date) -> World:
    """Return the seeded world with ``deals`` deals won in the months before and the weeks after ``today``.

    Two thirds are won up to ``today`` (over ``history`` months, or 45 days when 0), the rest within 50 days after it.
    About one in eight carries a fault of ``FAULTS``. Open, lost and partner deals come on top. With a history, others
    kept the books before the first of this month.
    """
    return _Builder(seed, today).build(deals, history)


def add_months(day: date, months: int) -> date:
    """Return the same day ``months`` later, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def stamp(moment: datetime) -> str:
    """Return HubSpot's text of a moment: UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: Decimal) -> str:
    """Return a decimal as HubSpot writes numbers: no exponent, no trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Builder:
    def __init__(self, seed: int, today: date) -> None:
        self.rng = Random(seed)
        self.seed, self.today = seed, today
        self.maker = BuyerMaker(self.rng)
        self.buyers: list[Buyer] = []
        self.contacts: list[CrmRecord] = []
        self.contacts_of: dict[str, list[str]] = {}
        self.deals: list[CrmRecord] = []
        self.lines: list[CrmRecord] = []
        self.faulty: dict[str, str] = {}
        self.repeatable: list[Buyer] = []  # healthy buyers with one deal so far
        self._deal_ids = (str(31_000_000_000 + 53 * number) for number in count(1))
        self._line_ids = (str(81_000_000_000 + 19 * number) for number in count(1))
        self._contact_ids = (str(510_000_000 + 41 * number) for number in count(1))

    def build(self, deals: int, history: int) -> World:
        """Make everything in the order of winning."""
        faults = self._faults(deals)
        for number, day in enumerate(self._won_days(deals, history)):
            self._won_deal(day, faults.get(number))
        if deals:
            self._other_deals(deals)
        strangers = self._strangers(2 + deals // 15) if history and deals else ()
        return World(
            strangers=strangers,
            old_books=self._old_books(strangers) if history else {},
            seed=self.seed,
            today=self.today,
            buyers=tuple(self.buyers),
            contacts=tuple(self.contacts),
            deals=tuple(self.deals),
            line_items=tuple(self.lines),
            faulty=self.faulty,
        )

    def _strangers(self, number: int) -> tuple[Buyer, ...]:
        """Make customers that never were a deal; every third bears nearly the name of somebody who becomes one."""
        made = [self.maker.make(healthy=True) for _ in range(number)]
        coming = [deal for deal in self.deals if deal.won_on and deal.won_on > self.today]
        ids = {company for deal in coming for company in deal.associations["companies"][:1]}
        alike = [buyer for buyer in self.buyers if buyer.id in ids]
        for place, other in zip(range(0, number, 3), alike, strict=False):
            name = f"{bare_name(other.name)} & Co."
            made[place] = replace(made[place], name=name, pays_as=name, entity=other.entity, currency=other.currency)
        return tuple(made)

    def _old_books(self, strangers: tuple[Buyer, ...]) -> dict[str, OldBooks]:
        """Let somebody have typed the invoices of what was sold soundly up to now."""
        sound = [
            deal
            for deal in self.deals
            if deal.won_on is not None and deal.won_on <= self.today and deal.id not in self.faulty
        ]
        lines = {line.id: line for line in self.lines}
        return old_books(self.seed, self.today, self.buyers, strangers, sound, lines)

    # ---------------------------------------------------------------------------------------------- what happens when

    def _won_days(self, deals: int, history: int) -> list[date]:
        past = deals * 2 // 3
        span = (self.today - add_months(self.today, -history)).days if history else DAYS_BEFORE
        before = [self.today - timedelta(days=self.rng.randint(0, span)) for _ in range(past)]
        after = [self.today + timedelta(days=self.rng.randint(1, DAYS_AFTER)) for _ in range(deals - past)]
        return sorted(before + after)

    def _faults(self, deals: int) -> dict[int, str]:
        """Return number of a won deal -> its fault, evenly spread, each kind in turn."""
        kinds = list(FAULTS)
        self.rng.shuffle(kinds)
        wanted = deals * 2 // 15
        places = [(2 * number + 1) * deals // (2 * wanted) for number in range(wanted)]
        return dict(zip(places, islice(cycle(kinds), wanted), strict=True))

    def _moment(self, day: date) -> datetime:
        """Return a moment of the morning, so that on the first day it lies before the stand-ins' noon."""
        return datetime.combine(day, time(7), UTC) + timedelta(milliseconds=self.rng.randrange(4 * 3_600_000))

    # -------------------------------------------------------------------------------------------------- whom and what

    def _won_deal(self, day: date, fault: str | None) -> None:
        repeat = fault is None and self.repeatable and self.rng.random() < 0.15
        if repeat:
            buyer = self.repeatable.pop(self.rng.randrange(len(self.repeatable)))
        else:
            buyer = self._new_buyer(day, healthy=fault is None)
        if day <= self.today:
            modified, stage = self._moment(day), "closedwon"
        else:
            modified, stage = self._moment(self.today - timedelta(days=self.rng.randint(1, 20))), "contractsent"
        deal = self._deal(buyer, "default", stage, day, modified, fault)
        deal.properties["dealtype"] = "existingbusiness" if repeat else "newbusiness"
        if fault:
            self.faulty[deal.id] = fault
        elif not repeat:
            self.repeatable.append(buyer)
        self.deals.append(replace(deal, won_on=day))

    def _other_deals(self, deals: int) -> None:
        """Add deals that must not be billed: open ones, lost ones, and won ones of the partner pipeline."""
        kinds = [("default", stage) for stage in islice(cycle(OPEN_STAGES), 1 + deals // 10)]
        kinds += [("default", "closedlost")] * (1 + deals // 12) + [("partner", "partner_won")] * (1 + deals // 15)
        for pipeline, stage in kinds:
            day = self.today - timedelta(days=self.rng.randint(2, DAYS_BEFORE))
            buyer = self._new_buyer(day, healthy=False)
            self.deals.append(self._deal(buyer, pipeline, stage, day, self._moment(day), None))

    def _new_buyer(self, day: date, *, healthy: bool) -> Buyer:
        made = self.maker.make(healthy=healthy)
        since = stamp(self._moment(min(day, self.today) - timedelta(days=self.rng.randint(20, 120))))
        common = {"createdate": since, "hs_object_id": made.id, "hs_lastmodifieddate": since}
        buyer = replace(made, properties={**made.properties, **common})
        self.buyers.append(buyer)
        self.contacts_of[buyer.id] = [self._contact(buyer, since) for _ in range(self.rng.choice((1, 1, 2)))]
        return buyer

    def _contact(self, buyer: Buyer, since: str) -> str:
        first, last = person(self.rng)
        contact = CrmRecord(
            id=next(self._contact_ids),
            properties={
                "email": f"{first}.{last}@{buyer.properties['domain']}".lower(),
                "firstname": first,
                "lastname": last,
                "phone": buyer.properties["phone"],
                "createdate": since,
                "lastmodifieddate": since,
            },
            associations={"companies": [buyer.id]},
        )
        contact.properties["hs_object_id"] = contact.id
        self.contacts.append(contact)
        return contact.id

    def _deal(
        self, buyer: Buyer, pipeline: str, stage: str, day: date, modified: datetime, fault: str | None
    ) -> CrmRecord:
        deal_id = next(self._deal_ids)
        terms, lines, worth = self._contract(buyer, day, modified, fault)
        year = terms["contract_start"][:4] if terms["contract_start"] else day.year
        properties: dict[str, str | None] = {
            "dealname": f"{buyer.name} - {lines[0].properties['name'] if lines else 'Platform'} {year}",
            "amount": plain(worth),
            "closedate": stamp(datetime.combine(day, modified.timetz())),
            "pipeline": pipeline,
            "dealstage": stage,
            "hs_is_closed_won": "true" if stage in ("closedwon", "partner_won") else "false",
            "deal_currency_code": buyer.currency,
            "dealtype": "newbusiness",
            "hubspot_owner_id": self.rng.choice(OWNERS),
            "hs_object_id": deal_id,
            "createdate": stamp(modified - timedelta(days=self.rng.randint(5, 80))),
            "hs_lastmodifieddate": stamp(modified),
            **terms,
        }
        companies = [buyer.id]
        if self.rng.random() < 0.06 and len(self.buyers) > 1:  # an agency or a reseller stands beside the buyer
            companies.append(self.rng.choice(self.buyers[:-1]).id)
        if fault == "no_company":
            companies = []
        if fault == "foreign_currency":
            properties["deal_currency_code"] = "CAD"
        self.lines += lines
        return CrmRecord(
            id=deal_id,
            properties=properties,
            associations={
                "line_items": [line.id for line in lines],
                "companies": list(dict.fromkeys(companies)),
                "contacts": list(self.contacts_of[buyer.id]),
            },
        )

    # ------------------------------------------------------------------------------------------------------ the terms

    def _contract(
        self, buyer: Buyer, day: date, modified: datetime, fault: str | None
    ) -> tuple[dict[str, str | None], list[CrmRecord], Decimal]:
        """Return the deal's contract properties, its line items and its total value."""
        rng = self.rng
        label = rng.choices(list(FREQUENCIES), [weight for _, _, weight in FREQUENCIES.values()])[0]
        if fault:
            label = "Monthly"
        start = self._start(day)
        months = self._months(label)
        end = add_months(start, months) - timedelta(days=1)
        written_end = fault is not None or rng.random() < 0.7
        terms: dict[str, str | None] = {
            "billing_entity": None if rng.random() < 0.15 else buyer.entity,
            "contract_start": start.isoformat(),
            "contract_end": end.isoformat() if written_end else None,
            "contract_term_months": None if written_end and rng.random() < 0.5 else str(months),
            "billing_frequency": label,
            "billing_timing": "In arrears" if rng.random() < 0.15 else "In advance",
            "payment_terms": rng.choices(list(TERMS_AS_WRITTEN), list(TERMS_AS_WRITTEN.values()))[0],
            "billing_anchor_day": rng.choice(("1", "15", "31")) if rng.random() < 0.12 else None,
            "po_number": self._po_number() if rng.random() < 0.5 else None,
            "billing_email": buyer.email if rng.random() < 0.75 else None,
        }
        lines = [] if fault == "no_line_items" else self._lines(buyer, label, start, months, modified)
        worth = sum((self._worth(line, months) for line in lines), Decimal(0)).quantize(Decimal("0.01"))
        _spoil(terms, lines, start, fault)
        return terms, lines, worth or Decimal(rng.randint(10, 60) * 1000)

    def _start(self, day: date) -> date:
        chance = self.rng.random()
        if chance < 0.5:
            return add_months(day.replace(day=1), 1)
        if chance < 0.7:
            return day.replace(day=1)
        return day + timedelta(days=self.rng.randint(0, 10))

    def _months(self, label: str) -> int:
        if label == "One-off":
            return self.rng.randint(1, 3)
        if label == "Annually":
            return self.rng.choices((12, 24, 36), (70, 15, 15))[0]
        return self.rng.choices((6, 12, 18, 24, 36), (10, 62, 4, 14, 10))[0]

    def _po_number(self) -> str:
        return self.rng.choice((f"PO-{self.rng.randint(10_000, 99_999)}", f"45000{self.rng.randint(10_000, 99_999)}"))

    def _skus(self, label: str) -> list[str]:
        if label == "One-off":
            return list(self.rng.choice((("IMPL-FEE",), ("TRAINING",), ("IMPL-FEE", "TRAINING"))))
        skus = list(self.rng.choice((("PLAT-BASE", "PLAT-SEAT"), ("PLAT-SEAT",), ("PLAT-BASE",))))
        return (skus + [sku for sku, chance in _EXTRAS.items() if self.rng.random() < chance])[:4]

    def _lines(self, buyer: Buyer, label: str, start: date, months: int, modified: datetime) -> list[CrmRecord]:
        return [
            self._line(_BY_SKU[sku], position, buyer, label, start, months, modified)
            for position, sku in enumerate(self._skus(label))
        ]

    def _line(
        self, product: Product, position: int, buyer: Buyer, label: str, start: date, months: int, modified: datetime
    ) -> CrmRecord:
        rng, sku = self.rng, product.sku
        if sku == "CS-RETAINER":
            label = "Monthly"
        frequency, period, _ = FREQUENCIES["One-off" if sku in _ONE_TIME else label]
        price = self._price(sku, period)
        late = bool(frequency) and months > 2 and rng.random() < (0.4 if sku == "CS-RETAINER" else 0.06)
        properties: dict[str, str | None] = {
            "name": product.name,
            "hs_sku": sku,
            "quantity": self._quantity(sku),
            "price": plain(price),
            "hs_discount_percentage": None,
            "discount": None,
            "recurringbillingfrequency": frequency or None,
            "hs_recurring_billing_start_date": add_months(start, 1).isoformat() if late else None,
            "hs_recurring_billing_period": f"P{months - late}M" if frequency and rng.random() < 0.6 else None,
            "hs_position_on_quote": str(position),
            "hs_product_id": str(6_100_001 + PRODUCTS.index(product)),
            "tax_class": "reverse_charge"
            if buyer.currency == "EUR"
            else {"software": "standard", "services": "services"}[product.kind],
            "createdate": stamp(modified - timedelta(days=2)),
            "hs_lastmodifieddate": stamp(modified - timedelta(seconds=rng.randint(5, 90_000))),
        }
        chance = rng.random()
        if chance < 0.2:
            properties["hs_discount_percentage"] = rng.choice(("5", "10", "15", "20"))
        elif chance < 0.27:
            properties["discount"] = plain((price / 10).quantize(Decimal("0.5")))
        line = CrmRecord(id=next(self._line_ids), properties=properties)
        properties["hs_object_id"] = line.id
        return line

    def _quantity(self, sku: str) -> str:
        if sku == "PLAT-SEAT":
            return str(self.rng.choice((5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 120, 180, 250)))
        return str(self.rng.randint(1, 6)) if sku == "TRAINING" else "1"

    def _price(self, sku: str, period: int) -> Decimal:
        """Return the unit price of one billing period of ``period`` months; a year costs about a tenth less."""
        rng = self.rng
        if sku == "IMPL-FEE":
            return Decimal(rng.randint(10, 80) * 500)
        if sku == "TRAINING":
            return Decimal(rng.randint(8, 25) * 100)
        monthly = {
            "PLAT-SEAT": lambda: Decimal(rng.randint(50, 180)) / 2,
            "PLAT-BASE": lambda: Decimal(rng.randint(50, 400) * 10),
            "DATA-API": lambda: Decimal(rng.randint(30, 200) * 10) - Decimal("0.01"),
            "SUPPORT-PREM": lambda: Decimal(rng.randint(10, 60) * 10),
            "CS-RETAINER": lambda: Decimal(rng.randint(15, 60) * 100),
        }[sku]()
        return (monthly * 12 * 9 / 10).quantize(Decimal("0.01")) if period == 12 else monthly * period

    def _worth(self, line: CrmRecord, months: int) -> Decimal:
        """Return what the line brings over the contract, for the deal's amount."""
        properties = line.properties
        price = Decimal(properties["price"] or 0) - Decimal(properties["discount"] or 0)
        price *= 1 - Decimal(properties["hs_discount_percentage"] or 0) / 100
        period = next(
            length for value, length, _ in FREQUENCIES.values() if value == properties[_FREQUENCY] or not value
        )
        periods = Decimal(months) / period if properties[_FREQUENCY] else Decimal(1)
        return price * Decimal(properties["quantity"] or 0) * periods


_FREQUENCY = "recurringbillingfrequency"


def _spoil(terms: dict[str, str | None], lines: list[CrmRecord], start: date, fault: str | None) -> None:
    """Make the contract as wrong as ``fault`` says (the faults of the deal itself are made where it is)."""
    if fault == "no_start_date":
        terms["contract_start"] = None
        for line in lines:
            line.properties["hs_recurring_billing_start_date"] = None
    elif fault == "vague_payment_terms":
        terms["payment_terms"] = "as discussed"
    elif fault == "ambiguous_frequency":  # HubSpot's lines cannot say it, so they were left empty
        terms["billing_frequency"] = "Bi-monthly"
        for line in lines:
            line.properties[_FREQUENCY] = line.properties["hs_recurring_billing_period"] = None
    elif fault == "end_before_start":
        terms["contract_end"] = (start - timedelta(days=31)).isoformat()
        terms["contract_term_months"] = None
    elif fault == "negative_price":
        lines[0].properties["price"] = "-500"
