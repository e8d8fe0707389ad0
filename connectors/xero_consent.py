"""How a person connects Xero (developer.xero.com/documentation/guides/oauth2/auth-flow)."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.oauth import Flow, Granted


def _organisations(granted: Granted) -> Mapping[str, str]:
    """Return the organisations that the person has let us into, now or before."""
    return {str(one["tenantId"]): str(one.get("tenantName") or "") for one in granted.read("/connections")}


FLOW = Flow(
    authorize_url="https://login.xero.com/identity/connect/authorize",
    scopes=(
        "offline_access accounting.invoices accounting.payments accounting.contacts accounting.settings.read"
        " accounting.manualjournals accounting.banktransactions accounting.attachments"
    ),
    accounts=_organisations,
    pkce=True,
)
