"""F4: every kind of HTTP fault at every type of call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any
from unittest.mock import patch

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.drips import dripped
from benchmarks.simulator.stories import ALL_CASH, CASH, PAGES, STORY, Act, Row, Scenario, called, portion
from sandbox.core import Fault
from store import outbox, review
from store.audit import Actor
from store.database import Store
from sync.decide import decide

FAULTS: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"kind": "error_before", "status": 429, "headers": {"Retry-After": "7"}},
    "429 without": {"kind": "error_before", "status": 429},
    "500 before": {"kind": "error_before", "status": 500},
    "500 after": {"kind": "error_after", "status": 500},
    "timeout before": {"kind": "timeout_before"},
    "timeout after": {"kind": "timeout_after"},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
    "502 as HTML": {"kind": "html_before"},
    "cut body": {"kind": "cut_body"},
    "half JSON": {"kind": "half_body"},
    "401": {"kind": "unauthorized"},
    "403": {"kind": "error_before", "status": 403},
    "400": {"kind": "error_before", "status": 400, "body": "{}"},
    "200 of a wrong shape": {"kind": "wrong_shape"},
    "redirect": {"kind": "redirect_before"},
    "no connection": {"kind": "refused_before"},
}


def hit(story: tuple[Act, ...], vendor: str, method: str, path: str, fault: dict[str, Any], times: int) -> Verdict:
    """Show a fault on each call of a type, so many times in each act."""
    with Company() as company:
        for act in story:
            act(company)
            company.faults.ordered[:] = [Fault(vendor, method=method, path=path, times=times, **fault)]
            company.sync()
        refused = fault.get("status") == 400 or fault["kind"] in ("wrong_shape", "half_body")
        verdict = company.judge(expected=not refused)
        return retried(company, verdict) if refused else verdict


# ------------------------------------------------------------------------------------- answers that are lost for long

KINDS = (
    "customer", "document", "payment", "on_account", "allocation", "credit_use", "refund", "payment_void",
    "on_account_void", "payout_fee", "payout_other", "payout", "payout_back", "customer_update", "document_void",
    "document_update", "refund_void", "exchanged_out", "exchanged_in",
)  # fmt: skip
PAGE_KINDS = ("payment_page", "payment_page_end", "payment_page_again")  # at the provider, without a look as well
WRITTEN_AGAIN = ("customer_update", "refund_void")  # without a look: writing them twice is writing them once
LOOKED_FOR = tuple(kind for kind in KINDS if kind not in WRITTEN_AGAIN)
LEDGERS = ("quickbooks", "xero")
WRITTEN = (*product(LEDGERS, KINDS), *(("stripe", kind) for kind in PAGE_KINDS))
OUT = 8 * 60.0  # seconds: longer than any ledger knows an idempotency key
LOSSES: dict[str, dict[str, Any]] = {
    "after": {"kind": "timeout_after"},
    "before": {"kind": "timeout_before"},
    "500 after": {"kind": "error_after", "status": 500},
    "reset after": {"kind": "reset_after"},
    "half JSON": {"kind": "half_body"},
}
LOOKS: dict[str, dict[str, Any]] = {"nothing found yet": {"kind": "blind"}, **FAULTS}


class Loss:
    """Loses the answer to the n-th call that writes something of a kind; then the vendor is out for a while.

    ``at_look``: what the first look-up after that gets for an answer.
    """

    def __init__(self, company: Company, kind: str, number: int, fault: Fault, at_look: Fault | None) -> None:
        self._company = company
        self._vendor, self._kind, self._left = fault.vendor, kind, number
        self._fault, self._at_look = fault, at_look
        self._sent = self._looked_for = ""  # the kind of what is
        self.came = self.looked = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See what the outbox is about, and show faults by that."""
        sending, waiting = outbox.mark_sending, outbox.waiting

        def mark_sending(store: Store, intents: Any, *more: Any) -> None:
            self._sent = intents[0].kind
            sending(store, intents, *more)

        def look_for(store: Store, connection: str, kind: str, state: outbox.State) -> list[outbox.Intent]:
            found = waiting(store, connection, kind, state)
            self._looked_for = kind if found and state == "uncertain" else ""
            return found

        self._company.faults.random = self._fault_at
        with patch.object(outbox, "mark_sending", mark_sending), patch.object(outbox, "waiting", look_for):
            yield

    def _fault_at(self, vendor: str, method: str, path: str) -> Fault | None:
        if vendor != self._vendor:
            return None
        writes = method != "GET" and not path.endswith("/query")
        if self.came and self._at_look and not self.looked and not writes and self._looked_for == self._kind:
            self.looked = True
            return self._at_look
        if self.came or not writes or self._sent != self._kind:
            return None
        self._left -= 1
        self.came = not self._left
        self._company.faults.outage_after = OUT if self.came else 0.0
        return self._fault if self.came else None


def lost(vendor: str, kind: str, how: str = "after", number: int = 1, at_look: str = "") -> Verdict:
    """The answer to a write is lost, and nobody can be asked before every key is forgotten: one object, adopted."""
    with Company() as company:
        look = Fault(vendor, **LOOKS[at_look]) if at_look else None
        loss = Loss(company, kind, number, Fault(vendor, **LOSSES[how]), look)
        with loss.watching():
            for act in PAGES if kind in PAGE_KINDS else ALL_CASH:
                act(company)
                for _ in range(2):
                    company.sync()
                    company.time.sleep(OUT + 60)
                if loss.came:
                    break
        verdict = company.judge()
        if number == 1 and not (loss.came and (loss.looked or look is None)):
            verdict.wrong.append(f"no answer about {kind} of {vendor} was lost, or nobody looked for it")
        return verdict


def retried(company: Company, verdict: Verdict) -> Verdict:
    """What a vendor refuses waits for a person: let one say that it is to be tried again, and judge anew."""
    if verdict.survived:
        return verdict
    with Store(company.store) as store:
        for item in review.open_items(store):
            if "retry" in item.choices:
                decide(store, Actor("person", company.now()), item.id, "retry", "mended")
    return company.judge()


def f4(seed: int, count: int) -> Row:
    """Every kind of HTTP fault at every type of call, once and three times in a row; lost answers of every kind."""
    every: list[tuple[str, Scenario]] = []
    calls = {call: story for story in (ALL_CASH, CASH, STORY) for call in called(story)}
    for (vendor, method, path), name, times in product(sorted(calls), FAULTS, (1, 3)):
        story = calls[vendor, method, path]
        what = f"{name} x {times} at {vendor} {method} {path}"
        every.append((what, partial(hit, story, vendor, method, path, FAULTS[name], times)))
    every += [(f"a drip at {' '.join(call)}", partial(dripped, *call)) for call in sorted(calls)]
    for (vendor, kind), how, number in product(WRITTEN, LOSSES, (1, 2)):
        every.append((f"{how}, {kind} no. {number} of {vendor}", partial(lost, vendor, kind, how, number)))
    for vendor, kind, name in product(LEDGERS, LOOKED_FOR, LOOKS):
        what = f"after, {kind} of {vendor}, then {name} at the look-up"
        every.append((what, partial(lost, vendor, kind, at_look=name)))
    yield from portion(every, seed, count)
