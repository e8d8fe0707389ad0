"""How QuickBooks says no."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A request, or one item of a batch, that is not accepted. ``code`` is QuickBooks' own."""

    def __init__(self, code: str, message: str, detail: str = "", element: str = "") -> None:
        super().__init__(f"{code} {message}: {detail}")
        self.error = {"Message": message, "Detail": detail or message, "code": code, "element": element}

    def fault(self) -> dict[str, Any]:
        """Return the body of the answer, or of the batch item."""
        return {"Fault": {"Error": [self.error], "type": "ValidationFault"}}


def missing(element: str) -> Refusal:
    """Return the refusal of a request without a required field."""
    message = "Required param missing, need to supply the required value for the API"
    return Refusal("2020", message, f"Required parameter {element} is missing in the request", element)


def no_reference(entity: str, value: str, element: str) -> Refusal:
    """Return the refusal of a reference that names nothing."""
    return Refusal(
        "2500", "Invalid Reference Id", f"Invalid Reference Id : {entity} element id {value} not found", element
    )


def not_found(entity: str) -> Refusal:
    """Return the refusal of an object that is not there (any more)."""
    return Refusal("610", "Object Not Found", f"Object Not Found : {entity} is not there or was made inactive")


def business(detail: str, element: str = "") -> Refusal:
    """Return a refusal by one of the many rules that share QuickBooks' general code."""
    return Refusal("6000", "A business validation error has occurred while processing your request", detail, element)
