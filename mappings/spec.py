"""A CRM mapping as data: which deals become contracts, and which property becomes which term.

The specs of the other two roles stand in ``ledger`` and ``payments``; all three can be had from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mappings.faults import Fault, MappingError, Report
from mappings.kinds import TERMS, WRITTEN_BACK
from mappings.ledger import LedgerMapping, load_ledger_mapping
from mappings.payments import PaymentsMapping, load_payments_mapping
from mappings.recipes import SCOPES, Path, Recipe, Refused, Rule, read_path, read_rule
from mappings.suggest import did_you_mean, mapping_line
from mappings.tables import fold, join, read_table, read_toml
from mappings.transforms import Unreadable

__all__ = [
    "Condition",
    "CrmMapping",
    "Fault",
    "LedgerMapping",
    "MappingError",
    "PaymentsMapping",
    "check_against",
    "check_stages",
    "check_write_back",
    "load_crm_mapping",
    "load_ledger_mapping",
    "load_payments_mapping",
    "properties_used",
    "won_stages",
]


class Condition(msgspec.Struct, frozen=True):
    """A deal counts only where the value is one of ``is_`` (when given) and none of ``is_not``; compared folded."""

    key: str
    path: Path
    is_: tuple[str, ...]
    is_not: tuple[str, ...]


class CrmMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping file of role ``crm``. ``sections``: section -> term -> rule, as in ``kinds.TERMS``.

    ``write_back``: the CRM's object type (deals, companies) -> figure -> property, as in ``kinds.WRITTEN_BACK``.
    ``digest`` stands for the whole file.
    """

    source: str
    won: Mapping[str, tuple[str, ...]]
    conditions: tuple[Condition, ...]
    sections: Mapping[str, Mapping[str, Rule]]
    write_back: Mapping[str, Mapping[str, str]] = {}
    digest: str = ""

    def rules(self) -> Iterator[Rule]:
        """Yield every rule of every section."""
        for section in self.sections.values():
            yield from section.values()


class _DealsTable(msgspec.Struct):
    won: dict[str, list[str]]
    where: list[dict[str, Any]] = []


class _ConditionTable(msgspec.Struct, rename={"source": "from", "is_": "is"}):
    source: str
    is_: list[str] = []
    is_not: list[str] = []


class _WriteBackTable(msgspec.Struct):
    deal: dict[str, Any] = {}
    company: dict[str, Any] = {}


def load_crm_mapping(text: str, source: str) -> CrmMapping:
    """Read a mapping file of role ``crm``; ``source`` is its name in messages.

    Raises ``MappingError`` with every fault of the file.
    """
    document, report = read_toml(text, source, "crm")
    won, conditions = _read_deals(document.pop("deals", None), report)
    sections: dict[str, dict[str, Rule]] = {}
    for section in TERMS:
        table = _take(document, section, report)
        sections[section] = _read_section(table, section, report)
    write_back = _read_write_back(document.pop("write_back", {}), report)
    known = {"deals", "write_back", *(section.partition(".")[0] for section in TERMS)}
    for name in document:
        if name not in known:
            report.add(join("", name), "is not known here", did_you_mean(name, known))
    report.check()
    digest = hashlib.sha256(text.encode()).hexdigest()
    return CrmMapping(
        source=source, won=won, conditions=conditions, sections=sections, write_back=write_back, digest=digest
    )


def _take(document: Mapping[str, Any], section: str, report: Report) -> dict[str, Any]:
    """Return the table of ``section`` without its sub-sections; empty where it is not written."""
    table: Any = document
    for name in section.split("."):
        table = table.get(name, {}) if isinstance(table, Mapping) else {}
    if not isinstance(table, dict):
        report.add(section, "must be a table", f"write [{section}] on a line of its own, the terms below it")
        return {}
    below = {other.removeprefix(f"{section}.") for other in TERMS if other.startswith(f"{section}.")}
    return {name: value for name, value in table.items() if name not in below}


def _read_section(table: Mapping[str, Any], section: str, report: Report) -> dict[str, Rule]:
    terms = TERMS[section]
    scopes = tuple(SCOPES) if section.startswith(("line", "discounts")) else ("deal", "company", "contact")
    rules = {}
    for name, entry in table.items():
        key = join(section, name)
        if name not in terms:
            report.add(key, "is no term", did_you_mean(name, terms))
        elif rule := read_rule(entry, key, terms[name], scopes, report):
            rules[name] = rule
    for name, term in terms.items():
        if term.required and name not in table:
            report.add(
                join(section, name), "is missing", f'add {name} = {{ from = "..." }}, which gives {term.kind.wants}'
            )
    return rules


def _read_deals(table: object, report: Report) -> tuple[dict[str, tuple[str, ...]], tuple[Condition, ...]]:
    deals = read_table({} if table is None else table, _DealsTable, "deals", report)
    if deals is None:
        return {}, ()
    if not any(deals.won.values()):
        report.add("deals.won", "names no stage", 'write e.g. won = { default = ["closedwon"] }')
    read = [_read_condition(entry, f"deals.where[{index}]", report) for index, entry in enumerate(deals.where)]
    won = {pipeline: tuple(stages) for pipeline, stages in deals.won.items()}
    return won, tuple(condition for condition in read if condition)


def _read_condition(entry: object, key: str, report: Report) -> Condition | None:
    table = read_table(entry, _ConditionTable, key, report)
    if table is None:
        return None
    path = read_path(table.source, f"{key}.from", ("deal", "company"), report)
    if not table.is_ and not table.is_not:
        report.add(key, "says neither is nor is_not", 'write e.g. is = ["newbusiness"]')
    if path is None:
        return None
    return Condition(key, path, tuple(map(fold, table.is_)), tuple(map(fold, table.is_not)))


