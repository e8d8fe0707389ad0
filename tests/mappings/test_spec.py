"""Mapping files for a CRM: what they may say, how their faults read, and how they are held against the CRM."""

from __future__ import annotations

import pytest

from mappings import SHIPPED
from mappings.kinds import TERMS
from mappings.spec import (
    Fault,
    MappingError,
    check_against,
    check_stages,
    check_write_back,
    load_crm_mapping,
    properties_used,
    won_stages,
)
from tests.mappings.deals import changed, shipped, uncommented

SHIPPED_TEXT = (SHIPPED / "hubspot.toml").read_text(encoding="utf-8")


def faults_of(text: str) -> dict[str, Fault]:
    with pytest.raises(MappingError) as caught:
        load_crm_mapping(text, "hubspot.toml")
    assert all(fault.file == "hubspot.toml" and fault.problem and fault.remedy for fault in caught.value.faults)
    return {fault.key: fault for fault in caught.value.faults}


def with_contract(line: str) -> str:
    """Return the shipped file with one more line under [contract]."""
    return SHIPPED_TEXT.replace("[contract]\n", f"[contract]\n{line}\n")


def only_fault(line: str) -> Fault:
    found = faults_of(with_contract(line))
    assert len(found) == 1
    return next(iter(found.values()))


def test_the_shipped_mapping_names_the_won_stages_of_the_default_pipeline():
    assert won_stages(shipped()) == {"default": ("closedwon",)}


def test_the_properties_used_are_named_by_object_type_and_sorted_without_ids():
    used = properties_used(shipped())
    assert list(used) == ["deals", "companies", "contacts", "line_items"]
    assert used["contacts"] == ["email", "firstname", "lastname"]
    assert used["companies"] == ["address", "city", "country", "domain", "name", "phone", "state", "vat_number", "zip"]
    assert "contract_start" in used["deals"] and "id" not in used["deals"]
    assert "recurringbillingfrequency" in used["line_items"] and "id" not in used["line_items"]


def test_properties_of_conditions_are_read_too():
    mapping = changed("# where = [", "where = [")
    assert "dealtype" in properties_used(mapping)["deals"]


def test_every_fault_of_a_file_is_reported_at_once():
    found = faults_of(
        """
        role = "crm"
        typo = 1
        [deals]
        won = {}
        where = [{ from = "line.x", is = ["y"] }, { from = "deal.x" }]
        [contract]
        key = { template = "D" }
        entity = { from = "deals.billing_entity" }
        currency = { from = "deal.deal_currency_code", transforms = ["uper"] }
        ends_on = { from = "deal.contract_end", requird = true }
        start_on = { from = "deal.contract_start" }
        [customer]
        name = "company.name"
        [line]
        key = { from = "line.id", required = false }
        """
    )
    assert found["typo"].remedy == "known are: contract, customer, deals, discounts, line, write_back"
    assert found["deals.won"].remedy == 'write e.g. won = { default = ["closedwon"] }'
    assert found["deals.where[0].from"].problem == "'line.x' is no source path"
    assert found["deals.where[1]"].problem == "says neither is nor is_not"
    assert found["contract.key.template"].problem == "names no property"
    assert found["contract.entity.from"].remedy.startswith("begin it with one of deal., company., contact.")
    assert found["contract.currency.transforms"].remedy == "did you mean 'upper'?"
    assert found["contract.ends_on.requird"].remedy == "did you mean 'required'?"
    assert found["contract.start_on"].remedy == "did you mean 'starts_on'?"
    assert found["contract.starts_on"].problem == "is missing"
    assert found["customer.name"].problem == "must be a table, not text"
    assert found["line.key.required"].problem.startswith("cannot be false")
    assert {"contract.payment_terms", "line.price", "line.recurring.every"} <= set(found)


def test_the_error_itself_lists_file_key_problem_and_remedy():
    with pytest.raises(MappingError, match=r"mine\.toml: role: says 'ledger'; write role = \"crm\" at the top"):
        load_crm_mapping('role = "ledger"', "mine.toml")


def test_a_file_that_is_no_toml_says_where_it_breaks():
    assert "line 2" in faults_of('role = "crm"\n[deals\n')["(file)"].problem


def test_the_transforms_must_end_in_what_the_term_wants():
    fault = only_fault('billed_through = { from = "deal.x", transforms = ["integer"] }')
    assert fault.problem == "end in a whole number where a date is wanted"
    assert fault.remedy.endswith("date, interval, payment_terms, country")


def test_the_transforms_must_fit_to_each_other():
    line = 'billed_through = { from = "deal.x", transforms = [{ name = "round", places = 0 }, "date"] }'
    with pytest.raises(MappingError) as caught:
        load_crm_mapping(with_contract(line), "hubspot.toml")
    assert [fault.problem for fault in caught.value.faults] == [
        "round takes a number but gets text",
        "date takes text but gets a number",
    ]


