"""All four vendors with nothing new, for measuring a sync that has nothing to do; the CRM's deals can be pulled first.

Every call is counted by what it is; ``/calls`` answers the counts since the last time it was asked. Started as
``python quiet.py COUNT``, it prints its port.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.doubles.vendors import FIRST, KINDS, Vendors, handler  # found from the line above

AT = "2026-03-20T12:00:00Z"


class Quiet(Vendors):
    """The CRM's ``count`` deals, no payment, and books in which nothing changed."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.calls: Counter[str] = Counter()

    def answer(self, path: str, query: dict[str, list[str]], body: Any) -> str:
        """Return the answer to a call, counting it."""
        if path == "/calls":
            counted, self.calls = dict(self.calls), Counter()
            return json.dumps(counted)
        parts = path.strip("/").split("/")
        self.calls[
            " ".join((parts[0], *(one for one in parts[1:] if one.replace("_", "").isalpha() and one != "company")))
        ] += 1
        if parts[0] == "quickbooks":
            return json.dumps({"CDCResponse": [{"QueryResponse": []}], "QueryResponse": {}, "time": AT})
        if parts[0] == "xero":
            page = {"page": 1, "pageSize": 1000, "pageCount": 0, "itemCount": 0}
            return json.dumps({"DateTimeUTC": "/Date(1774008000000)/", "pagination": page, parts[-1]: []})
        if parts[-2:] == ["batch", "update"]:
            rest = {"properties": {}, "createdAt": AT, "updatedAt": AT, "archived": False}
            return json.dumps({"status": "COMPLETE", "results": [{"id": one["id"], **rest} for one in body["inputs"]]})
        if "associations" in parts and parts[-3] == "deals":
            return self._deals_of(parts[-4], body)
        return super().answer(path, query, body)

    def _deals_of(self, kind: str, body: Any) -> str:
        """Return the deal that each record belongs to."""
        type_id, each = KINDS[kind]
        types = [{"category": "HUBSPOT_DEFINED", "typeId": type_id + 1, "label": None}]
        ids = {one["id"]: FIRST["deals"] + (int(one["id"]) - FIRST[kind]) // each for one in body["inputs"]}
        linked = [
            {"from": {"id": one}, "to": [{"toObjectId": deal, "associationTypes": types}]} for one, deal in ids.items()
        ]
        return json.dumps({"status": "COMPLETE", "results": linked})

    def _moves(self, query: dict[str, list[str]]) -> str:
        return '{"object":"list","has_more":false,"url":"/v1/balance_transactions","data":[]}'


def _is_word(part: str) -> bool:
    """Say whether a part of a path tells what a call is, and not of which object or account."""
    return part.replace("_", "").isalpha() and part != "company"


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(Quiet(int(sys.argv[1])).answer))
    print(server.server_port, flush=True)
    server.serve_forever()
