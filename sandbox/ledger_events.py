"""What happened in books, for webhooks: found by comparing how they are with how they were at the last look.

Each change can be told in Intuit's words (CloudEvents, as of 2026) and in Xero's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5


@dataclass(frozen=True)
class Change:
    """An object that was made, changed or deleted since the look before. Several changes in between are one."""

    number: int  # of all changes so far, from 1
    kind: str
    id: str
    what: Literal["created", "updated", "deleted"]
    at: datetime

    def for_intuit(self, realm: str) -> dict[str, Any]:
        """Return it as a CloudEvent about the company ``realm``."""
        return {
            "specversion": "1.0",
            "id": str(uuid5(NAMESPACE_URL, f"{realm}/{self.number}")),
            "source": "intuit.sandbox",
            "type": f"qbo.{self.kind.lower()}.{self.what}.v1",
            "datacontenttype": "application/json",
            "time": self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "intuitentityid": self.id,
            "intuitaccountid": realm,
            "data": {},
        }

    def for_xero(self, tenant: str, path: str) -> dict[str, Any]:
        """Return it as Xero's event about an organisation, with its ``number``, which a delivery carries by itself."""
        return {
            "number": self.number,
            "resourceUrl": f"https://api.xero.com/api.xro/2.0/{path}/{self.id}",
            "resourceId": self.id,
            "eventDateUtc": self.at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
            "eventType": "CREATE" if self.what == "created" else "UPDATE",
            "eventCategory": self.kind,
            "tenantId": tenant,
            "tenantType": "ORGANISATION",
        }


class Watch:
    """Remembers the version of everything it was shown."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._versions: dict[tuple[str, str], str] = {}

    def look(self, objects: Iterable[tuple[str, str, str]], at: datetime) -> list[Change]:
        """Look at all objects there are as (kind, id, version); return every change so far, oldest first."""
        now = {(kind, id_): version for kind, id_, version in objects}
        for key, version in now.items():
            if key not in self._versions:
                self._note(*key, "created", at)
            elif self._versions[key] != version:
                self._note(*key, "updated", at)
        for key in sorted(self._versions.keys() - now.keys()):
            self._note(*key, "deleted", at)
        self._versions = now
        return self.changes

    def _note(self, kind: str, id_: str, what: Literal["created", "updated", "deleted"], at: datetime) -> None:
        self.changes.append(Change(len(self.changes) + 1, kind, id_, what, at))
