"""F7: ends of months, leap days, changes of the clocks; a clock that is wrong; two zones; tokens that run out."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from itertools import product

from benchmarks.simulator import tokens
from benchmarks.simulator.company import Company, Verdict, count_billed
from benchmarks.simulator.stories import Row, Scenario, portion
from store.database import Store


def periods(start: date, today: date) -> int:
    """Return how many monthly periods have begun by a day, for a contract of twelve months."""
    months = (today.year - start.year) * 12 + today.month - start.month
    last = (date(today.year + today.month // 12, today.month % 12 + 1, 1) - timedelta(days=1)).day
    return min(12, months + (min(start.day, last) <= today.day))


def dated(start: date, days: list[int], skews: list[timedelta]) -> Verdict:
    """Begin on a day and go on for some; the clock is wrong by ``skews`` in turn, and right in the end."""
    with Company() as company:
        company.move((start - company.today).days)
        company.sell("Harbor Systems", "900", "USD")
        company.sell("Kestrel Ltd", "435.35", "GBP")
        for turn, passed in enumerate(days):
            company.skew = skews[turn % len(skews)]
            company.sync()
            company.move(passed)
        company.skew = timedelta(0)
        count = periods(start, company.today)
        company.expected.update({"USD": 900_00 * count, "GBP": 435_35 * count})
        return company.judge()


def after_midnight() -> Verdict:
    """It is the first of the month in London and still the last in New York: what New York owes is not billed yet."""
    with Company() as company:
        company.sell("Harbor Systems", "900", "USD")
        company.sell("Kestrel Ltd", "435.35", "GBP")
        company.sync()
        company.move(29)  # 30 September
        company.time.sleep(14 * 3600)  # 1 October, 02:00 UTC
        company.expected.update({"USD": 900_00, "GBP": 435_35 * 2})
        company.sync()
        verdict = Verdict()
        with Store(company.store) as store:
            count_billed(company, store, verdict)
        return verdict


HOUR = timedelta(hours=1)
STARTS = {
    "end of January": date(2027, 1, 31), "leap day": date(2028, 2, 29), "before a leap day": date(2028, 2, 28),
    "clocks go back": date(2026, 10, 24), "clocks go forward": date(2027, 3, 13), "end of the year": date(2026, 12, 31),
    "an ordinary day": date(2026, 9, 15),
}  # fmt: skip
SKEWS = {
    "right": [timedelta(0)], "an hour fast and slow": [HOUR, -HOUR], "back a day": [timedelta(0), -24 * HOUR],
    "ten minutes": [HOUR / 6, -HOUR / 6],
}  # fmt: skip


def f7(seed: int, count: int) -> Row:
    """Ends of months, leap days, changes of the clocks; a clock that is wrong; two zones; tokens that run out."""
    scenarios: list[tuple[str, Scenario]] = [("two zones at midnight", after_midnight)]
    for start, skew in product(STARTS, SKEWS):
        days = [1, 0, 1, 29, 31]
        scenarios.append((f"{start}, {skew}", partial(dated, STARTS[start], days, SKEWS[skew])))
    yield from portion(scenarios, seed, count // 2)
    yield from portion(tokens.SCENARIOS, seed, count - count // 2)
