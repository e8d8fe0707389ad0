"""HubSpot's connector against its stand-in, and both against HubSpot's published specification."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

import connectors.hubspot.deals as hubspot
from connectors.base import Crm, CrmDeal, DealScope, Ports, Settings
from connectors.errors import DailyLimit, Refused, Retryable
from connectors.http import Session
from connectors.hubspot import connect
from sandbox.core import LOCK, Fault, RateLimit
from sandbox.hubspot import HubSpot
from sandbox.hubspot.records import Record
from sandbox.hubspot.schema import PROPERTIES
from sandbox.server import Options, Running
from tests.conftest import FixedToken, NoWait
from tests.connector_suite.crm import TODAY, CrmSuite

TOKEN = "pat-sandbox-0000-1111"
SCOPE = DealScope(
    won_stages={"default": ("closedwon",)},
    deal_properties=("dealname", "contract_start", "billing_frequency", "payment_terms", "deal_currency_code"),
    line_item_properties=("name", "hs_sku", "quantity", "price"),
    company_properties=("name", "domain", "vat_number"),
    contact_properties=("email", "firstname"),
)


class RealClock:
    """A clock that waits."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def standin(running: Running) -> HubSpot:
    """Return the stand-in itself, for what people do in HubSpot's pages."""
    return running.sandbox.hubspot


def change(running: Running, object_type: str, object_id: str, **properties: str) -> None:
    """Change a record as HubSpot's own pages do."""
    with LOCK:
        records = standin(running).records
        records.update(object_type, records.by_type[object_type][object_id], properties)


def merge(running: Running, object_type: str, first: str, second: str) -> str:
    """Merge two records as HubSpot's own pages do; return the new id."""
    with LOCK:
        return standin(running).records.merge(object_type, first, second).id


class TestHubSpot(CrmSuite):
    vendor = "hubspot"
    token = TOKEN
    scope = SCOPE
    custom_property = "billing_frequency"
    custom_option = "Quarterly"
    written_property = "netterms_last_invoice"

    def connect(self, settings: Settings, ports: Ports) -> Crm:
        return connect(settings, ports)

    def won(self, running: Running) -> set[str]:
        deals = standin(running).records.by_type["deals"].values()
        return {
            one.id
            for one in deals
            if one.properties["dealstage"] == "closedwon" and one.properties["pipeline"] == "default"
        }

    def edit_deal(self, running: Running, deal_id: str) -> None:
        change(running, "deals", deal_id, payment_terms="Net 90")

    def edit_line_item(self, running: Running, line_id: str) -> None:
        change(running, "line_items", line_id, quantity="77")

    def reopen_deal(self, running: Running, deal_id: str) -> None:
        change(running, "deals", deal_id, dealstage="contractsent")

    def delete_deal(self, running: Running, deal_id: str) -> None:
        with LOCK:
            records = standin(running).records
            records.archive("deals", records.by_type["deals"][deal_id])

    def merge_deals(self, running: Running, deal_id: str, other_id: str) -> str:
        return merge(running, "deals", deal_id, other_id)

    def edit_company(self, running: Running, company_id: str) -> None:
        change(running, "companies", company_id, city="Elsewhere")

    def merge_companies(self, running: Running, company_id: str, other_id: str) -> str:
        return merge(running, "companies", company_id, other_id)

    def written(self, running: Running, object_type: str, object_id: str) -> str | None:
        return standin(running).records.by_type[object_type][object_id].properties.get(self.written_property)


# ------------------------------------------------------------------------------------------------------ HubSpot's own


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(Options(today=TODAY, minute=0.06)) as running:
        yield running


@pytest.fixture
def running(server: Running) -> Running:
    with LOCK:
        server.sandbox.reset()
    return server


def settings_for(running: Running, minute: float = 0.06) -> Settings:
    return Settings(name="crm", vendor="hubspot", base_url=f"{running.url}/hubspot", minute_seconds=minute)


@pytest.fixture
def crm(running: Running) -> Crm:
    return connect(settings_for(running), Ports(credentials=FixedToken(TOKEN), clock=NoWait()))


def pulled(crm: Crm, since: datetime | None = None, scope: DealScope = SCOPE) -> list[CrmDeal]:
    return [deal for page in crm.won_deals(since, scope) for deal in page.deals]


