from __future__ import annotations

from datetime import date

import msgspec
import pytest

from billing.differences import Difference, Left, check, differences
from billing.draft import BrokenInvariant, Settled
from billing.line import Line
from billing.plan import plan
from tests.billing.build import terms

NOTHING = Left(None, {})


def line(amount: int = 10000) -> Line:
    (found,) = plan(terms(), date(2026, 1, 1))
    return msgspec.structs.replace(found, amount=amount)


def issued(amount: int, revision: int = 0) -> Settled:
    return Settled(slice=line().slice, how="issued", amount=amount, revision=revision, line=line(amount))


def test_sound_differences_pass():
    check([Difference("s", line(), 0, 10000, None)])
    check([Difference("s", line(), 3, -2000, issued(12000, 2))])


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([Difference("s", line(), 0, 10000, None)] * 2, "slice s is drafted twice"),
        ([Difference("s", line(), 0, 2000, issued(8000))], "drafted as revision 0, which it has already"),
        ([Difference("s", line(), 1, 10000, None)], "drafted as revision 1"),
        ([Difference("s", line(), 0, 9999, None)], "would be billed 9999 in all, but owes 10000"),
        ([Difference("s", line(), 1, 10000, issued(10000))], "would be billed 20000 in all, but owes 10000"),
        ([Difference("s", line(0), 1, -101, issued(100))], "would be billed -1 in all, but owes 0"),
    ],
)
def test_what_must_never_be_is_refused_loudly(found, message):
    with pytest.raises(BrokenInvariant, match=message):
        check(found)


def test_what_is_credited_in_all_is_never_more_than_what_was_billed():
    broken = Settled(slice=line().slice, how="issued", amount=100, revision=0, waived=0, line=line())
    with pytest.raises(BrokenInvariant):
        check([Difference("s", line(0), 1, -150, broken)])


@pytest.mark.parametrize(
    ("owed", "waived", "due"),
    [
        (100, 0, 100),
        (100, 30, 70),
        (20, 30, 0),
        (0, 30, 0),
        (0, -30, 0),
        (100, -30, 130),
        (-100, -30, -70),
        (-20, -30, 0),
        (-20, 30, -50),
    ],
)
def test_an_agreed_reduction_lowers_what_is_due_and_never_turns_it_round(owed, waived, due):
    assert Settled(slice="s", how="issued", waived=waived).due(owed) == due


def test_a_slice_issued_by_since_is_compared_only_where_its_past_is_known():
    owed = {line().slice: line()}
    since = Left(date(2026, 1, 1), {})
    assert [*differences(owed, {}, date(2026, 1, 1), since)] == []
    (found,) = differences(owed, {line().slice: issued(9000)}, date(2026, 1, 1), since)
    assert (found.amount, found.revision) == (1000, 1)
    assert [*differences({}, {line().slice: issued(9000)}, date(2026, 1, 1), since)] == []
    assert [one.amount for one in differences({}, {line().slice: issued(9000)}, date(2026, 1, 1), NOTHING)] == [-9000]


def test_an_unknown_charge_is_left_alone_from_the_day_it_is_unknown():
    owed, known = {line().slice: line()}, {line().slice: issued(9000)}
    for day, count in ((date(2026, 1, 1), 0), (date(2026, 1, 2), 1)):
        left = Left(None, {"fee": day})
        assert len([*differences(owed, {}, date(2026, 1, 1), left)]) == count
        assert len([*differences(owed, known, date(2026, 1, 1), left)]) == count
        assert len([*differences({}, known, date(2026, 1, 1), left)]) == count
    assert len([*differences(owed, {}, date(2026, 1, 1), Left(None, {"other": date(2026, 1, 1)}))]) == 1
