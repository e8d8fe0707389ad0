"""The mailer: what leaves is one clean message, and each failure means what it says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from connectors import smtp
from connectors.base import Attachment, Mail, Ports, Settings
from connectors.errors import AuthExpired, OutcomeUnknown, Refused, Retryable, Unsupported
from connectors.smtp import compose, connect
from sandbox.core import Fault
from sandbox.server import Options, Running
from tests.conftest import FixedToken, NoWait

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
FROM = "Example Billing <billing@example.com>"


@pytest.fixture(scope="module")
def module_running() -> Iterator[Running]:
    with Running(Options(today=date(2026, 9, 1), deals=0)) as running:
        yield running


@pytest.fixture
def running(module_running: Running) -> Running:
    module_running.sandbox.reset()
    return module_running


def mailer(url: str, *, user: str = "", sender: str = FROM) -> smtp.Smtp:
    settings = Settings(name="mail", vendor="smtp", base_url=url, account=user, sender=sender)
    return connect(settings, Ports(credentials=FixedToken("a-password"), clock=NoWait()))


def mail(**changes: Any) -> Mail:
    fields: dict[str, Any] = {
        "message_id": "abc123", "recipient": "ap@acme.example", "recipient_name": "Ada Byron",
        "sender_name": "Example Inc.", "subject": "Invoice US-00001", "text": "Hello\n\nplease pay.\n", "sent_at": NOW,
    }  # fmt: skip
    return Mail(**{**fields, **changes})


def caught(running: Running) -> list[dict[str, Any]]:
    return [message.shown() for message in running.sandbox.mailbox.caught]


def order(running: Running, command: str, kind: str, status: int = 500) -> None:
    running.sandbox.faults.ordered[:] = [Fault("mail", kind, method=command, status=status, body="no")]


# ------------------------------------------------------------------------------------------------------- what is sent


def test_a_mail_arrives_with_its_own_message_id_text_and_attachment(running: Running) -> None:
    accepted = mailer(running.mail_url).send(mail(attachments=(Attachment(name="US-1.pdf", content=b"%PDF-1.4 x"),)))
    assert accepted.startswith("250 OK")
    (found,) = caught(running)
    assert found["from"] == '"Example Inc." <billing@example.com>'
    assert found["to"] == "Ada Byron <ap@acme.example>"
    assert found["recipients"] == ["ap@acme.example"]
    assert (found["subject"], found["message_id"]) == ("Invoice US-00001", "<abc123@example.com>")
    assert found["text"] == "Hello\n\nplease pay.\n"
    assert found["date"] == "Tue, 01 Sep 2026 12:00:00 +0000"
    assert found["attachments"] == [{"name": "US-1.pdf", "size": 10}]


def test_the_same_mail_is_the_same_message_each_time_it_is_sent(running: Running) -> None:
    for _ in range(2):
        mailer(running.mail_url).send(mail())
    first, second = running.sandbox.mailbox.caught
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.content == second.content


def test_lines_that_begin_with_a_dot_and_other_scripts_survive(running: Running) -> None:
    text = ".\n..\n.hidden\nGrüße, 株式会社\n" + "long " * 300 + "\n"
    mailer(running.mail_url).send(mail(text=text, subject="Rechnung für Söhne № 7"))
    (found,) = caught(running)
    assert found["text"] == text
    assert found["subject"] == "Rechnung für Söhne № 7"


HOSTILE = [
    "Evil\r\nBcc: all@example.com",
    "Evil\nSubject: other",
    "Evil\rX: y",
    "Evil\x00\x1b[31m",
    "Evil\u2028Bcc: all@example.com\u2029\x85next",
    'Evil" <other@example.com>',
    "Evil <other@example.com>, Second <b@example.com>",
    "=?utf-8?q?Evil=0D=0ABcc:_all=40example.com?=",
    "Evil\\",
    "\u202egnp.exe",
    "a" * 5000,
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_a_name(running: Running, name: str) -> None:
    mailer(running.mail_url).send(mail(recipient_name=name, sender_name=name, subject=name))
    (message,) = running.sandbox.mailbox.caught
    assert message.recipients == ("ap@acme.example",)
    found = message.message
    assert sorted(found.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
         "Content-Transfer-Encoding", "MIME-Version"]
    )  # fmt: skip
    assert [one.addr_spec for one in found["To"].addresses] == ["ap@acme.example"]
    assert [one.addr_spec for one in found["From"].addresses] == ["billing@example.com"]
    header, _, _ = message.content.partition(b"\r\n\r\n")
    assert max(map(len, header.split(b"\r\n"))) < 998
    assert b"\n" not in header.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "address",
    [
        "", "nobody", "@acme.example", "ap@", "a b@acme.example", "ap@acme.example\r\nRCPT TO:<x@y.example>",
        "ap@acme.example>", "<ap@acme.example", "a,b@acme.example", "ap@acme.example,other@acme.example",
        "ünsal@acme.example", "ap@" + "a" * 70 + ".example", "ap@.example", '"a b"@acme.example', "ap@acme\x00.example",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_written_is_refused_before_anything_is_sent(running: Running, address: str) -> None:
    with pytest.raises(Refused):
        mailer(running.mail_url).send(mail(recipient=address))
    assert caught(running) == []


def test_a_domain_in_another_script_is_written_as_the_name_system_knows_it() -> None:
    content = compose(mail(recipient="ap@bücher.example"), "billing@example.com")
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["To"].addresses[0].addr_spec == "ap@xn--bcher-kva.example"


def test_the_name_of_an_attachment_cannot_lead_elsewhere(running: Running) -> None:
    hostile = Attachment(name='../../etc/x"\r\nBcc: a@b.pdf', content=b"%PDF")
    mailer(running.mail_url).send(mail(attachments=(hostile,)))
    (found,) = caught(running)
    assert found["attachments"][0]["name"] == '..-..-etc-x" Bcc: a@b.pdf'


# ------------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_passing_refusal_may_be_tried_again(running: Running, command: str) -> None:
    running.sandbox.faults.ordered[:] = [Fault("mail", "error_before", method=one, status=451, times=-1)
                                         for one in (command, "HELO" if command == "EHLO" else command)]  # fmt: skip
    with pytest.raises(Retryable):
        mailer(running.mail_url).send(mail())
    assert caught(running) == []


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_refused_recipient_or_text_concerns_this_mail_only(running: Running, command: str) -> None:
    order(running, command, "error_before", 550)
    with pytest.raises(Refused, match="550 no"):
        mailer(running.mail_url).send(mail())
    assert caught(running) == []


def test_a_refused_sender_is_for_a_person_to_mend(running: Running) -> None:
    order(running, "MAIL", "error_before", 553)
    with pytest.raises(AuthExpired, match="check user, password and from"):
        mailer(running.mail_url).send(mail())


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_text_was_handed_over_may_be_tried_again(running: Running, command: str) -> None:
    order(running, command, "reset_before")
    with pytest.raises(Retryable):
        mailer(running.mail_url).send(mail())
    assert caught(running) == []


def test_a_connection_lost_after_the_text_was_handed_over_leaves_the_outcome_unknown(running: Running) -> None:
    order(running, "DATA", "reset_after")
    with pytest.raises(OutcomeUnknown, match="the server's answer was lost"):
        mailer(running.mail_url).send(mail())
    assert len(caught(running)) == 1


def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Retryable, match="could not be used"):
            mailer(f"smtp://127.0.0.1:{taken.getsockname()[1]}").send(mail())


def test_the_probe_signs_in_and_sends_nothing(running: Running) -> None:
    assert mailer(running.mail_url).probe().account_name == "billing@example.com by 127.0.0.1"
    assert caught(running) == []


# ------------------------------------------------------------------------- servers that speak what the sandbox does not


@contextmanager
def scripted(*answers: str) -> Iterator[tuple[str, list[str]]]:
    """Serve one client, answering its lines in turn; yields the address and what the client said."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client, client.makefile("rwb") as stream:
                stream.write(b"220 hello\r\n")
                stream.flush()
                for answer in answers:
                    said.append(stream.readline().decode().strip())
                    stream.write(answer.encode() + b"\r\n")
                    stream.flush()
                stream.readline()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"smtp://127.0.0.1:{server.getsockname()[1]}", said
        thread.join(5)


