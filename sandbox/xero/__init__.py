"""A stand-in of Xero's accounting API: one UK organisation under ``/xero/api.xro/2.0``."""

from sandbox.xero.vendor import Xero

__all__ = ["Xero"]
