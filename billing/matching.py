"""Which invoices a payment pays: by our number in its texts, or by customer and exact amount; otherwise nobody guesses.

``Matcher`` holds the open invoices in dictionaries, so that a payment costs a few look-ups however many are open. A tie
is refused: an unapplied payment with its reason is worth more than a wrong application.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Literal

import msgspec

SHORTEST_DIGITS = 5  # a bare number shorter than this stands in too many texts to be an invoice number
MOST_RUNS = 6  # parts of letters and digits that one number may be written in
_RUN = re.compile(r"[^\W_]+")  # letters and digits
_GAP = re.compile(r"[\s\-–—_./#]{0,3}")  # what people put between the parts of a number
_GAP_IN_DIGITS = re.compile(r"[-/]")
_GOES_ON = re.compile(r"[-–/._]\d")  # after (or, read backwards, before) a number: it is a part of a longer one
_DIGITS = str.maketrans("0123456789", "9999999999")

Run = tuple[int, int]  # where in a text letters and digits stand
Reason = Literal[
    "number", "amount", "ambiguous", "unknown_number", "wrong_currency", "other_customer", "no_customer", "no_match"
]


class OpenInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that something is open on; ``open`` in minor units of ``currency``.

    ``customer_id`` is empty where nobody knows yet which of our customers it belongs to.
    """

    id: str
    number: str
    customer_id: str
    currency: str
    open: int
    due_on: date


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """Money to apply: ``available`` minor units, the payer where known, and the payment's texts by field name."""

    currency: str
    available: int
    customer_id: str = ""
    texts: Mapping[str, str] = {}


