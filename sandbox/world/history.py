"""Books that other hands kept before us: what somebody typed into a ledger for past deals, and for others.

Deterministic by the seed. The numbers are chosen to be as people's are: two styles, some that look like ours, some
missing; customers under their name of old, twice, or without any address; part payments, credits, voids, open debts.
"""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from sandbox.world.model import Buyer, CrmRecord

_CENT = Decimal("0.01")
_MONTHS = {"weekly": 1, "monthly": 1, "quarterly": 3, "per_six_months": 6, "annually": 12}
_FORM = re.compile(r",? (?:Inc\.?|LLC|Corp\.|Ltd|Limited|plc|GmbH|AG|SAS|SA|B\.V\.|S\.r\.l\.|S\.p\.A\.|BV|NV)$")
_TAX = {"standard": {"us": Decimal("6.25"), "uk": Decimal(20)}, "services": {"us": Decimal(0), "uk": Decimal(20)}}
# How customers stand in the old books, dealt out like cards, so that each way occurs among any twenty of them.
_KINDS = (
    *("same",) * 11, *("bare",) * 1, *("renamed",) * 2, *("shouted",) * 1, *("moved",) * 1, *("doubled",) * 2,
    *("two_currencies",) * 2,
)  # fmt: skip
_AD_HOC = (("TRAINING", "Workshop"), ("IMPL-FEE", "Data migration"), ("SUPPORT-PREM", "Support, by the hour"))


@dataclass(frozen=True)
class OldCustomer:
    """A customer as somebody entered it. ``buyer``: who it really is; ``currency``: of its invoices."""

    key: str
    name: str
    entity: str
    currency: str
    buyer: Buyer
    email: str = ""
    tax_id: str = ""


@dataclass(frozen=True)
class OldLine:
    """A line; ``net`` in major units, ``tax`` in percent."""

    sku: str
    text: str
    net: Decimal
    tax: Decimal


@dataclass(frozen=True)
class OldDocument:
    """An invoice or credit note as somebody typed it. ``applied_to``: the invoice that a credit note credits."""

    key: str
    customer: str
    currency: str
    number: str
    issue_on: date
    due_on: date
    lines: tuple[OldLine, ...]
    is_credit: bool = False
    voided: bool = False
    applied_to: str = ""

    @property
    def total(self) -> Decimal:
        """The total with tax, rounded by line."""
        return sum((line.net + line_tax(line) for line in self.lines), Decimal(0))


@dataclass(frozen=True)
class OldPayment:
    """A payment as somebody typed it; ``extra`` is what the customer paid too much."""

    document: str
    amount: Decimal
    on: date
    reference: str = ""
    extra: Decimal = Decimal(0)


@dataclass
class OldBooks:
    """What one ledger holds on the first day, in the order in which it was typed."""

    customers: list[OldCustomer] = field(default_factory=list)
    documents: list[OldDocument] = field(default_factory=list)
    payments: list[OldPayment] = field(default_factory=list)


def bare_name(name: str) -> str:
    """Return a company's name without its legal form."""
    return _FORM.sub("", name)


def line_tax(line: OldLine) -> Decimal:
    """Return a line's tax in major units."""
    return (line.net * line.tax / 100).quantize(_CENT)


