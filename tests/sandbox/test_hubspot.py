"""The stand-in of HubSpot behaves as HubSpot's documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import requests

from sandbox.core import LOCK
from sandbox.hubspot import HubSpot
from sandbox.server import Options, Running

TODAY = date(2026, 3, 10)
OBJECTS = "/crm/objects/2026-03"
HEADERS = {"Authorization": "Bearer pat-sandbox-0000"}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(Options(today=TODAY, minute=0.06)) as running:
        yield running


class Client:
    """A plain HTTP client of the stand-in."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.vendor: HubSpot = running.sandbox.hubspot
        self.session = requests.Session()
        self.session.headers.update(HEADERS)

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        url = f"{self.running.url}/hubspot{path}"
        return self.session.request(method, url, json=body, timeout=5, **options)

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        response = self.send(method, path, body, **options)
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    def search(self, *filters: dict[str, Any], object_type: str = "deals", **body: Any) -> Any:
        groups = [{"filters": list(filters)}] if filters else []
        return self.ok("POST", f"{OBJECTS}/{object_type}/search", {"filterGroups": groups, "limit": 200, **body})

    def found(self, operator: str, name: str = "amount", object_type: str = "deals", **values: Any) -> set[str]:
        one = {"propertyName": name, "operator": operator, **values}
        return {one["id"] for one in self.search(one, object_type=object_type)["results"]}


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with LOCK:
        server.sandbox.reset()
    made = Client(server)
    yield made
    made.session.close()


def first(client: Client, object_type: str = "deals") -> str:
    return next(iter(client.vendor.records.by_type[object_type]))


# -------------------------------------------------------------------------------------------------------------- access


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer pat-other-1", "Basic pat-sandbox-1"])
def test_an_unknown_token_is_refused(client: Client, token: str) -> None:
    answer = client.send("GET", f"{OBJECTS}/deals", headers={"Authorization": token})
    assert answer.status_code == 401
    assert answer.json()["category"] == "INVALID_AUTHENTICATION"


def test_an_address_that_is_too_long_is_refused(client: Client) -> None:
    names = ",".join(f"property_number_{number}" for number in range(1000))
    assert client.send("GET", f"{OBJECTS}/deals?properties={names}").status_code == 414


def test_later_versions_and_ids_of_object_types_work_too(client: Client) -> None:
    by_name = client.ok("GET", f"{OBJECTS}/deals?limit=3")
    assert client.ok("GET", "/crm/objects/2026-09/0-3?limit=3") == by_name
    assert client.send("GET", "/crm/objects/v9/deals").status_code == 404
    assert client.send("GET", f"{OBJECTS}/0-99").status_code == 400


