"""Which customer of a ledger is which of ours: certain, undecided (a person says), or nobody there yet.

In this order: a stored link; the ledger's id kept in the CRM; our own key kept at the ledger; the one customer of
exactly that name with the same tax id or mail domain. Whoever merely resembles ours is shown to a person, and until
then nothing is booked: a wrong customer is worse than a late invoice.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
from rapidfuzz import fuzz, process, utils

from billing.customer import Customer
from connectors.base import LedgerCustomer
from store import ledger, links
from store.database import Store
from store.links import CustomerRow
from store.review import Finding, Item
from sync.context import Context

ALIKE = 90.0  # percent from which two names resemble each other, legal forms and the order of words aside
KEY_LENGTH = 50  # what a ledger keeps of our key
MOST_SHOWN = 4
SOME = 1000  # customers that are in memory at once
_FREE_MAIL = (  # whose domain says nothing of a company
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com",
    "aol.com", "gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com",
)  # fmt: skip
_FORMS = (  # words of a name that tell only the legal form, or nothing
    "inc", "incorporated", "corp", "corporation", "co", "company", "llc", "llp", "lp", "ltd", "limited", "plc", "pllc",
    "gmbh", "ag", "kg", "ohg", "ug", "se", "sa", "sas", "sarl", "srl", "spa", "bv", "nv", "ab", "as", "oy", "aps",
    "pty", "pvt", "the", "holding", "holdings", "group",
)  # fmt: skip
_CURRENCY = re.compile(r" \(([A-Z]{3})\)$")


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a customer at a ledger. ``theirs``: the one that is meant, or all that may be."""

    how: Literal["linked", "certain", "undecided", "new"]
    theirs: tuple[LedgerCustomer, ...] = ()
    why: str = ""


class Identity:
    """The customers of one ledger as last read, indexed by what identifies them."""

    def __init__(self, context: Context, connection: str) -> None:
        store = context.store
        found = [item for item in ledger.objects(store, connection, "customer", LedgerCustomer) if item.active]
        self._linked = links.by_ours(store, connection, "customer")
        self._ours = links.by_vendor(store, connection, "customer")
        self._apart = links.separations(store, connection)
        self._by_id = {item.ref.id: item for item in found}
        self._by_key: dict[str, list[LedgerCustomer]] = defaultdict(list)
        self._by_name: dict[str, list[LedgerCustomer]] = defaultdict(list)
        self._by_tax_id: dict[str, list[LedgerCustomer]] = defaultdict(list)
        self._by_domain: dict[str, list[LedgerCustomer]] = defaultdict(list)
        for item in found:
            self._by_key[item.key].append(item)
            self._by_name[_exact(plain_name(item))].append(item)
            self._by_tax_id[_plain(item.tax_id)].append(item)
            self._by_domain[domain_of(item.email)].append(item)
        for index in (self._by_name, self._by_tax_id, self._by_domain):
            index.pop("", None)
        ours = ((_key(crm, crm_id), our_id) for our_id, crm, crm_id in links.crm_ids(store))
        self._keys = {key: our_id for key, our_id in ours if key in self._by_key}
        self._names = {item.ref.id: loose(plain_name(item)) for item in found}

    def match(self, row: CustomerRow, currency: str) -> Match:
        """Find one of our customers, for documents in ``currency``."""
        if (row.id, currency) in self._linked:
            return Match(how="linked")
        for theirs, why in self._certain(row, currency):
            if theirs is not None and self._fits(theirs, row, currency):
                return Match(how="certain", theirs=(theirs,), why=why)
        return self._by_resemblance(row, currency)

    def _certain(self, row: CustomerRow, currency: str) -> Iterable[tuple[LedgerCustomer | None, str]]:
        own = [self._by_id.get(link.vendor_id) for (our_id, _), link in self._linked.items() if our_id == row.id]
        yield next((item for item in own if item is not None and not item.currency), None), "linked in another currency"
        yield self._by_id.get(row.customer.ledger_id), "its id is kept in the CRM"
        for item in self._by_key.get(key_of(row), ()):
            yield item, "it bears our key"
        same_name = self._others(self._by_name.get(_exact(row.customer.name), ()), row, currency)
        if len(same_name) == 1 and (witness := _witness(row.customer, same_name[0])):
            yield same_name[0], f"same name and same {witness}"

    def _by_resemblance(self, row: CustomerRow, currency: str) -> Match:
        ours = row.customer
        found = {
            item.ref.id: item
            for items in (
                self._by_name.get(_exact(ours.name), ()),
                self._by_tax_id.get(_plain(ours.tax_id), ()),
                self._by_domain.get(_company_domain(ours), ()),
                self._alike(ours.name),
            )
            for item in self._others(items, row, currency)
        }
        if not found:
            return Match(how="new")
        return Match(how="undecided", theirs=tuple(found.values()), why="it resembles, but that is not certain")

    def _alike(self, name: str) -> list[LedgerCustomer]:
        wanted = loose(name)
        alike = process.extract(wanted, self._names, scorer=fuzz.ratio, score_cutoff=ALIKE, limit=MOST_SHOWN)
        return [self._by_id[vendor_id] for _, _, vendor_id in alike] if wanted else []

    def _others(self, items: Iterable[LedgerCustomer], row: CustomerRow, currency: str) -> list[LedgerCustomer]:
        return [item for item in items if self._fits(item, row, currency)]

    def _fits(self, item: LedgerCustomer, row: CustomerRow, currency: str) -> bool:
        """Leave out who takes another currency, is another customer of ours, or was called different."""
        if item.currency not in ("", currency) or (row.id, item.ref.id) in self._apart:
            return False
        return self._ours.get(item.ref.id, row.id) == row.id == self._keys.get(item.key, row.id)