def won_deal(running: Running) -> Record:
    """Return a won deal with line items and a company."""
    records = standin(running).records
    return next(
        one
        for one in records.by_type["deals"].values()
        if one.properties["dealstage"] == "closedwon"
        and records.linked("deals", one.id, "line_items")
        and records.linked("deals", one.id, "companies")
    )


def test_line_items_come_by_their_position_on_the_quote_and_then_by_id(running: Running, crm: Crm) -> None:
    deal = won_deal(running)
    records = standin(running).records
    with LOCK:
        for old in list(records.linked("deals", deal.id, "line_items")):
            records.archive("line_items", records.by_type["line_items"][old])
        made = {}
        for name, position in (("no place", None), ("tenth", "10"), ("second", "2"), ("also second", "2")):
            line = records.create("line_items", {"name": name, "hs_position_on_quote": position})
            records.link("line_items", line.id, "deals", deal.id)
            made[name] = line.id
    lines = next(one for one in pulled(crm) if one.id == deal.id).line_items
    assert [line.properties["name"] for line in lines] == ["second", "also second", "tenth", "no place"]


def test_the_primary_company_comes_first_however_old_the_others_are(running: Running, crm: Crm) -> None:
    deal = won_deal(running)
    records = standin(running).records
    (primary,) = list(records.linked("deals", deal.id, "companies"))[:1]
    oldest = min(records.by_type["companies"], key=int)
    with LOCK:
        late = records.create("companies", {"name": "The buyer's new parent"})
        for kinds in records.linked("deals", deal.id, "companies").values():
            kinds.discard(5)
        records.link("deals", deal.id, "companies", oldest)
        records.link("deals", deal.id, "companies", late.id, primary=True)
    companies = next(one for one in pulled(crm) if one.id == deal.id).companies
    assert companies[0].id == late.id
    assert {oldest, primary} <= {company.id for company in companies}


def test_a_deal_with_more_than_a_hundred_line_items_comes_whole_over_several_pages(running: Running, crm: Crm) -> None:
    deal = won_deal(running)
    records = standin(running).records
    standin(running).association_page = 60
    with LOCK:
        made = [records.create("line_items", {"name": f"line {number}"}).id for number in range(230)]
        for line in made:
            records.link("deals", deal.id, "line_items", line)
    lines = next(one for one in pulled(crm) if one.id == deal.id).line_items
    assert set(made) < {line.id for line in lines}
    assert len({line.id for line in lines}) == len(lines)


def test_a_deal_without_line_items_or_company_comes_without_them(running: Running, crm: Crm) -> None:
    faulty = standin(running).world.faulty
    deals = {deal.id: deal for deal in pulled(crm)}
    bare = [deals[one] for one, kind in faulty.items() if kind == "no_line_items" and one in deals]
    homeless = [deals[one] for one, kind in faulty.items() if kind == "no_company" and one in deals]
    assert all(deal.line_items == () for deal in bare)
    assert all(deal.companies == () for deal in homeless)
    assert bare or homeless


def test_a_merged_company_is_kept_under_its_new_id(running: Running, crm: Crm) -> None:
    deal = won_deal(running)
    records = standin(running).records
    first = next(iter(records.linked("deals", deal.id, "companies")))
    other = next(one for one in records.by_type["companies"] if one != first)
    with LOCK:
        merged = records.merge("companies", first, other)
        records.links["deals", "companies"][deal.id] = {first: {5, 341}}  # the association still names the old id
    (company, *_) = next(one for one in pulled(crm) if one.id == deal.id).companies
    assert (company.id, company.merged_ids) == (merged.id, (first, other))


def test_a_merged_contact_is_kept_under_its_new_id(running: Running, crm: Crm) -> None:
    records = standin(running).records
    deal = next(one for one in pulled(crm) if one.contacts)
    first = deal.contacts[0].id
    other = next(one for one in records.by_type["contacts"] if one != first)
    with LOCK:
        merged = records.merge("contacts", first, other)
    again = next(one for one in pulled(crm) if one.id == deal.id)
    assert merged.id in [one.id for one in again.contacts]
    assert {first, other} <= {id_ for one in again.contacts for id_ in one.merged_ids}


def test_a_part_of_a_batch_that_fails_is_not_taken_for_the_whole(running: Running, crm: Crm) -> None:
    body = json.dumps({"results": [], "errors": [{"category": "INTERNAL", "message": "try again"}]})
    running.sandbox.faults.ordered.append(
        Fault("hubspot", "error_after", path="batch/update", status=207, times=-1, body=body)
    )
    with pytest.raises(Retryable, match="in part"):
        crm.update("deals", {won_deal(running).id: {"netterms_open": "1"}})


