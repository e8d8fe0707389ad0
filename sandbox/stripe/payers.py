"""How the buyers of the world pay their invoices, day by day.

Nothing here depends on how often anybody called the API: what a buyer does with an invoice follows from the seed, the
invoice's number and the day on which the buyer first saw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal

from sandbox.core import Ledger, OpenDocument
from sandbox.stripe.account import Account, moment
from sandbox.stripe.objects import CARD, DEBITS, Order, dice, minor_units
from sandbox.world import Buyer, World

OPENS, CLOSES = 6 * 3600, 11 * 3600 + 3000  # payments come between 06:00 and 11:50, before the API's noon
TICKET_EVERY = 8  # an unrelated payment comes on about one day in eight
TICKETS = ("Ticket: customer day", "Workshop seat", "Printed handbook", "Certification exam")
STYLES = ("intent_metadata", "intent_description", "charge_description", "suffix", "charge_metadata", "nowhere")

# The Stripe account of each entity: country and home currency.
ENTITIES = {"us": ("US", "usd"), "uk": ("GB", "gbp")}


@dataclass
class Instalment:
    """One payment a buyer means to make: a share of the total in percent, or all that is open when it is None."""

    on: date
    percent: int | None = None
    again: bool = False  # the same amount as before, by mistake
    done: bool = False


@dataclass
class Plan:
    """What a buyer does about one invoice. Amounts are major units."""

    buyer: Buyer
    document: OpenDocument
    instalments: list[Instalment]
    paid: Decimal = Decimal(0)
    last: Decimal = Decimal(0)


class Payers:
    """The buyers of a world, the ledgers in which they see their invoices, and the accounts they pay into."""

    def __init__(self, world: World, ledgers: Sequence[Ledger], accounts: Mapping[str, Account]) -> None:
        self.seed = world.seed
        self.ledgers = ledgers
        self.accounts = accounts
        self.buyers: dict[str, Buyer] = {}
        self.customers: dict[str, str] = {}  # buyer -> Stripe customer
        self._plans: dict[tuple[str, str], Plan] = {}
        for buyer in world.buyers:
            self.buyers.setdefault(_plain(buyer.name), buyer)
        for books in world.old_books.values():
            for customer in books.customers:
                self.buyers.setdefault(_plain(customer.name), customer.buyer)
        self._add_customers(world)

    def _add_customers(self, world: World) -> None:
        """Give four of five buyers a Stripe customer; half of these carry the CRM's id."""
        known = [buyer for buyer in world.buyers if dice(self.seed, "customer", buyer.id) % 5]
        ages = {buyer.id: 1 + dice(self.seed, "age", buyer.id) % 400 for buyer in known}
        for buyer in sorted(known, key=lambda each: (-ages[each.id], each.id)):
            metadata = {"hubspot_company_id": buyer.id} if dice(self.seed, "crm", buyer.id) % 2 else {}
            at = moment(world.today - timedelta(ages[buyer.id]), OPENS)
            fields = {"name": buyer.name, "email": buyer.email, "metadata": metadata}
            made = self.accounts[buyer.entity].add_customer(f"buyer {buyer.id}", at, fields)
            self.customers[buyer.id] = made["id"]

    def act(self, day: date) -> None:
        """Let everybody pay who pays on ``day``, in the order of the day's seconds."""
        seen = {(ledger.name, doc.number): doc for ledger in self.ledgers for doc in ledger.open_documents()}
        for key, document in seen.items():
            buyer = self._buyer(document.customer_name)
            if key not in self._plans and buyer is not None and document.currency == buyer.currency:
                self._plans[key] = Plan(buyer, document, self._instalments(buyer, document, day))
        payments = [*self._due(day, seen), *self._tickets(day)]
        for second, name, entity, order in sorted(payments, key=lambda each: each[:3]):
            self.accounts[entity].pay(name, moment(day, second), order)

    def _buyer(self, name: str) -> Buyer | None:
        bare = name.rpartition(" (")[0] if name.endswith(")") else ""
        return self.buyers.get(_plain(name)) or self.buyers.get(_plain(bare))

    def _instalments(self, buyer: Buyer, document: OpenDocument, day: date) -> list[Instalment]:
        due = max(document.due_on, day)

        def roll(what: str, low: int, high: int) -> int:
            return low + dice(self.seed, what, document.number) % (high - low + 1)

        early = max(day, due - timedelta(roll("early", 0, 3)))
        if buyer.habit == "never":
            return []
        if buyer.habit == "late":
            return [Instalment(due + timedelta(roll("late", 5, 25)))]
        if buyer.habit == "partly":
            return [Instalment(early, percent=roll("share", 40, 60)), Instalment(early + timedelta(20))]
        if buyer.habit == "twice":
            return [Instalment(early), Instalment(early + timedelta(roll("again", 3, 6)), again=True)]
        return [Instalment(early)]

    def _due(self, day: date, seen: Mapping[tuple[str, str], OpenDocument]) -> Iterable[tuple[int, str, str, Order]]:
        for key, plan in self._plans.items():
            for part, instalment in enumerate(plan.instalments):
                if instalment.done or instalment.on > day:
                    continue
                instalment.done = True
                amount = _amount(plan, instalment, seen.get(key))
                order = self._order(plan, amount) if amount > 0 else None
                if order is None or order.amount <= 0:
                    continue
                plan.paid += amount
                plan.last = amount
                name = f"{key[0]} {key[1]} {part}"
                yield OPENS + dice(self.seed, "second", name) % (CLOSES - OPENS), name, plan.buyer.entity, order

    def _order(self, plan: Plan, amount: Decimal) -> Order:
        """Return the payment as this buyer makes it: with which method, under which name, the number where."""
        buyer, number = plan.buyer, plan.document.number
        currency = plan.document.currency.lower()
        method = self._method(buyer, currency)
        minor = minor_units(amount, currency)
        if buyer.habit == "other_name":
            with_number = dice(self.seed, "mentions", number) % 3 == 0
            description = f"Payment for invoice {number}" if with_number else None
            return Order(minor, currency, method, name=buyer.pays_as, description=description)
        customer = self.customers.get(buyer.id)
        exact = customer is not None and buyer.habit in ("on_time", "late")
        style = STYLES[dice(self.seed, "style", number) % (len(STYLES) if exact else len(STYLES) - 1)]
        return Order(
            minor,
            currency,
            method,
            customer=customer,
            name=buyer.pays_as,
            email=buyer.email,
            description=f"Payment for invoice {number}" if style == "intent_description" else None,
            metadata={"invoice_number": number} if style == "intent_metadata" else {},
            charge_description=f"Invoice {number}" if style == "charge_description" else None,
            charge_metadata={"invoice": number} if style == "charge_metadata" else {},
            suffix=number if style == "suffix" else None,
        )

    def _method(self, buyer: Buyer, currency: str) -> str:
        return DEBITS.get(currency, CARD) if dice(self.seed, "method", buyer.id) % 5 < 2 else CARD

    def _tickets(self, day: date) -> Iterable[tuple[int, str, str, Order]]:
        """Yield small card payments that belong to no invoice."""
        for entity, account in self.accounts.items():
            roll = dice(self.seed, "ticket", entity, day)
            if roll % TICKET_EVERY == 0:
                text = TICKETS[roll // 8 % len(TICKETS)]
                amount, source = 4900 + roll // 64 % 150 * 100, {"source": "tickets"}
                order = Order(amount, account.currency, name="Jo Visitor", description=text, metadata=source)
                yield OPENS + roll % (CLOSES - OPENS), f"ticket {day}", entity, order


def _plain(name: str) -> str:
    """Return ``name`` without the differences that ledgers make: case and anything but letters and digits."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _amount(plan: Plan, instalment: Instalment, now: OpenDocument | None) -> Decimal:
    """Return what is paid: never more than is open, unless the buyer pays again by mistake."""
    if instalment.again:
        return plan.last
    if now is None:
        return Decimal(0)
    total = plan.document.balance
    open_ = min(now.balance, total - plan.paid)
    if instalment.percent is None:
        return open_
    share = (total * instalment.percent / 100).quantize(Decimal(1), ROUND_DOWN)
    return min(open_, share or open_)