@pytest.mark.parametrize(
    ("transform", "key", "problem"),
    [
        ('{ name = "date", fromat = "%d" }', ".date", "has no parameter 'fromat'"),
        ('{ name = "date", format = 5 }', ".date.format", "is 5"),
        ('{ name = "regex" }', ".regex", "lacks its parameter 'pattern'"),
        ('{ name = "regex", pattern = "(" }', ".regex", "pattern is no regular expression"),
        ("{ format = 5 }", "", "a transform without name is no transform"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_transform(transform, key, problem):
    found = faults_of(with_contract(f'billed_through = {{ from = "deal.x", transforms = [{transform}, "date"] }}'))
    assert found[f"contract.billed_through.transforms{key}"].problem.startswith(problem)


@pytest.mark.parametrize(
    ("line", "key", "problem"),
    [
        ('proration = { default = "daily" }', "default", "'daily' is not actual or thirty_360 or none"),
        ('proration = { from = "deal.x", values = { Daily = "daily" } }', "values.Daily", "'daily' is not"),
        ('proration = { from = "deal.x", values = { A = "none", a = "none" } }', "values.a", "stands here twice"),
        ('proration = { from = "deal.x", other = "none" }', "other", "has no value table beside it"),
        ('proration = { from = "deal.x", refuse = ["x"] }', "refuse", "has no value table beside it"),
        ("issue_days_before = { default = 1.5 }", "default", "1.5 is not exact"),
        ("issue_days_before = { default = 200 }", "default", "200 is not between 0 and 180"),
        ("issue_days_before = { default = true }", "default", "is True where a number of days is wanted"),
        ('proration = { values = { a = "none" } }', "", "says neither from nor template"),
        ('proration = { from = "deal.x", template = "{deal.x}" }', "", "has both from and template"),
        ("proration = []", "", "is an empty list"),
        ("proration = { from = [] }", "from", "is empty"),
        ("proration = { from = 5 }", "from", "expected"),
        ('proration = [{ default = "none" }, { from = "deal.x" }]', "default", "stands before another recipe"),
        ('proration = { from = "line.x" }', "from", "'line.x' is no source path"),
        ('proration = { template = "{deal}" }', "template", "'deal' is no source path"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_at_its_place(line, key, problem):
    name = line.partition(" ")[0]
    found = faults_of(with_contract(line))
    path = f"contract.{name}.{key}" if key else f"contract.{name}"
    assert found[path].problem.startswith(problem)


def test_a_section_written_as_a_value_is_one_fault_with_its_remedy():
    text = SHIPPED_TEXT.partition("[discounts]")[0]
    found = faults_of(text.replace('role = "crm"', 'role = "crm"\ndiscounts = 5'))
    assert found["discounts"].remedy.startswith("write [discounts] on a line of its own")


def existing(**changes: dict[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return a CRM that has every property the shipped mapping uses, with some object types changed."""
    known: dict[str, dict[str, tuple[str, ...]]] = {
        objects: dict.fromkeys(names, ()) for objects, names in properties_used(shipped()).items()
    }
    for objects, options in changes.items():
        known[objects] |= options
    return known


def test_a_crm_that_has_everything_makes_no_fault():
    assert check_against(shipped(), existing()) == []


def test_a_property_that_does_not_exist_is_named_with_the_line_to_write():
    crm = existing(deals={"contract_start_date": ()})
    del crm["deals"]["contract_start"]
    (fault,) = check_against(shipped(), crm)
    assert fault.key == "contract.starts_on"
    assert fault.problem == "the CRM has no property 'deal.contract_start'"
    assert 'starts_on = { from = "deal.contract_start_date" }' in fault.remedy


def test_where_no_property_is_named_alike_one_named_like_the_term_is_suggested():
    (fault,) = check_against(changed('"deal.po_number"', '"deal.zzzzqq"'), existing())
    assert fault.remedy.startswith('write po_number = { from = "deal.po_number" } if that is meant')


def test_without_a_similar_property_nothing_is_suggested():
    (fault,) = check_against(changed('"company.zip"', '"company.zzzzqq"'), existing())
    assert (fault.key, fault.remedy) == ("customer.address.postal_code", "create the property in the CRM")


def test_an_option_that_a_value_table_does_not_cover_is_named():
    crm = existing(deals={"billing_timing": ("In advance", "In arrears", "Half and half")})
    (fault,) = check_against(shipped(), crm)
    assert fault.key == "line.recurring.timing.values"
    assert "may hold 'Half and half'" in fault.problem
    assert 'add "Half and half" = "..."' in fault.remedy


def test_an_option_that_a_term_cannot_read_is_named_without_a_value_table_too():
    (fault,) = check_against(shipped(), existing(deals={"payment_terms": ("Net 30", "whenever")}))
    assert (fault.key, fault.remedy) == ("contract.payment_terms", "add a value table that translates 'whenever'")


def test_an_option_that_the_mapping_refuses_on_purpose_is_no_fault():
    assert check_against(shipped(), existing(deals={"billing_frequency": ("Monthly", "Bi-monthly")})) == []


def test_object_types_that_cannot_be_read_are_not_checked():
    crm = existing()
    del crm["contacts"]
    assert check_against(shipped(), crm) == []


def test_the_shipped_mapping_fits_the_sandboxes_portal():
    from sandbox.hubspot.schema import PIPELINES, PROPERTIES

    crm = {
        objects: {name: tuple(one.options or ()) for name, one in known.items()}
        for objects, known in PROPERTIES.items()
    }
    assert check_against(shipped(), crm) == []
    stages = {pipeline: {stage: one[0] for stage, one in known.items()} for pipeline, (_, known) in PIPELINES.items()}
    assert check_stages(shipped(), stages) == []


def test_a_stage_written_by_its_label_gets_its_id():
    mapping = changed('["closedwon"]', '["Closed Won"]')
    (fault,) = check_stages(mapping, {"default": {"1234": "Closed won"}})
    assert fault.key == "deals.won.default"
    assert fault.remedy == "'Closed Won' is its label: write its id '1234'"


def test_an_unknown_pipeline_is_named():
    (fault,) = check_stages(shipped(), {"defaults": {}})
    assert (fault.key, fault.remedy) == ("deals.won.default", "did you mean 'defaults'?")


def test_the_readme_names_every_term():
    text = (
        (SHIPPED / "README.md").read_text(encoding="utf-8").partition("### The terms")[2].partition("### Transforms")[0]
    )
    assert [name for terms in TERMS.values() for name in terms if f"`{name}`" not in text] == []


def test_what_the_shipped_mapping_has_in_comments_loads_once_its_mark_is_taken_away():
    sections = uncommented().sections
    assert {"renewal", "escalator", "commitment", "billing_contact"} == {
        name.removeprefix("contract.") for name, rules in sections.items() if rules and name.startswith("contract.")
    }
    assert {"po_budget", "value", "trial_ends_on", "invoice_grouping"} <= sections["contract"].keys()
    assert "free_months" in sections["line.recurring"]
    assert "ends_on" in sections["discounts"]


def test_the_recipes_in_the_readme_load():
    readme = (SHIPPED / "README.md").read_text(encoding="utf-8")
    recipes = readme.partition("## Three recipes")[2].partition("\n## ")[0]
    start, lines, _ = (part.partition("```")[0] for part in recipes.split("```toml\n")[1:])
    assert load_crm_mapping(SHIPPED_TEXT.replace('starts_on = { from = "deal.contract_start" }', start), "hubspot.toml")
    head = SHIPPED_TEXT.partition("[line.recurring]")[0].partition("# HubSpot leaves the frequency")[0]
    assert load_crm_mapping(head + lines.replace("[line]\n", ""), "hubspot.toml")


# ---------------------------------------------------------------------------------------------------------- write back


def write_back(lines: str) -> str:
    return SHIPPED_TEXT.partition("[write_back.deal]")[0] + lines


def test_what_is_written_back_is_read_by_no_pull():
    assert not {name for name in properties_used(shipped())["deals"] if name.startswith("netterms_")}
    assert shipped().write_back["deals"]["open"] == "netterms_open"


def test_a_figure_with_an_empty_name_is_left_out():
    mapping = load_crm_mapping(write_back('[write_back.deal]\nopen = ""\noverdue = "late"\n'), "hubspot.toml")
    assert mapping.write_back == {"deals": {"overdue": "late"}, "companies": {}}
    assert load_crm_mapping(write_back(""), "hubspot.toml").write_back == {"deals": {}, "companies": {}}


def test_what_cannot_be_written_back_is_named_with_what_can():
    found = faults_of(write_back('[write_back.deal]\nopne = "a"\nopen = 1\noverdue = "b"\nlast_invoice = "b"\n'))
    assert found["write_back.deal.opne"].remedy == "did you mean 'open'?"
    assert found["write_back.deal.open"].problem == "is 1"
    assert "like another figure" in found["write_back.deal.last_invoice"].problem
    assert faults_of(write_back('[write_back.line]\nopen = "a"\n'))


def test_a_property_to_write_that_is_missing_or_of_another_type_is_named_with_what_to_create():
    text = '[write_back.deal]\nopen = "a"\nlast_invoice = "b"\nlast_invoice_date = "c"\npayment_status = "d"\n'
    mapping = load_crm_mapping(write_back(text), "hubspot.toml")
    existing = {"deals": {"a": "string", "b": "enumeration", "c": "date"}}
    found = {fault.key: fault for fault in check_write_back(mapping, existing)}
    assert list(found) == ["write_back.deal.last_invoice", "write_back.deal.payment_status"]
    assert "has type enumeration" in found["write_back.deal.last_invoice"].problem
    assert "the CRM has no property 'deal.d'" in found["write_back.deal.payment_status"].problem
    assert all("type string" in fault.remedy for fault in found.values())
