"""The table of jobs: what runs, in which order, how often. Scheduler, CLI and web page all read it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from sync.context import Context


class Job(msgspec.Struct, frozen=True):
    """A step. ``seconds`` is its default cadence; its code is ``run(context)`` in the file of its name."""

    name: str
    seconds: int
    purpose: str

    def load(self) -> Callable[[Context], None]:
        """Return the step's function, importing its file now."""
        return import_module(f"sync.{self.name}").run  # type: ignore[no-any-return]


_MINUTE, _HOUR = 60, 3600

# In this order one pass takes a deal all the way; nobody is offered or asked to pay what has come meanwhile, and
# pull_ledger is late so that it covers what this pass itself wrote.
JOBS = (
    Job("pull_deals", 15 * _MINUTE, "read won deals from the CRM"),
    Job("map_terms", 15 * _MINUTE, "turn deals into contract terms"),
    Job("read_back", 15 * _MINUTE, "after a restore, read the books before anything is issued or sent"),
    Job("plan_invoices", _HOUR, "work out what is owed and not billed yet"),
    Job("issue_invoices", 15 * _MINUTE, "give approved drafts their number"),
    Job("match_customers", 15 * _MINUTE, "find each customer in the books"),
    Job("update_customers", _HOUR, "bring customers in the books in step with the CRM"),
    Job("push_documents", 15 * _MINUTE, "put customers and documents into the books"),
    Job("use_credits", 15 * _MINUTE, "set credit notes against their invoices"),
    Job("pull_payments", 15 * _MINUTE, "read money received and paid out"),
    Job("match_payments", 15 * _MINUTE, "find the invoices each payment pays"),
    Job("post_payments", 15 * _MINUTE, "put matched payments into the books"),
    Job("offer_payment_pages", 15 * _MINUTE, "make a page on which each open invoice can be paid"),
    Job("send_invoices", 15 * _MINUTE, "mail what is issued to the customers"),
    Job("post_payouts", _HOUR, "put payouts and what providers kept into the books"),
    Job("pull_ledger", 30 * _MINUTE, "see what people did in the books"),
    Job("write_back", _HOUR, "show in the CRM what is invoiced, open and overdue"),
    Job("send_reminders", _HOUR, "remind customers of what is overdue"),
    Job("handle_webhooks", _HOUR, "see that webhooks were understood, forget old ones"),
    Job("watch_connections", 15 * _MINUTE, "tell a person which connection must be made anew"),
    Job("selfcheck", 24 * _HOUR, "check what must be true of our money, documents and mails"),
    Job("report", 24 * _HOUR, "add up who owes what"),
)


def select(names: tuple[str, ...]) -> list[Job]:
    """Return the jobs called ``names`` in the order of the table, all when empty.

    Raises ``ValueError`` naming what is unknown.
    """
    known = {job.name for job in JOBS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown job {', '.join(unknown)}; known are {', '.join(job.name for job in JOBS)}")
    return [job for job in JOBS if not names or job.name in names]
