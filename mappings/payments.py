"""How payments of a provider are recognised: which of its texts may name an invoice, which metadata a customer."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from mappings.tables import read_table, read_toml


class PaymentsMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping file of role ``payments``.

    ``customer_metadata_keys``: keys under which the provider's customer carries the CRM's company id, tried in order.
    ``texts``: patterns (``*`` stands for anything) of the fields in which an invoice number may stand.
    """

    source: str
    customer_metadata_keys: tuple[str, ...]
    texts: tuple[str, ...]

    def may_name_invoice(self, field: str) -> bool:
        """Say whether a payment's text at ``field`` (``metadata.order``, ``description``) is searched for numbers."""
        return any(fnmatchcase(field, pattern) for pattern in self.texts)


class _FileTable(msgspec.Struct):
    customer_metadata_keys: list[str] = []
    texts: list[str] = msgspec.field(default_factory=lambda: ["*"])


def load_payments_mapping(text: str, source: str) -> PaymentsMapping:
    """Read a mapping file of role ``payments``; raises ``MappingError`` with every fault of the file."""
    document, report = read_toml(text, source, "payments")
    table = read_table(document, _FileTable, "", report)
    if table is not None and not table.texts:
        report.add("texts", "is empty: no payment would ever name an invoice", 'write texts = ["*"] for every field')
    report.check()
    assert table is not None  # otherwise a fault was reported
    return PaymentsMapping(
        source=source, customer_metadata_keys=tuple(table.customer_metadata_keys), texts=tuple(table.texts)
    )
