"""What HubSpot answers, as far as it is read."""

from __future__ import annotations

from datetime import datetime

import msgspec

# When a record was last modified, by its type.
MODIFIED = {
    "deals": "hs_lastmodifieddate",
    "line_items": "hs_lastmodifieddate",
    "companies": "hs_lastmodifieddate",
    "contacts": "lastmodifieddate",
}
MERGED = "hs_merged_object_ids"  # the ids of the records that were merged into this one
POSITION = "hs_position_on_quote"


class Record(msgspec.Struct):
    """An object of any type with the properties that were asked for."""

    id: str
    properties: dict[str, str | None]
    updatedAt: str = ""

    def modified_at(self) -> datetime:
        """Return when the record was last modified."""
        return datetime.fromisoformat(self.modified())

    def modified(self) -> str:
        """Return HubSpot's own text of that moment; a contact has it under another name."""
        properties = self.properties
        return properties.get("hs_lastmodifieddate") or properties.get("lastmodifieddate") or self.updatedAt

    def merged_ids(self) -> list[str]:
        """Return the ids it had before it was merged."""
        merged = self.properties.get(MERGED)
        return [one for one in merged.split(";") if one and one != self.id] if merged else []


class Failure(msgspec.Struct):
    """One part of a batch that failed."""

    category: str = ""
    message: str = ""


class Records(msgspec.Struct):
    """A page or batch of records. ``total``: how many a search found in all."""

    results: list[Record]
    total: int = 0
    errors: list[Failure] = []


class Id(msgspec.Struct):
    """The near end of associations."""

    id: str | int


class Kind(msgspec.Struct):
    """A type of association."""

    typeId: int


class To(msgspec.Struct):
    """The far end of an association."""

    toObjectId: str | int  # a number before the dated versions
    associationTypes: list[Kind]


class Next(msgspec.Struct):
    """Where the next page begins."""

    after: str


class Paging(msgspec.Struct):
    """Whether there is a next page."""

    next: Next | None = None


class Associated(msgspec.Struct):
    """A page of one record's associations."""

    from_: Id = msgspec.field(name="from")
    to: list[To]
    paging: Paging | None = None


class Associations(msgspec.Struct):
    """The associations of many records."""

    results: list[Associated]
    errors: list[Failure] = []


class Account(msgspec.Struct):
    """The account."""

    portalId: int
    uiDomain: str = "app.hubspot.com"
    timeZone: str = "UTC"


class Option(msgspec.Struct):
    """A value that an enumeration allows."""

    value: str


class Property(msgspec.Struct):
    """A property of an object type."""

    name: str
    label: str
    type: str
    options: list[Option] = []
    archived: bool = False


class Properties(msgspec.Struct):
    """The properties of an object type."""

    results: list[Property]


class Stage(msgspec.Struct):
    """A stage of a pipeline."""

    id: str
    label: str


class Pipeline(msgspec.Struct):
    """A pipeline with its stages."""

    id: str
    stages: list[Stage]


class Pipelines(msgspec.Struct):
    """The pipelines of an object type."""

    results: list[Pipeline]


class Problem(msgspec.Struct):
    """The body of a refusal."""

    message: str = ""
    category: str = ""
    policyName: str = ""