def test_a_refresh_token_gives_an_access_token_that_works(client: Client) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "sandbox-1", "client_id": "x", "client_secret": "y"}
    url = f"{client.running.url}/hubspot/oauth/2026-03/token"
    token = requests.post(url, data=form, timeout=5).json()["access_token"]
    assert client.send("GET", f"{OBJECTS}/deals", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert requests.post(url, data={**form, "refresh_token": "other"}, timeout=5).status_code == 400


def test_the_account_tells_its_id(client: Client) -> None:
    assert client.ok("GET", "/account-info/2026-03/details")["portalId"] == 4242001


# ------------------------------------------------------------------------------------------------------------- reading


def test_a_list_pages_through_every_record_once(client: Client) -> None:
    ids: list[str] = []
    after = ""
    while True:
        page = client.ok("GET", f"{OBJECTS}/deals?limit=25&properties=dealname,amount{after}")
        ids += [one["id"] for one in page["results"]]
        if "paging" not in page:
            break
        after = f"&after={page['paging']['next']['after']}"
    assert sorted(ids) == sorted(client.vendor.records.by_type["deals"])
    assert client.send("GET", f"{OBJECTS}/deals?limit=101").status_code == 400


def test_a_list_gives_ids_of_associated_records(client: Client) -> None:
    page = client.ok("GET", f"{OBJECTS}/deals?limit=1&associations=line_items,companies,contacts")
    associations = page["results"][0]["associations"]
    assert set(associations) == {"line items", "companies", "contacts"}
    assert {one["type"] for one in associations["companies"]["results"]} == {
        "deal_to_company",
        "deal_to_company_unlabeled",
    }


def test_property_values_are_texts_or_null_and_unknown_names_are_ignored(client: Client) -> None:
    deal = client.ok("GET", f"{OBJECTS}/deals/{first(client)}?properties=amount,billing_anchor_day,nonsense")
    assert isinstance(deal["properties"]["amount"], str)
    assert deal["properties"]["billing_anchor_day"] is None
    assert "nonsense" not in deal["properties"]
    assert {"hs_object_id", "createdate", "hs_lastmodifieddate"} <= set(deal["properties"])


def test_an_archived_record_is_gone_but_listed_as_archived(client: Client) -> None:
    deal = first(client)
    assert client.send("DELETE", f"{OBJECTS}/deals/{deal}").status_code == 204
    assert client.send("GET", f"{OBJECTS}/deals/{deal}").status_code == 404
    assert [one["id"] for one in client.ok("GET", f"{OBJECTS}/deals?archived=true")["results"]] == [deal]
    assert deal not in client.found("HAS_PROPERTY")


def test_a_batch_read_gives_what_exists_and_names_what_does_not(client: Client) -> None:
    body = {"inputs": [{"id": first(client)}, {"id": "5"}], "properties": ["dealname"], "propertiesWithHistory": []}
    response = client.send("POST", f"{OBJECTS}/deals/batch/read", body)
    assert response.status_code == 207
    assert [one["id"] for one in response.json()["results"]] == [first(client)]
    assert response.json()["errors"][0]["context"]["ids"] == ["5"]


def test_a_batch_read_finds_contacts_by_email(client: Client) -> None:
    contact = client.ok("GET", f"{OBJECTS}/contacts/{first(client, 'contacts')}")
    body = {"inputs": [{"id": contact["properties"]["email"].upper()}], "idProperty": "email", "properties": []}
    assert [one["id"] for one in client.ok("POST", f"{OBJECTS}/contacts/batch/read", body)["results"]] == [
        contact["id"]
    ]


@pytest.mark.parametrize(
    ("path", "most"), [("objects/2026-03/deals", 100), ("associations/2026-03/deals/contacts", 1000)]
)
def test_batches_have_an_end(client: Client, path: str, most: int) -> None:
    inputs = [{"id": str(number)} for number in range(most + 1)]
    assert client.send("POST", f"/crm/{path}/batch/read", {"inputs": inputs}).status_code == 400
    assert client.send("POST", f"/crm/{path}/batch/read", {"inputs": inputs[:most]}).status_code == 207


def test_a_merged_record_answers_under_its_new_id(client: Client) -> None:
    one, two = list(client.vendor.records.by_type["companies"])[:2]
    with LOCK:
        merged = client.vendor.records.merge("companies", one, two)
    answer = client.ok("GET", f"{OBJECTS}/companies/{one}?properties=hs_merged_object_ids")
    assert answer["id"] == merged.id
    assert answer["properties"]["hs_merged_object_ids"] == f"{one};{two}"


def test_merging_makes_a_new_record_that_has_what_belonged_to_either(client: Client) -> None:
    records = client.vendor.records
    one, two = [deal for deal in records.by_type["deals"] if records.linked("deals", deal, "line_items")][:2]
    lines = {line for deal in (one, two) for line in records.linked("deals", deal, "line_items")}
    company = next(iter(records.linked("deals", one, "companies")))
    body = {"primaryObjectId": one, "objectIdToMerge": two}
    merged = client.ok("POST", f"{OBJECTS}/deals/merge", body)["id"]
    assert merged not in (one, two)
    assert client.ok("GET", f"{OBJECTS}/deals/{two}")["id"] == merged
    assert set(records.linked("deals", merged, "line_items")) == lines
    assert records.linked("deals", one, "line_items") == {}
    assert merged in records.linked("companies", company, "deals")
    assert one not in records.linked("companies", company, "deals")
    assert 5 in records.linked("deals", merged, "companies")[company]
    assert client.send("POST", f"{OBJECTS}/deals/merge", {**body, "objectIdToMerge": merged}).status_code == 400


def test_a_record_merged_twice_is_found_by_its_oldest_id(client: Client) -> None:
    one, two, three = list(client.vendor.records.by_type["companies"])[:3]
    first = client.ok("POST", f"{OBJECTS}/companies/merge", {"primaryObjectId": one, "objectIdToMerge": two})["id"]
    last = client.ok("POST", f"{OBJECTS}/companies/merge", {"primaryObjectId": first, "objectIdToMerge": three})["id"]
    answer = client.ok("GET", f"{OBJECTS}/companies/{one}?properties=hs_merged_object_ids")
    assert answer["id"] == last
    assert answer["properties"]["hs_merged_object_ids"] == f"{one};{two};{first};{three}"


def test_companies_and_contacts_count_their_deals_without_being_modified(client: Client) -> None:
    records = client.vendor.records
    deal = first(client)
    company = next(iter(records.linked("deals", deal, "companies")))
    path = f"{OBJECTS}/companies/{company}?properties=num_associated_deals,hs_lastmodifieddate"
    before = client.ok("GET", path)["properties"]
    assert int(before["num_associated_deals"]) == len(records.linked("companies", company, "deals")) > 0
    client.send("DELETE", f"{OBJECTS}/deals/{deal}")
    after = client.ok("GET", path)["properties"]
    assert int(after["num_associated_deals"]) == int(before["num_associated_deals"]) - 1
    assert after["hs_lastmodifieddate"] == before["hs_lastmodifieddate"]


# -------------------------------------------------------------------------------------------------------------- search


def amounts(client: Client) -> dict[str, int]:
    """Make three companies' worth of numbers to compare: set known amounts on every deal."""
    ids = list(client.vendor.records.by_type["deals"])
    for place, deal in enumerate(ids):
        client.vendor.records.by_type["deals"][deal].properties["amount"] = str(place)
    client.vendor.records.by_type["deals"][ids[-1]].properties["amount"] = None
    return {deal: place for place, deal in enumerate(ids[:-1])}


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("EQ", {"value": "10"}, lambda amount: amount == 10),
        ("GT", {"value": "9"}, lambda amount: amount > 9),
        ("GTE", {"value": "9"}, lambda amount: amount >= 9),
        ("LT", {"value": "10"}, lambda amount: amount < 10),
        ("LTE", {"value": "10"}, lambda amount: amount <= 10),
        ("BETWEEN", {"value": "9", "highValue": "11"}, lambda amount: 9 <= amount <= 11),
        ("IN", {"values": ["3", "30"]}, lambda amount: amount in (3, 30)),
        ("HAS_PROPERTY", {}, lambda amount: True),
    ],
)
def test_an_operator_compares_numbers_as_numbers(client: Client, operator: str, values: Any, holds: Any) -> None:
    known = amounts(client)
    assert client.found(operator, **values) == {deal for deal, amount in known.items() if holds(amount)}


