"""Planted bugs: what the scoreboard must find. A tooth is a change of our code and the scenarios that must notice it.

"0 violations" proves nothing of a simulator that could not find any. Each bug is planted by replacing functions while
scenarios run, which pass without it; it is caught when one of them does not pass with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from benchmarks.simulator import calls, clock, disk, people, processes, restored, stories, tokens, upgrades
from benchmarks.simulator.provoked import (
    AFTER_INVOICE,
    AFTER_MAIL,
    AFTER_PAYMENT,
    acknowledged,
    answers_lost,
    cents,
    dies_at,
    fenced,
    held_lock,
    issued,
    number_taken,
    overpaid,
    posted_and_read,
    refused_once,
    typed,
    voided_and_billed,
    whole,
)
from benchmarks.simulator.stories import Scenario
from benchmarks.simulator.wire import Step
from connectors import http
from connectors.base import LedgerDocument
from connectors.errors import AuthExpired, OutcomeUnknown, Retryable
from connectors.oauth import OAuthToken, Token
from store import audit, cash, contracts, deals, dialect, inbox, invoices, links, mail, outbox, planned, runs, schema
from store.database import Store
from store.tokens import Tokens
from sync import books, issue_invoices, mailing, offer_payment_pages, pull_ledger, push_documents, refunding, reversing
from sync.context import Context
from sync.paper import dated
from sync.postings import key_of


class Tooth(NamedTuple):
    """A planted bug, what plants it, and what must notice."""

    name: str
    plant: Sequence[Any]  # patches
    scenarios: Sequence[Scenario]

    def caught(self) -> bool:
        """Say whether a scenario fails because of it."""
        with ExitStack() as stack:
            for one in self.plant:
                stack.enter_context(one)
            return any(not passes(scenario) for scenario in self.scenarios)


def passes(scenario: Scenario) -> bool:
    """Say whether a scenario ends as it must; one that does not end at all did not pass."""
    try:
        return scenario().survived
    except Exception:
        return False


# ---------------------------------------------------------------------------------------------------------- the bugs


_mark, _mark_sending = outbox.mark, outbox.mark_sending


def _absent_once(store: Store, intents: Any, now: datetime) -> None:
    """Take what was not found once for undone: it goes out again, under another key."""
    _mark(store, intents, "new", keep_key=False)


def _not_noted(store: Store, intents: Any, *more: Any) -> None:
    """Call without having committed to it."""


def _noted_as_done(store: Store, intents: Any, *more: Any) -> None:
    """Commit that it is done, then call."""
    _mark_sending(store, intents, *more)
    _mark(store, intents, "done")


def _taken_for_undone(store: Store, intents: Any, state: Any, *more: Any, **named: Any) -> None:
    """Take an unknown outcome for none: it goes out again without a look."""
    if state == "uncertain":
        _mark(store, intents, "new", "", keep_key=False)
    else:
        _mark(store, intents, state, *more, **named)


def _cursor_before_rows(context: Context, connection: str, changes: Any, *, complete: bool) -> None:
    """Move the cursor in a transaction of its own, before the rows it covers are stored."""
    with context.store.transaction():
        deals.set_cursor(context.store, connection, books.STREAM, changes.cursor)
    _store_changes(context, connection, changes, complete=complete)


_store_changes = books._store


@contextmanager
def _deferred(connection: Any) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _naive_today(context: Context, entity: str) -> date:
    return context.world.now().astimezone(UTC).date()


def _float_rounding(value: Any, below: Any = 1) -> int:
    """Round as floats do."""
    return round(float(value) / float(below))


ROUNDS = ("kinds.recurring.round_half_away", "kinds.recurring.round_ratio", "pricing.round_half_away",
          "money.round_ratio", "money.round_half_away")  # fmt: skip


@contextmanager
def _unfenced(store: Store) -> Iterator[None]:
    with dialect.transaction(store._connection):
        yield


def _always_mine(store: Store, job: str, holder: str, now: datetime, *, dead: str = "") -> int:
    store.execute("UPDATE runs SET outcome='abandoned' WHERE job=? AND outcome IS NULL", job)
    return store.insert("runs", job=job, holder=holder, started_at=now.isoformat(), until=now.isoformat())


_take_number = invoices.take_number


def _number_on_its_own(context: Context, entity: Any, row: Any, draft: Any, payment_terms: str, lost: Any) -> None:
    """Take the number in a transaction of its own."""
    final = dated(draft, payment_terms, context.today(entity.key))
    prefix = entity.number_prefix if row.type == "invoice" else entity.credit_prefix
    with context.store.transaction():
        number = _take_number(context.store, entity.key, prefix, entity.number_digits)
    with context.store.transaction():
        invoices.issue(context.store, context.actor, row, final, number)
        planned.issued(context.store, list(invoices.slices_of(final)))


def _remembered_for_ever(store: Store, rules: str, found: Any) -> None:
    _remember(store, rules, [one._replace(next_on=None) for one in found])


_remember = planned.remember


def _mails_forgotten(store: Store, steps: Sequence[str]) -> int:
    marks = ", ".join("?" * len(steps))
    return store.execute(f"DELETE FROM mails WHERE state='sending' AND step IN ({marks})", *steps)


def _applied_without_open(store: Store, document_id: int) -> None:
    """Leave the open amount as it is."""


def _unbounded(store: Store, actor: Any, payment: Any, parts: Any, reason: str) -> None:
    """Apply what is asked for, whatever is left."""
    for document_id, _ in parts:
        store.insert(
            "applications", payment_id=payment.id, document_id=document_id, amount=payment.amount, reason=reason
        )
        invoices.recompute_open(store, document_id)
        audit.write(store, actor, "applied", f"document:{document_id}", after={"payment": payment.vendor_id})


_write_many = audit.write_many


def _unaudited(store: Store, actor: Any, doings: Any) -> None:
    _write_many(store, actor, [one for one in doings if one.action not in ("issued", "applied")])


def _unchained(store: Store) -> tuple[int, str]:
    number = store.one("SELECT coalesce(max(n), 0) FROM audit")
    return int(number), ""


def _took_all_as_typed(context: Context, entity: Any, connection: str) -> None:
    """Take payments of ours in the books for money of its own."""
    with patch.object(links, "by_vendor", _without_payments):
        _take_payments(context, entity, connection)


_take_payments = pull_ledger._take_payments
_by_vendor = links.by_vendor


def _without_payments(store: Store, connection: str, kind: str) -> dict[str, int]:
    return {} if kind == "payment" else _by_vendor(store, connection, kind)


def _not_held(store: Store, actor: Any, contract: str, slices: Any, reason: str) -> None:
    """Let what was voided be billed again by itself."""


def _reopened(store: Store, actor: Any, row: Any, reason: str) -> dict[str, list[str]]:
    """Void without closing what is open."""
    store.execute("UPDATE documents SET status='voided' WHERE id=?", row.id)
    audit.write(store, actor, "voided", f"document:{row.id}", reason=reason)
    return invoices.slices_of(row.draft)


def _acknowledged_first(letterbox: Any, events: Any, now: datetime) -> None:
    """Answer before anything is stored; the process dies before it does."""


def _lenient(draft: Any, found: Any, adopted: bool) -> str:
    return ""


def _kind(kind: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(kind, **changes)


def _status_retried(vendor: str, status: int, detail: str, headers: Any = None) -> Any:
    if 400 <= status < 500:
        return Retryable(f"{vendor} answered {status}")
    return _status_error(vendor, status, detail, headers)


_status_error = http.status_error


def _recover_nothing(store: Store, connection: str, kind: str) -> int:
    return 0


def _old_key_trusted(push: Any, batch: Any) -> bool:
    """Take a key for known however old it is."""
    return bool(batch and batch[0].call_key and batch[0].attempts <= 1)


def _unsent_taken_for_absent(context: Context, connection: str, ledger: Any, kind: Any) -> bool:
    """Forget what never went out without asking the books, which may hold it since before a restore."""
    return True


def _keyed_by_our_row(number: int, row: Any) -> str:
    """Give a refund a key by how many were ever made, which a restored store counts in another order."""
    _keyed_by_our_row.made += 1  # type: ignore[attr-defined]
    return key_of(row.vendor_id, f"R{_keyed_by_our_row.made}.")  # type: ignore[attr-defined]


_keyed_by_our_row.made = 0  # type: ignore[attr-defined]


def _due_today_only(draft: Any, payment_terms: str, today: date) -> Any:
    return msgspec.structs.replace(draft, total=draft.total + 1)


def _hand_over_again(context: Context, parts: Any, recipient: str, via: Any, send: Callable[[], str]) -> bool:
    """Send a mail a second time when nobody knows whether it went out."""
    name, now = mailing.message_id(parts, recipient), context.world.now()
    with context.store.transaction():
        mail.mark_sending(context.store, [(row.id, step) for row, step in parts], recipient, via, name, now)
    try:
        answer = send()
    except OutcomeUnknown:
        answer = send()
    with context.store.transaction():
        mail.settle(context.store, context.actor, name, "sent", answer)
    return True


_load_token, _save_token = Tokens.load, Tokens.save
_own_token, _renewed = OAuthToken._load, OAuthToken._renewed


def _kept_after_use(tokens: Any, connection: str, token: Token) -> None:
    """Keep what a renewal brought only when it was used: when the next call asks for a token."""
    if _load_token(tokens, connection) is None:  # a person's consent
        _save_token(tokens, connection, token)
    else:
        vars(tokens).setdefault("_unkept", {})[connection] = token


def _loaded_late(tokens: Any, connection: str) -> Any:
    for name, token in vars(tokens).pop("_unkept", {}).items():
        _save_token(tokens, name, token)
    return _load_token(tokens, connection)


def _of_this_process(credentials: Any) -> Token | None:
    """Take the token for the one that this process got, whatever another one got since."""
    own: Token | None = vars(credentials).get("_own") or _own_token(credentials)
    return own


def _renewed_for_itself(credentials: Any, stale: str) -> Token:
    token = _renewed(credentials, stale)
    credentials._own = token
    return token


def _refusal_forgotten(tokens: Any, connection: str, token: Token) -> None:
    """Forget that a refresh token was refused."""
    if not token.refused:
        _save_token(tokens, connection, token)


def _never_renewed(credentials: Any, token: str) -> str:
    """Take a rejected token for the end of the grant."""
    raise AuthExpired("the vendor refused the token")


def _stays_given_back(context: Context, posted: Any, row: Any) -> None:
    """Leave in the books what did not reach its payer."""


_script = schema._script


def _committing(db: Any, script: str) -> None:
    """Run a script as SQLite's own executescript does, which commits what came before."""
    db.conn.executescript(script)


