"""What every CRM connector must do, whoever the vendor: subclass ``CrmSuite`` and fill in the hooks.

The connector under test is real, with its real SDK, and talks over loopback HTTP to its vendor's stand-in. A subclass
is named ``Test...``; the suite itself is not collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from connectors.base import Credentials, Crm, CrmDeal, DealPage, DealScope, Ports, Settings
from connectors.errors import AuthExpired, Refused, Retryable
from sandbox.core import LOCK, Fault
from sandbox.server import Options, Running
from tests.conftest import FixedToken, NoWait

TODAY = date(2026, 3, 10)
PASSING = [
    {"kind": "error_before", "status": 503},
    {"kind": "error_before", "status": 429},
    {"kind": "error_after", "status": 502, "body": "<html>Bad Gateway</html>"},
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "cut_body"},
]


class RenewingToken(FixedToken):
    """Credentials that give a fresh token after the first refusal."""

    def rejected(self, token: str) -> str:
        """Count the refusal by using another token."""
        self.token = f"{token}-renewed"
        return self.token


class CrmSuite:
    """The contract of the CRM role. Hooks first: a subclass sets or overrides what differs."""

    vendor: str  # its name in the registry and in the sandbox
    token: str  # a token its stand-in accepts; so must the same with "-renewed" appended be
    scope: DealScope  # names of properties as a mapping would write them
    custom_property: str  # of deals, an enumeration
    custom_option: str  # one of its values
    written_property: str  # of deals and companies, a text that may be written

    def connect(self, settings: Settings, ports: Ports) -> Crm:
        """Return the connector under test."""
        raise NotImplementedError

    def won(self, running: Running) -> set[str]:
        """Return the ids of the deals in the won stages of the scope, as the stand-in holds them."""
        raise NotImplementedError

    def edit_deal(self, running: Running, deal_id: str) -> None:
        """Change a deal as a salesperson does."""
        raise NotImplementedError

    def edit_line_item(self, running: Running, line_id: str) -> None:
        """Change a line item without touching its deal."""
        raise NotImplementedError

    def reopen_deal(self, running: Running, deal_id: str) -> None:
        """Move a deal back to an open stage."""
        raise NotImplementedError

    def delete_deal(self, running: Running, deal_id: str) -> None:
        """Move a deal to the recycle bin."""
        raise NotImplementedError

    def merge_deals(self, running: Running, deal_id: str, other_id: str) -> str:
        """Merge two deals; return the id of what they became."""
        raise NotImplementedError

    def edit_company(self, running: Running, company_id: str) -> None:
        """Change a company without touching its deals."""
        raise NotImplementedError

    def merge_companies(self, running: Running, company_id: str, other_id: str) -> str:
        """Merge two companies; return the id of what they became."""
        raise NotImplementedError

    def written(self, running: Running, object_type: str, object_id: str) -> str | None:
        """Return what stands in ``written_property`` of a record."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------- building blocks

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[Running]:
        """A sandbox whose minute is so short that its limits do not matter here."""
        with Running(Options(today=TODAY, minute=0.06)) as running:
            yield running

    @pytest.fixture
    def crm(self, running: Running) -> Crm:
        """Return a fresh connector to a fresh stand-in."""
        with LOCK:
            running.sandbox.reset()
        return self.fresh(running)

    def fresh(self, running: Running, credentials: Credentials | None = None, clock: NoWait | None = None) -> Crm:
        """Return a connector that knows nothing yet, as after a restart."""
        settings = Settings(
            name=f"{self.vendor}_test",
            vendor=self.vendor,
            base_url=f"{running.url}/{self.vendor}",
            minute_seconds=0.06,
        )
        return self.connect(settings, Ports(credentials=credentials or FixedToken(self.token), clock=clock or NoWait()))

    def order(self, running: Running, **fault: Any) -> None:
        """Order one fault of this vendor."""
        running.sandbox.faults.ordered[:] = [Fault(vendor=self.vendor, **fault)]

    def pull(self, crm: Crm, since: datetime | None = None) -> tuple[list[CrmDeal], datetime | None]:
        """Return every deal since ``since`` and the cursor after them."""
        pages: list[DealPage] = list(crm.won_deals(since, self.scope))
        return [deal for page in pages for deal in page.deals], pages[-1].cursor if pages else since

    def move(self, running: Running, days: int) -> None:
        """Move the stand-ins' date."""
        with LOCK:
            running.sandbox.move_clock(running.sandbox.clock.today + timedelta(days=days))

    # ------------------------------------------------------------------------------------------------------ the account

    def test_the_probe_names_the_account(self, crm: Crm) -> None:
        assert crm.probe().account_name

    def test_the_properties_include_custom_ones_and_the_values_they_allow(self, crm: Crm) -> None:
        by_name = {one.name: one for one in crm.properties("deals")}
        assert set(self.scope.deal_properties) <= set(by_name)
        assert by_name[self.custom_property].label
        assert self.custom_option in by_name[self.custom_property].options

    def test_every_property_a_mapping_names_exists(self, crm: Crm) -> None:
        assert set(self.scope.line_item_properties) <= {one.name for one in crm.properties("line_items")}
        assert set(self.scope.company_properties) <= {one.name for one in crm.properties("companies")}
        assert set(self.scope.contact_properties) <= {one.name for one in crm.properties("contacts")}

    def test_the_stages_name_every_pipeline_of_the_scope(self, crm: Crm) -> None:
        stages = crm.stages()
        for pipeline, won in self.scope.won_stages.items():
            assert set(won) <= set(stages[pipeline])

    # ------------------------------------------------------------------------------------------------------- first pull

    def test_the_first_pull_gives_every_won_deal_once_and_no_other(self, running: Running, crm: Crm) -> None:
        deals, _ = self.pull(crm)
        assert sorted(deal.id for deal in deals) == sorted(self.won(running))

    def test_deals_come_in_order_of_modification(self, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        assert all(one.modified_at <= two.modified_at for one, two in pairwise(deals))
        assert all(deal.modified_at.tzinfo is not None for deal in deals)
        assert cursor is not None
        assert cursor <= deals[-1].modified_at

    def test_a_deal_carries_exactly_the_properties_asked_for(self, crm: Crm) -> None:
        for deal in self.pull(crm)[0]:
            assert list(deal.properties) == list(self.scope.deal_properties)
            for objects, names in (
                (deal.line_items, self.scope.line_item_properties),
                (deal.companies, self.scope.company_properties),
                (deal.contacts, self.scope.contact_properties),
            ):
                assert all(list(one.properties) == list(names) for one in objects)

    def test_two_pulls_of_the_same_state_are_equal(self, running: Running, crm: Crm) -> None:
        assert self.pull(crm)[0] == self.pull(self.fresh(running))[0]

    def test_no_won_stage_gives_no_deal(self, crm: Crm) -> None:
        scope = DealScope(
            won_stages={}, deal_properties=(), line_item_properties=(), company_properties=(), contact_properties=()
        )
        assert [deal for page in crm.won_deals(None, scope) for deal in page.deals] == []

    # ------------------------------------------------------------------------------------------------------ later pulls

    def test_a_changed_deal_comes_again_and_a_quiet_one_does_not(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        self.move(running, 1)
        self.edit_deal(running, deals[0].id)
        again, later = self.pull(crm, cursor)
        assert deals[0].id in [deal.id for deal in again]
        assert deals[1].id not in [deal.id for deal in again]
        assert cursor is not None
        assert later is not None
        assert later > cursor

    def test_a_deal_comes_again_when_only_its_line_item_changed(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        deal = next(deal for deal in deals if deal.line_items)
        self.move(running, 1)
        self.edit_line_item(running, deal.line_items[0].id)
        again, later = self.pull(crm, cursor)
        changed = next(one for one in again if one.id == deal.id)
        assert changed.line_items != deal.line_items
        assert changed.modified_at == deal.modified_at
        assert cursor is not None
        assert later is not None
        assert later > cursor

    def test_a_deal_won_meanwhile_comes(self, running: Running, crm: Crm) -> None:
        before, cursor = self.pull(crm)
        self.move(running, 30)
        again, _ = self.pull(crm, cursor)
        new = self.won(running) - {deal.id for deal in before}
        assert new
        assert new <= {deal.id for deal in again}

    def test_a_deal_no_longer_won_does_not_come(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        deal = next(deal for deal in deals if deal.line_items)
        self.reopen_deal(running, deal.id)
        self.edit_line_item(running, deal.line_items[0].id)
        assert deal.id not in [one.id for one in self.pull(crm, cursor)[0]]
        assert deal.id not in [one.id for one in self.pull(crm)[0]]

    def test_nothing_new_keeps_the_cursor_from_going_back(self, crm: Crm) -> None:
        _, cursor = self.pull(crm)
        assert cursor is not None
        _, later = self.pull(crm, cursor)
        assert later is not None
        assert later >= cursor

    def test_a_pull_tells_which_deals_are_not_won_any_more(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        self.reopen_deal(running, deals[0].id)
        fates = {fate.id: fate for page in crm.won_deals(cursor, self.scope) for fate in page.fates}
        assert (fates[deals[0].id].fate, fates[deals[0].id].became) == ("not_won", "")
        assert deals[1].id not in fates

    def test_a_pull_tells_what_merged_deals_became(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        merged = self.merge_deals(running, deals[0].id, deals[1].id)
        pages = list(crm.won_deals(cursor, self.scope))
        fates = {fate.id: (fate.fate, fate.became) for page in pages for fate in page.fates}
        assert fates[deals[0].id] == fates[deals[1].id] == ("merged", merged)
        whole = next(deal for page in pages for deal in page.deals if deal.id == merged)
        lines = {line.id for deal in deals[:2] for line in deal.line_items}
        assert {line.id for line in whole.line_items} == lines

    def test_what_was_read_when_it_was_settled_does_not_come_again(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        assert [page.deals for page in crm.won_deals(cursor, self.scope, settled=True) if page.deals] == []
        self.edit_deal(running, deals[0].id)
        pages = list(crm.won_deals(cursor, self.scope, settled=True))
        assert [deal.id for page in pages for deal in page.deals] == [deals[0].id]

    def test_a_deal_comes_again_when_only_its_company_changed(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        deal = next(deal for deal in deals if deal.companies)
        self.move(running, 1)
        self.edit_company(running, deal.companies[0].id)
        again, _ = self.pull(crm, cursor)
        assert deal.id in [one.id for one in again]

    def test_the_company_of_a_deal_names_the_companies_that_were_merged_into_it(
        self, running: Running, crm: Crm
    ) -> None:
        deals, cursor = self.pull(crm)
        companies = list({deal.companies[0].id: deal for deal in deals if deal.companies})[:2]
        self.move(running, 1)
        merged = self.merge_companies(running, *companies)
        again, _ = self.pull(crm, cursor)
        found = {deal.companies[0].id: deal.companies[0].merged_ids for deal in again if deal.companies}
        assert set(companies) <= set(found[merged])
        assert not set(companies) & set(found)

    # ----------------------------------------------------------------------------------------------- counting and fates

    def test_where_a_pull_tells_how_many_deals_are_won_it_is_as_counted(self, running: Running, crm: Crm) -> None:
        deals, cursor = self.pull(crm)
        self.edit_deal(running, deals[0].id)
        self.reopen_deal(running, deals[1].id)
        self.delete_deal(running, deals[2].id)
        *_, last = crm.won_deals(cursor, self.scope)
        assert crm.count_won(self.scope) == len(deals) - 2
        assert last.won in (len(deals) - 2, None)

    def test_the_won_deals_are_counted_in_one_call(self, running: Running, crm: Crm) -> None:
        before = running.sandbox.vendors[self.vendor].calls.total()
        assert crm.count_won(self.scope) == len(self.won(running))
        assert running.sandbox.vendors[self.vendor].calls.total() == before + 1

    def test_a_deleted_deal_is_counted_no_more_and_found_deleted(self, running: Running, crm: Crm) -> None:
        deals, _ = self.pull(crm)
        self.delete_deal(running, deals[0].id)
        assert crm.count_won(self.scope) == len(deals) - 1
        found = crm.fates([deal.id for deal in deals], self.scope)
        assert [fate.fate for fate in found] == ["deleted"] + ["won"] * (len(deals) - 1)

    def test_every_fate_is_told_by_the_id_that_was_asked_for(self, running: Running, crm: Crm) -> None:
        won = [deal.id for deal in self.pull(crm)[0]][:6]
        self.reopen_deal(running, won[0])
        self.delete_deal(running, won[1])
        merged = self.merge_deals(running, won[2], won[3])
        self.reopen_deal(running, won[4])
        open_one = self.merge_deals(running, won[4], won[5])
        found = [(fate.id, fate.fate, fate.became) for fate in crm.fates([*won, "1"], self.scope)]
        assert found == [
            (won[0], "not_won", ""),
            (won[1], "deleted", ""),
            (won[2], "merged", merged),
            (won[3], "merged", merged),
            (won[4], "not_won", open_one),
            (won[5], "not_won", open_one),
            ("1", "deleted", ""),
        ]

    # ---------------------------------------------------------------------------------------------------------- writing

    def test_an_update_changes_what_it_names_and_says_which(self, running: Running, crm: Crm) -> None:
        deal = next(deal for deal in self.pull(crm)[0] if deal.companies)
        assert crm.update("deals", {deal.id: {self.written_property: "X-1"}}) == [deal.id]
        company = deal.companies[0].id
        assert crm.update("companies", {company: {self.written_property: "X-2"}}) == [company]
        assert self.written(running, "deals", deal.id) == "X-1"
        assert self.written(running, "companies", company) == "X-2"
        crm.update("deals", {deal.id: {self.written_property: ""}})
        assert not self.written(running, "deals", deal.id)

    def test_an_update_leaves_out_what_is_gone_and_changes_the_rest(self, running: Running, crm: Crm) -> None:
        deals = [deal.id for deal in self.pull(crm)[0]][:7]
        self.delete_deal(running, deals[3])
        done = crm.update("deals", {one: {self.written_property: "X-1"} for one in [*deals, "1"]})
        assert sorted(done) == sorted(set(deals) - {deals[3]})
        assert {self.written(running, "deals", one) for one in done} == {"X-1"}

    def test_an_update_of_an_unknown_property_is_refused(self, crm: Crm) -> None:
        deals, _ = self.pull(crm)
        with pytest.raises(Refused):
            crm.update("deals", {deals[0].id: {"no_such_property": "1"}})

    @pytest.mark.parametrize("fault", PASSING, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}")
    def test_an_update_outlives_passing_failures(self, running: Running, crm: Crm, fault: dict[str, Any]) -> None:
        deals, _ = self.pull(crm)
        self.order(running, **fault, times=2)
        assert crm.update("deals", {deals[0].id: {self.written_property: "X-1"}}) == [deals[0].id]
        assert self.written(running, "deals", deals[0].id) == "X-1"

    # --------------------------------------------------------------------------------------------------------- failures

    @pytest.mark.parametrize("fault", PASSING, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}")
    def test_a_pull_outlives_passing_failures_and_prints_nothing(
        self, running: Running, crm: Crm, fault: dict[str, Any], capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.order(running, **fault, skip=2, times=2)
        deals, _ = self.pull(crm)
        assert {deal.id for deal in deals} == self.won(running)
        assert running.sandbox.faults.ordered[0].times == 0
        assert capfd.readouterr().out == ""

    def test_a_vendor_that_stays_down_is_retryable(self, running: Running, crm: Crm) -> None:
        self.order(running, kind="error_before", status=503, times=-1)
        with pytest.raises(Retryable):
            self.pull(crm)

    def test_a_silent_vendor_is_retryable_and_nothing_is_printed(
        self, running: Running, crm: Crm, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("connectors.http.TIMEOUT", (3, 0.02))
        self.order(running, kind="timeout_before", seconds=0.1, times=-1)
        with pytest.raises(Retryable):
            self.pull(crm)
        assert capfd.readouterr().out == ""

    def test_a_throttled_pull_waits_as_told_and_succeeds(self, running: Running, crm: Crm) -> None:
        clock = NoWait()
        self.order(running, kind="error_before", status=429, headers={"Retry-After": "7"}, times=2)
        deals, _ = self.pull(self.fresh(running, clock=clock))
        assert {deal.id for deal in deals} == self.won(running)
        assert clock.now >= 14

    def test_a_refused_token_is_renewed_once_and_the_call_made_again(self, running: Running, crm: Crm) -> None:
        renewing = RenewingToken(self.token)
        self.order(running, kind="unauthorized")
        deals, _ = self.pull(self.fresh(running, credentials=renewing))
        assert {deal.id for deal in deals} == self.won(running)
        assert renewing.token == f"{self.token}-renewed"

    def test_a_token_that_stays_refused_asks_for_a_reconnection(self, running: Running, crm: Crm) -> None:
        self.order(running, kind="unauthorized", times=-1)
        for call in (crm.probe, crm.stages, lambda: self.pull(crm)):
            with pytest.raises(AuthExpired) as caught:
                call()
            assert self.token not in str(caught.value)
