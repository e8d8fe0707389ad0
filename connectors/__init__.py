"""One vendor, one file. ``REGISTRY`` says where each is; the vendor's SDK is imported only when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from connectors.base import Ports, Settings, WebhookSource

# vendor name in the configuration -> (role, "module:connect")
REGISTRY = {
    "hubspot": ("crm", "connectors.hubspot:connect"),
    "stripe": ("payments", "connectors.stripe:connect"),
    "quickbooks": ("accounting", "connectors.quickbooks:connect"),
    "xero": ("accounting", "connectors.xero:connect"),
    "smtp": ("mail", "connectors.smtp:connect"),
}

# vendor name -> "module:function" that reads its webhooks (connectors.base.WebhookSource)
WEBHOOKS = {
    "hubspot": "connectors.hubspot_webhooks:read",
    "stripe": "connectors.stripe_webhooks:read",
    "quickbooks": "connectors.quickbooks_webhooks:read",
    "xero": "connectors.xero_webhooks:read",
}


# vendor name -> "module:FLOW" of the consent that a person gives in a browser (connectors.oauth.Flow)
CONSENTS = {
    "hubspot": "connectors.hubspot_consent:FLOW",
    "quickbooks": "connectors.quickbooks_consent:FLOW",
    "xero": "connectors.xero_consent:FLOW",
}

# vendor name -> the limits that a configuration may change; their values stand in the vendor's file
LIMITS = {
    "hubspot": ("ten_seconds", "search", "day"),
    "stripe": ("second", "endpoint"),
    "quickbooks": ("concurrent", "second", "minute", "batches"),
    "xero": ("concurrent", "minute", "day", "app_minute"),
}


def connect(settings: Settings, ports: Ports) -> Any:
    """Return the connector of ``settings.vendor``, importing its file and SDK now."""
    module, function = REGISTRY[settings.vendor][1].split(":")
    return getattr(import_module(module), function)(settings, ports)


def webhook_source(vendor: str) -> WebhookSource:
    """Return what reads a vendor's webhooks; raises ``KeyError`` for a vendor that has none here."""
    module, function = WEBHOOKS[vendor].split(":")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]


def consent_flow(vendor: str) -> Any:
    """Return how a vendor asks a person for consent (``connectors.oauth.Flow``)."""
    module, name = CONSENTS[vendor].split(":")
    return getattr(import_module(module), name)
