"""Which item, account, tax code and class a ledger's line gets, and where received money lies: data and one lookup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from mappings.faults import Fault, Report
from mappings.suggest import did_you_mean
from mappings.tables import fold, join, read_table, read_toml


class LineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules of a ledger mapping may ask of a line. ``product`` is the seller's code (SKU)."""

    product: str
    tax_class: str
    kind: str
    entity: str
    currency: str
    description: str


class Coding(msgspec.Struct, frozen=True, kw_only=True):
    """How a line is booked; empty where the mapping leaves it to the ledger."""

    item: str = ""
    account: str = ""
    tax_code: str = ""
    class_: str = ""


class LedgerRule(msgspec.Struct, frozen=True):
    """What a line gets when every fact fits one of its patterns. ``gives`` may name facts: ``{product}``."""

    key: str
    when: Mapping[str, tuple[str, ...]]
    gives: Mapping[str, str]

    def matches(self, facts: Mapping[str, str]) -> bool:
        """Say whether every condition holds; capitals do not count."""
        return all(
            any(fnmatchcase(fold(facts[fact]), pattern) for pattern in patterns) for fact, patterns in self.when.items()
        )


class LedgerMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping file of role ``ledger``. ``needs``: what no line may lack. ``clearing``: currency -> account."""

    source: str
    needs: tuple[str, ...]
    rules: tuple[LedgerRule, ...]
    clearing: Mapping[str, str]


_FACTS = LineFacts.__struct_fields__
_OUTPUTS = {"item": "item", "account": "account", "tax_code": "tax_code", "class": "class_"}  # in the file -> Coding
_LISTS = {"item": "items", "account": "accounts", "tax_code": "tax_codes", "class": "classes"}  # in a ledger's setup
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class _RuleTable(msgspec.Struct, rename={"class_": "class"}):
    when: dict[str, str | list[str]] = {}
    item: str = ""
    account: str = ""
    tax_code: str = ""
    class_: str = ""


class _FileTable(msgspec.Struct):
    rules: list[dict[str, Any]]
    clearing: dict[str, str]
    needs: list[str] = []


def load_ledger_mapping(text: str, source: str) -> LedgerMapping:
    """Read a mapping file of role ``ledger``; raises ``MappingError`` with every fault of the file."""
    document, report = read_toml(text, source, "ledger")
    table = read_table(document, _FileTable, "", report)
    rules: list[LedgerRule] = []
    if table is not None:
        read = [_read_rule(entry, f"rules[{index}]", report) for index, entry in enumerate(table.rules)]
        rules = [rule for rule in read if rule]
        for name in table.needs:
            if name not in _OUTPUTS:
                report.add("needs", f"{name!r} is nothing that a rule gives", did_you_mean(name, _OUTPUTS))
        for currency in table.clearing:
            if re.fullmatch("[A-Z]{3}", currency) is None:
                report.add(join("clearing", currency), "is no currency", "write three capital letters, e.g. USD")
    report.check()
    assert table is not None  # otherwise a fault was reported
    return LedgerMapping(source=source, needs=tuple(table.needs), rules=tuple(rules), clearing=table.clearing)


def _read_rule(entry: object, key: str, report: Report) -> LedgerRule | None:
    table = read_table(entry, _RuleTable, key, report)
    if table is None:
        return None
    when = {fact: (value,) if isinstance(value, str) else tuple(value) for fact, value in table.when.items()}
    for fact in when:
        if fact not in _FACTS:
            report.add(join(f"{key}.when", fact), "is nothing known of a line", did_you_mean(fact, _FACTS))
    gives = {name: value for name, field in _OUTPUTS.items() if (value := getattr(table, field))}
    if not gives:
        report.add(key, "gives nothing", f"add one of {', '.join(_OUTPUTS)}")
    for name, value in gives.items():
        for fact in _PLACEHOLDER.findall(value):
            if fact not in _FACTS:
                report.add(f"{key}.{name}", f"{{{fact}}} is nothing known of a line", did_you_mean(fact, _FACTS))
    return LedgerRule(key, {fact: tuple(map(fold, patterns)) for fact, patterns in when.items()}, gives)


def code_line(mapping: LedgerMapping, facts: LineFacts) -> Coding | Fault:
    """Return how a line is booked: each of item, account, tax code and class from the first rule that gives it.

    A ``Fault`` names what no rule gives although ``needs`` lists it.
    """
    known = msgspec.structs.asdict(facts)
    chosen = {name: value for name, (value, _) in _chosen(mapping, known).items()}
    for name in mapping.needs:
        if name not in chosen:
            shown = ", ".join(f"{fact} {value!r}" for fact, value in known.items())
            remedy = f"add a rule that gives {name} to such a line"
            return Fault(mapping.source, "rules", f"no rule gives {name} to a line with {shown}", remedy)
    return Coding(**{_OUTPUTS[name]: value for name, value in chosen.items()})


def _chosen(mapping: LedgerMapping, facts: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return output -> (value, key of the rule that gave it)."""
    chosen: dict[str, tuple[str, str]] = {}
    for rule in mapping.rules:
        if set(rule.gives) - set(chosen) and rule.matches(facts):
            for name, value in rule.gives.items():
                if filled := _PLACEHOLDER.sub(lambda found: facts[found[1]], value):
                    chosen.setdefault(name, (filled, f"{rule.key}.{name}"))
    return chosen


def clearing_account(mapping: LedgerMapping, currency: str) -> str | Fault:
    """Return the account in which money received in ``currency`` lies until the provider pays it out."""
    if currency in mapping.clearing:
        return mapping.clearing[currency]
    remedy = f'add {currency} = "..." under [clearing]'
    return Fault(mapping.source, f"clearing.{currency}", f"no clearing account for {currency}", remedy)


def check_ledger(mapping: LedgerMapping, setup: Mapping[str, Any], lines: Iterable[LineFacts] = ()) -> list[Fault]:
    """Hold a mapping against a ledger (the builtin form of ``LedgerSetup``): what it writes must exist there.

    Values with a placeholder such as ``{product}`` can only be checked for ``lines``: give those that will be booked.
    """
    report = Report(mapping.source)
    written = [
        (f"{rule.key}.{name}", name, value)
        for rule in mapping.rules
        for name, value in rule.gives.items()
        if not _PLACEHOLDER.search(value)
    ]
    written += [(join("clearing", currency), "account", account) for currency, account in mapping.clearing.items()]
    for facts in lines:
        coded = code_line(mapping, facts)
        if isinstance(coded, Fault):
            report.faults.append(coded)
        written += [
            (key, name, value) for name, (value, key) in _chosen(mapping, msgspec.structs.asdict(facts)).items()
        ]
    for key, name, value in dict.fromkeys(written):
        existing = setup[_LISTS[name]]
        if value not in existing:
            problem = f"the ledger has no {name.replace('_', ' ')} {value!r}"
            report.add(key, problem, f"{_nearest_in(value, existing)}; or create it in the ledger")
    home = setup["home_currency"]
    if home not in mapping.clearing:
        report.add(f"clearing.{home}", "the ledger's home currency has no clearing account", f'add {home} = "..."')
    return list(dict.fromkeys(report.faults))


def _nearest_in(value: str, existing: Mapping[str, str]) -> str:
    """Help those who wrote a name where the ledger wants its code."""
    codes = [code for code, name in existing.items() if fold(name) == fold(value)]
    return f"that is a name: write its code {codes[0]!r}" if codes else did_you_mean(value, existing)
