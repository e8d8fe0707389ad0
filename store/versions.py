"""Every version of a contract's terms: what was in force, since when we knew it, and who said so why."""

from __future__ import annotations

from datetime import datetime

import msgspec

from billing.terms import Terms
from store.audit import Actor
from store.database import Store, to_json


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a contract's terms; the amendments in them say themselves from when they hold.

    ``known_at`` is the moment (UTC) from which billing reckoned with it.
    """

    contract: str
    version: int
    known_at: datetime
    actor: str
    reason: str
    terms: str

    @property
    def agreed(self) -> Terms:
        """The terms of this version."""
        return msgspec.json.decode(self.terms, type=Terms)


def add(store: Store, actor: Actor, version: int, terms: Terms, reason: str) -> None:
    """Keep a version for ever. Call inside the transaction that puts it in force."""
    store.insert(
        "contract_versions",
        contract=terms.contract,
        version=version,
        known_at=actor.at.isoformat(),
        actor=actor.name,
        reason=reason,
        terms=to_json(terms),
    )


def of(store: Store, contract: str) -> list[Version]:
    """Return the versions of a contract's terms, oldest first."""
    return store.rows(Version, "SELECT * FROM contract_versions WHERE contract=? ORDER BY version", contract)
