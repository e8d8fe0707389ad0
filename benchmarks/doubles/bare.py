"""The least that pulls deals: a loop of requests that makes the same calls and stores the same rows by executemany.

No types, no limits, no retries, no errors, no other CRM: what a good script is. ``python bare.py URL STORE SCOPE``.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from datetime import datetime
from typing import Any

import requests

BLOCK, PAGE, BATCH, LINKED = 2000, 200, 100, 1000


def dumped(value: Any) -> str:
    """Return canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Loop:
    """The calls, one after the other."""

    def __init__(self, url: str, scope: dict[str, list[str]]) -> None:
        self.url, self.scope = url, scope
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer pat-sandbox-1"

    def post(self, path: str, body: Any) -> Any:
        """Return the answer to a POST."""
        return self.session.post(f"{self.url}{path}", json=body, timeout=60).json()

    def search(self, since: int, limit: int) -> Any:
        """Return a page of deals, the oldest change first."""
        won = [
            {"propertyName": "pipeline", "operator": "IN", "values": ["default"]},
            {"propertyName": "dealstage", "operator": "IN", "values": ["closedwon"]},
            {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": str(since)},
        ]
        names = [*self.scope["deals"], "pipeline", "dealstage", "hs_lastmodifieddate", "hs_merged_object_ids"]
        body = {
            "filterGroups": [{"filters": won}],
            "sorts": ["hs_lastmodifieddate"],
            "properties": names,
            "limit": limit,
            "after": "0",
        }
        return self.post("/crm/objects/2026-03/deals/search", body)

    def deals(self) -> Any:
        """Yield blocks of deals."""
        since, last, block = 0, "", []
        while True:
            page = self.search(since, PAGE)["results"]
            block += [deal for deal in page if deal["id"] != last]
            if len(page) < PAGE:
                break
            last, moment = page[-1]["id"], page[-1]["properties"]["hs_lastmodifieddate"]
            since = int(datetime.fromisoformat(moment).timestamp() * 1000)
            while len(block) >= BLOCK:
                yield block[:BLOCK]
                del block[:BLOCK]
        yield block

    def linked(self, ids: list[str], kind: str) -> dict[str, list[str]]:
        """Return what each deal is associated with."""
        path, found = f"/crm/associations/2026-03/deals/{kind}/batch/read", []
        for start in range(0, len(ids), LINKED):
            found += self.post(path, {"inputs": [{"id": one} for one in ids[start : start + LINKED]]})["results"]
        return {one["from"]["id"]: [str(to["toObjectId"]) for to in one["to"]] for one in found}

    def read(self, kind: str, ids: list[str], extra: str) -> dict[str, Any]:
        """Return records as they are stored, a hundred a call."""
        names, found = self.scope[kind], {}
        for start in range(0, len(ids), BATCH):
            inputs = [{"id": one} for one in ids[start : start + BATCH]]
            body = {"inputs": inputs, "properties": [*names, extra], "propertiesWithHistory": []}
            for one in self.post(f"/crm/objects/2026-03/{kind}/batch/read", body)["results"]:
                kept = {name: one["properties"].get(name) for name in names}
                found[one["id"]] = {"id": one["id"], "properties": kept, "merged_ids": []}
        return found

    def rows(self) -> Any:
        """Yield blocks of rows: id, digest, content."""
        account = self.session.get(f"{self.url}/account-info/2026-03/details", timeout=60).json()
        for block in self.deals():
            ids, parts = [deal["id"] for deal in block], {}
            for kind, extra in (
                ("line_items", "hs_position_on_quote"),
                ("companies", "hs_merged_object_ids"),
                ("contacts", "hs_merged_object_ids"),
            ):
                linked = self.linked(ids, kind)
                records = self.read(kind, sorted({one for ends in linked.values() for one in ends}), extra)
                parts[kind] = {id_: [records[one] for one in ends] for id_, ends in linked.items()}
            yield [self.row(deal, parts, account) for deal in block]
        self.search(0, 1)

    def row(self, deal: Any, parts: Any, account: Any) -> tuple[str, str, str]:
        """Return a deal as it is stored."""
        id_, properties = deal["id"], deal["properties"]
        made = {kind: records.get(id_, []) for kind, records in parts.items()}
        made["line_items"].sort(key=lambda one: (int(one["properties"]["hs_position_on_quote"] or 0), int(one["id"])))
        content = {
            "id": id_,
            "modified_at": properties["hs_lastmodifieddate"],
            "properties": {name: properties.get(name) for name in self.scope["deals"]},
            **made,
            "url": f"https://{account['uiDomain']}/contacts/{account['portalId']}/record/0-3/{id_}",
        }
        digest = hashlib.sha256(dumped({**content, "modified_at": None}).encode()).hexdigest()
        return id_, digest, dumped(content)


def main() -> None:
    """Pull everything into a new store."""
    url, path, scope = sys.argv[1:]
    store = sqlite3.connect(path)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    store.execute("CREATE TABLE deals (id TEXT PRIMARY KEY, digest TEXT NOT NULL, data TEXT NOT NULL)")
    for rows in Loop(url, json.loads(scope)).rows():
        with store:
            store.executemany("INSERT INTO deals VALUES (?, ?, ?)", rows)


if __name__ == "__main__":
    main()