def test_a_merged_deal_is_found_even_where_no_property_lists_the_old_ids(running: Running, crm: Crm) -> None:
    first, second = (deal.id for deal in pulled(crm)[:2])
    merged = merge(running, "deals", first, second)
    standin(running).records.by_type["deals"][merged].properties["hs_merged_object_ids"] = None
    found = [(fate.id, fate.fate, fate.became) for fate in crm.fates([first, second], SCOPE)]
    assert found == [(first, "merged", merged), (second, "merged", merged)]


def test_a_company_without_deals_costs_no_further_call(running: Running, crm: Crm) -> None:
    since = pulled(crm)[-1].modified_at
    with LOCK:
        records = standin(running).records
        for number in range(30):
            records.create("companies", {"name": f"Visitor {number}"})
            records.create("contacts", {"email": f"visitor{number}@example.com"})
    before = standin(running).calls.total()
    list(crm.won_deals(since, SCOPE, settled=True))
    assert standin(running).calls.total() - before == 4


def test_one_search_tells_what_changed_and_how_many_deals_are_won(running: Running, crm: Crm) -> None:
    deals = pulled(crm)
    with LOCK:
        records = standin(running).records
        records.archive("deals", records.by_type["deals"][deals[0].id])
        records.create("deals", {"dealname": "open still", "pipeline": "default", "dealstage": "qualifiedtobuy"})
    *_, page = crm.won_deals(deals[-1].modified_at, SCOPE, settled=True)
    assert (page.won, crm.count_won(SCOPE)) == (len(deals) - 1, len(deals) - 1)


def test_more_changes_than_a_page_holds_are_read_in_windows_and_not_counted(running: Running, crm: Crm) -> None:
    since = pulled(crm)[-1].modified_at
    with LOCK:
        running.sandbox.move_clock(running.sandbox.clock.today + timedelta(days=1))
        won = {"pipeline": "default", "dealstage": "closedwon"}
        made = [standin(running).records.create("deals", {"dealname": str(each), **won}).id for each in range(200)]
    pages = list(crm.won_deals(since, SCOPE, settled=True))
    assert sorted(deal.id for page in pages for deal in page.deals) == sorted(made)
    assert {page.won for page in pages} == {None}


