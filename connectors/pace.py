"""How fast and how often an account is called: its limits, shared by everyone, and a rest when the vendor is down.

A vendor's ``LIMITS`` are data. ``Pace`` counts them by a ``Quota``: in memory, or in the store for all processes.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from connectors.base import Block, Clock, Limit, Ports, Quota, Settings, Spent, Window
from connectors.errors import ConnectorError, DailyLimit, OutcomeUnknown, Retryable, Unavailable

# What matters is when calls come to the vendor, and they do not all travel equally long. A call came there at the
# latest when it was answered, less what the quickest call takes: then it counts, so steady latency costs nothing.
KNOWN, LATEST = 10, 100  # so many calls must be seen before the quickest of the latest is believed
SLACK, SLACK_SHARE = 0.03, 0.02  # seconds or a part of the window: after its sending a call under way counts
AIR, AIR_SHARE = 0.005, 0.002  # seconds and a part of the window by which ours is longer
PATIENCE = 75.0  # seconds; a limit that lasts longer is not slept on
LONGEST_LIFE = 1.0  # seconds for which a block of permits lasts
LARGEST_BLOCK = 16
STALE, STALE_SHARE = 0.05, 0.02  # seconds and a part of the window: how long a vendor's word on what is left is true
SLOT_LOOK = 0.02  # seconds between looks for a free slot

ANY_LIMIT = "any"  # what ``Retryable.limit`` says of a vendor that does not tell which limit is used up

FAILURES = 8  # in a row, then the vendor is left alone
REST, LONGEST_REST = 15.0, 240.0  # seconds, doubled each time the vendor still fails


class Windows:
    """A ``Quota`` for one who calls alone: exact, in memory, by its own clock."""

    def __init__(self, clock: Clock) -> None:
        self.now = clock.monotonic
        self._calls: dict[str, list[float]] = defaultdict(list)  # when each call began, or at the latest begins
        self._pauses: dict[str, tuple[float, str]] = {}
        self._slots: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def exchange(self, windows: Sequence[Window], spent: Spent, want: int, life: float, *, urgent: bool) -> Block:
        """Settle the last block and give another (``Quota.exchange``); nobody else waits here."""
        with self._lock:
            now = self.now()
            delay, why, room = 0.0, "", want
            for window in windows:
                calls = self._settled(window, spent, now)
                room = min(room, window.calls - len(calls))
                if len(calls) >= window.calls:
                    frees = calls[len(calls) - window.calls] + window.seconds - now
                    delay, why = max((delay, why), (frees, f"{window.calls} calls in {window.seconds:.0f} s"))
            for key in _pausing(windows):
                until, said = self._pauses.get(key, (now, ""))
                delay, why = max((delay, why), (until - now, said))
            if delay > 0:
                return Block(0, now, delay, why)
            for window in windows:
                self._calls[window.key] += [now + life] * room
            return Block(room, now + life)

    def _settled(self, window: Window, spent: Spent, now: float) -> list[float]:
        calls = self._calls[window.key]
        for _ in range(spent.block.permits):
            if spent.block.until in calls:
                calls.remove(spent.block.until)
        calls += [window.counts_at(sent, arrived) for sent, arrived in spent.used]
        calls[:] = [at for at in calls if at + window.seconds > now]
        if window.key in spent.told:
            left, at = spent.told[window.key]
            calls += [at] * max(0, window.calls - len(calls) - left)
        calls.sort()
        return calls

    def pause(self, key: str, seconds: float, why: str) -> None:
        """Give out no permits for a window, or for all of an account, for ``seconds``."""
        self._pauses[key] = (self.now() + seconds, why)

    def slot(self, key: str, slots: int) -> Callable[[], None] | None:
        """Take one of so many slots."""
        with self._lock:
            if self._slots[key] >= slots:
                return None
            self._slots[key] += 1
        return lambda: self._give_back(key)

    def _give_back(self, key: str) -> None:
        with self._lock:
            self._slots[key] -= 1


def account_of(key: str) -> str:
    """Return the key under which all of an account is paused, from that of one of its windows."""
    return key.rpartition(" ")[0]


def _pausing(windows: Sequence[Window]) -> list[str]:
    return [*(window.key for window in windows), *{account_of(window.key) for window in windows}]


class Pace:
    """One account at a vendor, as far as calling it goes: its limits, and whether it answers at all.

    Raises ``ValueError`` when the settings name a limit that the vendor does not have.
    """

    def __init__(self, settings: Settings, ports: Ports, limits: Sequence[Limit]) -> None:
        self.settings, self.ports = settings, ports
        self.scale = settings.minute_seconds / 60
        self.quota: Quota = ports.quota or Windows(ports.clock)
        self.breaker = Breaker(settings.name, ports.clock, self.scale)
        self.told: dict[str, tuple[int, float]] = {}
        self._pools: list[Pool] = []
        app = f"{settings.vendor} {settings.base_url}"
        self._key = f"{app} {settings.account or settings.name}"
        if unknown := set(settings.limits) - {limit.name for limit in limits}:
            raise ValueError(
                f"connections.{settings.name}.limits: {settings.vendor} has no {', '.join(sorted(unknown))}"
            )
        self._limits = {
            limit.name: Limit(limit.name, settings.limits.get(limit.name, limit.calls), *_rest(limit))
            for limit in limits
        }
        self._keys = {name: f"{app if limit.whole_app else self._key} {name}" for name, limit in self._limits.items()}

    def pool(self, kind: str = "", scope: str = "") -> Pool:
        """Return the permits for calls of a kind; a limit of that kind counts each ``scope`` by itself."""
        windows = {}
        for limit in self._limits.values():
            if limit.seconds and limit.only in ("", kind):
                seconds = limit.seconds * self.scale
                key = self._keys[limit.name] + (f"/{scope}" if limit.only else "")
                slack = max(SLACK, SLACK_SHARE * seconds)
                windows[limit.name] = Window(key, limit.calls, seconds + AIR + AIR_SHARE * seconds, slack)
        self._pools.append(Pool(self, windows))
        return self._pools[-1]

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the calls that may be made at the same time."""
        limit = self._limits.get("concurrent")
        give_back = None
        if limit is not None:
            while (give_back := self.quota.slot(self._keys["concurrent"], limit.calls)) is None:
                self.ports.clock.sleep(SLOT_LOOK)
        try:
            yield
        finally:
            if give_back is not None:
                give_back()

    def says_left(self, left: Mapping[str, str | None]) -> None:
        """Note what the vendor says is left of limits, by their names; what is no number is not heard."""
        for name, number in left.items():
            if name in self._keys and number is not None and number.isascii() and number.isdigit():
                self.told[self._keys[name]] = (int(number), self.quota.now())
                for pool in self._pools:
                    if name in pool.keys and int(number) < pool.in_hand:
                        pool.spoil()

    def refused(self, error: Retryable, pool: Pool) -> None:
        """Let nobody call against a limit that the vendor says is used up; one that the call has not is everyone's."""
        if error.after is not None and error.limit:
            self.quota.pause(pool.keys.get(error.limit, self._key), error.after, str(error))
            pool.spoil()


