"""A recipe: where a term's value comes from and what is done to it. A rule: the recipes of one term, tried in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from mappings.faults import Report
from mappings.kinds import Kind, Term
from mappings.suggest import did_you_mean
from mappings.tables import fold, folded_keys, join, read_table
from mappings.transforms import TRANSFORMS, Unreadable

SCOPES = {"deal": "deals", "company": "companies", "contact": "contacts", "line": "line_items"}
"""The first word of a source path, and the CRM's objects it reads."""

_IN_TEMPLATE = re.compile(r"\{([^{}]*)\}")


class Path(msgspec.Struct, frozen=True):
    """``deal.contract_start``: the object and its property; ``id`` is the object's own id, not a property."""

    scope: str
    property: str

    def __str__(self) -> str:
        return f"{self.scope}.{self.property}"


class Record(msgspec.Struct, frozen=True):
    """A CRM object while a deal is read. ``label`` is how people find it: ``deal``, ``line 4711``."""

    label: str
    id: str
    properties: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return the trimmed value, empty where the CRM has none."""
        value = self.id if name == "id" else self.properties.get(name)
        return "" if value is None else str(value).strip()


Records = Mapping[str, Record]  # scope -> the object read


class Refused(Unreadable):
    """A value that the mapping itself says a person must look at."""


class Recipe(msgspec.Struct, frozen=True):
    """Reads the first filled of ``sources``, or fills ``template`` (then every source must be filled)."""

    sources: tuple[Path, ...]
    template: str
    steps: tuple[Callable[[Any], Any], ...]
    values: Mapping[str, Any] | None  # by folded text; results are finished
    labels: tuple[str, ...]  # of ``values``, as the file writes them
    refuse: frozenset[str]  # folded texts that always wait for a person
    other: Any  # for text that ``values`` does not hold; UNSET refuses it
    finish: Callable[[Any], Any]

    def raw(self, records: Records) -> tuple[str, str]:
        """Return the text found and where (``deal.contract_start``); empty text when the CRM has nothing."""
        found = [(_lookup(path, records), where(path, records)) for path in self.sources]
        if not self.template:
            return next(((text, place) for text, place in found if text), ("", found[0][1]))
        if not all(text for text, _ in found):
            return "", next(place for text, place in found if not text)
        texts = iter([text for text, _ in found])
        return _IN_TEMPLATE.sub(lambda _: next(texts), self.template), " and ".join(place for _, place in found)

    def convert(self, raw: str) -> Any:
        """Return the term's value of ``raw``, None where the value table says ``""``; raises ``Unreadable``."""
        value: Any = raw
        for step in self.steps:
            value = step(value)
        if self.values is None:
            return self.finish(value)
        if fold(value) in self.refuse:
            raise Refused("is not accepted", f"write one of {', '.join(self.labels)}")
        known = self.values.get(fold(value), self.other)
        if known is msgspec.UNSET:
            raise Unreadable("is not in the value table", f"write one of {', '.join(self.labels)}")
        return known


class Rule(msgspec.Struct, frozen=True):
    """How one term is filled: the first recipe whose source is filled decides, else ``default`` (None: nothing)."""

    key: str  # its path in the mapping file: contract.starts_on
    required: bool
    recipes: tuple[Recipe, ...]
    default: Any = None

    def sources(self) -> list[Path]:
        """Return every path it may read."""
        return [path for recipe in self.recipes for path in recipe.sources]


def _lookup(path: Path, records: Records) -> str:
    record = records.get(path.scope)
    return record.text(path.property) if record else ""


def where(path: Path, records: Records) -> str:
    """Return the path as people find it: ``line 4711.price``."""
    record = records.get(path.scope)
    return f"{record.label if record else path.scope}.{path.property}"


# -------------------------------------------------------------------------------------------- reading them from a file


class _RecipeTable(msgspec.Struct, kw_only=True, rename={"sources": "from"}):
    sources: str | list[str] | None = None
    template: str | None = None
    transforms: list[str | dict[str, Any]] = []
    values: dict[str, Any] | None = None
    refuse: list[str] = []
    other: Any = msgspec.UNSET
    default: Any = msgspec.UNSET
    required: bool | None = None


def read_rule(entry: object, key: str, term: Term, scopes: Sequence[str], report: Report) -> Rule | None:
    """Return the rule written at ``key``: one recipe or a list of them. None when a fault was reported."""
    before = len(report.faults)
    entries = entry if isinstance(entry, list) else [entry]
    tables = [read_table(each, _RecipeTable, key, report) for each in entries]
    recipes = [_read_recipe(table, key, term.kind, scopes, report) for table in tables if table]
    if not entries:
        report.add(key, "is an empty list", "write at least one recipe, or remove the line")
    for table in tables[:-1]:
        if table and table.default is not msgspec.UNSET:
            report.add(f"{key}.default", "stands before another recipe", "move it to the last recipe of the list")
    default, required = None, term.required
    if tables and (last := tables[-1]):
        default = _constant(last.default, f"{key}.default", term.kind, report)
    for table in tables:
        if table and table.required is False and term.required:
            report.add(
                f"{key}.required", "cannot be false: no contract goes without it", "remove it, or give a default"
            )
        required = required or bool(table and table.required)
    if len(report.faults) > before:
        return None
    kept = tuple(recipe for recipe in recipes if recipe)
    return Rule(key, required, kept, default)