@pytest.mark.parametrize(
    ("operator", "values", "opposite"),
    [
        ("NEQ", {"value": "10"}, "EQ"),
        ("NOT_IN", {"values": ["3", "30"]}, "IN"),
        ("NOT_HAS_PROPERTY", {}, "HAS_PROPERTY"),
    ],
)
def test_a_negative_operator_finds_the_rest(client: Client, operator: str, values: Any, opposite: str) -> None:
    amounts(client)
    everything = set(client.vendor.records.by_type["deals"])
    assert client.found(operator, **values) == everything - client.found(opposite, **values)


def test_a_moment_is_compared_in_milliseconds(client: Client) -> None:
    with LOCK:
        record = client.vendor.records.update("deals", client.vendor.records.by_type["deals"][first(client)], {})
    moment = client.running.sandbox.clock.now()
    at = int(moment.timestamp()) * 1000 + moment.microsecond // 1000
    assert client.found("GTE", "hs_lastmodifieddate", value=str(at)) == {record.id}
    assert client.found("GT", "hs_lastmodifieddate", value=str(at)) == set()


def test_tokens_are_found_with_and_without_a_wildcard(client: Client) -> None:
    company = client.ok("GET", f"{OBJECTS}/companies/{first(client, 'companies')}")
    word = company["properties"]["name"].split()[0]
    for wanted in (word.upper(), f"{word[:-2]}*"):
        assert company["id"] in client.found("CONTAINS_TOKEN", "name", "companies", value=wanted)
    assert company["id"] not in client.found("CONTAINS_TOKEN", "name", "companies", value=word[:-2])


