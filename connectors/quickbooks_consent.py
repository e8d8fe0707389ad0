"""How a person connects QuickBooks Online (Intuit's OAuth 2.0; it takes no PKCE from confidential clients)."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.oauth import Flow, Granted


def _company(granted: Granted) -> Mapping[str, str]:
    """Return the company whose id Intuit adds to the query."""
    realm = granted.callback.get("realmId", "")
    return {realm: ""} if realm else {}


FLOW = Flow(
    authorize_url="https://appcenter.intuit.com/connect/oauth2",
    scopes="com.intuit.quickbooks.accounting",
    accounts=_company,
)
