"""Review items: what a person must decide. An item closes by itself when its job no longer finds the cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from store import audit
from store.audit import Actor
from store.database import Store


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a job could not do: for whom, why, what would mend it, and what a person may decide.

    ``subject`` and ``detail`` name the cause; the same cause found again is the same item.
    """

    code: str
    subject: str
    message: str
    fix: str
    detail: str = ""
    actions: tuple[str, ...] = ("dismiss",)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A stored review item."""

    id: int
    job: str
    code: str
    subject: str
    detail: str
    message: str
    fix: str
    actions: str
    state: Literal["open", "dismissed", "closed"]
    owner: str = ""

    @property
    def choices(self) -> list[str]:
        """The actions open to a person."""
        return self.actions.split()


def record(store: Store, actor: Actor, job: str, findings: Sequence[Finding], *, complete: bool) -> tuple[int, int]:
    """Make the job's open items equal to what it found; return how many were opened and closed.

    Call inside a transaction. A dismissed item stays dismissed while its cause stays. When the job was not
    ``complete``, what it did not find again may still be there, so nothing is closed.
    """
    known = {(i.code, i.subject, i.detail): i for i in store.rows(Item, "SELECT * FROM reviews WHERE job=?", job)}
    opened = closed = 0
    for finding in {(f.code, f.subject, f.detail): f for f in findings}.values():
        item = known.pop((finding.code, finding.subject, finding.detail), None)
        opened += _open(store, actor, job, finding, item)
    for item in known.values() if complete else ():
        if item.state != "closed":
            store.execute("UPDATE reviews SET state='closed' WHERE id=?", item.id)
            audit.write(store, actor, "review closed", f"review:{item.id}", reason="its cause is gone")
            closed += 1
    return opened, closed


def _open(store: Store, actor: Actor, job: str, finding: Finding, item: Item | None) -> int:
    actions = " ".join(finding.actions)
    if item is None:
        new = store.insert(
            "reviews",
            job=job,
            code=finding.code,
            subject=finding.subject,
            detail=finding.detail,
            message=finding.message,
            fix=finding.fix,
            actions=actions,
            state="open",
        )
        audit.write(store, actor, "review opened", f"review:{new}", after=finding)
        return 1
    text = (finding.message, finding.fix, actions)
    if (item.message, item.fix, item.actions) != text:
        store.execute("UPDATE reviews SET message=?, fix=?, actions=?, state='open' WHERE id=?", *text, item.id)
        audit.write(store, actor, "review changed", f"review:{item.id}", after=finding)
        return int(item.state != "open")
    if item.state == "closed":
        store.execute("UPDATE reviews SET state='open' WHERE id=?", item.id)
        audit.write(store, actor, "review opened", f"review:{item.id}", after=finding)
        return 1
    return 0


def open_items(store: Store) -> list[Item]:
    """Return the items that wait for a person, oldest first."""
    return store.rows(Item, "SELECT * FROM reviews WHERE state='open' ORDER BY id")


def of_job(store: Store, job: str) -> list[Item]:
    """Return what a job found and finds still, dismissed or not, oldest first."""
    return store.rows(Item, "SELECT * FROM reviews WHERE job=? AND state<>'closed' ORDER BY id", job)


def about_contracts(store: Store, job: str) -> dict[str, dict[str, Literal["open", "dismissed"]]]:
    """Return what a job found about contracts: by their key the codes, and whether one is open or all are dismissed."""
    found: dict[str, dict[str, Literal["open", "dismissed"]]] = {}
    sql = "SELECT substr(subject, 10), code, state FROM reviews WHERE job=? AND state<>'closed' AND subject LIKE ?"
    for key, code, state in store.tuples(f"{sql} ORDER BY state", job, "contract:%"):
        found.setdefault(key, {})[code] = state  # what is open comes last, and counts
    return found


def get(store: Store, item_id: int) -> Item | None:
    """Return one item."""
    return store.first(Item, "SELECT * FROM reviews WHERE id=?", item_id)


def give_to(store: Store, actor: Actor, item: Item, owner: str) -> None:
    """Say who looks after an item; empty: nobody any more. Call inside a transaction."""
    if owner != item.owner:
        store.execute("UPDATE reviews SET owner=? WHERE id=?", owner, item.id)
        audit.write(store, actor, "owner", f"review:{item.id}", before={"owner": item.owner}, after={"owner": owner})


def decide(store: Store, actor: Actor, item: Item, action: str, reason: str) -> None:
    """Note a person's decision on an item: dismissed, or closed because the decision mends its cause."""
    state = "dismissed" if action == "dismiss" else "closed"
    store.execute("UPDATE reviews SET state=? WHERE id=?", state, item.id)
    audit.write(store, actor, f"review {action}", f"review:{item.id}", before={"subject": item.subject}, reason=reason)
