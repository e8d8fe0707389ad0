"""A stand-in of HubSpot's CRM under ``/hubspot``: dated paths, search, batches, associations, limits."""

from sandbox.hubspot.vendor import HubSpot

__all__ = ["HubSpot"]
