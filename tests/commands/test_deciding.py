"""What a person decides: drafts and review items."""

from __future__ import annotations

import re

from store import mail, outbox
from tests.commands.shell import Shell
from tests.worlds import DAILY, Live


def test_approve_lists_what_waits_and_approves_by_number_or_all(shell: Shell, live: Live) -> None:
    live.configure('approve = "auto"', 'approve = "manual"')
    for name in ("Northwind Ltd", "Second Ltd", "Third Ltd"):
        live.sell(name)
    shell.sync()
    assert live.issued() == {}
    listed = shell("approve", "--json").document
    assert listed["approved"] == 0
    assert [row["status"] for row in listed["drafts"]] == ["draft"] * 3
    assert {row["total"] for row in listed["drafts"]} == {"100.00"}
    assert "Northwind Ltd" in shell("approve").out
    first = f"d{listed['drafts'][0]['id']}"
    assert shell("approve", first, "--json").document["approved"] == 1
    assert shell("approve", first).out == "Nothing to approve.\n"
    shell.sync()
    assert list(live.issued()) == ["UK-00001"]
    assert shell("approve", "--all").out == "2 draft(s) approved; the next sync issues them.\n"
    shell.sync()
    assert len(live.issued()) == 3
    assert shell("approve", "--json").document == {"approved": 0, "drafts": []}


def test_approving_an_unknown_draft_approves_none(shell: Shell, live: Live) -> None:
    live.configure('approve = "auto"', 'approve = "manual"')
    live.sell()
    shell.sync()
    assert shell("approve", "D1", "D7").code == 2
    assert [row.status for row in live.drafts()] == ["draft"]


def test_review_lists_and_decides(shell: Shell, live: Live) -> None:
    assert shell("review").out == "Nothing waits for a person.\n"
    live.sell(payment_terms="as discussed")
    shell.sync("pull_deals", "map_terms")
    (item,) = shell("review", "--json").document["review"]
    assert item["code"] == "deal_not_mapped"
    assert item["actions"] == ["dismiss"]
    assert "'as discussed'" in shell("review").out
    wrong = shell("review", str(item["id"]), "--do", "approve", "--reason", "x")
    assert (wrong.code, wrong.out) == (2, "")
    assert "it has: dismiss" in wrong.err
    decided = shell("review", str(item["id"]), "--do", "dismiss", "--reason", "a test deal", "--json").document
    assert decided == {"decided": item["id"], "action": "dismiss"}
    assert shell("review", "--json").document == {"review": []}
    assert live.rows("SELECT reason FROM audit WHERE action='review dismiss'") == [("a test deal",)]


def test_review_shows_one_item_with_both_sides_and_says_who_looks_after_it(shell: Shell, live: Live) -> None:
    live.sell()
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    live.fault("xero", "reset_after", method="PUT", path="Invoices")
    shell.sync("push_documents")
    with live.store() as store:
        (intent,) = outbox.waiting(store, "xero_uk", "document", "done")
        with store.transaction():
            outbox.park_with(store, intent, "its total is 99.00 GBP there", [("amount", "100.00 GBP", "99.00 GBP")])
    shell.sync("push_documents")
    (item,) = shell("review", "--json").document["review"]
    shell("review", str(item["id"]), "--owner", "Ada")
    shown = shell("review", str(item["id"]))
    assert "Looked after by: Ada" in shown.out
    assert re.search(r"amount +100.00 GBP +99.00 GBP +differs", shown.out)
    assert f"netterms review {item['id']} --do retry|dismiss" in shown.out
    document = shell("review", str(item["id"]), "--json").document
    assert document["owner"] == "Ada"
    assert document["sides"] == [{"what": "amount", "here": "100.00 GBP", "there": "99.00 GBP"}]
    assert re.search(r"retry dismiss +Ada", shell("review").out)


def test_an_invoice_is_called_disputed_and_its_dispute_ended(shell: Shell, live: Live) -> None:
    live.sell()
    live.done(*DAILY)

    def say(*words: str) -> tuple[int, str]:
        ran = shell("dispute", *words, "--reason", "wrong price")
        return ran.code, (ran.out + ran.err).strip()

    assert say("UK-00001") == (0, "UK-00001 is in dispute now.")
    assert say("UK-00001") == (0, "UK-00001 is in dispute already.")
    with live.store() as store:
        assert len(mail.disputed(store)) == 1
    assert say("UK-00001", "--over") == (0, "UK-00001 is not in dispute now.")
    assert say("UK-99999") == (2, "UK-99999: there is no such invoice; `netterms report invoices` lists them")
