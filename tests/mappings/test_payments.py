"""How payments of a provider are recognised."""

from __future__ import annotations

import re

import pytest

from mappings import SHIPPED
from mappings.faults import MappingError
from mappings.payments import PaymentsMapping, load_payments_mapping


def mapping(scope: str) -> PaymentsMapping:
    return load_payments_mapping(f'role = "payments"\n{scope}', "stripe.toml")


def shipped() -> PaymentsMapping:
    return load_payments_mapping((SHIPPED / "stripe.toml").read_text(encoding="utf-8"), "stripe.toml")


def test_the_shipped_file_searches_every_text_and_knows_the_crms_company_id():
    assert shipped().customer_metadata_keys == ("hubspot_company_id",)
    assert shipped().may_name_invoice("charge.metadata.anything")


def test_the_shipped_file_rules_out_what_the_ticket_shop_marked_and_nothing_else():
    assert not shipped().is_ours({"payment_intent.metadata.source": "tickets"})
    assert shipped().is_ours({"payment_intent.metadata.source": "website"})
    assert shipped().is_ours({"kind": "application"})


def test_only_texts_that_fit_a_pattern_are_searched():
    found = mapping('texts = ["*.description", "charge.metadata.*"]')
    assert found.may_name_invoice("charge.description")
    assert found.may_name_invoice("charge.metadata.po")
    assert not found.may_name_invoice("charge.billing_details.name")


# ------------------------------------------------------------------------------------------------------ whose money


RULES = """
[scope]
default = "not ours"
[[scope.rules]]
when = { description = ["Event*", "Seat *"], currency = "usd" }
payment = "not ours"
[[scope.rules]]
when = { "metadata.source" = ["website", "sales*"] }
payment = "ours"
[[scope.rules]]
when = { "customer.metadata.segment" = "b2b", kind = "direct" }
payment = "ours"
"""


@pytest.mark.parametrize(
    ("facts", "ours"),
    [
        ({"charge.metadata.source": "website"}, True),
        ({"payment_intent.metadata.source": "Sales  team"}, True),
        ({"payment_intent.metadata.source": "shop"}, False),
        ({"charge.description": "event 4", "currency": "USD", "charge.metadata.source": "website"}, False),
        ({"charge.description": "event 4", "currency": "EUR", "charge.metadata.source": "website"}, True),
        ({"customer.metadata.segment": "B2B", "kind": "direct"}, True),
        ({"customer.metadata.segment": "B2B", "kind": "connect"}, False),
        ({"customer.metadata.source": "website"}, False),
        ({"charge.metadata.other_source": "website"}, False),
        ({}, False),
    ],
)
def test_the_first_rule_that_fits_decides_and_the_default_takes_the_rest(facts: dict[str, str], ours: bool):
    assert mapping(RULES).is_ours(facts) is ours


def test_without_rules_every_payment_is_ours():
    assert mapping("").is_ours({"charge.description": "Event ticket"})


def test_a_field_is_found_at_every_place_it_may_have_and_one_that_fits_is_enough():
    found = mapping('[[scope.rules]]\nwhen = { description = "Ticket*" }\npayment = "not ours"')
    assert not found.is_ours({"charge.description": "Seat 5", "payment_intent.description": "Ticket 5"})


def test_a_whole_path_names_one_place_only():
    found = mapping('[[scope.rules]]\nwhen = { "payment_intent.description" = "Ticket*" }\npayment = "not ours"')
    assert found.is_ours({"charge.description": "Ticket 5"})
    assert not found.is_ours({"payment_intent.description": "Ticket 5"})


def test_an_empty_pattern_asks_that_there_is_no_such_field_and_a_star_that_there_is():
    without = mapping('[[scope.rules]]\nwhen = { "customer.metadata.crm" = "" }\npayment = "not ours"')
    assert not without.is_ours({"currency": "USD"})
    assert without.is_ours({"customer.metadata.crm": "42"})
    having = mapping('[[scope.rules]]\nwhen = { application = "*" }\npayment = "not ours"')
    assert having.is_ours({"currency": "USD"})
    assert not having.is_ours({"application": "ca_1"})


# ----------------------------------------------------------------------------------------------------------- faults


def test_every_fault_is_reported_at_once():
    with pytest.raises(MappingError) as caught:
        load_payments_mapping('role = "payments"\ntext = ["x"]\ntexts = []\ncustomer_metadata_keys = 1', "stripe.toml")
    assert [fault.key for fault in caught.value.faults] == ["text", "customer_metadata_keys"]
    with pytest.raises(MappingError, match="no payment would ever name an invoice"):
        load_payments_mapping('role = "payments"\ntexts = []', "stripe.toml")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ('[scope]\ndefault = "mine"', "scope.default"),
        ('[scope]\ndefualt = "ours"', "did you mean 'default'?"),
        ('[[scope.rules]]\nwhen = { currency = "usd" }', "scope.rules[0].payment: is missing"),
        ('[[scope.rules]]\nwhen = { currency = "usd" }\npayment = "theirs"', "scope.rules[0].payment"),
        ('[[scope.rules]]\nwhen = {}\npayment = "ours"', "would decide for every payment"),
        ('[[scope.rules]]\nwhen = { descripton = "x" }\npayment = "ours"', "did you mean 'description'?"),
        ('[[scope.rules]]\nwhen = { "metdata.source" = "x" }\npayment = "ours"', "did you mean 'metadata'?"),
        ('[[scope.rules]]\nwhen = { "metadata.source" = [] }\npayment = "ours"', "has no pattern"),
    ],
)
def test_a_fault_in_the_rules_is_named_with_its_place_and_what_to_write(scope: str, said: str):
    with pytest.raises(MappingError) as caught:
        mapping(scope)
    assert said in str(caught.value)


def test_the_readmes_example_is_read():
    readme = (SHIPPED / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(\[scope\].*?)```", readme, re.DOTALL)
    found = mapping(example)
    assert not found.is_ours({"charge.metadata.source": "shop", "currency": "USD"})
    assert found.is_ours({"charge.metadata.source": "shop", "currency": "GBP"})
