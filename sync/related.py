"""Which contract an upsell or renewal deal belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mappings.apply import Mapped
from store.contracts import ContractRow
from store.review import Finding

STANDALONE = "standalone"  # the answer that a deal belongs to no other


class Related:
    """The contracts of a CRM by customer, and by what a salesperson may call them."""

    def __init__(self, rows: Iterable[ContractRow]) -> None:
        self._by_customer: dict[int, list[ContractRow]] = defaultdict(list)
        self._by_name: dict[str, ContractRow] = {}
        for row in rows:
            self.add(row)

    def add(self, row: ContractRow) -> None:
        """Note a contract that is new."""
        self._by_customer[row.customer_id].append(row)
        self._by_name |= {row.deal_id: row, row.key: row}

    def base(
        self, mapped: Mapped, customer_id: int, row: ContractRow | None, answer: str
    ) -> ContractRow | list[ContractRow] | None:
        """Return the contract that a deal amends or renews, None when it stands alone, or all that may be meant.

        In this order: a person's answer; what the deal names (its deal's id or address, or its key); the one that was
        found before; the only contract of the same customer, legal entity and currency that fits. A renewal without
        exactly one predecessor simply stands alone; an amendment without any does, too.
        """
        if answer:
            return None if answer == STANDALONE else self._by_name.get(answer)
        fitting = [one for one in self._by_customer[customer_id] if _fits(mapped, one)]
        if mapped.relates_to:
            return self._by_name.get(mapped.relates_to.rstrip("/").rpartition("/")[2], fitting)
        kept = [one for one in fitting if row is not None and one.key == row.relates_to]
        if kept or len(fitting) < 2:
            return next(iter(kept or fitting), None)
        return fitting if mapped.relation == "amendment" else None


def _fits(mapped: Mapped, other: ContractRow) -> bool:
    """Say whether a deal may amend (or renew) a contract: it runs when the deal starts (or began before)."""
    if other.deal_id == mapped.deal_id or other.relation == "amendment" or other.state in ("parked", "closed"):
        return False
    terms, starts_on = other.agreed, mapped.terms.starts_on
    if (other.entity, terms.currency) != (mapped.entity, mapped.terms.currency):
        return False
    if mapped.relation == "renewal":
        return terms.starts_on < starts_on
    return terms.starts_on <= starts_on and (terms.ends_on is None or starts_on <= terms.ends_on)


def base_finding(mapped: Mapped, key: str, fitting: list[ContractRow]) -> Finding:
    """Ask a person which contract is meant."""
    listed = ", ".join(f"{one.key} {one.name!r}" for one in fitting) or "none"
    doubt = f"names {mapped.relates_to!r}, which is no contract here" if mapped.relates_to else "may belong to several"
    return Finding(
        code="which_contract",
        subject=f"contract:{key}",
        message=f"Deal {mapped.deal_id} {mapped.deal_name!r} is a {mapped.relation} and {doubt}"
        f"; the customer's contracts that fit: {listed}",
        fix="base=KEY: that contract; standalone: none of them; or name it in the deal. Until then it is not billed",
        actions=("base", STANDALONE),
    )
