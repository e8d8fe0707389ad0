"""What the stand-in's portal is set up like: object types, properties, pipelines, kinds of association."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PORTAL = 4242001
VERSIONS = ("2026-03", "2026-09")
TYPE_IDS = {"0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-8": "line_items"}
SINGULAR = {"contacts": "contact", "companies": "company", "deals": "deal", "line_items": "line_item"}
MODIFIED = {
    "contacts": "lastmodifieddate",
    "companies": "hs_lastmodifieddate",
    "deals": "hs_lastmodifieddate",
    "line_items": "hs_lastmodifieddate",
}
MERGED = "hs_merged_object_ids"
UNIQUE = {"contacts": ("email",), "companies": (), "deals": (), "line_items": ()}  # what idProperty may name

# (from, to) -> ids of the association types: every pair has the last one, a primary company the first one as well
ASSOCIATION_TYPES = {
    ("deals", "companies"): (5, 341),
    ("companies", "deals"): (6, 342),
    ("contacts", "companies"): (1, 279),
    ("companies", "contacts"): (2, 280),
    ("deals", "contacts"): (3,),
    ("contacts", "deals"): (4,),
    ("deals", "line_items"): (19,),
    ("line_items", "deals"): (20,),
}
PRIMARY_TYPES = {5, 6, 1, 2}

# pipeline -> label, stages: id -> label, probability, closed
PIPELINES: dict[str, tuple[str, dict[str, tuple[str, str, bool]]]] = {
    "default": (
        "Sales Pipeline",
        {
            "appointmentscheduled": ("Appointment Scheduled", "0.2", False),
            "qualifiedtobuy": ("Qualified To Buy", "0.4", False),
            "presentationscheduled": ("Presentation Scheduled", "0.6", False),
            "decisionmakerboughtin": ("Decision Maker Bought-In", "0.8", False),
            "contractsent": ("Contract Sent", "0.9", False),
            "closedwon": ("Closed Won", "1.0", True),
            "closedlost": ("Closed Lost", "0.0", True),
        },
    ),
    "partner": (
        "Partner Pipeline",
        {
            "partner_open": ("In Discussion", "0.3", False),
            "partner_won": ("Signed By Partner", "1.0", True),
            "partner_lost": ("Not Signed", "0.0", True),
        },
    ),
}
_STAGES = {stage: entry for _, stages in PIPELINES.values() for stage, entry in stages.items()}


def is_won(stage: str | None) -> bool:
    """Say whether HubSpot counts a deal in ``stage`` as closed won."""
    return stage in _STAGES and _STAGES[stage][1] == "1.0"


@dataclass(frozen=True)
class Property:
    """A property of the portal. ``options``: value -> label of an enumeration."""

    name: str
    label: str
    type: str = "string"
    options: dict[str, str] | None = None
    custom: bool = False
    read_only: bool = False


def _enumeration(name: str, label: str, options: dict[str, str], *, custom: bool = False) -> Property:
    return Property(name, label, "enumeration", options, custom)


def _same(*values: str) -> dict[str, str]:
    return {value: value for value in values}


_ID = Property("hs_object_id", "Record ID", "number", read_only=True)
_CREATED = Property("createdate", "Create Date", "datetime")
_MERGED = Property(MERGED, "Merged record IDs", read_only=True)
_DEALS_COUNTED = Property("num_associated_deals", "Number of Associated Deals", "number", read_only=True)
# What the service writes back, as its shipped mapping names it.
_WRITTEN_BACK = (
    Property("netterms_last_invoice", "Last invoice", custom=True),
    Property("netterms_last_invoice_date", "Last invoice date", "date", custom=True),
    Property("netterms_open", "Invoices open", "number", custom=True),
    Property("netterms_overdue", "Invoices overdue", "number", custom=True),
    Property("netterms_payment_status", "Payment status", custom=True),
)


def _modified(name: str = "hs_lastmodifieddate") -> Property:
    return Property(name, "Last Modified Date", "datetime", read_only=True)


_DEALS = (
    Property("dealname", "Deal Name"),
    Property("amount", "Amount", "number"),
    Property("closedate", "Close Date", "datetime"),
    _enumeration("pipeline", "Pipeline", {key: label for key, (label, _) in PIPELINES.items()}),
    _enumeration("dealstage", "Deal Stage", {stage: label for stage, (label, _, _) in _STAGES.items()}),
    _enumeration("deal_currency_code", "Currency", _same("USD", "GBP", "EUR", "CAD")),
    _enumeration(
        "dealtype",
        "Deal Type",
        {"newbusiness": "New Business", "existingbusiness": "Existing Business", "renewal": "Renewal"},
    ),
    Property("hubspot_owner_id", "Deal owner"),
    Property("hs_is_closed_won", "Is Closed Won", "bool", read_only=True),
    _enumeration("billing_entity", "Billing entity", {"us": "US company", "uk": "UK company"}, custom=True),
    Property("contract_start", "Contract start", "date", custom=True),
    Property("contract_end", "Contract end", "date", custom=True),
    Property("contract_term_months", "Contract term in months", "number", custom=True),
    _enumeration(
        "billing_frequency",
        "Billing frequency",
        _same("Monthly", "Quarterly", "Semi-annually", "Annually", "One-off", "Bi-monthly"),
        custom=True,
    ),
    _enumeration("billing_timing", "Billing timing", _same("In advance", "In arrears"), custom=True),
    Property("payment_terms", "Payment terms", custom=True),
    Property("billing_anchor_day", "Billing day of month", "number", custom=True),
    Property("po_number", "PO number", custom=True),
    Property("billing_email", "Billing email", custom=True),
    Property("amends_contract", "Amends contract", custom=True),
    *_WRITTEN_BACK,
    _ID,
    _CREATED,
    _modified(),
    _MERGED,
)
_LINE_ITEMS = (
    Property("name", "Name"),
    Property("hs_sku", "SKU"),
    Property("quantity", "Quantity", "number"),
    Property("price", "Unit price", "number"),
    Property("hs_discount_percentage", "Unit discount percentage", "number"),
    Property("discount", "Unit discount", "number"),
    _enumeration(
        "recurringbillingfrequency",
        "Billing frequency",
        {
            "weekly": "Weekly",
            "monthly": "Monthly",
            "quarterly": "Quarterly",
            "per_six_months": "Semi-annually",
            "annually": "Annually",
        },
    ),
    Property("hs_recurring_billing_start_date", "Billing start date", "date"),
    Property("hs_recurring_billing_period", "Term"),
    Property("hs_position_on_quote", "Position on quote", "number"),
    Property("hs_product_id", "Product ID", "number"),
    _enumeration(
        "tax_class",
        "Tax class",
        {"standard": "Standard", "services": "Services", "reverse_charge": "Reverse charge"},
        custom=True,
    ),
    _ID,
    _CREATED,
    _modified(),
)
_COMPANIES = (
    Property("name", "Company name"),
    Property("domain", "Company Domain Name"),
    Property("phone", "Phone Number"),
    Property("address", "Street Address"),
    Property("address2", "Street Address 2"),
    Property("city", "City"),
    Property("state", "State/Region"),
    Property("zip", "Postal Code"),
    Property("country", "Country/Region"),
    Property("vat_number", "VAT number", custom=True),
    *_WRITTEN_BACK,
    _DEALS_COUNTED,
    _ID,
    _CREATED,
    _modified(),
    _MERGED,
)
_CONTACTS = (
    Property("email", "Email"),
    Property("firstname", "First Name"),
    Property("lastname", "Last Name"),
    Property("phone", "Phone Number"),
    _DEALS_COUNTED,
    _ID,
    _CREATED,
    _modified("lastmodifieddate"),
    _MERGED,
)
PROPERTIES: dict[str, dict[str, Property]] = {
    object_type: {one.name: one for one in properties}
    for object_type, properties in (
        ("deals", _DEALS),
        ("line_items", _LINE_ITEMS),
        ("companies", _COMPANIES),
        ("contacts", _CONTACTS),
    )
}
_FIELD_TYPES = {"enumeration": "select", "bool": "booleancheckbox", "date": "date", "datetime": "date"}


def property_json(one: Property, object_type: str) -> dict[str, Any]:
    """Return a property as the properties API shows it."""
    options = [
        {"label": label, "value": value, "displayOrder": place, "hidden": False}
        for place, (value, label) in enumerate((one.options or {}).items())
    ]
    return {
        "name": one.name,
        "label": one.label,
        "type": one.type,
        "fieldType": _FIELD_TYPES.get(one.type, "number" if one.type == "number" else "text"),
        "description": "",
        "groupName": f"{SINGULAR[object_type].replace('_', '')}information",
        "options": options,
        "displayOrder": -1,
        "calculated": one.name == "hs_is_closed_won",
        "externalOptions": False,
        "hasUniqueValue": one.name in UNIQUE[object_type],
        "hidden": False,
        "hubspotDefined": not one.custom,
        "formField": one.custom,
        "archived": False,
        "modificationMetadata": {
            "archivable": one.custom,
            "readOnlyDefinition": not one.custom,
            "readOnlyValue": one.read_only,
        },
    }


def pipeline_json(pipeline: str, place: int) -> dict[str, Any]:
    """Return a deal pipeline with its stages as the pipelines API shows it."""
    since = {"createdAt": "2024-01-02T09:00:00.000Z", "updatedAt": "2024-01-02T09:00:00.000Z", "archived": False}
    label, stages = PIPELINES[pipeline]
    return {
        "id": pipeline,
        "label": label,
        "displayOrder": place,
        **since,
        "stages": [
            {
                "id": stage,
                "label": name,
                "displayOrder": order,
                "metadata": {"probability": probability, "isClosed": str(closed).lower()},
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                **since,
            }
            for order, (stage, (name, probability, closed)) in enumerate(stages.items())
        ],
    }