def test_filters_of_a_group_all_hold_and_groups_add_up(client: Client) -> None:
    known = amounts(client)
    at_least = {"propertyName": "amount", "operator": "GTE", "value": "50"}
    at_most = {"propertyName": "amount", "operator": "LTE", "value": "52"}
    three = {"propertyName": "amount", "operator": "EQ", "value": "3"}
    groups = [{"filters": [at_least, at_most]}, {"filters": [three]}]
    found = client.search(filterGroups=groups)["results"]
    assert {known[one["id"]] for one in found} == {3, 50, 51, 52}


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
def test_results_are_sorted_and_paged(client: Client, direction: str) -> None:
    known = amounts(client)
    sorts = [{"propertyName": "amount", "direction": direction}]
    pages = [client.search(sorts=sorts, limit=50, after=str(after)) for after in (0, 50)]
    ids = [one["id"] for page in pages for one in page["results"]]
    assert pages[0]["total"] == len(ids) == len(known) + 1
    assert pages[0]["paging"]["next"]["after"] == "50"
    assert "paging" not in pages[1]
    values = [known[one] for one in ids if one in known]
    assert values == sorted(values, reverse=direction == "DESCENDING")


GROUP = {"filters": [{"propertyName": "amount", "operator": "GT", "value": "1"}]}


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"after": "9900", "limit": 200},
        {"filterGroups": [GROUP] * 6},
        {"filterGroups": [{"filters": GROUP["filters"] * 7}]},
        {"filterGroups": [{"filters": GROUP["filters"] * 5}] * 4},
        {"sorts": ["amount", "dealname"]},
        {"sorts": ["nonsense"]},
        {"filterGroups": [{"filters": [{"propertyName": "nonsense", "operator": "EQ", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "LIKE", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "EQ"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "EQ", "value": "ten"}]}]},
    ],
    ids=["page", "cap", "groups", "group", "filters", "sorts", "sort", "property", "operator", "value", "type"],
)
def test_a_search_outside_the_rules_is_refused(client: Client, body: dict[str, Any]) -> None:
    answer = client.send("POST", f"{OBJECTS}/deals/search", body)
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_a_lagging_search_finds_a_change_only_later(client: Client) -> None:
    deal = first(client)
    client.vendor.search_lag = 60.0
    client.ok("PATCH", f"{OBJECTS}/deals/{deal}", {"properties": {"po_number": "PO-LAG"}})
    assert client.found("EQ", "po_number", value="PO-LAG") == set()
    with LOCK:
        client.running.sandbox.clock.move(TODAY + timedelta(days=1))
    assert client.found("EQ", "po_number", value="PO-LAG") == {deal}


# ------------------------------------------------------------------------------------------------------------- writing


def test_a_write_moves_the_modification_date_and_nothing_else_changes(client: Client) -> None:
    deal = first(client)
    path = f"{OBJECTS}/deals/{deal}?properties=po_number,dealname"
    before = client.ok("GET", path)["properties"]
    client.ok("PATCH", f"{OBJECTS}/deals/{deal}", {"properties": {"po_number": "PO-9"}})
    after = client.ok("GET", path)["properties"]
    assert after["po_number"] == "PO-9"
    assert after["hs_lastmodifieddate"] > before["hs_lastmodifieddate"]
    assert after["dealname"] == before["dealname"]


