"""docs/terms.md and the pages and examples beside it say what the program does.

``make docs`` writes anew what they hold of the program's own output: docs/terms/keys.md, and what each example prints.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import commands
from billing.lint import lint
from billing.preview import load_terms_file, preview, schema
from billing.reading.records import read_records

ROOT = Path(__file__).resolve().parents[2]
TERMS = ROOT / "docs" / "terms"
GUIDE = ROOT / "docs" / "terms.md"
EXAMPLES = sorted(TERMS.glob("*.toml"))
WRITE = bool(os.environ.get("NETTERMS_WRITE_DOCS"))
STALE = "run `make docs`, and read what has changed before you keep it"

# Worked out by hand from what the comment of each file says: total of the nth document, counted from 0.
BY_HAND = [
    ("amendments", 2, "150.00"),  # 14 of 28 days: 20 × (45.00 - 30.00) / 2
    ("amendments", 4, "152.42"),  # 5 × 45.00 × 21/31
    ("amendments", 9, "2550.00"),  # 2 × (25 × 45.00 + 150.00)
    ("annual-cpi", 1, "63000.00"),  # 340.8 / 320 is 6.5 % more: the cap of 5 %
    ("annual-cpi", 2, "65070.42"),  # 63000.00 × 352 / 340.8
    ("annual-plus-implementation", 1, "8925.00"),  # 7500.00 and 19 % tax
    ("commitment", 3, "33444.57"),  # 26562.71 of the quarter and 100000.00 - 93118.14
    ("evergreen-trial", 0, "49.50"),
    ("evergreen-trial", 4, "99.00"),  # July is free and makes no document: this is August's
    ("hybrid", 1, "728.13"),  # 500.00 + 50 × 4.00 + 11.25 × 2.50
    ("hybrid", 2, "500.00"),  # 9400 calls are within the 10000 included
    ("kuwait-volume", 0, "125.000"),  # 99.6 tonnes are 100
    ("kuwait-volume", 1, "378.788"),  # 333 × 1.1375 = 378.7875
    ("milestones", 0, "29160.00"),  # 30 % of 90000.00 less a tenth, and 20 % tax
    ("milestones", 3, "10800.00"),  # a tenth of 90000.00, and 20 % tax
    ("monthly-seats", 0, "654.48"),  # 25 × 49.00 less 10 %, 17 of 31 days: 604.60, and 8.25 % tax
    ("payment-schedule", 1, "5000.00"),
    ("payment-volume", 0, "60.00"),  # the minimum
    ("prepaid-credits", 4, "140.00"),  # 600.00 less the 460.00 left of 2200.00
    ("quarterly-arrears", 0, "9828.00"),  # 2.7 months at 3200.00 less 500.00 × 2.7/3, and 20 % tax
    ("renewal", 4, "12746.40"),  # 9600.00 + 7 % + 350.00, and 20 % tax
    ("retainer", 2, "2808.40"),  # 15.5 hours of 10 and 4 kept: 1.5 × 240.00 beside the fee, and 19 % tax
    ("seats-ramp", 2, "1361.09"),  # 10 × 500.00 × 92/365, and 8 % tax
    ("time-and-materials", 3, "6204.00"),  # 40000.00 less the 34830.00 before, and 20 % tax
    ("weekly", 0, "180000"),
]


def beside(path: Path, kind: str) -> list[str]:
    """Return the option that gives an example its usage or its events, where it has some."""
    records = path.with_suffix(f".{kind}.jsonl")
    return [f"--{kind}", str(records.relative_to(ROOT))] if records.exists() else []


def command(path: Path) -> list[str]:
    """Return the command whose output stands beside an example: that file's own first line, if there is one."""
    output = path.with_suffix(".txt")
    if output.exists():
        return shlex.split(output.read_text(encoding="utf-8").partition("\n")[0].removeprefix("$ "))
    given = [*beside(path, "usage"), *beside(path, "events")]
    return ["netterms", "plan", str(path.relative_to(ROOT)), *given, "--explain"]


def keep(path: Path, text: str) -> None:
    """Hold a file against what it must be, or write it anew."""
    if WRITE:
        path.write_text(text, encoding="utf-8")
    assert (path.read_text(encoding="utf-8") if path.exists() else "") == text, STALE


def records(path: Path, kind: str) -> list[Any]:
    file = path.with_suffix(f".{kind}.jsonl")
    return [record for _, record in read_records(file.read_text(), as_csv=False)] if file.exists() else []


