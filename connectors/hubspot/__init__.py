"""HubSpot as the CRM, through its SDK's client (hubspot-api-client) on the dated paths of its API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from connectors.base import CrmProperty, DealFate, DealPage, DealScope, Ports, Probe, Settings
from connectors.errors import AuthExpired, Forbidden, Refused
from connectors.hubspot.answers import Account, Pipelines, Properties, Records
from connectors.hubspot.api import VERSION, Api, NotFound
from connectors.hubspot.deals import DealReader, check_part

ObjectType = Literal["deals", "line_items", "companies", "contacts"]

__all__ = ["HubSpotCrm", "connect"]


class HubSpotCrm:
    """HubSpot in the role of ``connectors.base.Crm``."""

    update_batch = 100

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._api = Api(settings, ports)
        self._deals = DealReader(self._api, ports.clock.monotonic, self._url)
        self._account: Account | None = None

    def probe(self) -> Probe:
        """Make the cheapest authenticated call; the links of deals start from its answer."""
        self._account = self._api.get(f"/account-info/{VERSION}/details", Account)
        return Probe(account_name=f"HubSpot account {self._account.portalId}")

    def properties(self, object_type: ObjectType) -> list[CrmProperty]:
        """Return the properties that exist, custom ones included."""
        answer = self._api.get(f"/crm/properties/{VERSION}/{object_type}", Properties)
        return [
            CrmProperty(
                name=one.name, label=one.label, type=one.type, options=tuple(option.value for option in one.options)
            )
            for one in answer.results
            if not one.archived
        ]

    def stages(self) -> dict[str, dict[str, str]]:
        """Return pipeline id -> stage id -> label."""
        answer = self._api.get(f"/crm/pipelines/{VERSION}/deals", Pipelines)
        return {pipeline.id: {stage.id: stage.label for stage in pipeline.stages} for pipeline in answer.results}

    def won_deals(self, since: datetime | None, scope: DealScope, *, settled: bool = False) -> Iterator[DealPage]:
        """Yield pages of won deals; see ``Crm.won_deals`` and ``DealReader.pages``."""
        self._know_account()
        return self._deals.pages(since, scope, settled)

    def count_won(self, scope: DealScope) -> int:
        """Return how many deals are won, in one call."""
        return self._deals.count_won(scope)

    def fates(self, ids: Sequence[str], scope: DealScope) -> list[DealFate]:
        """Return how deals stand now: 100 a call, and one call for each that is nowhere to be found."""
        return self._deals.fates(ids, scope)

    def update(self, object_type: Literal["deals", "companies"], batch: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Set properties of up to 100 records; see ``Crm.update``.

        A record that does not exist any more makes HubSpot refuse all of them, so the batch is halved until it is
        found and left out.
        """
        inputs: list[Any] = [{"id": one, "properties": dict(values)} for one, values in batch.items()]
        try:
            path = f"/crm/objects/{VERSION}/{object_type}/batch/update"
            answer = self._api.put(path, {"inputs": inputs}, Records)
        except NotFound:
            ids = list(batch)
            halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :]) if len(ids) > 1 else ()
            return [one for half in halves for one in self.update(object_type, {key: batch[key] for key in half})]
        check_part(answer.errors)
        return [one.id for one in answer.results]

    def _know_account(self) -> None:
        """Read the account once, for the links; a deal without its link is still a deal."""
        if self._account is None:
            try:
                self.probe()
            except (AuthExpired, Forbidden, Refused):
                self._account = Account(portalId=0)

    def _url(self, deal_id: str) -> str:
        """Return the address of the deal's page for people, empty while the account is unknown."""
        if self._account is None or not self._account.portalId:
            return ""
        return f"https://{self._account.uiDomain}/contacts/{self._account.portalId}/record/0-3/{deal_id}"


def connect(settings: Settings, ports: Ports) -> HubSpotCrm:
    """Return the connector of one HubSpot account."""
    return HubSpotCrm(settings, ports)
