"""One vendor, one file. ``REGISTRY`` says where each is; the vendor's SDK is imported only when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from connectors.base import Ports, Settings

# vendor name in the configuration -> (role, "module:connect")
REGISTRY = {
    "hubspot": ("crm", "connectors.hubspot:connect"),
    "stripe": ("payments", "connectors.stripe:connect"),
    "quickbooks": ("accounting", "connectors.quickbooks:connect"),
    "xero": ("accounting", "connectors.xero:connect"),
}


def role_of(vendor: str) -> str:
    """Return the role a vendor plays: ``crm``, ``payments`` or ``accounting``."""
    return REGISTRY[vendor][0]


def connect(settings: Settings, ports: Ports) -> Any:
    """Return the connector of ``settings.vendor``, importing its file and SDK now."""
    module, function = REGISTRY[settings.vendor][1].split(":")
    return getattr(import_module(module), function)(settings, ports)
