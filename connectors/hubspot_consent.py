"""How a person connects HubSpot (developers.hubspot.com, OAuth quickstart); its installs know no PKCE."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.oauth import Flow, Granted

VERSION = "2026-03"  # of the path


def _account(granted: Granted) -> Mapping[str, str]:
    """Return the account: newer answers of the token address name it, else the account itself is asked."""
    found = granted.body.get("hub_id") or granted.read(f"/account-info/{VERSION}/details")["portalId"]
    return {str(found): f"HubSpot account {found}"}


FLOW = Flow(
    authorize_url="https://app.hubspot.com/oauth/authorize",
    scopes=(
        "oauth crm.objects.deals.read crm.objects.deals.write crm.objects.line_items.read crm.objects.companies.read"
        " crm.objects.companies.write crm.objects.contacts.read crm.schemas.deals.read crm.schemas.line_items.read"
        " crm.schemas.companies.read crm.schemas.contacts.read"
    ),
    accounts=_account,
    client_in_form=True,
)
