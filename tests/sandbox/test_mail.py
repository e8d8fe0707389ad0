"""The sandbox's mail server keeps everything and delivers nothing."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from email.message import EmailMessage
from typing import Any

import pytest
import requests

from sandbox.mail import LARGEST
from sandbox.server import Options, Running


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(Options(today=date(2026, 9, 1), deals=0)) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Iterator[smtplib.SMTP]:
    running.sandbox.reset()
    with smtplib.SMTP("127.0.0.1", int(running.mail_url.rpartition(":")[2]), "me.example") as client:
        yield client


def caught(running: Running) -> list[dict[str, Any]]:
    answer = requests.get(f"{running.url}/_sandbox/mail", timeout=5)
    return list(answer.json()["mail"])


def message(subject: str = "Invoice 7") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", subject
    mail.set_content(".\nHello\n")
    mail.add_attachment(b"1234", maintype="application", subtype="pdf", filename="7.pdf")
    return mail


def test_any_client_can_send_and_everything_is_shown_under_the_control_path(
    running: Running, client: smtplib.SMTP
) -> None:
    client.send_message(message())
    client.send_message(message("Second"), to_addrs=["b@example.com", "c@example.com"])
    first, second = caught(running)
    assert (first["from"], first["to"], first["subject"]) == ("a@example.com", "b@example.com", "Invoice 7")
    assert first["text"] == ".\nHello\n"
    assert first["attachments"] == [{"name": "7.pdf", "size": 4}]
    assert (second["subject"], second["recipients"]) == ("Second", ["b@example.com", "c@example.com"])


def test_a_reset_forgets_the_mail(running: Running, client: smtplib.SMTP) -> None:
    client.send_message(message())
    requests.post(f"{running.url}/_sandbox/reset", timeout=5)
    assert caught(running) == []


def test_commands_out_of_order_are_refused(client: smtplib.SMTP) -> None:
    assert client.docmd("RCPT", "TO:<b@example.com>")[0] == 503
    assert client.docmd("DATA")[0] == 503
    client.mail("a@example.com")
    assert client.docmd("DATA")[0] == 503
    assert client.docmd("VRFY", "x")[0] == 502
    assert client.noop()[0] == 250
    client.rcpt("b@example.com")
    assert client.rset()[0] == 250
    assert client.docmd("DATA")[0] == 503


def test_the_size_that_is_taken_is_announced(client: smtplib.SMTP) -> None:
    client.ehlo()
    assert client.esmtp_features["size"] == str(LARGEST)


def test_a_fault_ordered_over_http_is_shown_to_the_recipient_it_names(running: Running, client: smtplib.SMTP) -> None:
    order = {"vendor": "mail", "kind": "error_before", "method": "RCPT", "path": "c@", "status": 550, "times": -1}
    requests.post(f"{running.url}/_sandbox/faults", json=order, timeout=5)
    refused = client.send_message(message(), to_addrs=["b@example.com", "c@example.com"])
    assert refused == {"c@example.com": (550, b"sandbox fault")}
    assert [mail["recipients"] for mail in caught(running)] == [["b@example.com"]]


def test_a_fault_for_every_vendor_leaves_the_mail_alone(running: Running, client: smtplib.SMTP) -> None:
    requests.post(f"{running.url}/_sandbox/faults", json={"vendor": "", "kind": "error_before"}, timeout=5)
    client.send_message(message())
    requests.post(f"{running.url}/_sandbox/faults", json=[], timeout=5)
    assert len(caught(running)) == 1


def test_an_answer_lost_after_the_data_was_taken_leaves_the_message_here(
    running: Running, client: smtplib.SMTP
) -> None:
    order = {"vendor": "mail", "kind": "reset_after", "method": "DATA"}
    requests.post(f"{running.url}/_sandbox/faults", json=order, timeout=5)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.send_message(message())
    assert len(caught(running)) == 1


def two_free_ports() -> int:
    """Return a port that is free, as is the next one."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 1))
                return port


def test_with_a_chosen_port_the_mail_server_has_the_next_one() -> None:
    free = two_free_ports()
    with Running(Options(today=date(2026, 9, 1), deals=0), free) as running:
        assert running.mail_url == f"smtp://127.0.0.1:{free + 1}"


def test_a_sandbox_whose_next_port_is_taken_says_so_and_leaves_its_own_free() -> None:
    free = two_free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free + 1))
        with pytest.raises(OSError, match="in use"):
            Running(Options(today=date(2026, 9, 1), deals=0), free)
    with Running(Options(today=date(2026, 9, 1), deals=0), free):
        pass
