"""How payments of a provider are recognised."""

from __future__ import annotations

import pytest

from mappings import SHIPPED
from mappings.faults import MappingError
from mappings.payments import load_payments_mapping


def test_the_shipped_file_searches_every_text_and_knows_the_crms_company_id():
    mapping = load_payments_mapping((SHIPPED / "stripe.toml").read_text(encoding="utf-8"), "stripe.toml")
    assert mapping.customer_metadata_keys == ("hubspot_company_id",)
    assert mapping.may_name_invoice("charge.metadata.anything")


def test_only_texts_that_fit_a_pattern_are_searched():
    mapping = load_payments_mapping('role = "payments"\ntexts = ["*.description", "charge.metadata.*"]', "stripe.toml")
    assert mapping.may_name_invoice("charge.description")
    assert mapping.may_name_invoice("charge.metadata.po")
    assert not mapping.may_name_invoice("charge.billing_details.name")


def test_every_fault_is_reported_at_once():
    with pytest.raises(MappingError) as caught:
        load_payments_mapping('role = "payments"\ntext = ["x"]\ntexts = []\ncustomer_metadata_keys = 1', "stripe.toml")
    assert [fault.key for fault in caught.value.faults] == ["text", "customer_metadata_keys"]
    with pytest.raises(MappingError, match="no payment would ever name an invoice"):
        load_payments_mapping('role = "payments"\ntexts = []', "stripe.toml")
