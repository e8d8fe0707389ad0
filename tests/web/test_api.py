"""The API: who knows the token sends usage and acceptances, each stored once; everybody else learns nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest
import waitress
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from billing.customer import Customer
from billing.terms import Terms
from store import contracts, links
from tests.sync.test_set_terms import row_of
from tests.web.conftest import pages, read, send
from tests.worlds import NOBODY, TODAY, Live
from web import api

TOKEN = "a-token-of-tests-with-32-characters"
CALLS = {"type": "usage", "key": "calls", "description": "Calls", "price": "0.10", "tax_class": "services"}
BUILD = {"type": "fixed_price", "key": "build", "description": "Build", "price": 1000, "tax_class": "services",
         "instalments": [{"key": "design", "percent": 40}, {"key": "live", "percent": 60}]}  # fmt: skip
DESIGN = {"contract": "C-1", "charge": "build", "milestone": "design", "on": "2026-09-02"}


@pytest.fixture
def live(tmp_path: Path) -> Live:
    """A contract C-1 with usage, two milestones and a holdback."""
    live = Live(tmp_path)
    given = {"contract": "C-1", "customer": "Acme", "currency": "GBP", "starts_on": "2026-09-01",
             "charges": [CALLS, BUILD], "holdback": {"percent": 10}}  # fmt: skip
    with live.store() as store, store.transaction():
        customer = links.save_customer(store, NOBODY, "crm", "77", Customer(name="Acme"))
        contracts.create(store, NOBODY, msgspec.convert(given, Terms), entity="uk", customer_id=customer, crm="crm",
                         deal_id="1", name="Acme - calls")  # fmt: skip
    return live


def opened(live: Live, token: str = TOKEN, **access: Any) -> Flask:
    app = pages(live, **access)
    api.install(app, token)
    return app


@pytest.fixture
def client(live: Live) -> FlaskClient:
    return opened(live).test_client()


def post(client: FlaskClient, body: Any, path: str = "/api/usage", token: str = TOKEN, **more: Any) -> TestResponse:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    return client.post(path, data=data, headers=headers, **{"content_type": "application/json", **more})


def used(name: str = "r-1", quantity: Any = 5, **fields: Any) -> dict[str, Any]:
    given = {"id": name, "contract": "C-1", "meter": "calls", "at": "2026-09-01T10:00:00Z", "quantity": quantity}
    return {**given, **fields}


def stored(live: Live) -> dict[str, str]:
    return dict(live.rows("SELECT id, quantity FROM usage ORDER BY id"))


# ---------------------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    "body",
    [used(), [used()], {"records": [used()]}, {"records": [used()], "replace": False}],
    ids=["object", "list", "records", "records and replace"],
)
def test_a_record_is_stored_however_it_is_wrapped(live: Live, client: FlaskClient, body: Any) -> None:
    answer = post(client, body)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == {"accepted": 1, "known": 0, "replaced": 0, "refused": []}
    assert live.rows("SELECT id, source FROM usage") == [("r-1", "api")]


def test_json_lines_are_stored_and_a_bad_one_is_named_by_its_line(live: Live, client: FlaskClient) -> None:
    lines = f"{json.dumps(used())}\n\nnonsense\n{json.dumps(used('r-2'))}\n"
    answer = post(client, lines, content_type="application/x-ndjson")
    assert answer.status_code == 207
    document = answer.get_json()
    assert (document["accepted"], [one["line"] for one in document["refused"]]) == (2, [3])
    assert set(stored(live)) == {"r-1", "r-2"}


def test_records_sent_again_are_known_and_change_nothing(live: Live, client: FlaskClient) -> None:
    post(client, [used(), used("r-2")])
    before = live.contents()
    answer = post(client, [used(), used("r-2")])
    assert (answer.status_code, answer.get_json()["known"]) == (200, 2)
    assert live.contents() == before


def test_the_good_records_are_stored_and_each_bad_one_is_named(live: Live, client: FlaskClient) -> None:
    answer = post(client, [used(), used("r-2", meter="call"), 7, used("r-3", contract="C-2"), used("r-4")])
    document = answer.get_json()
    assert (answer.status_code, document["accepted"]) == (207, 2)
    assert [(one["index"], one["id"], one["key"]) for one in document["refused"]] == [
        (1, "r-2", "meter"), (2, "", ""), (3, "r-3", "contract"),
    ]  # fmt: skip
    assert "did you mean 'calls'?" in document["refused"][0]["problem"]
    assert set(stored(live)) == {"r-1", "r-4"}


@pytest.mark.parametrize("where", ["body", "address"])
def test_other_content_under_a_known_id_is_refused_unless_it_is_said_to_replace(
    live: Live, client: FlaskClient, where: str
) -> None:
    post(client, used())
    refused = post(client, used(quantity=6))
    assert (refused.status_code, refused.get_json()["refused"][0]["key"]) == (207, "id")
    assert stored(live) == {"r-1": "5"}
    body: Any = {"records": [used(quantity=6)], "replace": True} if where == "body" else used(quantity=6)
    answer = post(client, body, "/api/usage" if where == "body" else "/api/usage?replace=true")
    assert (answer.status_code, answer.get_json()["replaced"]) == (200, 1)
    assert stored(live) == {"r-1": "6"}


def test_a_quantity_is_kept_as_it_was_written_with_no_float_between(live: Live, client: FlaskClient) -> None:
    body = json.dumps(used(quantity=0)).replace(": 0", ": 123456789012345.123456789")
    assert post(client, body).status_code == 200
    assert stored(live) == {"r-1": "123456789012345.123456789"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        (b"\xff", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ({"records": {}}, '"records", a list'),
        ({"records": [], "replace": 1}, "true or false"),
        ({"records": [], "and": 1}, "nothing else"),
    ],
    ids=["empty", "broken", "no text", "deep", "no list", "no truth", "more"],
)
def test_a_body_that_is_not_what_the_route_takes_is_refused_as_a_whole(
    live: Live, client: FlaskClient, body: Any, told: str
) -> None:
    answer = post(client, body)
    assert (answer.status_code, list(answer.get_json())) == (400, ["error"])
    assert told in answer.get_json()["error"]
    assert stored(live) == {}


def test_more_than_the_largest_body_is_refused_before_it_is_read(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LARGEST", 1 << 20)
    answer = post(client, "x" * ((1 << 20) + 1))
    assert (answer.status_code, answer.get_json()) == (413, {"error": "more than 1 MB: send fewer records at once"})


# --------------------------------------------------------------------------------------------------------------- events


def test_an_acceptance_is_recorded_once(live: Live, client: FlaskClient) -> None:
    answers = [post(client, DESIGN, "/api/events").get_json() for _ in range(2)]
    assert answers[0] == {"accepted": 1, "known": 0, "replaced": 0, "refused": []}
    assert answers[1] == {"accepted": 0, "known": 1, "replaced": 0, "refused": []}
    assert live.rows("SELECT contract, charge, milestone, on_day, actor FROM acceptances") == [
        ("C-1", "build", "design", "2026-09-02", "api")
    ]


def test_an_acceptance_without_a_day_is_of_today_and_stays_so(live: Live, client: FlaskClient) -> None:
    today = {key: value for key, value in DESIGN.items() if key != "on"}
    assert post(client, today, "/api/events").get_json()["accepted"] == 1
    assert live.rows("SELECT on_day FROM acceptances") == [(TODAY.isoformat(),)]
    live.today = live.today.replace(day=20)
    assert post(opened(live).test_client(), today, "/api/events").get_json()["known"] == 1


def test_another_day_is_refused_unless_it_is_said_to_replace(live: Live, client: FlaskClient) -> None:
    post(client, DESIGN, "/api/events")
    other = {**DESIGN, "on": "2026-09-05"}
    refused = post(client, [other], "/api/events")
    assert (refused.status_code, refused.get_json()["refused"][0]["index"]) == (207, 0)
    assert post(client, other, "/api/events?replace=1").get_json()["replaced"] == 1
    assert live.rows("SELECT on_day FROM acceptances") == [("2026-09-05",)]


def test_what_nobody_can_accept_is_refused_with_what_there_is(client: FlaskClient) -> None:
    events = [
        {**DESIGN, "milestone": "desing"}, {**DESIGN, "contract": "C-2"}, {**DESIGN, "on": "soon"}, 7,
        {"contract": "C-1", "charge": "calls"}, {"contract": "C-1", "index": "CPI", "on": "2026-01-01", "value": 1},
        {"contract": "C-1", "charge": "holdback"},
    ]  # fmt: skip
    document = post(client, events, "/api/events").get_json()
    told = {one["index"]: one["problem"] for one in document["refused"]}
    assert (document["accepted"], sorted(told)) == (1, [0, 1, 2, 3, 4, 5])
    assert "did you mean 'build design'?" in told[0]
    assert "did you mean C-1?" in told[1]


# --------------------------------------------------------------------------------------------------------- who may call


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}x"},
     {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN}, {"Authorization": "Bearer Ünïcode"}],
    ids=["nothing", "empty", "no token", "wrong", "basic", "bare", "odd"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/usage", "/api/events"])
def test_without_the_token_nothing_is_read_or_stored(
    live: Live, client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    answer = client.post(path, data=json.dumps(used()), headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert stored(live) == {}


def test_without_a_token_in_the_configuration_the_api_is_closed_and_says_how_to_open_it(live: Live) -> None:
    answer = post(opened(live, token="").test_client(), used(), token="")
    assert answer.status_code == 403
    assert 'token = "env:NETTERMS_API_TOKEN"' in answer.get_json()["error"]
    assert stored(live) == {}


def test_the_token_is_enough_where_the_pages_need_a_login_and_opens_no_page(live: Live) -> None:
    client = opened(live, password="a long password").test_client()
    assert post(client, used()).status_code == 200
    assert client.get("/contracts", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 303


def test_a_foreign_name_is_refused_and_no_cookie_is_set(client: FlaskClient) -> None:
    assert post(client, used(), headers={"Host": "evil.example"}).status_code == 400
    assert post(client, used()).headers.get("Set-Cookie") is None


@pytest.fixture
def port(live: Live) -> Iterator[int]:
    import threading

    server = waitress.create_server(opened(live), host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server.effective_port
    server.trigger.pull_trigger(server.close)
    thread.join(5)
    server.task_dispatcher.shutdown()


def test_it_works_over_a_real_connection(live: Live, port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    for expected in ({"accepted": 2, "known": 0}, {"accepted": 0, "known": 2}):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request("POST", "/api/usage", json.dumps([used(), used("r-2")]), headers)
        answer = connection.getresponse()
        assert answer.status == 200
        assert expected.items() <= json.loads(answer.read()).items()
    connection.close()
    assert len(stored(live)) == 2


# -------------------------------------------------------------------------------------- milestones on a contract's page


def test_a_milestone_is_accepted_and_taken_back_on_the_contracts_page(live: Live, client: FlaskClient) -> None:
    page = "/contracts/C-1"
    assert "Build: design not yet" in read(client.get(page).get_data(as_text=True))
    answer = send(client, f"{page}/accept", page, charge="build", milestone="design", on="2026-09-02")
    assert (answer.status_code, answer.location) == (303, page)
    words = read(client.get(page).get_data(as_text=True))
    assert "Build: design 2 Sep 2026 by person web" in words
    assert "Holdback: release not yet" in words
    send(client, f"{page}/accept", page, charge="build", milestone="design", withdraw="1")
    assert live.rows("SELECT * FROM acceptances") == []
    assert row_of(live, "C-1").version == 1


@pytest.mark.parametrize("fields", [{"milestone": "nothing"}, {"on": "soon"}, {"withdraw": "1"}], ids=str)
def test_what_cannot_be_accepted_or_taken_back_is_said_in_words(
    live: Live, client: FlaskClient, fields: dict[str, str]
) -> None:
    form = {"charge": "build", "milestone": "design", **fields}
    assert send(client, "/contracts/C-1/accept", "/contracts/C-1", **form).status_code == 400
    assert live.rows("SELECT * FROM acceptances") == []


def test_an_acceptance_needs_the_forms_token_and_a_contract(client: FlaskClient) -> None:
    assert client.post("/contracts/C-1/accept", data={"charge": "build", "milestone": "design"}).status_code == 400
    assert send(client, "/contracts/C-9/accept", "/contracts/C-1", charge="build", milestone="x").status_code == 404