class Applied(msgspec.Struct, frozen=True):
    """A part of a payment put to an invoice, in minor units."""

    invoice_id: str
    amount: int


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a payment pays and why; without ``applications`` the reason says what kept it from being applied."""

    applications: tuple[Applied, ...] = ()
    reason: Reason
    evidence: str

    @property
    def amount(self) -> int:
        """What is applied in all, in minor units."""
        return sum(part.amount for part in self.applications)


class Found(msgspec.Struct, frozen=True):
    """An invoice number read in a text: as written, its key, and the field it stood in."""

    written: str
    key: str
    field: str


class Matcher:
    """The open invoices, indexed by number and by customer, currency and amount."""

    def __init__(self, invoices: Iterable[OpenInvoice]) -> None:
        self._invoices: dict[str, OpenInvoice] = {}
        self._by_number: dict[str, list[str]] = {}
        self._by_amount: dict[tuple[str, str, int], list[str]] = {}
        self._shapes: set[str] = set()  # US999999: what our numbers look like
        self._beginnings: set[str] = set()  # and how they begin, so that other words are passed over at once
        for invoice in invoices:
            self._add(invoice)

    def match(self, payment: Incoming) -> Decision:
        """Decide what a payment pays; nothing is changed by asking."""
        known, unknown = self._numbers(payment.texts)
        if known:
            return self._by_numbers(payment, known, unknown)
        if unknown:
            told = ", ".join(dict.fromkeys(_told(found) for found in unknown))
            return Decision(reason="unknown_number", evidence=f"names {told}: no open invoice has that number")
        return self._by_exact_amount(payment)

    def named(self, texts: Mapping[str, str]) -> list[str]:
        """Return the ids of the invoices whose numbers stand in ``texts``, whatever is open on them."""
        known, _ = self._numbers(texts)
        return [id_ for found in known for id_ in self._by_number[found.key]]

    def apply(self, decision: Decision) -> None:
        """Take what a decision applies off the open invoices, for the payments that follow."""
        for part in decision.applications:
            invoice = self._invoices[part.invoice_id]
            if part.amount > invoice.open:
                raise ValueError(f"{part.amount} is more than the {invoice.open} open on {invoice.number}")
            self._by_amount[_amount_key(invoice)].remove(invoice.id)
            left = msgspec.structs.replace(invoice, open=invoice.open - part.amount)
            self._invoices[left.id] = left
            self._by_amount.setdefault(_amount_key(left), []).append(left.id)

    def _add(self, invoice: OpenInvoice) -> None:
        if invoice.id in self._invoices:
            raise ValueError(f"invoice {invoice.id} is given twice")
        self._invoices[invoice.id] = invoice
        self._by_amount.setdefault(_amount_key(invoice), []).append(invoice.id)
        key = "".join(_RUN.findall(invoice.number.upper()))
        if key and not (key.isdigit() and len(key) < SHORTEST_DIGITS):
            self._by_number.setdefault(key, []).append(invoice.id)
            self._learn(key.translate(_DIGITS))

    def _learn(self, shape: str) -> None:
        if shape not in self._shapes:
            self._shapes.add(shape)
            self._beginnings.update(shape[:length] for length in range(1, len(shape) + 1))

    def _numbers(self, texts: Mapping[str, str]) -> tuple[list[Found], list[Found]]:
        known: dict[str, Found] = {}
        unknown: dict[str, Found] = {}
        for field, text in texts.items():
            for found in self._read(field, text):
                (known if found.key in self._by_number else unknown).setdefault(found.key, found)
        return list(known.values()), list(unknown.values())

    def _read(self, field: str, text: str) -> Iterator[Found]:
        """Yield what stands in a text as a whole token and is, or looks like, one of our numbers."""
        text = text.upper()
        runs = [match.span() for match in _RUN.finditer(text)]
        shape = text.translate(_DIGITS)
        index = 0
        while index < len(runs):
            count, token = self._longest_number(text, shape, runs[index : index + MOST_RUNS])
            if count:
                yield Found(text[runs[index][0] : runs[index + count - 1][1]], token, field)
            index += count or 1

    def _longest_number(self, text: str, shape: str, runs: Sequence[Run]) -> tuple[int, str]:
        """Return how many runs make up the longest number that begins with the first, and it without its gaps."""
        count, number, token, pattern = 0, "", "", ""
        for length, (start, end) in enumerate(runs, 1):
            pattern += shape[start:end]
            if pattern not in self._beginnings:
                break
            token += text[start:end]
            ours = token in self._by_number or (pattern in self._shapes and not token.isdigit())
            if ours and _is_whole(token, text, runs[:length]):
                count, number = length, token
        return count, number

    def _by_numbers(self, payment: Incoming, known: Sequence[Found], unknown: Sequence[Found]) -> Decision:
        invoices: list[OpenInvoice] = []
        for found in known:
            candidates = [self._invoices[key] for key in self._by_number[found.key]]
            if len(candidates) > 1:  # legal entities may use the same series: the payment must tell them apart
                candidates = [one for one in candidates if _fits(one, payment)]
                if len(candidates) != 1:
                    evidence = f"names {_told(found)}: several open invoices have that number"
                    return Decision(reason="ambiguous", evidence=evidence)
            invoices.append(candidates[0])
        return _refusal(payment, invoices) or self._spread(payment, invoices, [*known, *unknown])

    def _spread(self, payment: Incoming, invoices: Sequence[OpenInvoice], named: Sequence[Found]) -> Decision:
        left = payment.available
        applications = []
        for invoice in invoices:
            amount = min(invoice.open, left)
            if amount > 0:
                applications.append(Applied(invoice.id, amount))
                left -= amount
        told = ", ".join(_told(found) for found in named)
        if not applications:
            return Decision(reason="no_match", evidence=f"names {told}: nothing is left open there, or of the payment")
        return Decision(applications=tuple(applications), reason="number", evidence=f"names {told}")

    def _by_exact_amount(self, payment: Incoming) -> Decision:
        if not payment.customer_id:
            return Decision(reason="no_customer", evidence="no invoice number in its texts, and the payer is not known")
        key = (payment.customer_id, payment.currency, payment.available)
        same = self._by_amount.get(key, []) if payment.available > 0 else []
        if len(same) > 1:
            numbers = ", ".join(sorted(self._invoices[one].number for one in same))
            return Decision(reason="ambiguous", evidence=f"no invoice number; open with exactly this amount: {numbers}")
        if not same:
            return Decision(reason="no_match", evidence="no invoice number, and no open invoice of exactly this amount")
        invoice = self._invoices[same[0]]
        return Decision(
            applications=(Applied(invoice.id, payment.available),),
            reason="amount",
            evidence=f"{invoice.number} is the customer's only open invoice of exactly this amount",
        )


def _refusal(payment: Incoming, invoices: Sequence[OpenInvoice]) -> Decision | None:
    """Refuse the whole payment when one named invoice cannot be meant: then the others are in doubt too."""
    for invoice in invoices:
        if invoice.currency != payment.currency:
            evidence = f"names {invoice.number}, which is in {invoice.currency}; the payment is in {payment.currency}"
            return Decision(reason="wrong_currency", evidence=evidence)
        if payment.customer_id and invoice.customer_id not in ("", payment.customer_id):
            return Decision(reason="other_customer", evidence=f"names {invoice.number}, an invoice of another customer")
    return None


def _fits(invoice: OpenInvoice, payment: Incoming) -> bool:
    same = not (payment.customer_id and invoice.customer_id) or payment.customer_id == invoice.customer_id
    return invoice.currency == payment.currency and same


def _amount_key(invoice: OpenInvoice) -> tuple[str, str, int]:
    return invoice.customer_id, invoice.currency, invoice.open


def _told(found: Found) -> str:
    return f"{found.written} ({found.field})"


def _is_whole(token: str, text: str, runs: Sequence[Run]) -> bool:
    """Whether neighbouring runs of letters and digits are one number as people write it, and no part of a longer."""
    start, end = runs[0][0], runs[-1][1]
    gap = _GAP_IN_DIGITS if token.isdigit() else _GAP
    if not all(gap.fullmatch(text, left[1], right[0]) for left, right in pairwise(runs)):
        return False
    if token[-1].isdigit() and _GOES_ON.match(text, end):
        return False
    return not (token[0].isdigit() and start > 1 and _GOES_ON.match(text[start - 2 : start][::-1]))
