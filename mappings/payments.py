"""How payments of a provider are recognised: which are ours, which texts may name an invoice, who the customer is."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from mappings.faults import Report
from mappings.suggest import did_you_mean, nearest
from mappings.tables import fold, join, read_table, read_toml

Facts = Mapping[str, str]  # what a payment carries, by path: "currency", "charge.description", "customer.metadata.x"
_WITHOUT_POINT = ("currency", "kind", "account", "application", "description", "statement_descriptor")
_BEGINNINGS = ("metadata", "customer")


class ScopeRule(msgspec.Struct, frozen=True):
    """Whose a payment is when every field it names fits one of its patterns; an empty pattern: there is no such field.

    A field is a whole path, or its end: ``metadata.source`` is that of the charge and of the payment intent.
    """

    when: Mapping[str, tuple[str, ...]]
    ours: bool

    def matches(self, facts: Facts) -> bool:
        """Say whether every condition holds; capitals do not count."""
        return all(_holds(_values(facts, field), patterns) for field, patterns in self.when.items())


def _values(facts: Facts, field: str) -> list[str]:
    found = [
        fold(value)
        for path, value in facts.items()
        if path == field or (path.endswith(f".{field}") and not path.startswith("customer."))
    ]
    return found or [""]


def _holds(values: list[str], patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) and bool(value) == bool(pattern) for value in values for pattern in patterns)


class PaymentsMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping file of role ``payments``.

    ``customer_metadata_keys``: keys under which the provider's customer carries the CRM's company id, tried in order.
    ``texts``: patterns (``*`` stands for anything) of the fields in which an invoice number may stand.
    """

    source: str
    customer_metadata_keys: tuple[str, ...]
    texts: tuple[str, ...]
    rules: tuple[ScopeRule, ...] = ()
    ours_by_default: bool = True

    def may_name_invoice(self, field: str) -> bool:
        """Say whether a payment's text at ``field`` (``metadata.order``, ``description``) is searched for numbers."""
        return any(fnmatchcase(field, pattern) for pattern in self.texts)

    def is_ours(self, facts: Facts) -> bool:
        """Say whether a payment is ours by what it carries: the first rule that fits decides."""
        return next((rule.ours for rule in self.rules if rule.matches(facts)), self.ours_by_default)


class _RuleTable(msgspec.Struct):
    when: dict[str, str | list[str]]
    payment: Literal["ours", "not ours"]


class _ScopeTable(msgspec.Struct):
    default: Literal["ours", "not ours"] = "ours"
    rules: list[dict[str, Any]] = []


class _FileTable(msgspec.Struct):
    customer_metadata_keys: list[str] = []
    texts: list[str] = msgspec.field(default_factory=lambda: ["*"])
    scope: dict[str, Any] = {}


def load_payments_mapping(text: str, source: str) -> PaymentsMapping:
    """Read a mapping file of role ``payments``; raises ``MappingError`` with every fault of the file."""
    document, report = read_toml(text, source, "payments")
    table = read_table(document, _FileTable, "", report)
    if table is not None and not table.texts:
        report.add("texts", "is empty: no payment would ever name an invoice", 'write texts = ["*"] for every field')
    scope = None if table is None else read_table(table.scope, _ScopeTable, "scope", report)
    entries = scope.rules if scope else []
    rules = [_read_rule(entry, f"scope.rules[{index}]", report) for index, entry in enumerate(entries)]
    report.check()
    assert table is not None and scope is not None  # otherwise a fault was reported
    return PaymentsMapping(
        source=source,
        customer_metadata_keys=tuple(table.customer_metadata_keys),
        texts=tuple(table.texts),
        rules=tuple(rule for rule in rules if rule),
        ours_by_default=scope.default == "ours",
    )


def _read_rule(entry: object, key: str, report: Report) -> ScopeRule | None:
    table = read_table(entry, _RuleTable, key, report)
    if table is None:
        return None
    if not table.when:
        report.add(f"{key}.when", "is empty: the rule would decide for every payment", "write scope.default instead")
    for field, patterns in table.when.items():
        _check_field(field, join(f"{key}.when", field), report)
        if patterns == []:
            report.add(join(f"{key}.when", field), "has no pattern", 'write what it must be, such as "tickets*"')
    when = {field: (value,) if isinstance(value, str) else tuple(value) for field, value in table.when.items()}
    return ScopeRule({field: tuple(map(fold, patterns)) for field, patterns in when.items()}, table.payment == "ours")


def _check_field(field: str, key: str, report: Report) -> None:
    """Find the typing mistakes: which metadata a payment carries, and so what a path may be, nobody can know."""
    head, _, rest = field.partition(".")
    known = _BEGINNINGS if rest else _WITHOUT_POINT
    wrong = nearest(head, known) not in (None, head) if rest else field not in known
    if wrong:
        report.add(key, "is nothing that a payment carries", did_you_mean(head, known))
