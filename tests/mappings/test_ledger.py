"""Which item, account, tax code and class a line gets, and how a ledger mapping is held against its ledger."""

from __future__ import annotations

from typing import Any

import pytest

from mappings import SHIPPED
from mappings.faults import Fault, MappingError
from mappings.ledger import (
    Coding,
    LineFacts,
    bank_account,
    books_payouts,
    check_ledger,
    clearing_account,
    code_line,
    load_ledger_mapping,
    terms_name,
)


def shipped(vendor: str):
    return load_ledger_mapping((SHIPPED / f"{vendor}.toml").read_text(encoding="utf-8"), f"{vendor}.toml")


def line(product: str = "PLAT-SEAT", tax_class: str = "standard", **more: str) -> LineFacts:
    facts = {"kind": "recurring", "entity": "us", "currency": "USD", "description": "Platform seats", **more}
    return LineFacts(product=product, tax_class=tax_class, **facts)


ACCOUNTS = ("Stripe clearing", "Checking", "Merchant fees", "Ticket sales", "Currency exchange")


def quickbooks_setup() -> dict[str, Any]:
    return {
        "name": "Example Inc.",
        "home_currency": "USD",
        "accounts": {name: name for name in ACCOUNTS},
        "items": {"PLAT-SEAT": "Platform seats", "Services": "Services"},
        "tax_codes": {"TAX": "Taxable", "NON": "Non-taxable"},
        "classes": {"Software": "Software", "Services": "Services"},
        "terms": {"Net 15": "Net 15", "Net 30": "Net 30", "Net 60": "Net 60"},
        "problems": (),
    }


@pytest.mark.parametrize(
    ("facts", "coding"),
    [
        (line(), Coding(item="PLAT-SEAT", tax_code="TAX", class_="Software")),
        (line("TRAINING", "services"), Coding(item="TRAINING", tax_code="NON", class_="Services")),
        (line("", "standard"), Coding(item="Services", tax_code="TAX", class_="Services")),
        (line("data-api", "exempt"), Coding(item="data-api", tax_code="NON", class_="Software")),
    ],
)
def test_quickbooks_lines_get_item_tax_code_and_class(facts, coding):
    assert code_line(shipped("quickbooks"), facts) == coding


@pytest.mark.parametrize(
    ("facts", "coding"),
    [
        (line(), Coding(item="PLAT-SEAT", account="200", tax_code="OUTPUT2", class_="Software")),
        (line("IMPL-FEE", "services"), Coding(item="IMPL-FEE", account="210", tax_code="OUTPUT2", class_="Services")),
        (line("", "reverse_charge"), Coding(account="210", tax_code="ECZROUTPUTSERVICES", class_="Services")),
        (
            line(tax_class="zero"),
            Coding(item="PLAT-SEAT", account="200", tax_code="ZERORATEDOUTPUT", class_="Software"),
        ),
    ],
)
def test_xero_lines_get_item_account_tax_type_and_tracking(facts, coding):
    assert code_line(shipped("xero"), facts) == coding


@pytest.mark.parametrize("vendor", ["quickbooks", "xero"])
def test_a_tax_class_that_no_rule_knows_is_never_guessed(vendor):
    fault = code_line(shipped(vendor), line(tax_class="reduced"))
    assert isinstance(fault, Fault)
    assert fault.problem.startswith("no rule gives tax_code to a line with product 'PLAT-SEAT', tax_class 'reduced'")
    assert fault.remedy == "add a rule that gives tax_code to such a line"


def test_each_value_comes_from_the_first_rule_that_fits_and_gives_it():
    mapping = load_ledger_mapping(
        """
        role = "ledger"
        clearing = { USD = "Bank" }
        [[rules]]
        when = { description = "*training*", kind = ["one_time", "milestone"], entity = "uk" }
        account = "215"
        [[rules]]
        when = { currency = "EUR" }
        account = "220"
        class = "Europe"
        [[rules]]
        account = "200"
        item = "{product} {entity}"
        """,
        "xero.toml",
    )
    training = line(description="Team Training, day 1", kind="one_time", entity="uk", currency="EUR")
    assert code_line(mapping, training) == Coding(account="215", class_="Europe", item="PLAT-SEAT uk")
    assert code_line(mapping, line(description="Training", entity="uk")) == Coding(account="200", item="PLAT-SEAT uk")


def test_money_received_lies_in_the_clearing_account_of_its_currency():
    assert clearing_account(shipped("quickbooks"), "USD") == "Stripe clearing"
    assert clearing_account(shipped("xero"), "GBP") == "091"
    assert clearing_account(shipped("xero"), "EUR") == "092"


def test_a_currency_without_clearing_account_is_a_fault_with_its_remedy():
    fault = clearing_account(shipped("xero"), "USD")
    assert isinstance(fault, Fault)
    assert str(fault) == 'xero.toml: clearing.USD: no clearing account for USD; add USD = "..." under [clearing]'


def test_every_fault_of_a_ledger_mapping_is_reported_at_once():
    with pytest.raises(MappingError) as caught:
        load_ledger_mapping(
            """
            role = "ledger"
            needs = ["acount"]
            [[rules]]
            when = { sku = "x" }
            itm = "Y"
            [[rules]]
            item = "{sku}"
            class = 5
            [[rules]]
            tax_code = "{region}"
            [clearing]
            usd = "x"
            """,
            "xero.toml",
        )
    found = {fault.key: fault for fault in caught.value.faults}
    assert found["rules[0].itm"].remedy == "did you mean 'item'?"
    assert found["rules[0].when.sku"].problem == "is nothing known of a line"
    assert found["rules[0]"].problem == "gives nothing"
    assert found["rules[1].class"].problem == "expected text, got a number"
    assert found["rules[2].tax_code"].problem == "{region} is nothing known of a line"
    assert found["needs"].remedy == "did you mean 'account'?"
    assert found["clearing.usd"].problem == "is no currency"


