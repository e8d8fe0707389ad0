"""The texts of our mails: every placeholder is filled, and values are never read as anything but values."""

from __future__ import annotations

import re
from datetime import date

import pytest

from billing.dunning import STEPS
from documents import mails
from documents.mails import Item, Text

TODAY = date(2026, 9, 30)
HOSTILE = ["{seller}", "{0.__class__}", "%s %(x)s", "{{amount}}", "a\r\nBcc: b@example.com", "\x1b[31m{link}", "{", "}"]


def item(number: str = "US-00001", amount: int = 1_234_50, due: date = TODAY, link: str = "") -> Item:
    return Item(number=number, currency="USD", amount=amount, due_on=due, link=link)


def every_text(seller: str = "Example Inc.", customer: str = "Ada", number: str = "US-00001") -> list[Text]:
    one = item(number)
    return [
        mails.invoice(seller, customer, one),
        mails.credit_note(seller, customer, one),
        *(mails.reminder(step, seller, customer, [one], TODAY) for step in STEPS),
    ]


def test_every_text_names_the_document_the_amount_and_who_writes() -> None:
    for text in every_text():
        assert "US-00001" in text.subject
        assert "Example Inc." in text.subject
        assert all(word in text.body for word in ("Hello Ada,", "US-00001", "1,234.50 USD", "Example Inc."))
        assert not re.search(r"[{}]", text.subject + text.body)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_value_stays_what_it_is(name: str) -> None:
    for text in every_text(seller=name, customer=name, number=name):
        shown = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
        assert shown in text.subject
        assert f"Hello {shown},\n" in text.body
        assert "\r" not in text.body + text.subject
        assert "\n" not in text.subject


def test_a_payment_page_stands_in_the_text_and_without_one_the_invoice_says_how() -> None:
    assert "online: https://pay.example/1" in mails.invoice("S", "C", item(link="https://pay.example/1")).body
    without = mails.invoice("S", "C", item()).body
    assert "https" not in without
    assert "see the details on the invoice and give US-00001 as the reference" in without


def test_a_reminder_lists_the_oldest_first_with_how_late_each_is() -> None:
    items = [item("B", due=date(2026, 9, 29)), item("A", due=date(2026, 9, 1), link="https://pay.example/A")]
    text = mails.reminder("firm", "S", "C", items, TODAY)
    assert text.subject == "Second reminder: invoices A, B from S"
    lines = [line for line in text.body.splitlines() if line.startswith(("- ", "  "))]
    assert lines == [
        "- A: 1,234.50 USD, due on 1 Sep 2026 (29 days ago)",
        "  pay online: https://pay.example/A",
        "- B: 1,234.50 USD, due on 29 Sep 2026 (1 day ago)",
    ]


def test_a_long_list_does_not_make_a_long_subject() -> None:
    items = [item(f"US-{number}") for number in range(10)]
    assert mails.reminder("friendly", "S", "C", items, TODAY).subject == (
        "Reminder: invoices US-0, US-1, US-2 and 7 more from S"
    )


def test_the_firmest_tone_wins() -> None:
    assert mails.firmest(["firm", "friendly"]) == "firm"
    assert mails.firmest(["friendly", "escalation", "firm"]) == "escalation"


def test_a_placeholder_without_a_value_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        Text("{x}", "").filled({})
