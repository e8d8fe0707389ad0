"""How a person connects QuickBooks Online (Intuit's OAuth 2.0; it takes no PKCE from confidential clients)."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.oauth import Flow, Granted


def _company(granted: Granted) -> Mapping[str, str]:
    """Return the company whose id Intuit adds to the query."""
    realm = granted.callback.get("realmId", "")
    return {realm: ""} if realm else {}


# However often it is renewed, a grant ends five years after the consent. Intuit says when to those who ask for it.
FLOW = Flow(
    authorize_url="https://appcenter.intuit.com/connect/oauth2",
    scopes="com.intuit.quickbooks.accounting",
    accounts=_company,
    headers={"x-include-refresh-token-hard-expires-in": "true"},
    lives=("x_refresh_token_expires_in", "x_refresh_token_hard_expires_in"),
)