def test_user_and_password_are_used_and_a_refused_login_is_for_a_person_to_mend() -> None:
    with (
        scripted("250-x\r\n250 AUTH PLAIN", "535 bad credentials") as (url, said),
        pytest.raises(AuthExpired, match="535 bad credentials") as refused,
    ):
        mailer(url, user="ada").send(mail())
    assert said[0] == "ehlo example.com"
    assert said[1].startswith("AUTH PLAIN ")
    assert "a-password" not in str(refused.value)


def test_a_login_that_cannot_be_checked_now_may_be_tried_again() -> None:
    with scripted("250-x\r\n250 AUTH PLAIN", "454 later") as (url, _), pytest.raises(Retryable, match="454 later"):
        mailer(url, user="ada").send(mail())


def test_a_server_elsewhere_without_encryption_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_LOOPBACK", ())
    with scripted("250-x\r\n250 AUTH PLAIN") as (url, said), pytest.raises(Unsupported, match="offers no STARTTLS"):
        mailer(url, user="ada").send(mail())
    assert said == ["ehlo example.com"]


def test_a_server_elsewhere_is_asked_for_encryption_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_LOOPBACK", ())
    with scripted("250-x\r\n250 STARTTLS", "454 not now") as (url, said), pytest.raises(Retryable):
        mailer(url, user="ada").send(mail())
    assert said == ["ehlo example.com", "STARTTLS"]