def _rows_left_behind(db: Any, script: str) -> None:
    """Make a table anew without taking its rows along."""
    _script(db, re.sub(r"INSERT INTO connections_new .*?;", "", script))


def teeth() -> list[Tooth]:
    """Return every planted bug."""
    lost_payment = lambda: answers_lost("xero", "PUT", "/Payments")  # noqa: E731
    blind_payment = lambda: answers_lost("xero", "PUT", "/Payments", blind=True)  # noqa: E731
    after_payment = lambda: dies_at(AFTER_PAYMENT)  # noqa: E731
    after_invoice = lambda: dies_at(AFTER_INVOICE)  # noqa: E731
    return [
        Tooth(
            "another idempotency key on each try", [patch.object(outbox, "mark_absent", _absent_once)], [blind_payment]
        ),
        Tooth("sent before it is noted", [patch.object(outbox, "mark_sending", _not_noted)], [after_payment]),
        Tooth(
            "noted as done before it is sent",
            [patch.object(outbox, "mark_sending", _noted_as_done)],
            [lambda: dies_at(Step(AFTER_INVOICE.what, False))],
        ),
        Tooth("sent again after a timeout", [patch.object(outbox, "mark", _taken_for_undone)], [lost_payment]),
        Tooth("what was being sent is forgotten", [patch.object(outbox, "recover", _recover_nothing)], [after_invoice]),
        Tooth(
            "adopted by its number alone",
            [patch.object(push_documents, "DOCUMENT", _kind(push_documents.DOCUMENT, differs=_lenient))],
            [number_taken],
        ),
        Tooth(
            "cursor before rows",
            [patch.object(books, "_store", _cursor_before_rows)],
            [partial(typed, n) for n in range(10, 40)],
        ),
        Tooth("deferred transaction", [patch.object(dialect, "transaction", _deferred)], [held_lock]),
        Tooth("the day of another zone", [patch.object(Context, "today", _naive_today)], [clock.after_midnight]),
        Tooth("float money", [patch(f"billing.{name}", _float_rounding) for name in ROUNDS], [cents]),
        Tooth(
            "lease without fence",
            [patch.object(Store, "transaction", _unfenced)],
            [lambda: processes.stopped_beyond_its_lease(100), fenced],
        ),
        Tooth("lease that anybody gets", [patch.object(runs, "start", _always_mine)], [fenced]),
        Tooth(
            "number taken on its own",
            [patch.object(issue_invoices, "_issue", _number_on_its_own)],
            [partial(issued, n) for n in range(2, 12)],
        ),
        Tooth("a plan that never comes again", [patch.object(planned, "remember", _remembered_for_ever)], [whole]),
        Tooth(
            "a mail that died is sent again",
            [patch.object(mail, "recover", _mails_forgotten)],
            [lambda: dies_at(AFTER_MAIL)],
        ),
        Tooth("open amount left as it is", [patch.object(invoices, "recompute_open", _applied_without_open)], [whole]),
        Tooth("applied beyond what is open", [patch.object(cash, "apply", _unbounded)], [overpaid]),
        Tooth("money without a row of the trail", [patch.object(audit, "write_many", _unaudited)], [whole]),
        Tooth("a trail without a chain", [patch.object(audit, "head", _unchained)], [whole]),
        Tooth(
            "our own postings taken for typed money",
            [patch.object(pull_ledger, "_take_payments", _took_all_as_typed)],
            [whole],
        ),
        Tooth(
            "postings under way taken for typed money",
            [patch.object(outbox, "unsettled_keys", lambda *_: set())],
            [posted_and_read],
        ),
        Tooth(
            "an edit overruled that nobody saw",
            [patch.object(LedgerDocument, "says_what", lambda *_: True)],
            [people.overtaken],
        ),
        Tooth("voided lines billed again", [patch.object(contracts, "hold", _not_held)], [voided_and_billed]),
        Tooth("voided and still open", [patch.object(invoices, "void", _reopened)], [voided_and_billed]),
        Tooth(
            "webhook answered before it is stored",
            [patch.object(inbox.Letterbox, "put", _acknowledged_first)],
            [acknowledged],
        ),
        Tooth(
            "an old key is trusted",
            [patch("sync.outbox._Push._is_repeatable", _old_key_trusted)],
            [lambda: calls.lost("quickbooks", "on_account", at_look="nothing found yet")],
        ),
        Tooth(
            "what never went out is forgotten after a restore",
            [patch.object(reversing, "look_up", _unsent_taken_for_absent)],
            [restored.taken_back_at_once],
        ),
        Tooth(
            "an older store is taken for the latest",
            [patch("sync.run.restores.heed_older_store", lambda store, now: False)],
            [partial(disk.log_lost, stories.overpay)],
        ),
        Tooth(
            "a refund is known by our row",
            [patch.object(refunding, "_key", _keyed_by_our_row)],
            [partial(restored.put_back, 2, 3, 0)],
        ),
        Tooth(
            "a refund that failed stays given back",
            [patch.object(refunding, "_want_back", _stays_given_back)],
            [partial(whole, stories.ALL_CASH)],
        ),
        Tooth(
            "a refresh token kept after its use",
            [patch.object(Tokens, "save", _kept_after_use), patch.object(Tokens, "load", _loaded_late)],
            [partial(tokens.dies_after_renewal, "quickbooks", 1)],
        ),
        Tooth(
            "each process renews for itself",
            [
                patch.object(OAuthToken, "_load", _of_this_process),
                patch.object(OAuthToken, "_renewed", _renewed_for_itself),
            ],
            [partial(tokens.renewed_elsewhere, "quickbooks", number) for number in (8, 11, 17)],
        ),
        Tooth(
            "a refused refresh token is sent again",
            [patch.object(Tokens, "save", _refusal_forgotten)],
            [partial(tokens.revoked, "xero", 4)],
        ),
        Tooth(
            "a token that ran out is the end",
            [patch.object(OAuthToken, "rejected", _never_renewed)],
            [partial(tokens.expired, "xero", 3)],
        ),
        Tooth(
            "a migration that commits in its middle",
            [patch.object(schema, "_script", _committing)],
            [partial(upgrades.older, 10, 11)],
        ),
        Tooth(
            "rows that a migration leaves behind",
            [patch.object(schema, "_script", _rows_left_behind)],
            [partial(upgrades.older, 10, 11)],
        ),
        Tooth("4xx tried again", [patch("connectors.xero.client.status_error", _status_retried)], [refused_once]),
        Tooth(
            "a page that asks for what nobody owes",
            [patch.object(offer_payment_pages, "_end", lambda context, page, why: None)],
            [partial(whole, stories.PAGES[:-1])],
        ),
        Tooth("an amount that is one cent off", [patch.object(issue_invoices, "dated", _due_today_only)], [whole]),
    ]
