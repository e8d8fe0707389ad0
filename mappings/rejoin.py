"""Line items that were replaced in the CRM keep the key under which they were billed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date

import msgspec

from billing.charges import own_start
from billing.terms import Charge, Terms

_Likeness = tuple[str, ...]


class KnownCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge already known of a contract. ``starts_on``: its own start (``on`` if one-time); None: the contract's."""

    key: str
    sku: str
    starts_on: date | None
    description: str


def known_charges(terms: Terms) -> tuple[KnownCharge, ...]:
    """Return the charges of terms as ``apply`` wants them the next time the deal is read."""
    return tuple(_known(charge) for charge in terms.charges)


def rejoin(charges: Sequence[Charge], starts_on: date, known: Sequence[KnownCharge]) -> list[Charge]:
    """Give a charge with a new key the key of the one known charge it replaces: same SKU (or text) and start.

    ``starts_on`` is the contract's. Where several could be meant, those with the same description are paired; what
    stays ambiguous keeps its new key.
    """
    present, billed = {charge.key for charge in charges}, {charge.key for charge in known}
    gone = [charge for charge in known if charge.key not in present]
    fresh = [_known(charge) for charge in charges if charge.key not in billed]
    keys: dict[str, str] = {}
    for alike in (_same_product, _same_text):
        old_by, new_by = _grouped(gone, alike, starts_on), _grouped(fresh, alike, starts_on)
        for likeness, new in new_by.items():
            old = old_by.get(likeness, [])
            if len(old) == len(new) == 1:
                keys[new[0].key] = old[0].key
        gone = [charge for charge in gone if charge.key not in keys.values()]
        fresh = [charge for charge in fresh if charge.key not in keys]
    return [msgspec.structs.replace(charge, key=keys.get(charge.key, charge.key)) for charge in charges]


def _known(charge: Charge) -> KnownCharge:
    start = own_start(charge)
    return KnownCharge(key=charge.key, sku=charge.product, starts_on=start, description=charge.description)


def _same_product(charge: KnownCharge, contract_start: date) -> _Likeness:
    return charge.sku or f"text {charge.description}", (charge.starts_on or contract_start).isoformat()


def _same_text(charge: KnownCharge, contract_start: date) -> _Likeness:
    return *_same_product(charge, contract_start), charge.description


def _grouped(
    charges: Iterable[KnownCharge], alike: Callable[[KnownCharge, date], _Likeness], contract_start: date
) -> dict[_Likeness, list[KnownCharge]]:
    groups: dict[_Likeness, list[KnownCharge]] = defaultdict(list)
    for charge in charges:
        groups[alike(charge, contract_start)].append(charge)
    return groups