def test_editing_a_line_item_does_not_touch_its_deal(client: Client) -> None:
    deal = first(client)
    line = next(iter(client.vendor.records.linked("deals", deal, "line_items")))
    before = client.ok("GET", f"{OBJECTS}/deals/{deal}")["updatedAt"]
    client.ok("PATCH", f"{OBJECTS}/line_items/{line}", {"properties": {"quantity": "2"}})
    assert client.ok("GET", f"{OBJECTS}/deals/{deal}")["updatedAt"] == before


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"nonsense": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"billing_frequency": "Whenever"}, "INVALID_OPTION"),
        ({"hs_object_id": "1"}, "READ_ONLY_VALUE"),
        ({"amount": "a lot"}, "INVALID_NUMBER"),
        ({"contract_start": "soon"}, "INVALID_DATE"),
    ],
)
def test_a_wrong_value_is_refused_and_its_whole_batch_with_it(
    client: Client, properties: dict[str, str], code: str
) -> None:
    one, two = list(client.vendor.records.by_type["deals"])[:2]
    inputs = [{"id": one, "properties": {"po_number": "PO-BATCH"}}, {"id": two, "properties": properties}]
    answer = client.send("POST", f"{OBJECTS}/deals/batch/update", {"inputs": inputs})
    assert answer.status_code == 400
    assert code in answer.text
    assert client.found("EQ", "po_number", value="PO-BATCH") == set()


def test_a_stage_decides_whether_a_deal_counts_as_won(client: Client) -> None:
    deal = first(client)
    for stage, won in (("closedlost", "false"), ("closedwon", "true")):
        client.ok("PATCH", f"{OBJECTS}/deals/{deal}", {"properties": {"dealstage": stage}})
        answer = client.ok("GET", f"{OBJECTS}/deals/{deal}?properties=hs_is_closed_won")
        assert answer["properties"]["hs_is_closed_won"] == won


def test_a_record_is_created_with_its_associations(client: Client) -> None:
    deal = first(client)
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 20}
    inputs = [{"properties": {"name": "Seats", "price": "5"}, "associations": [{"to": {"id": deal}, "types": [kind]}]}]
    (line,) = client.ok("POST", f"{OBJECTS}/line_items/batch/create", {"inputs": inputs})["results"]
    answer = client.ok(
        "POST", "/crm/associations/2026-03/line_items/deals/batch/read", {"inputs": [{"id": line["id"]}]}
    )
    assert [to["toObjectId"] for to in answer["results"][0]["to"]] == [deal]


def test_an_upsert_by_a_unique_property_creates_once(client: Client) -> None:
    inputs = [{"id": "new@buyer.example", "idProperty": "email", "properties": {"firstname": "Nia"}}]
    made = [client.ok("POST", f"{OBJECTS}/contacts/batch/upsert", {"inputs": inputs})["results"][0] for _ in range(2)]
    assert [one["new"] for one in made] == [True, False]
    assert made[0]["id"] == made[1]["id"]


# -------------------------------------------------------------------------------------------- associations and settings


@pytest.mark.parametrize("other", ["line_items", "companies", "contacts"])
def test_associations_are_read_in_both_directions(client: Client, other: str) -> None:
    deals = [{"id": one} for one in client.vendor.records.by_type["deals"]]
    there = client.send("POST", f"/crm/associations/2026-03/deals/{other}/batch/read", {"inputs": deals}).json()
    pairs = {(one["from"]["id"], to["toObjectId"]) for one in there["results"] for to in one["to"]}
    others = [{"id": one} for one in client.vendor.records.by_type[other]]
    back = client.send("POST", f"/crm/associations/2026-03/{other}/deals/batch/read", {"inputs": others}).json()
    assert {(to["toObjectId"], one["from"]["id"]) for one in back["results"] for to in one["to"]} == pairs
    assert pairs