def _rest(limit: Limit) -> tuple[float, str, bool]:
    return limit.seconds, limit.only, limit.whole_app


class _Use:
    """A permit that was used: when its call was sent, and answered."""

    def __init__(self, sent: float) -> None:
        self.sent = sent
        self.answered = math.inf


class Pool:
    """Permits for one kind of call, got from the quota in blocks that grow while they are used up in time."""

    def __init__(self, pace: Pace, windows: Mapping[str, Window]) -> None:
        self.keys = {name: window.key for name, window in windows.items()}  # by the names of the limits
        self._pace = pace
        self._windows = list(windows.values())
        self._most = max(1, min([LARGEST_BLOCK, *(window.calls // 10 for window in self._windows)]))
        self._life = min([LONGEST_LIFE, *(window.seconds / 10 for window in self._windows)])
        self._want = 1
        self._block = Block(0, 0.0)
        self._used: list[_Use] = []
        self._took: deque[float] = deque(maxlen=LATEST)  # seconds from sending to answer
        self._spoilt = False
        self._lock = threading.Lock()

    @property
    def in_hand(self) -> int:
        """How many permits are left of the block."""
        return self._block.permits - len(self._used)

    def spoil(self) -> None:
        """Use no permit any more that was got before now."""
        self._spoilt = True

    @contextmanager
    def permit(self) -> Iterator[None]:
        """Begin when one more call may be made, and count it; raises ``DailyLimit`` for what is not slept on."""
        use = self._wait() if self._windows else _Use(self._pace.quota.now())
        try:
            yield
        finally:
            use.answered = self._pace.quota.now()
            self._took.append(use.answered - use.sent)

    def _wait(self) -> _Use:
        quota, clock = self._pace.quota, self._pace.ports.clock
        with self._lock:
            while True:
                now = quota.now()
                if len(self._used) < self._block.permits and now < self._block.until and not self._spoilt:
                    break
                self._exchange()
                if self._block.permits:
                    break
                if self._block.wait > PATIENCE:
                    raise self._used_up(self._block)
                clock.sleep(self._block.wait)
            self._used.append(_Use(now))
            return self._used[-1]

    def _exchange(self) -> None:
        block, used, pace = self._block, self._used, self._pace
        self._spoilt = False
        if block.permits:
            self._want = min(self._most, self._want * 2) if len(used) == block.permits else max(1, len(used))
        quickest = min(self._took) if len(self._took) >= KNOWN else 0.0
        made = [(use.sent, max(use.sent, use.answered - quickest)) for use in used]
        spent = Spent(block, made, {window.key: said for window in self._windows if (said := self._told(window))})
        self._block = pace.quota.exchange(self._windows, spent, self._want, self._life, urgent=pace.ports.urgent)
        self._used = []

    def _told(self, window: Window) -> tuple[int, float] | None:
        """Return what the vendor said is left and when; nothing once calls have left the window since."""
        said = self._pace.told.get(window.key)
        return said if said and self._pace.quota.now() - said[1] <= STALE + window.seconds * STALE_SHARE else None

    def _used_up(self, block: Block) -> DailyLimit:
        until = datetime.now(UTC) + timedelta(seconds=block.wait)
        name = self._pace.settings.name
        return DailyLimit(f"{name} is paused until {until:%Y-%m-%d %H:%M} UTC: {block.why}", until, block.wait)


class Breaker:
    """Leaves a vendor alone that fails again and again; after a rest one call is let through to see."""

    def __init__(self, connection: str, clock: Clock, scale: float) -> None:
        self._connection = connection
        self._clock = clock
        self._scale = scale
        self._failures = 0
        self._rest = 0.0
        self._until = 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise ``Unavailable`` while the vendor is left alone; the first call after that is the one that tries."""
        with self._lock:
            left = self._until - self._clock.monotonic()
            if self._failures < FAILURES:
                return
            if left > 0:
                problem = f"{self._connection} failed {self._failures} times in a row and is left alone"
                raise Unavailable(f"{problem} for {left:.0f} s more", left)
            self._until += self._rest - left  # from now: the others wait until this one has answered

    def note(self, error: ConnectorError | None) -> None:
        """Count a failure of the vendor or of the line; any answer that makes sense ends it, also "not so fast"."""
        failed = isinstance(error, OutcomeUnknown)
        failed |= isinstance(error, Retryable) and error.after is None and not error.limit
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= FAILURES:
                again = self._failures > FAILURES
                longest, first = LONGEST_REST * self._scale, REST * self._scale
                self._rest = min(longest, self._rest * 2) if again else first
                self._until = self._clock.monotonic() + self._rest