def test_fates_are_looked_up_a_hundred_at_a_time(running: Running, crm: Crm) -> None:
    ids = [deal.id for deal in pulled(crm)]
    crm.probe()
    before = standin(running).calls.total()
    crm.fates(ids * 5, SCOPE)
    assert standin(running).calls.total() - before == -(-len(ids) * 5 // 100)


def test_a_hundred_records_are_updated_in_one_call(running: Running, crm: Crm) -> None:
    with LOCK:
        made = [standin(running).records.create("deals", {"dealname": str(number)}).id for number in range(100)]
    before = standin(running).calls.total()
    assert crm.update("deals", {one: {"netterms_open": "1.00"} for one in made}) == made
    assert standin(running).calls.total() - before == 1


def test_an_archived_line_item_is_left_out(running: Running, crm: Crm) -> None:
    deal = won_deal(running)
    records = standin(running).records
    gone = next(iter(records.linked("deals", deal.id, "line_items")))
    with LOCK:
        records.by_type["line_items"][gone].archived = True  # the association outlives it for a moment
    assert gone not in [line.id for line in next(one for one in pulled(crm) if one.id == deal.id).line_items]


def test_won_deals_of_a_second_pipeline_come_only_when_the_scope_names_it(running: Running, crm: Crm) -> None:
    both = DealScope(
        won_stages={"default": ("closedwon",), "partner": ("partner_won",)},
        deal_properties=("pipeline",),
        line_item_properties=(),
        company_properties=(),
        contact_properties=(),
    )
    assert {deal.properties["pipeline"] for deal in pulled(crm, scope=both)} == {"default", "partner"}
    assert len(pulled(crm, scope=both)) > len(pulled(crm))


def test_a_stage_is_won_only_in_its_own_pipeline(running: Running, crm: Crm) -> None:
    crossed = DealScope(
        won_stages={"default": ("partner_won",), "partner": ("closedwon",)},
        deal_properties=(),
        line_item_properties=(),
        company_properties=(),
        contact_properties=(),
    )
    assert pulled(crm, scope=crossed) == []


def test_a_deal_links_to_its_page(crm: Crm) -> None:
    deal = pulled(crm)[0]
    assert deal.url == f"https://app.hubspot.com/contacts/4242001/record/0-3/{deal.id}"


def test_an_account_that_may_not_be_read_costs_only_the_links(running: Running, crm: Crm) -> None:
    running.sandbox.faults.ordered[:] = [Fault("hubspot", "error_before", path="account-info", status=403, times=-1)]
    deals = pulled(crm)
    assert deals
    assert {deal.url for deal in deals} == {""}


# ------------------------------------------------------------------------------------------------- windows and cursors


def set_moment(running: Running, ids: list[str], moment: str) -> None:
    """Give deals one common modification date, as an import does."""
    for one in ids:
        standin(running).records.by_type["deals"][one].properties["hs_lastmodifieddate"] = moment


@pytest.mark.parametrize("together", [1, 4, 5, 6, 11, 23])
def test_a_pull_beyond_the_end_of_one_query_misses_and_doubles_nothing(
    running: Running, crm: Crm, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """A query ends after one page here; ``together`` deals share a moment in the middle of the order."""
    monkeypatch.setattr(hubspot, "SEARCH_PAGE", 5)
    monkeypatch.setattr(hubspot, "BLOCK", 12)
    standin(running).search_cap = 5
    ordered = [deal.id for deal in pulled(crm)]
    set_moment(running, ordered[7 : 7 + together], "2026-02-14T09:00:00.123Z")
    pages = list(crm.won_deals(None, SCOPE))
    ids = [deal.id for page in pages for deal in page.deals]
    assert sorted(ids) == sorted(ordered)
    assert len(ids) == len(set(ids))
    assert all(len(page.deals) <= 5 for page in pages)
    moments = [deal.modified_at for page in pages for deal in page.deals]
    assert moments == sorted(moments)


def test_a_deal_modified_during_the_pull_hides_no_other(
    running: Running, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubspot, "SEARCH_PAGE", 5)
    monkeypatch.setattr(hubspot, "BLOCK", 5)
    wanted = {deal.id for deal in pulled(crm)}
    pages = crm.won_deals(None, SCOPE)
    seen = [deal.id for deal in next(pages).deals]
    change(running, "deals", seen[0], po_number="PO-1")  # it moves to the end, every other one a place forward
    seen += [deal.id for page in pages for deal in page.deals]
    assert set(seen) == wanted
    assert seen.count(seen[0]) == 2


def test_a_pull_overlaps_its_cursor_by_the_lag_of_the_search(running: Running, crm: Crm) -> None:
    last = pulled(crm)[-1]
    assert last.id in [deal.id for deal in pulled(crm, last.modified_at + timedelta(minutes=4))]
    assert last.id not in [deal.id for deal in pulled(crm, last.modified_at + timedelta(minutes=6))]


def test_a_cursor_does_not_run_past_the_beginning_of_its_pull(running: Running) -> None:
    """A line item edited while a long pull runs is older than deals delivered later in it."""

    class Slow(NoWait):
        def monotonic(self) -> float:
            self.now += 60.0
            return self.now

    crm = connect(settings_for(running), Ports(credentials=FixedToken(TOKEN), clock=Slow()))
    (page,) = list(crm.won_deals(None, SCOPE))
    assert page.cursor is not None
    assert page.deals[-1].modified_at - page.cursor >= timedelta(minutes=10)


def test_pages_of_older_deals_with_edited_lines_leave_the_cursor(running: Running, crm: Crm) -> None:
    deal = next(deal for deal in pulled(crm) if deal.line_items)
    since = datetime(2026, 3, 10, 11, 59, tzinfo=UTC)
    change(running, "line_items", deal.line_items[0].id, price="1")
    first, *others = list(crm.won_deals(since, SCOPE))
    assert [one.id for one in first.deals] == [deal.id]
    assert first.cursor == since
    assert others[-1].cursor is not None
    assert others[-1].cursor > since


def test_each_record_is_read_once_and_batches_are_full(running: Running, crm: Crm) -> None:
    vendor = standin(running)
    deals = pulled(crm)
    calls = dict(vendor.calls)
    lines = sum(len(deal.line_items) for deal in deals)
    companies = {one.id for deal in deals for one in deal.companies}
    contacts = {one.id for deal in deals for one in deal.contacts}
    batches = sum(-(-number // 100) for number in (lines, len(companies), len(contacts)))
    assert calls == {
        "GET /account-info/{version}/details": 1,
        "POST /crm/objects/{version}/{object_type}/search": 1,
        "POST /crm/associations/{version}/{object_type}/{to_type}/batch/read": 3,
        "POST /crm/objects/{version}/{object_type}/batch/read": batches,
    }


def test_hundreds_of_properties_do_not_lengthen_any_address(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0
    original = Session.request

    def request(self: Session, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        nonlocal longest
        longest = max(longest, len(url))
        return original(self, method, url, *args, **kwargs)

    monkeypatch.setattr(Session, "request", request)
    names = tuple(f"custom_property_number_{number}" for number in range(600))
    scope = DealScope(
        won_stages=SCOPE.won_stages,
        deal_properties=names,
        line_item_properties=names,
        company_properties=names,
        contact_properties=names,
    )
    crm = connect(settings_for(running), Ports(credentials=FixedToken(TOKEN), clock=NoWait()))
    assert pulled(crm, scope=scope)
    assert 0 < longest < 200


# -------------------------------------------------------------------------------------------------- limits and errors


def test_a_pull_keeps_within_the_published_limits(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubspot, "SEARCH_PAGE", 2)  # many searches
    monkeypatch.setattr(hubspot, "BLOCK", 1)  # and many other calls
    clock, sent = NoWait(), list[tuple[float, bool]]()
    original = Session.request

    def request(self: Session, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        sent.append((clock.now, url.endswith("/search")))
        return original(self, method, url, *args, **kwargs)

    monkeypatch.setattr(Session, "request", request)
    crm = connect(settings_for(running, minute=60.0), Ports(credentials=FixedToken(TOKEN), clock=clock))
    assert len(pulled(crm)) > 30
    searches = [moment for moment, search in sent if search]
    moments = [moment for moment, _ in sent]
    assert len(searches) > 20
    assert len(moments) > 150
    assert all(later - first > 1 for first, later in zip(searches, searches[5:], strict=False))
    assert all(later - first > 10 for first, later in zip(moments, moments[190:], strict=False))
    assert clock.now < 1.1 * max(len(searches) / 5, len(moments) / 19)  # and near them


def test_a_limit_used_up_by_others_is_waited_for_without_surfacing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Running(Options(today=TODAY, minute=6.0)) as running:
        monkeypatch.setattr(standin(running), "limits", (RateLimit("TEN_SECONDLY_ROLLING", 1, 10.0),))
        crm = connect(settings_for(running, minute=6.0), Ports(credentials=FixedToken(TOKEN), clock=RealClock()))
        crm.probe()
        assert set(crm.stages()) == {"default", "partner"}
        calls = standin(running).calls
        assert calls["GET /crm/pipelines/{version}/{object_type}"] > 1


@pytest.mark.parametrize(("policy", "seconds"), [("SECONDLY", 1.0), ("TEN_SECONDLY_ROLLING", 10.0)])
def test_a_429_without_retry_after_is_waited_out_by_its_policy(running: Running, policy: str, seconds: float) -> None:
    clock = NoWait()
    crm = connect(settings_for(running, minute=60.0), Ports(credentials=FixedToken(TOKEN), clock=clock))
    body = json.dumps({"status": "error", "policyName": policy, "message": "slow down"})
    running.sandbox.faults.ordered[:] = [Fault("hubspot", "error_before", status=429, body=body)]
    crm.probe()
    assert clock.now == pytest.approx(seconds)


def test_the_daily_limit_stops_at_once_and_says_when_to_ask_again(running: Running, crm: Crm) -> None:
    body = json.dumps({"status": "error", "policyName": "DAILY", "message": "You have reached your daily limit."})
    running.sandbox.faults.ordered[:] = [Fault("hubspot", "error_before", status=429, body=body, times=-1)]
    with pytest.raises(DailyLimit) as caught:
        crm.probe()
    assert caught.value.until.tzinfo is not None
    assert sum(standin(running).calls.values()) == 2  # the other one asks in which zone the account's day ends
    with pytest.raises(DailyLimit, match="used up"):
        crm.probe()
    assert sum(standin(running).calls.values()) == 2


@pytest.mark.parametrize("status", [423, 477])
def test_a_locked_or_moving_account_is_retryable(running: Running, crm: Crm, status: int) -> None:
    running.sandbox.faults.ordered[:] = [Fault("hubspot", "error_before", status=status, times=-1)]
    with pytest.raises(Retryable):
        crm.probe()


def test_a_request_hubspot_never_accepts_is_refused_and_not_repeated(running: Running, crm: Crm) -> None:
    running.sandbox.faults.ordered[:] = [Fault("hubspot", "error_before", status=400, body="{}", times=-1)]
    with pytest.raises(Refused):
        crm.stages()
    assert sum(standin(running).calls.values()) == 1


def test_an_incomplete_answer_is_not_taken_for_nothing(running: Running, crm: Crm) -> None:
    error = {"status": "error", "category": "TIMEOUT", "message": "took too long", "context": {}}
    body = json.dumps({"status": "COMPLETE", "results": [], "errors": [error]})
    running.sandbox.faults.ordered[:] = [Fault("hubspot", "error_before", path="batch/read", status=207, body=body)]
    with pytest.raises(Retryable):
        pulled(crm)


# ---------------------------------------------------------------------------------------------- published specification


def relaxed(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the specification with the two places corrected where it contradicts HubSpot's own answers.

    Empty properties and labels are null; ``subCategory`` of a partial error is a text. What is asked keeps to the
    letter of it: HubSpot takes a ``sorts`` of objects, too (HubSpot/hubspot-api-python#236), but a server made from the
    specification does not.
    """
    schemas = spec["components"]["schemas"]
    for name in ("SimplePublicObject", "SimplePublicObjectWithAssociations", "SimplePublicUpsertObject"):
        schemas[name]["properties"]["properties"]["additionalProperties"]["nullable"] = True
    schemas["AssociationSpecWithLabel"]["properties"]["label"]["nullable"] = True
    schemas["StandardError"]["properties"]["subCategory"] = {"type": "string"}
    return spec


@pytest.fixture(scope="module")
def specification(specs: Path) -> OpenAPI:
    spec = relaxed(json.loads((specs / "hubspot" / "merged-2026-03.json").read_text()))
    spec["servers"] = [{"url": "/hubspot"}]
    # The security rules stand per operation and name apps of every kind; the token is tested elsewhere.
    spec["components"].pop("securitySchemes", None)
    for operations in spec["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))


def test_requests_and_answers_keep_to_the_published_specification(
    running: Running, crm: Crm, specification: OpenAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged: list[str] = []
    original = Session.request

    def request(self: Session, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        response = original(self, method, url, *args, **kwargs)
        if "/account-info/" not in url:  # not part of the merged specification
            sent = RequestsOpenAPIRequest(
                requests.Request(method, url, headers=kwargs["headers"], data=kwargs.get("data"))
            )
            specification.validate_request(sent)
            if response.status_code < 400:  # of refusals it says nothing but that they have some body
                specification.validate_response(sent, RequestsOpenAPIResponse(response))
            exchanged.append(f"{response.status_code} {url.rsplit('2026-03/', 1)[1]}")
        return response

    monkeypatch.setattr(Session, "request", request)
    deal = next(deal for deal in pulled(crm) if deal.line_items and deal.companies)
    change(running, "line_items", deal.line_items[0].id, quantity="3")
    assert deal.id in [one.id for one in pulled(crm, datetime(2026, 3, 10, 11, 59, tzinfo=UTC))]
    crm.count_won(SCOPE)
    gone, first, second = [one.id for one in pulled(crm)][:3]
    with LOCK:
        standin(running).records.archive("deals", standin(running).records.by_type["deals"][gone])
    merged = merge(running, "deals", first, second)
    standin(running).records.by_type["deals"][merged].properties["hs_merged_object_ids"] = None
    crm.fates([gone, first, second, "1"], SCOPE)
    crm.update("deals", {merged: {"netterms_open": "12.50", "netterms_last_invoice_date": "2026-03-01"}})
    crm.update("companies", {deal.companies[0].id: {"netterms_last_invoice": "US-00001", "netterms_overdue": ""}})
    crm.update("deals", {gone: {"netterms_open": "1.00"}})
    crm.stages()
    for object_type in PROPERTIES:
        crm.properties(object_type)  # type: ignore[arg-type]
    assert {line.split(" ")[0] for line in exchanged} == {"200", "207", "404"}
    assert {line.split(" ")[1] for line in exchanged} >= {
        "deals/search",
        "line_items/search",
        "deals/line_items/batch/read",
        "line_items/deals/batch/read",
        "deals/batch/read",
        "deals/batch/read?archived=true",
        "deals/batch/update",
        "companies/batch/update",
        "companies/batch/read",
        "contacts/batch/read",
        "deals",
        "line_items",
    }
