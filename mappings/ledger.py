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


class CashAccounts(msgspec.Struct, frozen=True):
    """Where money lies, as currency -> account: ``clearing`` until a provider pays it out, ``bank`` from then on."""

    clearing: dict[str, str] = {}  # msgspec copies the default
    bank: dict[str, str] = {}


class LedgerMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping file of role ``ledger``. ``needs``: what no line may lack. ``clearing``: currency -> account.

    ``bank``: where payouts arrive, by currency; ``fees``: the account of the expense; ``not_ours``: the account of what
    others sell through the same provider; ``conversion``: the account through which goes what a provider exchanges.
    ``terms``: a contract's payment terms, as ``fold`` writes them, -> what the ledger calls them.
    ``providers``: accounts that are one payment connection's own, by its name.
    """

    source: str
    needs: tuple[str, ...]
    rules: tuple[LedgerRule, ...]
    clearing: Mapping[str, str]
    bank: Mapping[str, str] = {}
    fees: str = ""
    not_ours: str = ""
    conversion: str = ""
    terms: Mapping[str, str] = {}
    providers: Mapping[str, CashAccounts] = {}


_FACTS = LineFacts.__struct_fields__
_OUTPUTS = {"item": "item", "account": "account", "tax_code": "tax_code", "class": "class_"}  # in the file -> Coding
_LISTS = {  # in a ledger's setup
    "item": "items", "account": "accounts", "tax_code": "tax_codes", "class": "classes", "payment_terms": "terms",
}  # fmt: skip
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
    bank: dict[str, str] = {}
    fees: str = ""
    not_ours: str = ""
    conversion: str = ""
    terms: dict[str, str] = {}
    providers: dict[str, dict[str, Any]] = {}


def load_ledger_mapping(text: str, source: str) -> LedgerMapping:
    """Read a mapping file of role ``ledger``; raises ``MappingError`` with every fault of the file."""
    document, report = read_toml(text, source, "ledger")
    table = read_table(document, _FileTable, "", report)
    rules: list[LedgerRule] = []
    providers: dict[str, CashAccounts] = {}
    if table is not None:
        read = [_read_rule(entry, f"rules[{index}]", report) for index, entry in enumerate(table.rules)]
        rules = [rule for rule in read if rule]
        for name in table.needs:
            if name not in _OUTPUTS:
                report.add("needs", f"{name!r} is nothing that a rule gives", did_you_mean(name, _OUTPUTS))
        for name, one in table.providers.items():
            providers[name] = read_table(one, CashAccounts, join("providers", name), report) or CashAccounts()
        _check_accounts(table, providers, report)
    report.check()
    assert table is not None  # otherwise a fault was reported
    return LedgerMapping(
        source=source,
        needs=tuple(table.needs),
        rules=tuple(rules),
        clearing=table.clearing,
        bank=table.bank,
        fees=table.fees,
        not_ours=table.not_ours,
        conversion=table.conversion,
        terms={fold(agreed): name for agreed, name in table.terms.items()},
        providers=providers,
    )


def _check_accounts(table: _FileTable, providers: Mapping[str, CashAccounts], report: Report) -> None:
    """Find currencies that are none, and payouts that would be booked without their fees."""
    for key, accounts in _accounts(table.clearing, table.bank, providers):
        currency = key.rpartition(".")[2]
        if re.fullmatch("[A-Z]{3}", currency) is None:
            report.add(key, "is no currency", "write three capital letters, e.g. USD")
        if accounts == "":
            report.add(key, "is empty", "write the account, or take the line out")
    if (table.bank or any(one.bank for one in providers.values())) and not table.fees:
        remedy = 'write the account of the expense above the first table: fees = "..."'
        report.add("fees", "is missing: payouts arrive in a bank account, and what was kept of them has none", remedy)


def _accounts(
    clearing: Mapping[str, str], bank: Mapping[str, str], providers: Mapping[str, CashAccounts]
) -> list[tuple[str, str]]:
    """Return (key in the file, account) of every account in which money lies."""
    tables = {"clearing": clearing, "bank": bank}
    for name, one in providers.items():
        tables |= {f"{join('providers', name)}.clearing": one.clearing, f"{join('providers', name)}.bank": one.bank}
    return [(join(key, currency), account) for key, table in tables.items() for currency, account in table.items()]


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


def terms_name(mapping: LedgerMapping, payment_terms: str) -> str:
    """Return what the ledger calls a contract's payment terms; empty where the mapping does not say."""
    return mapping.terms.get(fold(payment_terms), "")


def clearing_account(mapping: LedgerMapping, currency: str, provider: str = "") -> str | Fault:
    """Return the account in which money received in ``currency`` lies until ``provider`` pays it out."""
    own = mapping.providers.get(provider, CashAccounts()).clearing
    account = own.get(currency) or mapping.clearing.get(currency)
    if account:
        return account
    remedy = f'add {currency} = "..." under [clearing]'
    return Fault(mapping.source, f"clearing.{currency}", f"no clearing account for {currency}", remedy)


def bank_account(mapping: LedgerMapping, currency: str, provider: str = "") -> str | Fault:
    """Return the account in which ``provider``'s payouts in ``currency`` arrive."""
    own = mapping.providers.get(provider, CashAccounts()).bank
    account = own.get(currency) or mapping.bank.get(currency)
    if account:
        return account
    remedy = f'add {currency} = "..." under [bank]'
    return Fault(mapping.source, f"bank.{currency}", f"no bank account for payouts in {currency}", remedy)


def books_payouts(mapping: LedgerMapping, provider: str) -> bool:
    """Say whether a provider's payouts are booked: the mapping names a bank account for any of them."""
    return bool(mapping.bank or mapping.providers.get(provider, CashAccounts()).bank)


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
    accounts = _accounts(mapping.clearing, mapping.bank, mapping.providers)
    named = {"fees": mapping.fees, "not_ours": mapping.not_ours, "conversion": mapping.conversion}
    accounts += [(key, account) for key, account in named.items() if account]
    written += [(key, "account", account) for key, account in accounts]
    written += [(join("terms", agreed), "payment_terms", name) for agreed, name in mapping.terms.items()]
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