def old_books(
    seed: int, today: date, buyers: Sequence[Buyer], strangers: Sequence[Buyer], deals: Sequence[CrmRecord],
    lines: Mapping[str, CrmRecord],
) -> dict[str, OldBooks]:  # fmt: skip
    """Return the books of ``us`` and ``uk`` up to the first of this month, which is when somebody else stops."""
    return _Typist(seed, today).type_all(buyers, strangers, deals, lines)


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class _Typist:
    def __init__(self, seed: int, today: date) -> None:
        self.rng = Random(f"old books {seed}")
        self.today, self.until = today, today.replace(day=1)
        self.books = {"us": OldBooks(), "uk": OldBooks()}
        self._records: dict[str, list[OldCustomer]] = {}  # by buyer
        self._in_month: dict[tuple[str, int, int], int] = defaultdict(int)
        self._typed = {"us": 0, "uk": 0}
        self._kinds = self._dealt()

    def _dealt(self) -> Iterator[str]:
        while True:
            cards = list(_KINDS)
            self.rng.shuffle(cards)
            yield from cards

    def type_all(
        self, buyers: Sequence[Buyer], strangers: Sequence[Buyer], deals: Sequence[CrmRecord],
        lines: Mapping[str, CrmRecord],
    ) -> dict[str, OldBooks]:  # fmt: skip
        by_id = {buyer.id: buyer for buyer in buyers}
        sales = [sale for deal in deals for sale in self._of_deal(deal, by_id, lines)]
        sales += [sale for buyer in strangers for sale in self._of_stranger(buyer)]
        for day, buyer, sold in sorted(sales, key=lambda sale: (sale[0], sale[1].id)):
            self._type(day, buyer, sold)
        return self.books

    # ------------------------------------------------------------------------------------------------ what was sold

    def _of_deal(
        self, deal: CrmRecord, buyers: Mapping[str, Buyer], lines: Mapping[str, CrmRecord]
    ) -> Iterator[tuple[date, Buyer, tuple[OldLine, ...]]]:
        """Yield an invoice for each day on which a deal's service was due for one."""
        companies = deal.associations["companies"]
        start = date.fromisoformat(str(deal.properties["contract_start"]))
        buyer = buyers[companies[0]]
        arrears = deal.properties["billing_timing"] == "In arrears"
        sold: dict[date, list[OldLine]] = defaultdict(list)
        for line in (lines[one] for one in deal.associations["line_items"]):
            for day in self._days(line, start, self._end(deal, start), arrears):
                sold[day].append(self._line(line, buyer.entity))
        yield from ((day, buyer, tuple(found)) for day, found in sold.items())

    def _end(self, deal: CrmRecord, start: date) -> date:
        written = deal.properties["contract_end"]
        if written:
            return date.fromisoformat(written) + timedelta(days=1)
        return _add_months(start, int(deal.properties["contract_term_months"] or 12))

    def _days(self, line: CrmRecord, start: date, end: date, arrears: bool) -> Iterator[date]:
        """Yield when a line was invoiced, for service that began before we do."""
        own = line.properties["hs_recurring_billing_start_date"]
        begins = date.fromisoformat(own) if own else start
        months = _MONTHS.get(line.properties["recurringbillingfrequency"] or "")
        if months is None:
            yield from [begins] if begins < self.until else []
            return
        number, day = 0, begins
        while day < min(end, self.until):
            number += 1
            following = _add_months(begins, number * months)
            issued = following if arrears else day
            if issued <= self.today:
                yield issued
            day = following

    def _line(self, line: CrmRecord, entity: str) -> OldLine:
        values = line.properties
        price = Decimal(values["price"] or 0) - Decimal(values["discount"] or 0)
        price *= 1 - Decimal(values["hs_discount_percentage"] or 0) / 100
        tax = _TAX.get(values["tax_class"] or "", {}).get(entity, Decimal(0))
        net = (price * Decimal(values["quantity"] or 1)).quantize(_CENT)
        return OldLine(str(values["hs_sku"]), str(values["name"]), net, tax)

    def _of_stranger(self, buyer: Buyer) -> Iterator[tuple[date, Buyer, tuple[OldLine, ...]]]:
        """Yield invoices for a customer that never was a deal."""
        for _ in range(self.rng.randint(1, 5)):
            day = self.until - timedelta(days=self.rng.randint(3, 400))
            sku, text = self.rng.choice(_AD_HOC)
            tax = _TAX["services"][buyer.entity] if buyer.currency != "EUR" else Decimal(0)
            yield day, buyer, (OldLine(sku, text, Decimal(self.rng.randint(20, 900) * 5), tax),)

    # ----------------------------------------------------------------------------------------------- how it was typed

    def _type(self, day: date, buyer: Buyer, lines: tuple[OldLine, ...]) -> None:
        rng, books = self.rng, self.books[buyer.entity]
        records = self._records.get(buyer.id) or self._enter(buyer)
        customer = records[0] if rng.random() < 0.65 else rng.choice(records)
        due = day + timedelta(days=rng.choice((14, 30, 30, 30, 45)))
        document = OldDocument(
            key=f"{buyer.entity}-{len(books.documents)}",
            customer=customer.key,
            currency=customer.currency,
            number=self._number(buyer.entity, day),
            issue_on=day,
            due_on=due,
            lines=lines,
        )
        fate = self._fate(due)
        if fate == "void":
            books.documents.append(replace(document, voided=True))
            return
        if fate == "paid" and rng.random() < 0.02:
            document = replace(document, number="")
        books.documents.append(document)
        self._settle(books, document, fate)

    def _fate(self, due: date) -> str:
        """Return what became of an invoice until the first day, the more settled the longer it is due."""
        days = (self.today - due).days
        weights = (88, 4, 3, 3, 2) if days > 60 else (60, 9, 3, 26, 2) if days > 0 else (18, 3, 2, 75, 2)
        return self.rng.choices(("paid", "partly", "credited", "open", "void"), weights)[0]

    def _settle(self, books: OldBooks, document: OldDocument, fate: str) -> None:
        rng = self.rng
        if fate in ("paid", "partly"):
            share = Decimal(1) if fate == "paid" else Decimal(rng.randint(20, 80)) / 100
            day = min(self.today, document.due_on + timedelta(days=rng.randint(-12, 15)))
            reference = str(rng.randint(1000, 9999)) if rng.random() < 0.4 else ""
            extra = Decimal(rng.randint(1, 40) * 5) if rng.random() < 0.03 else Decimal(0)
            amount = (document.total * share).quantize(_CENT)
            books.payments.append(OldPayment(document.key, amount, max(day, document.issue_on), reference, extra))
        elif fate == "credited":
            self._credit(books, document, document.lines, document.key)
        if rng.random() < 0.02:
            first = document.lines[0]
            goodwill = replace(first, text="Goodwill", net=(first.net / 10).quantize(_CENT))
            self._credit(books, document, (goodwill,), "")

    def _credit(self, books: OldBooks, document: OldDocument, lines: tuple[OldLine, ...], applied_to: str) -> None:
        day = min(self.today, document.issue_on + timedelta(days=self.rng.randint(5, 40)))
        credit = replace(
            document,
            key=f"{document.key}-credit{len(books.documents)}",
            number=f"CR-{len(books.documents) + 300}",
            issue_on=day,
            due_on=day,
            lines=lines,
            is_credit=True,
            applied_to=applied_to,
        )
        books.documents.append(credit)

    def _number(self, entity: str, day: date) -> str:
        """Return the next number as people count: in one row, or by month, and now and then as we do."""
        self._typed[entity] += 1
        count = self._typed[entity]
        if self.rng.random() < 0.04:
            return f"{entity.upper()}-{count + 100}"
        if entity == "us":
            return f"INV-{count + 1041}"
        self._in_month[entity, day.year, day.month] += 1
        return f"{day.year}/{day.month:02}-{self._in_month[entity, day.year, day.month]}"

    # ------------------------------------------------------------------------------------------- whom it was typed for

    def _enter(self, buyer: Buyer) -> list[OldCustomer]:
        """Enter a buyer as a customer, as somebody did who did not look at the CRM."""
        kind = next(self._kinds)
        books = self.books[buyer.entity]
        base = bare_name(buyer.name)
        exact = OldCustomer(
            key=f"{buyer.entity}-c{len(books.customers)}",
            name=buyer.name,
            entity=buyer.entity,
            currency=buyer.currency,
            buyer=buyer,
            email=buyer.email if self.rng.random() < 0.85 else "",
            tax_id=(buyer.properties["vat_number"] or "") if self.rng.random() < 0.6 else "",
        )
        found = {
            "same": [exact],
            "bare": [replace(exact, email="", tax_id="")],
            "renamed": [replace(exact, name=f"{base} Group {'LLC' if buyer.entity == 'us' else 'Ltd'}")],
            "shouted": [replace(exact, name=f"{base.upper()} CORPORATION")],
            "moved": [replace(exact, email=f"billing@{base.split()[0].lower()}-mail.example", tax_id="")],
            "doubled": [exact, replace(exact, key=f"{exact.key}b", name=f"{base} (HQ)", email="", tax_id="")],
            "two_currencies": [exact, self._abroad(exact)],
        }[kind]
        books.customers += found
        self._records[buyer.id] = found
        return found

    def _abroad(self, customer: OldCustomer) -> OldCustomer:
        """Return the same customer as it is invoiced in another currency: at QuickBooks one more customer."""
        other = "EUR" if customer.currency != "EUR" else "GBP"
        return replace(customer, key=f"{customer.key}b", currency=other, name=f"{customer.name} ({other})")