def _read_write_back(table: object, report: Report) -> dict[str, dict[str, str]]:
    """Return which figure goes into which property of deals and companies; an empty name leaves the figure out."""
    read = read_table(table, _WriteBackTable, "write_back", report)
    if read is None:
        return {}
    return {
        SCOPES[scope]: _read_figures(figures, f"write_back.{scope}", report)
        for scope, figures in (("deal", read.deal), ("company", read.company))
    }


def _read_figures(figures: Mapping[str, Any], key: str, report: Report) -> dict[str, str]:
    found: dict[str, str] = {}
    for figure, name in figures.items():
        if figure not in WRITTEN_BACK:
            report.add(join(key, figure), "is nothing that can be written back", did_you_mean(figure, WRITTEN_BACK))
        elif not isinstance(name, str):
            report.add(join(key, figure), f"is {name!r}", 'write the property\'s internal name, or "" for none')
        elif name and name in found.values():
            report.add(join(key, figure), f"goes into {name!r} like another figure", "give each a property of its own")
        elif name:
            found[figure] = name
    return found


# ------------------------------------------------------------------------------------ what a mapping asks of the CRM


def won_stages(mapping: CrmMapping) -> dict[str, tuple[str, ...]]:
    """Return pipeline id -> ids of its won stages."""
    return dict(mapping.won)


def properties_used(mapping: CrmMapping) -> dict[str, list[str]]:
    """Return the properties to read by the CRM's object type: deals, line_items, companies, contacts."""
    used: dict[str, set[str]] = {objects: set() for objects in SCOPES.values()}
    for _, path in _paths(mapping):
        used[SCOPES[path.scope]].add(path.property)
    return {objects: sorted(names) for objects, names in used.items()}


def _paths(mapping: CrmMapping) -> Iterator[tuple[str, Path]]:
    """Yield every property path with the key that names it; an object's own id is no property."""
    for rule in mapping.rules():
        yield from ((rule.key, path) for path in rule.sources() if path.property != "id")
    yield from ((condition.key, condition.path) for condition in mapping.conditions if condition.path.property != "id")


def check_against(mapping: CrmMapping, existing: Mapping[str, Mapping[str, Sequence[str]]]) -> list[Fault]:
    """Hold a mapping against the CRM's properties: object type -> name -> the options of an enumeration.

    Faults: a property that does not exist, and an option that the term's recipe could not read (but does not name in
    ``refuse``). Object types that ``existing`` does not hold are not checked.
    """
    report = Report(mapping.source)
    for key, path in _paths(mapping):
        known = existing.get(SCOPES[path.scope])
        if known is not None and path.property not in known:
            line = mapping_line(key.rpartition(".")[2], path.scope, path.property, known)
            written = f"write {line} if that is meant, or " if line and "[" not in key else ""
            report.add(key, f"the CRM has no property {str(path)!r}", f"{written}create the property in the CRM")
    for rule in mapping.rules():
        for recipe in rule.recipes:
            _try_options(rule, recipe, existing, report)
    return report.faults


def _try_options(
    rule: Rule, recipe: Recipe, existing: Mapping[str, Mapping[str, Sequence[str]]], report: Report
) -> None:
    if recipe.template:
        return
    for path in recipe.sources:
        for option in existing.get(SCOPES[path.scope], {}).get(path.property, ()):
            try:
                recipe.convert(option)
            except Refused:
                continue
            except Unreadable as error:
                problem = f"{str(path)!r} may hold {option!r}, which {error.problem}"
                if recipe.values is None:
                    report.add(rule.key, problem, f"add a value table that translates {option!r}")
                else:
                    report.add(f"{rule.key}.values", problem, f'add "{option}" = "..." to the table, or to refuse')


def check_write_back(mapping: CrmMapping, existing: Mapping[str, Mapping[str, str]]) -> list[Fault]:
    """Hold ``write_back`` against the CRM's properties: object type -> name -> type. Each fault says what to create."""
    report = Report(mapping.source)
    for object_type, figures in mapping.write_back.items():
        scope = next(name for name, objects in SCOPES.items() if objects == object_type)
        for figure, name in figures.items():
            wanted, found = WRITTEN_BACK[figure], existing.get(object_type, {}).get(name)
            key = f"write_back.{scope}.{figure}"
            remedy = f'create it there with this internal name and type {wanted}, or leave the figure out with ""'
            if found is None:
                report.add(key, f"the CRM has no property {f'{scope}.{name}'!r}", remedy)
            elif found not in _FITTING[wanted]:
                report.add(key, f"the CRM's property {f'{scope}.{name}'!r} has type {found}", remedy)
    return report.faults


# What is written as text must not be limited to a list of options that we do not know.
_FITTING = {"string": ("string",), "date": ("date",), "number": ("number", "string")}


def check_stages(mapping: CrmMapping, stages: Mapping[str, Mapping[str, str]]) -> list[Fault]:
    """Hold ``deals.won`` against the CRM's pipelines: pipeline id -> stage id -> label."""
    report = Report(mapping.source)
    for pipeline, wanted in mapping.won.items():
        key = join("deals.won", pipeline)
        if pipeline not in stages:
            report.add(key, "the CRM has no such pipeline", did_you_mean(pipeline, stages))
            continue
        for stage in wanted:
            if stage not in stages[pipeline]:
                report.add(key, f"the pipeline has no stage {stage!r}", _stage_hint(stage, stages[pipeline]))
    return report.faults


def _stage_hint(wanted: str, stages: Mapping[str, str]) -> str:
    """Help those who wrote a stage's label where its id belongs."""
    named = [stage for stage, label in stages.items() if fold(label) == fold(wanted)]
    return f"{wanted!r} is its label: write its id {named[0]!r}" if named else did_you_mean(wanted, stages)
