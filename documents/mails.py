"""The texts of our mails: plain text, in which ``{name}`` stands for a value and nothing else has a meaning.

Values are put in as they are, once: a customer named ``{link}`` stays ``{link}``. Line ends in them become spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from billing.dunning import STEPS, Step
from billing.explain import date_text
from billing.money import display

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Text(msgspec.Struct, frozen=True):
    """A mail's subject and text, as a template or filled in."""

    subject: str
    body: str

    def filled(self, values: Mapping[str, str]) -> Text:
        """Return the text with its placeholders replaced; raises ``KeyError`` for one without a value."""
        return Text(_fill(self.subject, values), _fill(self.body, values))


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A document in a mail. ``amount``, in minor units, is the total of a new document and what is owed of a late one.

    ``link`` is where it can be paid, empty where there is no such place.
    """

    number: str
    currency: str
    amount: int
    due_on: date
    link: str = ""
    is_paid: bool = False


_INVOICE = Text(
    "Invoice {number} from {seller}",
    """\
Hello {customer},

please find attached invoice {number} over {amount}, due on {due}.

{how}

If anything about it is not as you expected, please reply to this mail.

Kind regards
{seller}
""",
)
_CREDIT_NOTE = Text(
    "Credit note {number} from {seller}",
    """\
Hello {customer},

please find attached credit note {number} over {amount}. There is nothing for you to pay; we take it into account with
your invoices.

If anything about it is not as you expected, please reply to this mail.

Kind regards
{seller}
""",
)
_REMINDERS: dict[Step, Text] = {
    "friendly": Text(
        "Reminder: {numbers} from {seller}",
        """\
Hello {customer},

this may have slipped through: we have not received a payment for

{list}

If it is on its way, please take no notice of this mail and accept our thanks.

{how}

Kind regards
{seller}
""",
    ),
    "firm": Text(
        "Second reminder: {numbers} from {seller}",
        """\
Hello {customer},

we have still not received a payment for

{list}

Please pay the open amount in the next days. If something keeps you from paying, reply to this mail and we will find
a way.

{how}

Kind regards
{seller}
""",
    ),
    "escalation": Text(
        "Overdue: {numbers} from {seller}",
        """\
Hello {customer},

in spite of our reminders we have not received a payment for

{list}

Please pay the open amount at once, or tell us by reply today why it is not paid. Otherwise we will have to pass the
matter on.

{how}

Kind regards
{seller}
""",
    ),
}


def invoice(seller: str, customer: str, item: Item) -> Text:
    """Return the mail that brings an invoice."""
    how = "It is paid already; nothing is left to do." if item.is_paid else _how([item])
    return _INVOICE.filled({**_values(seller, customer, [item]), "how": how, "due": date_text(item.due_on)})


def credit_note(seller: str, customer: str, item: Item) -> Text:
    """Return the mail that brings a credit note."""
    return _CREDIT_NOTE.filled(_values(seller, customer, [item]))


def reminder(step: Step, seller: str, customer: str, items: Sequence[Item], today: date) -> Text:
    """Return the mail that reminds of overdue invoices in the tone of ``step``, oldest due first."""
    ordered = sorted(items, key=lambda item: (item.due_on, item.number))
    lines = "\n".join(_line(item, today) for item in ordered)
    how = _how([msgspec.structs.replace(item, link="") for item in ordered])  # the links stand in the list
    return _REMINDERS[step].filled({**_values(seller, customer, ordered), "list": lines, "how": how})


def firmest(steps: Sequence[Step]) -> Step:
    """Return the step whose tone a mail about several invoices takes."""
    return max(steps, key=STEPS.index)


def _values(seller: str, customer: str, items: Sequence[Item]) -> dict[str, str]:
    first = items[0]
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return {
        "seller": _flat(seller),
        "customer": _flat(customer),
        "number": _flat(first.number),
        "numbers": ("invoice " if len(items) == 1 else "invoices ")
        + ", ".join(_flat(item.number) for item in items[:3])
        + more,
        "amount": display(first.amount, first.currency),
    }


def _line(item: Item, today: date) -> str:
    late = (today - item.due_on).days
    days = "1 day" if late == 1 else f"{late} days"
    owed = display(item.amount, item.currency)
    line = f"- {_flat(item.number)}: {owed}, due on {date_text(item.due_on)} ({days} ago)"
    return f"{line}\n  pay online: {_flat(item.link)}" if item.link else line


def _how(items: Sequence[Item]) -> str:
    """Say how to pay: by link where there is one, else as the document itself says."""
    name = _flat(items[0].number) if len(items) == 1 else "the invoice numbers"
    transfer = f"For a bank transfer, see the details on the invoice and give {name} as the reference."
    if len(items) == 1 and items[0].link:
        return f"You can see and pay it online: {_flat(items[0].link)}\n{transfer}"
    return transfer


def _flat(value: str) -> str:
    """Return a value on one line, without characters that steer."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
