"""Calls counted for every process: no window is overfull whoever calls, and nothing is lost that need not be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Block, Limit, Ports, Settings, Spent, Window
from connectors.errors import DailyLimit, Retryable
from connectors.pace import Pace, Pool
from store.database import Store
from store.quota import Quota
from tests.conftest import FixedToken, NoWait

MINUTE = Limit("minute", 60, 60.0)
Open = Callable[..., Pace]


@pytest.fixture
def clock() -> NoWait:
    found = NoWait()
    found.now = 1_800_000_000.0
    return found


@pytest.fixture
def process(path: Path, clock: NoWait) -> Open:
    """Return what opens the account of one more process; each has a connection to the file of its own."""

    def opened(*limits: Limit, urgent: bool = False) -> Pace:
        ports = Ports(
            credentials=FixedToken("t"), clock=clock, quota=Quota(path, clock.monotonic, Block), urgent=urgent
        )
        return Pace(Settings(name="books", vendor="v", base_url="u", account="a"), ports, limits)

    return opened


def call(pool: Pool, clock: NoWait, times: int) -> list[float]:
    sent = []
    for _ in range(times):
        with pool.permit():
            sent.append(clock.now)
    return sent


@settings(max_examples=25, deadline=None)
@given(
    calls=st.integers(1, 60),
    seconds=st.floats(0.5, 90),
    steps=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 2)), min_size=1, max_size=150),
)
def test_no_window_is_ever_overfull_whichever_process_calls(
    tmp_path_factory: pytest.TempPathFactory, calls: int, seconds: float, steps: list[tuple[int, float]]
) -> None:
    clock, path = NoWait(), tmp_path_factory.mktemp("quota") / "store.db"
    clock.now = 1_800_000_000.0
    pools = []
    for _ in range(3):
        ports = Ports(credentials=FixedToken("t"), clock=clock, quota=Quota(path, clock.monotonic, Block))
        limits = (Limit("x", calls, seconds), Limit("day", 100_000, 86_400.0))
        pools.append(Pace(Settings(name="books", vendor="v", base_url="u"), ports, limits).pool())
    sent = []
    for process, pause in steps:
        clock.now += pause
        try:
            sent += call(pools[process], clock, 1)
        except DailyLimit:  # the others hold permits, and nobody sleeps as long as it takes until they are lost
            assert seconds > 70
    later = zip(sent, sent[calls:], strict=False)
    assert [end - start for start, end in later if end - start < seconds - 1e-6] == []


def test_two_processes_use_what_the_account_has_and_no_more(process: Open, clock: NoWait) -> None:
    first, second = process(MINUTE).pool(), process(MINUTE).pool()
    began, sent = clock.now, []
    for turn in range(60 * 10 + 1):
        sent += call(second if turn % 3 == 0 else first, clock, 1)
        clock.now += 0.05
    assert min(end - start for start, end in zip(sent, sent[60:], strict=False)) >= 60
    assert 10 * 60 / (sent[-1] - began) >= 0.97


def test_a_block_is_one_transaction_for_many_calls(
    process: Open, clock: NoWait, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanges = 0
    original = Quota.exchange

    def counted(self: Quota[Block], *args: object, **kwargs: object) -> Block:
        nonlocal exchanges
        exchanges += 1
        return original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Quota, "exchange", counted)
    pool = process(Limit("ten_seconds", 190, 10.0)).pool()
    for _ in range(190):
        with pool.permit():
            clock.now += 0.03
    assert exchanges < 25


def test_what_a_process_that_died_held_counts_until_its_window_has_passed(process: Open, clock: NoWait) -> None:
    dead = process(MINUTE)
    window = Window(key=next(iter(dead.pool().keys.values())), calls=60, seconds=60.0)
    held = dead.quota.exchange([window], Spent(Block(0, 0.0)), 16, 1.0, urgent=False)
    assert held.permits == 16
    pool = process(MINUTE).pool()
    died = clock.now
    sent = call(pool, clock, 61)
    assert [at for at in sent if at == died] == [died] * 44
    assert all(at - died > 60 for at in sent[44:])
    assert sent[-1] - died < 62.5


def test_permits_that_nobody_used_are_given_back(process: Open, clock: NoWait) -> None:
    first, second = process(MINUTE), process(MINUTE)
    pool = first.pool()
    window = Window(key=pool.keys["minute"], calls=60, seconds=60.0)
    block = first.quota.exchange([window], Spent(Block(0, 0.0)), 16, 1.0, urgent=False)
    kept = first.quota.exchange([window], Spent(block, [(clock.now, clock.now)]), 1, 1.0, urgent=False)
    assert kept.permits == 1
    assert call(second.pool(), clock, 58) == [clock.now] * 58
    assert call(second.pool(), clock, 1)[0] > clock.now - 62


def test_permits_outlive_neither_their_time_nor_a_pause(process: Open, clock: NoWait) -> None:
    account = process(Limit("minute", 600, 60.0))
    pool = account.pool()
    call(pool, clock, 20)
    process(Limit("minute", 600, 60.0)).refused(Retryable("429", 30.0, "minute"), pool)
    began = clock.now
    clock.now += 1.1  # the block in hand is over
    assert call(pool, clock, 1) == [began + 30]


def test_a_pause_of_the_account_holds_for_every_limit_and_process_and_a_shorter_one_does_not_end_it(
    process: Open, clock: NoWait
) -> None:
    first, second = process(MINUTE), process(MINUTE)
    began = clock.now
    first.refused(Retryable("429", 40.0, "any"), first.pool())
    second.refused(Retryable("429", 5.0, "any"), second.pool())
    assert call(second.pool(), clock, 1) == [began + 40]


def test_a_day_that_is_used_up_pauses_the_account_for_every_process_and_for_later_ones(
    process: Open, clock: NoWait
) -> None:
    limits = (MINUTE, Limit("day", 1000, 86_400.0))
    account = process(*limits)
    account.refused(Retryable("the day's calls are used up", 5 * 3600.0, "day"), account.pool())
    with pytest.raises(DailyLimit, match=r"books is paused until .*used up") as paused:
        call(process(*limits).pool(), clock, 1)
    assert paused.value.after == pytest.approx(5 * 3600)
    clock.now += 5 * 3600
    assert call(process(*limits).pool(), clock, 1) == [clock.now]


def test_our_own_count_of_the_day_is_kept_when_everything_is_started_anew(process: Open, clock: NoWait) -> None:
    day = Limit("day", 20, 86_400.0)
    call(process(day).pool(), clock, 1)
    clock.now += 3600
    others = process(day).pool()
    sent = call(others, clock, 19)
    assert sent[-1] == sent[0]
    with pytest.raises(DailyLimit) as paused:
        call(process(day).pool(), clock, 1)
    assert paused.value.after == pytest.approx(23 * 3600, rel=0.02)


def test_who_is_waited_for_goes_before_jobs(process: Open, clock: NoWait) -> None:
    job, person = process(MINUTE), process(MINUTE, urgent=True)
    window = [Window(key=job.pool().keys["minute"], calls=60, seconds=60.0)]
    quota, served = job.quota, person.quota
    nothing = Spent(Block(0, 0.0))
    full = quota.exchange(window, nothing, 60, 0.0, urgent=False)
    assert full.permits == 60
    waiting = served.exchange(window, nothing, 1, 1.0, urgent=True)
    assert waiting.permits == 0
    clock.now += 59.9
    late = quota.exchange(window, Spent(full, [(clock.now - 59.9, clock.now - 59.9)] * 60), 60, 1.0, urgent=False)
    assert late.permits == 0
    clock.now += 0.25
    taken = quota.exchange(window, Spent(late), 60, 1.0, urgent=False)
    assert taken.permits == 59  # the sixtieth is kept for the person
    assert served.exchange(window, Spent(waiting), 5, 1.0, urgent=True).permits == 1


def test_a_person_who_gave_up_is_not_waited_for_long(process: Open, clock: NoWait) -> None:
    job, person = process(MINUTE), process(MINUTE, urgent=True)
    window = [Window(key=job.pool().keys["minute"], calls=60, seconds=60.0)]
    job.quota.exchange(window, Spent(Block(0, 0.0)), 60, 0.0, urgent=False)
    person.quota.exchange(window, Spent(Block(0, 0.0)), 1, 1.0, urgent=True)
    clock.now += 62
    assert job.quota.exchange(window, Spent(Block(0, 0.0)), 60, 1.0, urgent=False).permits == 60


def test_accounts_do_not_share_what_is_not_theirs(path: Path, clock: NoWait) -> None:
    def pool(account: str) -> Pool:
        ports = Ports(credentials=FixedToken("t"), clock=clock, quota=Quota(path, clock.monotonic, Block))
        limits = (Limit("minute", 2, 60.0), Limit("app", 3, 60.0, whole_app=True))
        return Pace(Settings(name="x", vendor="v", base_url="u", account=account), ports, limits).pool()

    began = clock.now
    assert call(pool("uk"), clock, 2) + call(pool("us"), clock, 1) == [began] * 3
    assert call(pool("us"), clock, 1)[0] > began + 60  # the application's own limit


def test_a_clock_that_was_put_back_does_not_stop_the_calls(process: Open, clock: NoWait) -> None:
    call(process(MINUTE).pool(), clock, 30)
    clock.now -= 3600
    sent = call(process(MINUTE).pool(), clock, 60)
    assert sent[-1] - sent[0] < 62


def test_what_is_counted_is_forgotten_when_its_window_has_passed(process: Open, clock: NoWait, path: Path) -> None:
    pool = process(MINUTE).pool()
    for _ in range(10):
        call(pool, clock, 20)
        clock.now += 61
    call(process(MINUTE).pool(), clock, 1)
    with Store(path.with_name(f"{path.name}.quota")) as found:
        assert found.one("SELECT sum(calls) FROM calls") <= 21


def test_a_slot_is_free_again_when_its_process_dies(process: Open, path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from store.quota import Quota\n"
        "taken = Quota(Path(sys.argv[1]), time.time, tuple).slot('books', 1)\n"
        "print(taken is not None, flush=True); sys.stdin.read()"
    )
    quota = process(MINUTE).quota
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert quota.slot("books", 1) is None
        assert quota.slot("other books", 1) is not None
        holder.kill()
        holder.wait()
    give_back = quota.slot("books", 1)
    assert give_back is not None
    assert quota.slot("books", 1) is None
    give_back()
    assert quota.slot("books", 1) is not None


CALLING = """
import sys, time
from pathlib import Path
from connectors.base import Block, Limit, Ports, Settings
from connectors.http import RealClock
from connectors.pace import Pace
from store.quota import Quota
ports = Ports(credentials=None, clock=RealClock(), quota=Quota(Path(sys.argv[1]), time.time, Block))
pool = Pace(Settings(name="x", vendor="v", base_url="u"), ports, (Limit("x", 40, 1.0),)).pool()
sys.stdin.readline()
end = time.time() + 2.2
while time.time() < end:
    with pool.permit():
        print(repr(time.time()))
"""


def test_two_real_processes_share_one_account(path: Path) -> None:
    """Each calls as fast as it may for two seconds; the limit is 40 in a second. How much of it they use is a figure
    of benchmarks/pace.py.
    """
    command = [sys.executable, "-c", CALLING, str(path)]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate()[0].split() for one in running]
    sent = sorted(float(at) for lines in said for at in lines)
    assert all(said)
    late = 0.05  # seconds by which a call may be told late
    assert [end - start for start, end in zip(sent, sent[40:], strict=False) if end - start < 1.0 - late] == []
