"""Runs of jobs. The row of a running job is also its lease: one at a time per job, across processes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from store.database import IntegrityError, Store, to_json

LEASE = timedelta(minutes=10)  # a job that has not proved itself alive for so long may be taken over
KEPT = timedelta(days=90)  # how long the record of a run is kept
Outcome = Literal["done", "partly", "failed"]
State = Literal["ok", "reconnect", "failing", "paused"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a job; ``tally`` is JSON of counts, ``failed`` the connections it could not use.

    ``done`` of ``total`` is how far it had come when last asked.
    """

    id: int
    job: str
    holder: str
    started_at: str
    until: str
    finished_at: str | None
    outcome: str | None
    tally: str
    message: str
    done: int
    total: int
    failed: str = ""


class ConnectionState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a connection works: ok, reconnect (a person must), failing (it may heal by itself), or paused ``until``.

    ``told``: when a person was mailed that it must be made anew.
    """

    name: str
    state: State
    message: str
    since: str
    until: str = ""
    told: str = ""

    def paused(self, now: datetime) -> bool:
        """Say whether it is paused at this moment."""
        return self.state == "paused" and self.until > now.isoformat()


def start(store: Store, job: str, holder: str, now: datetime, *, dead: str = "") -> int | None:
    """Take the lease of ``job`` and return the run's id; None while another process holds it.

    The lease of ``dead``, a holder whose process is known to have stopped, is taken over at once.
    """
    with store.transaction():
        store.execute("DELETE FROM runs WHERE job=? AND finished_at < ?", job, (now - KEPT).isoformat())
        store.execute(
            "UPDATE runs SET outcome='abandoned', finished_at=?, message='its process stopped'"
            " WHERE job=? AND outcome IS NULL AND (until < ? OR holder = ?)",
            now.isoformat(),
            job,
            now.isoformat(),
            dead,
        )
        try:
            return store.insert(
                "runs", job=job, holder=holder, started_at=now.isoformat(), until=(now + LEASE).isoformat()
            )
        except IntegrityError:
            return None


def hand_back(store: Store, now: datetime, why: str, holder: str | None = None) -> int:
    """End the runs of a process, or of all, as they are: whatever they still want to write is refused."""
    return store.execute(
        "UPDATE runs SET outcome='abandoned', finished_at=?, message=?"
        " WHERE outcome IS NULL AND holder=coalesce(?, holder)",
        now.isoformat(),
        why,
        holder,
    )


def holders(store: Store) -> list[str]:
    """Return who runs jobs now."""
    return [name for (name,) in store.tuples("SELECT DISTINCT holder FROM runs WHERE outcome IS NULL")]


def last_moment(store: Store) -> datetime | None:
    """Return the last moment of which a store knows that jobs were at work."""
    found = store.one("SELECT max(coalesce(finished_at, started_at)) FROM runs")
    return None if found is None else datetime.fromisoformat(found)


def holder(store: Store, job: str) -> str | None:
    """Return who runs ``job`` now."""
    found = store.one("SELECT holder FROM runs WHERE job=? AND outcome IS NULL", job)
    return None if found is None else str(found)


def prolong(store: Store, run_id: int, now: datetime, done: int = 0, total: int = 0) -> None:
    """Prove that the job is alive, and say how far it has come: its lease lasts from now."""
    store.execute(
        "UPDATE runs SET until=?, done=?, total=? WHERE id=? AND outcome IS NULL",
        (now + LEASE).isoformat(),
        done,
        total,
        run_id,
    )


def finish(
    store: Store, run_id: int, now: datetime, outcome: Outcome, tally: dict[str, int], message: str = "",
    failed: Iterable[str] = (),
) -> None:  # fmt: skip
    """Give the lease back with the result."""
    store.execute(
        "UPDATE runs SET finished_at=?, outcome=?, tally=?, message=?, failed=? WHERE id=? AND outcome IS NULL",
        now.isoformat(),
        outcome,
        to_json(tally),
        message,
        " ".join(failed),
        run_id,
    )


def last_read(store: Store, job: str, connection: str) -> datetime | None:
    """Return when the latest run of ``job`` began that could use ``connection``; None when there is none.

    A run that failed in part says which connections it could not use; one that does not say so counts for none.
    """
    found = store.tuples(
        "SELECT started_at FROM runs WHERE job=? AND (outcome='done' OR (outcome='partly' AND failed<>''"
        " AND instr(' ' || failed || ' ', ' ' || ? || ' ')=0)) ORDER BY id DESC LIMIT 1",
        job,
        connection,
    )
    return datetime.fromisoformat(found[0][0]) if found else None


def failed_since(store: Store, job: str, connection: str, since: datetime | None) -> list[tuple[datetime, str]]:
    """Return when runs of ``job`` began that could not use ``connection``, and what they said; the newest first."""
    found = store.tuples(
        "SELECT started_at, message FROM runs WHERE job=? AND started_at > ? AND (outcome='failed' OR (outcome='partly'"
        " AND instr(' ' || failed || ' ', ' ' || ? || ' ')>0)) ORDER BY id DESC",
        job,
        "" if since is None else since.isoformat(),
        connection,
    )
    return [(datetime.fromisoformat(at), message) for at, message in found]


def latest(store: Store) -> dict[str, Run]:
    """Return the latest run of each job."""
    found = store.rows(Run, "SELECT * FROM runs WHERE id IN (SELECT max(id) FROM runs GROUP BY job)")
    return {run.job: run for run in found}


def last_start(store: Store, job: str) -> datetime | None:
    """Return when the latest run of ``job`` began, however it went; None when it never ran."""
    found = store.one("SELECT started_at FROM runs WHERE job=? ORDER BY id DESC LIMIT 1", job)
    return None if found is None else datetime.fromisoformat(found)


def connection_states(store: Store) -> dict[str, ConnectionState]:
    """Return the state of every connection that was used."""
    return {row.name: row for row in store.rows(ConnectionState, "SELECT * FROM connections ORDER BY name")}


def connection_state(store: Store, name: str) -> ConnectionState | None:
    """Return the state of one connection; None before it is used."""
    return store.first(ConnectionState, "SELECT * FROM connections WHERE name=?", name)


def set_connection_state(
    store: Store, name: str, state: State, message: str, now: datetime, until: datetime | None = None
) -> bool:
    """Note a connection's state where it differs from what is known; return whether it did. ``until``: of a pause."""
    known = connection_state(store, name)
    ends = until.astimezone(UTC).isoformat() if until is not None else ""
    if known is not None and (known.state, known.until) == (state, ends):
        return False
    store.execute(
        "INSERT INTO connections (name, state, message, since, until) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO"
        " UPDATE SET state=excluded.state, message=excluded.message, since=excluded.since, until=excluded.until,"
        " told=''",
        name,
        state,
        message,
        now.isoformat(),
        ends,
    )
    return True


def tell(store: Store, name: str, now: datetime | None) -> None:
    """Note that a person is mailed about a connection that must be made anew; None: the mail surely did not go out."""
    store.execute("UPDATE connections SET told=? WHERE name=?", "" if now is None else now.isoformat(), name)