def _read_recipe(table: _RecipeTable, key: str, kind: Kind, scopes: Sequence[str], report: Report) -> Recipe | None:
    """Return one recipe; None for one of nothing but a default, or with faults."""
    sources, template = _read_sources(table, key, scopes, report)
    steps, gives = _read_steps(table.transforms, f"{key}.transforms", report)
    accepts = kind.accepts if table.values is None else (str,)
    if gives not in accepts:
        wants = kind.wants if table.values is None else "text, to look it up in values"
        fitting = ", ".join(name for name, transform in TRANSFORMS.items() if transform.gives in accepts)
        problem = f"end in {_called(gives)} where {wants} is wanted"
        report.add(f"{key}.transforms", problem, f"let the last one be one of {fitting}")
    values, other = None, msgspec.UNSET
    if table.values is not None:
        at = f"{key}.values"
        finished = {name: _constant(value, join(at, name), kind, report) for name, value in table.values.items()}
        values = folded_keys(finished, at, report)
    elif table.other is not msgspec.UNSET or table.refuse:
        name = "refuse" if table.refuse else "other"
        report.add(f"{key}.{name}", "has no value table beside it", "add values = { ... }")
    if table.other is not msgspec.UNSET:
        other = _constant(table.other, f"{key}.other", kind, report)
    if not sources:
        return None
    return Recipe(
        sources=tuple(sources),
        template=template,
        steps=tuple(steps),
        values=values,
        labels=tuple(table.values or ()),
        refuse=frozenset(map(fold, table.refuse)),
        other=other,
        finish=kind.finish,
    )


def _read_sources(table: _RecipeTable, key: str, scopes: Sequence[str], report: Report) -> tuple[list[Path], str]:
    """Return the paths read and the template; a recipe of nothing but a default has neither."""
    if table.sources is not None and table.template is not None:
        report.add(key, "has both from and template", "remove one of them")
        return [], ""
    if table.template is not None:
        names, at = _IN_TEMPLATE.findall(table.template), f"{key}.template"
        if not names:
            report.add(at, "names no property", 'write e.g. "D{deal.id}", or default = "..." for a fixed value')
    elif table.sources is not None:
        names, at = [table.sources] if isinstance(table.sources, str) else table.sources, f"{key}.from"
        if not names:
            report.add(at, "is empty", 'write e.g. from = "deal.contract_start"')
    else:
        if table.default is msgspec.UNSET or table.transforms or table.values is not None:
            report.add(key, "says neither from nor template", 'write e.g. from = "deal.contract_start"')
        return [], ""
    paths = [read_path(name, at, scopes, report) for name in names]
    return [path for path in paths if path], table.template or ""


def read_path(text: str, key: str, scopes: Sequence[str], report: Report) -> Path | None:
    """Return ``deal.contract_start`` as a path; another first word than ``scopes`` is reported."""
    scope, dot, name = text.partition(".")
    if not dot or not name or scope not in scopes:
        starts = ", ".join(f"{scope}." for scope in scopes)
        report.add(key, f"{text!r} is no source path", f"begin it with one of {starts} and name a property")
        return None
    return Path(scope, name)


def _read_steps(
    entries: Sequence[str | dict[str, Any]], key: str, report: Report
) -> tuple[list[Callable[[Any], Any]], type]:
    """Return the steps and what the last one gives; a chain that does not fit together is reported."""
    steps: list[Callable[[Any], Any]] = []
    gives: type = str
    for entry in entries:
        parameters = dict(entry) if isinstance(entry, dict) else {"name": entry}
        name = parameters.pop("name", None)
        transform = TRANSFORMS.get(name) if isinstance(name, str) else None
        if transform is None:
            shown = repr(name) if name is not None else "a transform without name"
            report.add(key, f"{shown} is no transform", did_you_mean(str(name or ""), TRANSFORMS))
            continue
        if transform.takes is not gives:
            taken = f"{transform.name} takes {_called(transform.takes)} but gets {_called(gives)}"
            report.add(key, taken, "put the transforms in another order")
        gives = transform.gives
        step = _make_step(transform.name, parameters, key, report)
        steps += [step] if step else []
    return steps, gives


def _make_step(name: str, given: Mapping[str, Any], key: str, report: Report) -> Callable[[Any], Any] | None:
    transform, before = TRANSFORMS[name], len(report.faults)
    for parameter, value in given.items():
        if parameter not in transform.parameters:
            report.add(
                f"{key}.{name}", f"has no parameter {parameter!r}", did_you_mean(parameter, transform.parameters)
            )
        elif type(value) is not transform.parameters[parameter][0]:
            wanted = _called(transform.parameters[parameter][0])
            report.add(f"{key}.{name}.{parameter}", f"is {value!r}", f"write {wanted}")
    for parameter, (wanted_type, needed) in transform.parameters.items():
        if needed and parameter not in given:
            report.add(
                f"{key}.{name}", f"lacks its parameter {parameter!r}", f"add {parameter} = {_called(wanted_type)}"
            )
    if len(report.faults) > before:
        return None
    try:
        return transform.make(**given)
    except ValueError as error:
        report.add(f"{key}.{name}", str(error), "correct the parameter")
        return None


def _constant(value: Any, key: str, kind: Kind, report: Report) -> Any:
    """Return a fixed value of the file, checked like one of the CRM; ``""`` is None: it counts as not filled.

    A number with decimals must be quoted.
    """
    if value is msgspec.UNSET:
        return None
    if isinstance(value, float):
        report.add(key, f"{value} is not exact", f'write it in quotes: "{value}"')
        return None
    if value == "":
        return None
    if not any(type(value) is accepted for accepted in kind.accepts):
        report.add(key, f"is {value!r} where {kind.wants} is wanted", "write it in quotes as the CRM would hold it")
        return None
    try:
        return kind.finish(value)
    except Unreadable as error:
        report.add(key, f"{value!r} {error.problem}", error.fix)
        return None


def _called(type_: type) -> str:
    names = {str: "text", int: "a whole number", bool: "true or false", date: "a date"}
    return names.get(type_, "a number")