@cache
def shown(path: Path) -> dict[str, Any]:
    file = load_terms_file(path.read_text(encoding="utf-8"), path.name)
    return preview(file, usage=records(path, "usage"), events=records(path, "events"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_output_beside_an_example_is_what_the_command_prints(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = command(path)
    assert words[:3] == ["netterms", "plan", str(path.relative_to(ROOT))]
    assert all(option in words for kind in ("usage", "events") for option in beside(path, kind))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", words)
    result = CliRunner().invoke(commands.main, words[1:])
    assert result.exit_code == 0, result.output
    printed = "\n".join(line.rstrip() for line in result.stdout.splitlines())
    keep(path.with_suffix(".txt"), f"$ {shlex.join(words)}\n{printed}\n")


@pytest.mark.parametrize(("name", "number", "total"), BY_HAND, ids=lambda value: str(value))
def test_an_example_bills_what_its_comment_says(name: str, number: int, total: str) -> None:
    assert shown(TERMS / f"{name}.toml")["invoices"][number]["total"] == total


def test_every_example_is_worked_out_by_hand_begins_with_a_comment_and_is_listed_in_the_guide() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert {path.stem for path in EXAMPLES} == {name for name, _, _ in BY_HAND}
    assert len(EXAMPLES) >= 18
    for path in EXAMPLES:
        assert path.read_text(encoding="utf-8").startswith("# ")
        assert f"(terms/{path.name})" in guide and f"(terms/{path.stem}.txt)" in guide


def test_nothing_but_the_example_that_is_meant_to_is_found_contradictory() -> None:
    about_what_is_shown = {"evergreen", "renewal_shown", "billed_elsewhere"}
    found = {path.stem: {note["code"] for note in shown(path)["review"]} - about_what_is_shown for path in EXAMPLES}
    assert {name: codes for name, codes in found.items() if codes} == {"kuwait-volume": {"tier_cliff"}}


def test_what_the_pages_show_of_a_file_can_be_read_and_is_sound() -> None:
    contract, amendment = (
        re.findall(r"(?s)```toml\n(.*?)```", page.read_text(encoding="utf-8")) for page in (GUIDE, TERMS / "changes.md")
    )
    file = load_terms_file("\n".join([*contract, *amendment]), "the guide")
    assert (len(file.terms.charges), [one.key for one in file.terms.amendments]) == (1, ["upgrade"])
    assert lint(file.terms) == []


def test_every_code_of_the_lint_is_explained() -> None:
    page = (TERMS / "review.md").read_text(encoding="utf-8")
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "billing").rglob("lint*.py"))
    billing = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "billing").rglob("*.py"))
    codes = set(re.findall(r"Note\(\s*\"(\w+)\"", sources))
    told = {code for row in re.findall(r"(?m)^\| (`.+?`) \|", page) for code in re.findall(r"`(\w+)`", row)}
    assert len(codes) > 40
    assert sorted(codes - told) == []
    composed = {"usage_record", "events_record"}  # from the kind of record
    assert [code for code in sorted(told - codes - composed) if f'"{code}"' not in billing] == []


@pytest.mark.parametrize("page", [GUIDE, *sorted(TERMS.glob("*.md"))], ids=lambda page: page.stem)
def test_every_link_of_the_guide_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        titles = re.findall(r"(?m)^#+ (.+)$", file.read_text(encoding="utf-8")) if anchor else []
        assert not anchor or anchor in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


# ------------------------------------------------------------------------------------------------------------- keys.md

TITLES = {
    "Document": "The contract", "Recurring": "recurring", "OneTime": "one_time", "Usage": "usage",
    "FixedPrice": "fixed_price", "Retainer": "retainer", "Prepaid": "prepaid", "Instalment": "instalments",
    "Discount": "discounts", "Tier": "tiers", "Step": "steps", "Escalator": "escalator", "Renewal": "renewal",
    "Commitment": "commitments", "Holdback": "holdback", "TerminationFee": "termination_fee", "LateFee": "late_fee",
    "BillingContact": "billing_contact", "Amendment": "amendments", "Change": "change", "Replacement": "replace",
    "Renewed": "renewed",
}  # fmt: skip


def test_the_page_of_all_keys_is_that_of_the_schema() -> None:
    keep(TERMS / "keys.md", "\n".join(keys_page()) + "\n")


def keys_page() -> Iterator[str]:
    """Yield the lines of docs/terms/keys.md."""
    tables = schema()["$defs"]
    assert tables.keys() == TITLES.keys()
    yield "# Every key\n"
    yield "Made from the schema (`netterms plan --schema`) by `make docs`. A key without a default is needed, or stands"
    yield "for nothing while it is left out.\n"
    yield "What stands where: " + " · ".join(f"[{title}](#{_anchor(title)})" for title in TITLES.values()) + "."
    for table, title in TITLES.items():
        found = tables[table]
        yield f"\n## {title}\n"
        yield "| key | takes | default | meaning |"
        yield "|---|---|---|---|"
        for key, spec in found["properties"].items():
            needed = "needed" if key in found.get("required", ()) else _default(spec)
            yield f"| `{key}` | {_takes(spec)} | {needed} | {spec['description']} |"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _default(spec: dict[str, Any]) -> str:
    value = spec.get("default")
    if value is None or (isinstance(value, str | list | tuple | dict) and not value):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _takes(spec: dict[str, Any]) -> str:
    """Word what a key takes, from its schema."""
    if "$ref" in spec:
        title = TITLES[spec["$ref"].rpartition("/")[2]]
        return f"[{title}](#{_anchor(title)})"
    if "anyOf" in spec:
        parts = dict.fromkeys(_takes(one) for one in spec["anyOf"] if one.get("type") != "null")
        return "number" if set(parts) == {"number", "text"} else ", ".join(parts)
    if "enum" in spec:
        return ", ".join(f"`{one}`" for one in spec["enum"])
    if spec.get("type") == "array":
        return f"list of {_takes(spec['items'])}"
    if spec.get("type") == "object":
        return f"table of {_takes(spec['additionalProperties'])}"
    if spec.get("format") == "date":
        return "date"
    if spec.get("type") == "integer":
        bounds = [f"{name} {spec[key]}" for name, key in (("from", "minimum"), ("to", "maximum")) if key in spec]
        return " ".join(["whole number", *bounds])
    return {"number": "number", "boolean": "`true`, `false`"}.get(spec.get("type", ""), "text")