def key_of(row: CustomerRow) -> str:
    """Return our mark of a customer, as ledgers keep it."""
    return _key(row.crm, row.crm_id)


def _key(crm: str, crm_id: str) -> str:
    return f"{crm}-{crm_id}"[:KEY_LENGTH]


def link_certain(context: Context, connection: str, wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Match]:
    """Link the (customer, currency) pairs that are certain; return the undecided ones with what may be meant."""
    found = dict(_matched(Identity(context, connection), context.store, sorted(wanted)))
    claims = Counter((match.theirs[0].ref.id, key[1]) for key, match in found.items() if match.how == "certain")
    for key, match in found.items():
        if match.how == "certain" and claims[match.theirs[0].ref.id, key[1]] > 1:
            why = "several customers of ours would be this one"
            found[key] = Match(how="undecided", theirs=match.theirs, why=why)
    certain = {key: match for key, match in found.items() if match.how == "certain"}
    with context.store.transaction():
        for (our_id, currency), match in certain.items():
            theirs = match.theirs[0].ref.id
            links.link_customer(context.store, context.actor, connection, theirs, our_id, [currency], match.why)
    context.count("customers linked", len(certain))
    return {key: match for key, match in found.items() if match.how == "undecided"}


def _matched(
    identity: Identity, store: Store, wanted: Sequence[tuple[int, str]]
) -> Iterator[tuple[tuple[int, str], Match]]:
    """Yield whom the ledger holds of those wanted, for certain or perhaps."""
    for start in range(0, len(wanted), SOME):
        some = wanted[start : start + SOME]
        customers = links.customers_among(store, {one for one, _ in some})
        for one, currency in some:
            match = identity.match(customers[one], currency)
            if match.how in ("certain", "undecided"):
                yield (one, currency), match


def undecided_item(connection: str, row: CustomerRow, currency: str, match: Match) -> Finding:
    """Return the review item that shows both sides of a match."""
    ours = row.customer
    shown = "; ".join(_told(item) for item in match.theirs[:MOST_SHOWN])
    ids = " ".join(item.ref.id for item in match.theirs[:MOST_SHOWN])
    link = "link" if len(match.theirs) == 1 else f"link=ID ({ids.replace(' ', ' or ')})"
    return Finding(
        code="customer_match",
        subject=f"customer:{row.id}",
        detail=f"{connection} {currency} {ids}",
        message=(
            f"{ours.name!r} ({currency}, domain {ours.domain or 'none'}, tax id {ours.tax_id or 'none'})"
            f" may be at {connection} already: {shown}"
        ),
        fix=f"{link}: it is the same; separate: it is another, and gets a customer of its own; until then it waits",
        actions=("link", "separate"),
    )


def _told(item: LedgerCustomer) -> str:
    return f"{item.name!r} (id {item.ref.id}, mail {item.email or 'none'}, tax id {item.tax_id or 'none'})"


def _witness(ours: Customer, theirs: LedgerCustomer) -> str:
    """Say what beside the name agrees, empty when nothing does; a tax id that differs counts against all else."""
    own_tax_id, their_tax_id = _plain(ours.tax_id), _plain(theirs.tax_id)
    if own_tax_id and their_tax_id:
        return "tax id" if own_tax_id == their_tax_id else ""
    domain = _company_domain(ours)
    return "mail domain" if domain and domain == domain_of(theirs.email) else ""


def _company_domain(ours: Customer) -> str:
    domain = ours.domain.lower()
    return "" if domain in _FREE_MAIL else domain


def domain_of(email: str) -> str:
    """Return the domain of a mail address in small letters, empty where it tells nothing of a company."""
    domain = email.rpartition("@")[2].strip().lower()
    return "" if domain in _FREE_MAIL else domain


def plain_name(item: LedgerCustomer) -> str:
    """Return the name without the currency that tells customers of one company apart."""
    match = _CURRENCY.search(item.name)
    return item.name[: match.start()] if match and match[1] == item.currency else item.name


def _exact(name: str) -> str:
    return " ".join(name.casefold().split())


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text)).upper()


def loose(name: str) -> str:
    """Return a name as it is compared: words in order of the alphabet, without legal forms."""
    words = utils.default_process(name.replace(".", "")).split()
    kept = [word for word in words if word not in _FORMS]
    return " ".join(sorted(kept or words))


def shown(item: Item) -> tuple[str, str, list[str]]:
    """Return what a review item of ours is about: connection, currency, and the ids at the ledger that it showed."""
    connection, currency, *ids = item.detail.split(" ")
    return connection, currency, ids
