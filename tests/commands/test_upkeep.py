"""Keeping the store whole: dead letters, backup and restore, the audit trail, the selfcheck."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from store import inbox, runs
from store.dialect import connect
from store.inbox import Event
from sync.run import holder
from tests.commands.shell import Shell
from tests.worlds import Live


def test_inbox_lists_dead_letters_and_has_them_handled_again(shell: Shell, live: Live) -> None:
    assert shell("inbox").out.startswith("No webhook waits")
    with live.store() as store:
        inbox.save(store, "stripe_uk", [Event(id="evt_1", topic="?", object="", unreadable=b"{{{")], datetime.now(UTC))
    assert re.search(r"1 +stripe_uk .* nobody can read it", shell("inbox").out)
    (letter,) = shell("inbox", "--json").document["dead_letters"]
    assert (letter["event_id"], letter["unreadable"], letter["why"]) == ("evt_1", "{{{", "nobody can read it")
    wrong = shell("inbox", "--replay", "99")
    assert (wrong.code, wrong.err) == (2, "there is no dead letter 99; see: netterms inbox\n")
    assert shell("inbox", "--replay", "all", "--json").document == {"replayed": 1}
    assert shell("inbox", "--json").document == {"dead_letters": []}


def test_backup_writes_a_file_once_and_restore_puts_it_back(shell: Shell, live: Live) -> None:
    live.sell()
    shell.sync("pull_deals", "map_terms")
    target = live.file.parent / "kept.db"
    assert re.search(r"kept.db: [\d,]+ bytes, whole; audit trail of \d+ rows", shell("backup", str(target)).out)
    again = shell("backup", str(target))
    assert (again.code, again.out) == (2, "")
    assert "is there already" in again.err
    assert shell("backup", str(target), "--force", "--json").document["audit_rows"] > 0
    assert shell("backup", str(live.database), "--force").code == 2  # the store itself
    assert shell("backup", str(target.parent / "nowhere" / "kept.db")).code == 2
    shell.sync("plan_invoices", "issue_invoices")
    done = shell("restore", str(target))
    assert done.code == 0
    assert "The next sync reads the books back first" in done.out
    assert live.issued() == {}
    refused = shell("credit", "UK-00001", "--reason", "x", "--yes")
    assert refused.code == 2
    target.write_text("no store", encoding="utf-8")
    bad = shell("restore", str(target))
    assert (bad.code, bad.out) == (1, "")
    assert "Nothing is changed" in bad.err
    assert shell("restore", "nowhere.db").code == 2


def test_restore_waits_until_no_job_runs(shell: Shell, live: Live) -> None:
    shell.sync("pull_deals")
    target = live.file.parent / "kept.db"
    shell("backup", str(target))
    with live.store() as store:
        runs.start(store, "pull_deals", holder(), datetime.now(UTC))
    refused = shell("restore", str(target), "--json")
    assert refused.code == 4
    assert "a job is running" in refused.document["error"].lower()


def test_audit_verify_tells_that_the_trail_is_whole(told: Shell) -> None:
    result = told("audit", "verify", "--json")
    assert result.code == 0
    assert result.document["intact"] is True
    assert result.document["rows"] > 10
    assert f"intact: {result.document['rows']} rows" in told("audit", "verify").out


def test_audit_verify_names_the_row_that_was_altered(shell: Shell, live: Live) -> None:
    live.sell()
    shell.sync()
    connection = connect(live.database)
    connection.execute("DROP TRIGGER audit_no_update")
    connection.execute("UPDATE audit SET reason='nothing to see' WHERE n=3")
    connection.close()
    result = shell("audit", "verify")
    assert (result.code, result.out) == (1, "row 3 was altered\n")
    document = shell("audit", "verify", "--json").document
    assert (document["intact"], document["problem"]) == (False, "row 3 was altered")


def test_selfcheck_says_that_everything_is_as_it_must_be(told: Shell) -> None:
    assert told("selfcheck").out == "Everything is as it must be.\n"
    result = told("selfcheck", "--full", "--json")
    assert (result.code, result.document) == (0, {"ok": True, "full": True, "hits": []})


def test_selfcheck_names_what_is_not_and_exits_with_1(shell: Shell, live: Live) -> None:
    live.sell()
    shell.sync()
    with live.store() as store:
        store.execute("UPDATE documents SET open=1")
    result = shell("selfcheck")
    assert result.code == 1
    assert "- UK-00001: open is the total less what is applied; it is 0.01 GBP and should be 100.00 GBP\n" in result.out
    assert result.out.endswith("1 hit(s).\n")
    (hit,) = shell("selfcheck", "--json").document["hits"]
    assert (hit["subject"], hit["state"]) == ("document:1", "open")
