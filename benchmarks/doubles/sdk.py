"""The same pull as the vendor's own SDK does it (hubspot-api-client 12, its v3 and v4 calls), into the same rows.

``python sdk.py URL STORE SCOPE``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hubspot import HubSpot

sys.path.insert(0, str(Path(__file__).parent))
import bare


class Sdk(bare.Loop):
    """The loop with the SDK's objects instead of requests."""

    def __init__(self, url: str, scope: dict[str, list[str]]) -> None:
        super().__init__(url, scope)
        crm = HubSpot(access_token="pat-sandbox-1", host=url).crm
        self.finders = {"deals": crm.deals.search_api}
        self.readers = {
            "line_items": crm.line_items.batch_api,
            "companies": crm.companies.batch_api,
            "contacts": crm.contacts.batch_api,
        }
        self.linker = crm.associations.v4.batch_api

    def post(self, path: str, body: Any) -> Any:
        """Make the call through the API object that the SDK has for it."""
        parts = path.split("/")
        if parts[-1] == "search":
            return self.finders[parts[4]].do_search(public_object_search_request=body).to_dict()
        if parts[2] == "associations":
            ids = {"inputs": body["inputs"]}
            found = self.linker.get_page(parts[4], parts[5], batch_input_public_fetch_associations_batch_request=ids)
            return {"results": [_linked(one) for one in found.to_dict()["results"]]}
        reader = self.readers[parts[4]]
        return reader.read(batch_read_input_simple_public_object_id=body).to_dict()


def _linked(one: Any) -> Any:
    return {"from": one["_from"], "to": [{"toObjectId": to["to_object_id"]} for to in one["to"]]}


if __name__ == "__main__":
    bare.Loop = Sdk  # type: ignore[misc]
    bare.main()
