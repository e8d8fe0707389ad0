"""Every case of the letters A to E and Z has a test that carries its id."""

from __future__ import annotations

import re
from pathlib import Path

from tests.billing.worked.cases import DIFFERENT, ids

_TEST = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
_ID = re.compile(r"_([A-HZ]\d{2})(?=_)|_([A-HZ]\d{2}[a-f])(?=_)")


def ids_in_names() -> set[str]:
    names = [name for file in Path(__file__).parent.glob("test_?_*.py") for name in _TEST.findall(file.read_text())]
    return {found for name in names for pair in _ID.findall(name) for found in pair if found}


def test_every_case_of_a_to_e_and_z_has_a_test_with_its_id():
    wanted = {case for case in ids() if case[0] in "ABCDEZ"}
    assert len(wanted) == 68
    found = ids_in_names()
    assert {case for case in wanted if case not in found and case.rstrip("abcdef") not in found} == set()


def test_every_case_we_answer_otherwise_is_in_the_file_and_named_by_a_test():
    assert set(DIFFERENT) <= set(ids())
    source = "".join(file.read_text() for file in Path(__file__).parent.glob("test_?_*.py"))
    assert [case for case in DIFFERENT if f'DIFFERENT["{case}"]' not in source] == []
