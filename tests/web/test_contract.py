"""A contract's page: its amendments, what was used, its milestones, its versions, and the picture of its months."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from billing.facts import UsageRecord
from billing.terms import Amendment, Change, FixedPrice, Instalment, Usage
from store import contracts, usage
from store.audit import Actor
from store.contracts import ContractRow
from store.database import Store
from tests.web.conftest import HOSTILE, words

ACTOR = Actor(name="person cli", at=datetime(2026, 10, 5, 9, tzinfo=UTC))


@pytest.fixture
def amended(copied: Any) -> tuple[FlaskClient, str]:
    """The pages of a contract with a metered charge, a milestone, an amendment and a second version."""
    client, store = copied()
    with store, store.transaction():
        row = _contract(store)
        agreed = row.agreed
        calls = Usage(key="calls", description="API calls", price=Decimal("0.5"), estimate=Decimal(1000))
        build = FixedPrice(
            key="build", description="Build", price=Decimal(900),
            instalments=(Instalment(key="go", description="Go-live", percent=Decimal(100)),),
        )  # fmt: skip
        more = Amendment(
            key="A-1", effective_on=date(2026, 12, 1), known_on=date(2026, 11, 20), description=f"Dearer {HOSTILE}",
            change=(Change(charge=agreed.charges[0].key, price=Decimal(444)),),
        )  # fmt: skip
        changed = msgspec.structs.replace(agreed, charges=(*agreed.charges, calls, build), amendments=(more,))
        contracts.replace_terms(store, ACTOR, row, changed, reason="signed on paper")
        used = [
            UsageRecord(id=str(day), meter="calls", day=date(2026, 10, day), quantity=Decimal(70)) for day in (1, 2)
        ]
        usage.save(store, ACTOR, [(row.key, record) for record in used], "test")
    return client, f"/contracts/{row.key}"


def _contract(store: Store) -> ContractRow:
    return next(row for row in contracts.all_contracts(store) if row.name.startswith("Voided"))


def test_amendments_stand_with_their_days_and_words(amended: tuple[FlaskClient, str]) -> None:
    page = words(*amended)
    assert f"A-1 1 Dec 2026 20 Nov 2026 Dearer {HOSTILE}" in page
    assert "1 month from 1 Dec 2026 at 444.00" in page
    assert "1 month from 1 Nov 2026 at 333.00" in page


def test_what_was_used_in_the_running_period_stands_beside_what_is_expected(amended: tuple[FlaskClient, str]) -> None:
    page = words(*amended)
    assert "API calls 1 Oct 2026 to 31 Oct 2026 140 1000 2" in page
    assert "(estimated)" in page


def test_a_milestone_waits_for_its_button(amended: tuple[FlaskClient, str]) -> None:
    assert "Build: Go-live not yet" in words(*amended)


def test_versions_say_since_when_they_are_known_and_why(amended: tuple[FlaskClient, str]) -> None:
    assert "2 05 Oct 2026 09:00 UTC person cli signed on paper" in words(*amended)


def test_the_months_are_a_picture_that_reads_aloud(amended: tuple[FlaskClient, str]) -> None:
    client, address = amended
    page = client.get(address).get_data(as_text=True)
    assert 'aria-label="What was billed and what is to come, net, by month"' in page
    assert "<title>Nov 2026: 0.00 GBP billed, " in page
    assert page.count('class="coming"') >= 6
    assert "style=" not in page  # the pages' policy takes none
