"""Terms that a person writes: a file in place of those in force, an amendment, a line, a contract without a deal.

Each is worked out first, to be shown with what it would bill, and put in force by ``put`` or ``add``.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from decimal import Decimal
from itertools import pairwise

import msgspec
from rapidfuzz import process

from billing.customer import Customer
from billing.facts import Facts
from billing.invoicing import bill
from billing.reading.terms_toml import terms_toml
from billing.terms import Amendment, OneTime, Terms
from billing.terms_file import Fault, TermsFile, TermsFileError, load_terms_file
from store import contracts, links, versions
from store.audit import Actor
from store.contracts import MANUAL, ContractRow
from store.database import Store
from store.versions import Version
from sync import proposals
from sync.context import Context

_ADHOC = "adhoc-"
_NUMBERED = re.compile(r"amendments\[(\d+)\]")


def find(store: Store, key: str) -> ContractRow:
    """Return a contract; raises ``ValueError`` with the nearest name when there is none."""
    row = contracts.get(store, key)
    if row is None:
        best = process.extractOne(key, contracts.keys(store), score_cutoff=60)
        near = f": did you mean {best[0]}?" if best else "; `netterms report contracts` lists them"
        raise ValueError(f"there is no contract {key!r}{near}")
    return row


def history(store: Store, contract: str) -> list[tuple[Version, str]]:
    """Return the versions of a contract's terms with what each changed, the newest first."""
    found = versions.of(store, contract)
    changes = [proposals.difference(before.agreed, after.agreed) for before, after in pairwise(found)]
    return list(zip(reversed(found), [*reversed(changes), "as first known"], strict=True)) if found else []


def replacing(row: ContractRow, file: TermsFile) -> Terms:
    """Return the terms of a file that are to replace a contract's. Raises ``TermsFileError``."""
    agreed, given = row.agreed, file.terms
    faults = [
        Fault(name, f"is {written!r}, but the contract's is {known!r}", "Leave it as `netterms terms show` prints it.")
        for name, written, known in (
            ("contract", given.contract, row.key),
            ("customer", given.customer, agreed.customer),
            ("currency", given.currency, agreed.currency),
        )
        if written != known
    ]
    if faults:
        raise TermsFileError(file.source, faults)
    return given


def amending(row: ContractRow, text: str, source: str, today: date) -> Terms:
    """Return a contract's terms with the ``[[amendments]]`` of a file; one that does not say so is known since today.

    Raises ``TermsFileError`` with every fault of the file.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TermsFileError(source, [Fault("TOML", str(error), "Correct the line.")]) from None
    others = [name for name in data if name != "amendments"]
    if others or not data:
        faults = [Fault(name, "is not known here", "Write [[amendments]] tables and nothing else.") for name in others]
        raise TermsFileError(source, faults or [Fault("amendments", "is missing", "Write an [[amendments]] table.")])
    agreed = row.agreed
    known = len(agreed.amendments)
    try:
        read = load_terms_file(f"{terms_toml(agreed)}\n{text}", source).terms.amendments
    except TermsFileError as error:
        raise TermsFileError(source, [_of_file(fault, known) for fault in error.faults]) from None
    new = tuple(one if one.known_on else msgspec.structs.replace(one, known_on=today) for one in read[known:])
    return msgspec.structs.replace(agreed, amendments=(*agreed.amendments, *new))


def _of_file(fault: Fault, known: int) -> Fault:
    """Return a fault with its amendment counted as in the file, where ``known`` others come before it."""
    match = _NUMBERED.match(fault.path)
    if match is None:
        return fault
    number = int(match[1]) - known
    path = f"amendments[{number}]" if number >= 0 else f"the contract's amendments[{match[1]}]"
    return Fault(path + fault.path[match.end() :], fault.message, fault.remedy)


def with_line(
    row: ContractRow, *, description: str, price: Decimal, quantity: Decimal, tax_class: str, on: date, today: date
) -> Terms:
    """Return a contract's terms with one more line, billed once on a day: an amendment that adds a one-time charge.

    Raises ``ValueError`` for a price or quantity that no charge can have.
    """
    agreed = row.agreed
    used = [one.key for one in agreed.amendments if one.key.startswith(_ADHOC)]
    key = f"{_ADHOC}{1 + max((int(name) for one in used if (name := one.removeprefix(_ADHOC)).isdigit()), default=0)}"
    charge = OneTime(
        key=key, description=description, price=price, quantity=quantity, tax_class=tax_class, on=on
    )  # fmt: skip
    line = Amendment(key=key, effective_on=on, known_on=today, description=description, add=(charge,))
    return msgspec.structs.replace(agreed, amendments=(*agreed.amendments, line))


def put(store: Store, actor: Actor, row: ContractRow, terms: Terms, reason: str) -> None:
    """Put terms that a person wrote in force; they stand while the contract's deal says what it does now."""
    with store.transaction():
        contracts.replace_terms(store, actor, row, terms, reason, by_hand=True)


# ------------------------------------------------------------------------------------------------- without a deal


def customer_of(store: Store, name: str) -> int | None:
    """Return the customer of this CRM id or name, None when there is none; raises ``ValueError`` for several."""
    found = links.named(store, name)
    if len(found) > 1:
        raise ValueError(f"{name!r} is the name of several customers: write the company's id in the CRM")
    return found[0] if found else None


def effect_of_new(context: Context, entity: str, terms: Terms) -> str:
    """Say what a new contract bills today. Raises ``BrokenInvariant``, ``ArithmeticError`` or ``ValueError``."""
    rules, facts = context.world.entities[entity].rules, Facts(indices=context.world.indices)
    return proposals.in_words(bill(terms, [], today=context.today(entity), rules=rules, facts=facts))


def add(store: Store, actor: Actor, terms: Terms, *, entity: str, customer: int | Customer) -> None:
    """Add a contract without a deal, for a customer that is known or for a new one.

    Raises ``ValueError`` when its key is taken.
    """
    if contracts.get(store, terms.contract) is not None:
        raise ValueError(f"there is a contract {terms.contract!r} already: give the new one another key")
    with store.transaction():
        if isinstance(customer, Customer):
            customer = links.save_customer(store, actor, MANUAL, terms.contract, customer)
        contracts.create(
            store,
            actor,
            terms,
            entity=entity,
            customer_id=customer,
            crm=MANUAL,
            deal_id=terms.contract,
            name=terms.contract,
        )