def test_many_associations_come_in_pages(client: Client) -> None:
    deal = first(client)
    client.vendor.association_page = 2
    with LOCK:
        for _ in range(5):
            line = client.vendor.records.create("line_items", {})
            client.vendor.records.link("deals", deal, "line_items", line.id)
    ids: list[str] = []
    one: dict[str, str] = {"id": deal}
    while True:
        answer = client.ok("POST", "/crm/associations/2026-03/deals/line_items/batch/read", {"inputs": [one]})
        ids += [to["toObjectId"] for to in answer["results"][0]["to"]]
        if "paging" not in answer["results"][0]:
            break
        one = {"id": deal, "after": answer["results"][0]["paging"]["next"]["after"]}
    assert len(ids) == len(set(ids))
    assert set(ids) == set(client.vendor.records.linked("deals", deal, "line_items"))


def test_a_deal_without_a_company_is_named_in_a_partial_answer(client: Client) -> None:
    homeless = next(deal for deal, kind in client.vendor.world.faulty.items() if kind == "no_company")
    inputs = [{"id": first(client)}, {"id": homeless}]
    response = client.send("POST", "/crm/associations/2026-03/deals/companies/batch/read", {"inputs": inputs})
    assert response.status_code == 207
    (error,) = response.json()["errors"]
    assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert error["context"]["fromObjectId"] == [homeless]


def test_properties_and_pipelines_describe_the_portal(client: Client) -> None:
    properties = {one["name"]: one for one in client.ok("GET", "/crm/properties/2026-03/0-3")["results"]}
    assert properties["payment_terms"]["hubspotDefined"] is False
    assert {one["value"] for one in properties["billing_frequency"]["options"]} >= {"Monthly", "Bi-monthly"}
    pipelines = {one["id"]: one for one in client.ok("GET", "/crm/pipelines/2026-03/deals")["results"]}
    won = [stage["id"] for stage in pipelines["default"]["stages"] if stage["metadata"]["probability"] == "1.0"]
    assert won == ["closedwon"]
    assert "partner" in pipelines


# ----------------------------------------------------------------------------------------------------- time and limits


def test_deals_are_won_on_their_days(client: Client) -> None:
    waiting = {one.id: one.won_on for one in client.vendor.world.deals if one.won_on and one.won_on > TODAY}
    day = min(waiting.values())
    with LOCK:
        client.running.sandbox.move_clock(day)
    won = client.found("EQ", "dealstage", value="closedwon")
    assert {deal for deal in waiting if deal in won} == {deal for deal, on in waiting.items() if on == day}
    deal = next(deal for deal, on in waiting.items() if on == day)
    assert client.ok("GET", f"{OBJECTS}/deals/{deal}")["updatedAt"].startswith(day.isoformat())


def test_a_reset_brings_the_seeded_state_back(client: Client) -> None:
    before = client.vendor.state()
    client.ok("PATCH", f"{OBJECTS}/deals/{first(client)}", {"properties": {"po_number": "PO-9"}})
    assert client.vendor.state() != before
    with LOCK:
        client.running.sandbox.reset()
    assert client.vendor.state() == before


def test_the_state_shows_every_type(client: Client) -> None:
    state = client.vendor.state()
    assert set(state) == {"deals", "line_items", "companies", "contacts"}
    assert all(state.values())
    assert state["deals"][0]["associations"]["line_items"]


@pytest.mark.parametrize(
    ("path", "policy", "allowed"),
    [(f"{OBJECTS}/deals/search", "SECONDLY", 5), (f"{OBJECTS}/deals/batch/read", "TEN_SECONDLY_ROLLING", 190)],
)
def test_a_limit_is_enforced_and_named(path: str, policy: str, allowed: int) -> None:
    with Running(Options(today=TODAY, deals=1, minute=600.0)) as running:
        client = Client(running)
        answers = [client.send("POST", path, {"inputs": [{"id": "1"}]}) for _ in range(allowed + 1)]
        assert [one.status_code == 429 for one in answers] == [False] * allowed + [True]
        assert answers[-1].json()["policyName"] == policy
        assert "Retry-After" not in answers[-1].headers
        client.session.close()