def test_a_ledger_mapping_needs_rules_and_clearing():
    with pytest.raises(MappingError) as caught:
        load_ledger_mapping('role = "ledger"', "xero.toml")
    assert [fault.key for fault in caught.value.faults] == ["rules", "clearing"]


def test_a_ledger_that_has_everything_makes_no_fault():
    assert check_ledger(shipped("quickbooks"), quickbooks_setup(), [line()]) == []


def test_what_the_ledger_lacks_is_named_with_the_rule_that_writes_it():
    setup = quickbooks_setup()
    setup["classes"] = {"Softwares": "Softwares", "Services": "Services"}
    setup["accounts"] = {}
    faults = check_ledger(shipped("quickbooks"), setup)
    assert [(fault.key, fault.problem) for fault in faults] == [
        ("rules[2].class", "the ledger has no class 'Software'"),
        ("clearing.USD", "the ledger has no account 'Stripe clearing'"),
        ("bank.USD", "the ledger has no account 'Checking'"),
        ("fees", "the ledger has no account 'Merchant fees'"),
        ("not_ours", "the ledger has no account 'Ticket sales'"),
        ("conversion", "the ledger has no account 'Currency exchange'"),
    ]
    assert faults[0].remedy == "did you mean 'Softwares'?; or create it in the ledger"


def test_payment_terms_have_the_ledgers_name_where_the_mapping_says_so_however_they_are_written():
    mapping = shipped("quickbooks")
    assert [terms_name(mapping, one) for one in ("net 30", "Net 30", "eom + 15", "")] == ["Net 30", "Net 30", "", ""]
    (fault,) = check_ledger(mapping, {**quickbooks_setup(), "terms": {"Net 15": "Net 15", "Net 30": "Net 30"}})
    assert (fault.key, fault.problem) == ('terms."net 60"', "the ledger has no payment terms 'Net 60'")


def test_a_name_where_the_ledger_wants_a_code_gets_the_code():
    mapping = load_ledger_mapping(
        'role = "ledger"\nrules = [{ account = "Software Revenue" }]\nclearing = { GBP = "091" }', "xero.toml"
    )
    setup = {**quickbooks_setup(), "home_currency": "GBP", "accounts": {"200": "Software revenue", "091": "Stripe"}}
    (fault,) = check_ledger(mapping, setup)
    assert fault.remedy.startswith("that is a name: write its code '200'")


def test_items_named_by_placeholder_are_checked_for_the_lines_that_will_be_booked():
    faults = check_ledger(
        shipped("quickbooks"), quickbooks_setup(), [line("PLAT-BASE"), line("PLAT-BASE"), line(tax_class="odd")]
    )
    assert [fault.problem.partition(" to a line")[0] for fault in faults] == [
        "no rule gives tax_code",
        "the ledger has no item 'PLAT-BASE'",
    ]


def test_the_home_currency_needs_a_clearing_account():
    (fault,) = check_ledger(shipped("quickbooks"), {**quickbooks_setup(), "home_currency": "CAD"})
    assert (fault.key, fault.remedy) == ("clearing.CAD", 'add CAD = "..."')


PAYOUTS = """role = "ledger"
rules = [{ account = "200" }]
fees = "404"
clearing = { GBP = "091", EUR = "092" }
bank = { GBP = "090" }
[providers.shop]
clearing = { GBP = "081" }
bank = { EUR = "080" }
"""


def test_money_lies_and_arrives_where_the_currency_and_the_provider_say():
    mapping = load_ledger_mapping(PAYOUTS, "xero.toml")
    assert [clearing_account(mapping, "GBP", name) for name in ("", "main", "shop")] == ["091", "091", "081"]
    assert clearing_account(mapping, "EUR", "shop") == "092"
    assert [bank_account(mapping, "GBP", name) for name in ("main", "shop")] == ["090", "090"]
    assert bank_account(mapping, "EUR", "shop") == "080"
    missing = bank_account(mapping, "EUR", "main")
    assert isinstance(missing, Fault)
    assert (missing.key, missing.remedy) == ("bank.EUR", 'add EUR = "..." under [bank]')
    assert (books_payouts(mapping, "main"), books_payouts(mapping, "shop")) == (True, True)


def test_without_a_bank_account_no_payouts_are_booked():
    text = PAYOUTS.replace('bank = { GBP = "090" }\n', "")
    mapping = load_ledger_mapping(text, "xero.toml")
    assert (books_payouts(mapping, "main"), books_payouts(mapping, "shop")) == (False, True)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('fees = "404"\n', "", "fees: is missing: payouts arrive in a bank account"),
        ("bank = { GBP", "bank = { pounds", "bank.pounds: is no currency"),
        ('{ EUR = "080" }', '{ EUR = "" }', "providers.shop.bank.EUR: is empty"),
        ('clearing = { GBP = "081" }', "clearings = {}", "providers.shop"),
    ],
)
def test_accounts_that_cannot_be_meant_are_named(old: str, new: str, told: str):
    assert old in PAYOUTS
    with pytest.raises(MappingError) as raised:
        load_ledger_mapping(PAYOUTS.replace(old, new), "xero.toml")
    assert told in str(raised.value)
