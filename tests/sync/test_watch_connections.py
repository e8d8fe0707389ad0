"""A person hears of a connection that must be made anew: a review item while it stands, and one mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import Mail
from connectors.errors import AuthExpired, DailyLimit, OutcomeUnknown, Retryable
from store import runs
from sync.context import Context, Source
from tests.worlds import Bench

SERVER = Source(name="mail", vendor="smtp", role="mail", entity="")


class Postbox:
    """A mail server that keeps what it gets, or does what is ordered instead."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.acts: list[Exception] = []

    def send(self, mail: Mail) -> str:
        if self.acts:
            raise self.acts.pop(0)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
def post(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Postbox:
    """The bench with a mail server, and somebody who wants to hear of dead connections."""
    post, known = Postbox(), bench.connector
    bench.alerts = "ops@example.com"
    bench.sources = (*bench.sources, Source(name="theirs", vendor="smtp", role="mail", entity="uk"), SERVER)

    def connector(name: str) -> Any:
        return post if name == "mail" else known(name)

    monkeypatch.setattr(bench, "connector", connector)
    return post


def use(bench: Bench, error: Exception | None = None, name: str = "books_uk") -> None:
    """Let a job use a connection, which fails or works."""
    with bench.store() as store:
        context = Context(store, bench, "pull_ledger", lambda done, total: None)
        with context.using(name) as connector:
            connector.probe = lambda: None
            if error is not None:
                raise error


def watch(bench: Bench) -> None:
    bench.run("watch_connections")


DEAD = AuthExpired("books_uk: the vendor refused to renew the token")


def test_a_dead_connection_is_a_review_item_and_one_mail(bench: Bench, post: Postbox) -> None:
    use(bench, DEAD)
    for _ in range(3):
        watch(bench)
        use(bench, DEAD)
    (mail,) = post.mails
    assert (mail.recipient, mail.subject) == ("ops@example.com", "Netterms: reconnect books_uk")
    assert "refused to renew the token" in mail.text
    item = bench.item("connection_dead")
    assert item.subject == "connection:books_uk"
    assert "connect it anew on the page of connections" in item.fix


def test_the_item_closes_when_the_connection_works_and_its_next_death_is_told_anew(bench: Bench, post: Postbox) -> None:
    use(bench, DEAD)
    watch(bench)
    use(bench)
    watch(bench)
    assert bench.items("connection_dead") == []
    use(bench, DEAD)
    watch(bench)
    assert len(post.mails) == 2
    assert len({mail.message_id for mail in post.mails}) <= 2


def test_a_job_that_had_nothing_to_call_does_not_make_a_dead_connection_alive(bench: Bench, post: Postbox) -> None:
    use(bench, DEAD)
    watch(bench)
    with bench.store() as store:
        context = Context(store, bench, "push_documents", lambda done, total: None)

        def refuse() -> None:
            raise DEAD

        with context.using("books_uk") as connector:
            connector.probe = refuse
        assert runs.connection_states(store)["books_uk"].state == "reconnect"
    watch(bench)
    assert len(post.mails) == 1


def test_two_dead_connections_are_one_mail(bench: Bench, post: Postbox) -> None:
    use(bench, DEAD)
    use(bench, AuthExpired("the token is revoked"), name="books_us")
    watch(bench)
    (mail,) = post.mails
    assert mail.subject.startswith("Netterms: reconnect ")
    assert "books_uk" in mail.subject
    assert "books_us" in mail.subject


def test_a_mail_that_surely_did_not_go_out_is_sent_later_and_one_that_may_have_is_not(
    bench: Bench, post: Postbox
) -> None:
    use(bench, DEAD)
    post.acts = [Retryable("greylisted")]
    watch(bench)
    assert post.mails == []
    post.acts = [OutcomeUnknown("the line broke")]
    watch(bench)
    watch(bench)
    assert post.mails == []
    assert len(bench.items("connection_dead")) == 1


def test_nobody_is_mailed_where_nobody_is_named(bench: Bench, post: Postbox) -> None:
    bench.alerts = ""
    use(bench, DEAD)
    watch(bench)
    assert post.mails == []
    assert len(bench.items("connection_dead")) == 1


def test_what_may_heal_by_itself_is_nobodys_business(bench: Bench, post: Postbox) -> None:
    use(bench, Retryable("502"))
    watch(bench)
    assert (post.mails, bench.items("connection_dead")) == ([], [])


def test_a_used_up_day_pauses_the_connection_until_it_is_over(bench: Bench) -> None:
    until = bench.now() + timedelta(hours=5)
    use(bench, DailyLimit("used up", until))
    with bench.store() as store:
        state = runs.connection_states(store)["books_uk"]
        assert (state.state, datetime.fromisoformat(state.until)) == ("paused", until.astimezone(UTC))
        assert state.paused(bench.now())
        assert not state.paused(until)
    use(bench)  # a job with nothing to call does not end the pause
    with bench.store() as store:
        assert runs.connection_states(store)["books_uk"].state == "paused"


def test_a_grant_that_ends_within_a_month_is_a_review_item_and_one_mail(bench: Bench, post: Postbox) -> None:
    bench.grants = {"books_us": bench.now() + timedelta(days=31), "books_uk": bench.now() + timedelta(days=900)}
    watch(bench)
    assert (post.mails, bench.items("connection_ends")) == ([], [])
    bench.today += timedelta(days=2)
    for _ in range(2):
        watch(bench)
    (mail,) = post.mails
    assert mail.subject == "Netterms: reconnect books_us"
    assert "quickbooks renews its token until 2026-10-02 and not longer" in mail.text
    assert "/connections" in mail.text
    assert bench.item("connection_ends").subject == "connection:books_us"


def test_the_warning_closes_when_it_is_connected_anew_and_comes_again_when_that_grant_ends(
    bench: Bench, post: Postbox
) -> None:
    for days in (10, 1000, 20):
        bench.grants = {"books_us": bench.now() + timedelta(days=days)}
        watch(bench)
        assert len(bench.items("connection_ends")) == (days < 30)
    assert len(post.mails) == 2


def test_a_warning_whose_mail_surely_did_not_go_out_is_mailed_later(bench: Bench, post: Postbox) -> None:
    bench.grants = {"books_us": bench.now() + timedelta(days=10)}
    post.acts = [Retryable("greylisted")]
    watch(bench)
    watch(bench)
    assert len(post.mails) == 1


def test_a_connection_that_is_dead_already_is_not_warned_of(bench: Bench, post: Postbox) -> None:
    bench.grants = {"books_uk": bench.now() - timedelta(days=1)}
    use(bench, DEAD)
    watch(bench)
    assert bench.items("connection_ends") == []
    assert len(post.mails) == 1
