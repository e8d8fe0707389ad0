"""Deals to terms: a good deal exactly, a bad one with everything that is wrong."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.customer import Address, Customer
from billing.terms import BillingContact, Commitment, Discount, Escalator, OneTime, Recurring, Renewal, Terms
from mappings.apply import KnownCharge, Mapped, NotMapped, apply, is_contract, known_charges
from tests.mappings.deals import changed, deal, faults, mapped, shipped, uncommented, with_line

# -------------------------------------------------------------------------------------------------------- good deals


def test_a_good_deal_becomes_exactly_these_terms():
    assert mapped(deal()) == Mapped(
        deal_id="9001",
        deal_name="Northwind - Platform 2026",
        entity="uk",
        terms=Terms(
            contract="D9001",
            customer="70",
            currency="GBP",
            starts_on=date(2026, 3, 15),
            ends_on=date(2027, 3, 14),
            payment_terms="net 45",
            anchor_day=1,
            po_number="PO-77",
            charges=(
                OneTime(
                    key="502",
                    description="Implementation",
                    price=Decimal("4000"),
                    quantity=Decimal(1),
                    tax_class="services",
                    product="IMPL-FEE",
                ),
                Recurring(
                    key="501",
                    description="Platform seats",
                    price=Decimal("80.50"),
                    quantity=Decimal(25),
                    discounts=(Discount(percent=Decimal(10)),),
                    tax_class="standard",
                    product="PLAT-SEAT",
                    every="quarter",
                    timing="advance",
                    ends_on=date(2027, 3, 14),
                ),
            ),
        ),
        customer=Customer(
            name="Northwind Ltd",
            email="ap@northwind.example",
            domain="northwind.example",
            tax_id="GB123456789",
            phone="+44 20 7946 0000",
            contact_name="Ada Price",
            address=Address(line1="1 Mill Street", city="Leeds", postal_code="LS1 4DY", country="GB"),
        ),
        company_id="70",
        contact_ids=("80", "81"),
    )


def test_lines_stand_in_the_order_of_their_positions():
    assert [charge.key for charge in mapped(deal()).terms.charges] == ["502", "501"]


def test_an_entity_that_the_deal_does_not_name_follows_from_the_currency():
    assert mapped(deal(billing_entity=None, deal_currency_code="usd")).entity == "us"
    assert mapped(deal(billing_entity="", deal_currency_code="EUR")).entity == "uk"


def test_an_end_and_a_term_in_months_that_agree_are_one():
    assert mapped(deal(contract_end="2027-03-14")).terms.ends_on == date(2027, 3, 14)


def test_without_an_end_and_a_term_the_contract_is_evergreen():
    made = deal(contract_term_months=None)
    made["line_items"][0]["properties"]["hs_recurring_billing_period"] = None
    assert mapped(made).terms.ends_on is None


def test_a_term_in_months_ends_the_day_before_the_same_day_clamped_to_the_month():
    made = deal(contract_start="2026-01-31", contract_term_months="1")
    made["line_items"][0]["properties"]["hs_recurring_billing_period"] = None
    assert mapped(made).terms.ends_on == date(2026, 2, 27)


def test_missing_payment_terms_are_the_mappings_default():
    assert mapped(deal(payment_terms=" ")).terms.payment_terms == "net 30"


def test_a_billing_email_on_the_deal_goes_before_the_contacts():
    assert mapped(deal(billing_email="bills@northwind.example")).customer.email == "bills@northwind.example"


def test_a_contact_with_a_last_name_only_is_still_a_name():
    made = deal()
    made["contacts"][0]["properties"]["firstname"] = None
    assert mapped(made).customer.contact_name == "Price"


def test_a_deal_without_contacts_is_billed_all_the_same():
    made = deal()
    made["contacts"] = []
    assert mapped(made).customer.email == ""
    assert mapped(made).contact_ids == ()


def test_a_line_with_a_start_of_its_own_runs_its_own_term_from_there():
    made = with_line(hs_recurring_billing_start_date="2026-04-15", hs_recurring_billing_period="P6M")
    charge = mapped(made).terms.charges[1]
    assert isinstance(charge, Recurring)
    assert (charge.starts_on, charge.ends_on) == (date(2026, 4, 15), date(2026, 10, 14))


def test_what_a_contract_says_beside_dates_and_prices_can_be_mapped():
    terms = mapped(
        deal(
            trial_end="2026-04-14",
            po_budget="5000",
            hs_tcv="12000.50",
            invoice_contact="Bo Lee",
            invoice_email="bo@northwind.example",
            auto_renew="true",
            renewal_term="half_year",
            notice_days="90",
            renewal_uplift="4.5",
            annual_increase="3",
            minimum_commitment="9000",
        ),
        uncommented(),
    ).terms
    assert terms.trial_ends_on == date(2026, 4, 14)
    assert (terms.po_budget, terms.value) == (Decimal(5000), Decimal("12000.50"))
    assert terms.billing_contact == BillingContact(name="Bo Lee", email="bo@northwind.example")
    assert terms.renewal == Renewal(auto=True, term="half_year", notice_days=90, uplift_percent=Decimal("4.5"))
    assert terms.escalator == Escalator(percent=Decimal(3))
    assert terms.commitments == (Commitment(key="commitment", amount=Decimal(9000), every="year"),)
    assert terms.invoice_grouping == "contract"


def test_a_company_may_want_one_invoice_for_all_its_contracts():
    made = deal()
    made["companies"][0]["properties"]["one_invoice"] = "true"
    assert mapped(made, uncommented()).terms.invoice_grouping == "customer"


@pytest.mark.parametrize("nothing", ["0", "", None])
def test_a_rise_or_commitment_of_nothing_and_a_renewal_that_is_not_automatic_are_none(nothing):
    made = deal(annual_increase=nothing, minimum_commitment=nothing, auto_renew="false", notice_days="90")
    terms = mapped(made, uncommented()).terms
    assert (terms.escalator, terms.commitments, terms.renewal, terms.billing_contact) == (None, (), None, None)


def test_free_months_are_the_first_of_what_recurs_and_leave_what_is_paid_once_alone():
    once, seats = mapped(deal(free_months="2"), uncommented()).terms.charges
    assert once.discounts == ()
    assert seats.discounts == (Discount(percent=Decimal(10)), Discount(percent=Decimal(100), ends_on=date(2026, 5, 14)))
    made = with_line(hs_recurring_billing_start_date="2026-04-15", hs_recurring_billing_period="P6M")
    made["properties"]["free_months"] = "1"
    assert mapped(made, uncommented()).terms.charges[1].discounts[1].ends_on == date(2026, 5, 14)


def test_a_discount_may_end_before_its_line_does():
    _, seats = mapped(deal(discount_ends="2026-09-14"), uncommented()).terms.charges
    assert seats.discounts == (Discount(percent=Decimal(10), ends_on=date(2026, 9, 14)),)
    once, _ = mapped(deal(discount_ends="2026-09-14"), uncommented()).terms.charges
    assert once.discounts == ()  # it has no discount that could end


def test_a_line_without_frequency_but_with_a_term_recurs_at_the_deals():
    charge = mapped(with_line(recurringbillingfrequency=None)).terms.charges[1]
    assert isinstance(charge, Recurring)
    assert charge.every == "quarter"


def test_arrears_come_from_the_deal():
    charge = mapped(deal(billing_timing="in ARREARS")).terms.charges[1]
    assert isinstance(charge, Recurring)
    assert charge.timing == "arrears"


def test_a_unit_discount_is_taken_off_every_unit():
    charge = mapped(with_line(hs_discount_percentage="0", discount="8.05")).terms.charges[1]
    assert charge.discounts == (Discount(amount=Decimal("201.25")),)


def test_a_line_without_a_tax_class_is_standard():
    assert mapped(with_line(tax_class=None)).terms.charges[1].tax_class == "standard"


def test_conditions_decide_which_won_deals_are_contracts():
    mapping = changed(
        '# where = [{ from = "deal.dealtype", is_not = ["Reseller"] }]',
        'where = [{ from = "deal.dealtype", is_not = ["Reseller"] }]',
    )
    assert is_contract(mapping, deal(dealtype="newbusiness"))
    assert is_contract(mapping, deal())
    assert not is_contract(mapping, deal(dealtype=" reseller "))
    mapping = changed(
        '# where = [{ from = "deal.dealtype", is_not = ["Reseller"] }]',
        'where = [{ from = "company.name", is = ["Northwind Ltd"] }]',
    )
    assert is_contract(mapping, deal())
    without = deal()
    without["companies"] = []
    assert not is_contract(mapping, without)


def test_a_value_table_may_say_that_a_value_counts_as_empty():
    mapping = changed(
        '{ from = "deal.billing_entity" }', '{ from = "deal.billing_entity", values = { "n/a" = "", uk = "uk" } }'
    )
    assert mapped(deal(billing_entity="N/A", deal_currency_code="USD"), mapping).entity == "us"


def test_the_contracts_key_may_be_a_template_of_its_own():
    mapping = changed('template = "D{deal.id}"', 'template = "C-{deal.po_number}-{deal.id}"')
    assert mapped(deal(), mapping).terms.contract == "C-PO-77-9001"


def test_what_stands_in_braces_in_the_crm_is_never_filled_in():
    mapping = changed('template = "D{deal.id}"', 'template = "{deal.po_number}{deal.id}"')
    assert mapped(deal(po_number="{deal.id}"), mapping).terms.contract == "{deal.id}9001"


# --------------------------------------------------------------------------------------------------------- bad deals


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ({"contract_start": None}, ("deal.contract_start", "", "is empty")),
        ({"contract_start": "soon"}, ("deal.contract_start", "soon", "is no date")),
        ({"contract_term_months": "12.5"}, ("deal.contract_term_months", "12.5", "is no whole number")),
        ({"contract_term_months": "0"}, ("deal.contract_term_months", "0", "is not between 1 and 600")),
        ({"payment_terms": "as discussed"}, ("deal.payment_terms", "as discussed", "is no payment term")),
        ({"deal_currency_code": "CAD"}, ("deal.deal_currency_code", "CAD", "is not accepted")),
        ({"deal_currency_code": "XYZ"}, ("deal.deal_currency_code", "XYZ", "is not in the value table")),
        ({"deal_currency_code": None}, ("deal.deal_currency_code", "", "is empty")),
        ({"billing_anchor_day": "32"}, ("deal.billing_anchor_day", "32", "is not between 1 and 31")),
        ({"billing_frequency": "Bi-monthly"}, ("deal.billing_frequency", "Bi-monthly", "is not accepted")),
        ({"billing_timing": "Half"}, ("deal.billing_timing", "Half", "is not in the value table")),
        ({"billing_email": "tbd"}, ("deal.billing_email", "tbd", "is no e-mail address")),
        ({"billing_frequency": "One-off"}, ("deal.billing_frequency", "One-off", "does not fit: a line recurs")),
        (
            {"contract_end": "2027-03-15"},
            ("deal.contract_end", "2027-03-15", "contradicts deal.contract_term_months (12), which ends on 2027-03-14"),
        ),
        (
            {"contract_end": "2026-03-01", "contract_term_months": None},
            ("deal.contract_end", "2026-03-01", "lies before the start 2026-03-15 (deal.contract_start)"),
        ),
    ],
)
def test_a_bad_deal_property_is_one_fault_that_names_it(properties, fault):
    assert faults(deal(**properties)) == [fault]


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ({"price": "-500"}, ("line 501.price", "-500", "is a negative price")),
        ({"price": "1,200"}, ("line 501.price", "1,200", "is no number")),
        ({"price": None}, ("line 501.price", "", "is empty")),
        ({"quantity": "-1"}, ("line 501.quantity", "-1", "is negative")),
        ({"quantity": ""}, ("line 501.quantity", "", "is empty")),
        ({"name": None}, ("line 501.name", "", "is empty")),
        (
            {"recurringbillingfrequency": "hourly"},
            ("line 501.recurringbillingfrequency", "hourly", "is not in the value table"),
        ),
        (
            {"hs_recurring_billing_period": "12"},
            ("line 501.hs_recurring_billing_period", "12", "is no number of months"),
        ),
        (
            {"hs_recurring_billing_period": "P24M"},
            (
                "line 501.hs_recurring_billing_period",
                "P24M",
                "is 2028-03-14, outside the contract (2026-03-15 to 2027-03-14)",
            ),
        ),
        ({"hs_discount_percentage": "110"}, ("line 501.hs_discount_percentage", "110", "is not between 0 and 100")),
        ({"hs_discount_percentage": "", "discount": "90"}, ("line 501.discount", "90", "is more than the price")),
        (
            {"discount": "5"},
            ("line 501.hs_discount_percentage", "10", "contradicts line 501.discount (5): both give a discount"),
        ),
    ],
)
def test_a_bad_line_is_one_fault_that_names_line_and_property(properties, fault):
    assert faults(with_line(**properties)) == [fault]


def test_a_line_that_begins_before_its_contract_is_a_fault():
    found = faults(with_line(hs_recurring_billing_start_date="2026-02-15", hs_recurring_billing_period=None))
    assert found[0][:2] == ("line 501.hs_recurring_billing_start_date", "2026-02-15")
    assert "outside the contract" in found[0][2]


def test_all_faults_of_a_deal_come_at_once():
    made = deal(contract_start=None, payment_terms="as discussed", deal_currency_code=None)
    made["companies"] = []
    made["line_items"][0]["properties"] |= {"price": "-5", "quantity": None, "recurringbillingfrequency": "hourly"}
    made["line_items"][1]["properties"] |= {"price": "free"}
    assert [fault[0] for fault in faults(made)] == [
        "deal.deal_currency_code",
        "deal.contract_start",
        "deal.payment_terms",
        "company",
        "line 501.price",
        "line 501.quantity",
        "line 501.recurringbillingfrequency",
        "line 502.price",
    ]


def test_a_fault_reads_as_a_sentence_with_its_fix():
    result = apply(shipped(), deal(payment_terms="as discussed"))
    assert isinstance(result, NotMapped)
    assert result.deal_name == "Northwind - Platform 2026"
    assert str(result.faults[0]) == (
        "deal 9001: deal.payment_terms 'as discussed' is no payment term; "
        "in the CRM, write e.g. Net 30, EOM + 15 or Due on receipt"
    )


def test_an_unknown_label_says_where_the_value_table_stands():
    result = apply(shipped(), deal(billing_timing="Half"))
    assert isinstance(result, NotMapped)
    assert result.faults[0].fix == (
        "in the CRM, write one of In advance, In arrears, or add it to line.recurring.timing.values in hubspot.toml"
    )


def test_an_empty_term_says_where_else_it_could_be_filled():
    mapping = changed('from = "deal.contract_start" }', 'from = ["deal.contract_start", "company.start"] }')
    result = apply(mapping, deal(contract_start=None))
    assert isinstance(result, NotMapped)
    assert result.faults[0].fix.startswith("fill it in the CRM, or company.start, or give contract.starts_on a default")


def test_a_deal_without_a_company_has_nobody_to_bill():
    made = deal()
    made["companies"] = []
    assert faults(made) == [("company", "", "is missing")]


def test_a_company_without_a_name_cannot_be_billed():
    made = deal()
    made["companies"][0]["properties"]["name"] = None
    assert faults(made) == [("company.name", "", "is empty")]


def test_a_deal_without_line_items_sold_nothing():
    made = deal()
    made["line_items"] = []
    assert faults(made) == [("line_items", "", "are missing: nothing was sold")]


def test_a_recurring_deal_of_one_time_lines_is_a_contradiction():
    made = with_line(recurringbillingfrequency=None, hs_recurring_billing_period=None)
    assert faults(made) == [("deal.billing_frequency", "Quarterly", "does not fit: no line recurs")]


def test_what_billing_refuses_is_a_fault_of_the_line_or_the_deal():
    mapping = changed("[line.recurring]", '[line.recurring]\nprice_per = { default = "2 weeks" }')
    ((where, _, problem),) = faults(deal(), mapping)
    assert where == "line 501" and problem.startswith("makes no charge: price_per '2 weeks' does not fit")
    mapping = changed('key = { from = "line.id" }', 'key = { from = "deal.id" }')
    ((where, _, problem),) = faults(deal(), mapping)
    assert where == "deal" and "charge keys must be unique" in problem


def test_the_sandboxes_deals_map_unless_they_were_spoilt_on_purpose():
    from sandbox.world import build_world

    world = build_world(seed=3, deals=120, history=6, today=date(2026, 11, 1))
    known = {
        "companies": {one.id: one.properties for one in world.buyers},
        "contacts": {one.id: one.properties for one in world.contacts},
        "line_items": {one.id: one.properties for one in world.line_items},
    }
    won = [one for one in world.deals if one.won_on]
    refused = {}
    for one in won:
        associated = {
            objects: [{"id": id, "properties": records[id]} for id in one.associations.get(objects, [])]
            for objects, records in known.items()
        }
        result = apply(shipped(), {"id": one.id, "properties": one.properties, **associated})
        if isinstance(result, NotMapped):
            refused[one.id] = result.faults
    assert refused.keys() == world.faulty.keys()
    assert len(won) > 100 and len(refused) > 10


# ------------------------------------------------------------------------------------------------- replaced line items


def known(*keys_and_descriptions: tuple[str, str]) -> list[KnownCharge]:
    return [
        KnownCharge(key=key, sku="PLAT-SEAT", starts_on=None, description=description)
        for key, description in keys_and_descriptions
    ]


def keys(of: Mapped) -> set[str]:
    return {charge.key for charge in of.terms.charges}


def test_a_replaced_line_item_keeps_the_key_of_the_charge_it_replaces():
    before = known_charges(mapped(deal()).terms)
    made = deal()
    made["line_items"][0]["id"] = "777"
    assert mapped(made, known_keys=before).terms == mapped(deal()).terms


def test_an_explicit_start_on_the_contracts_first_day_is_the_same_start():
    made = with_line(hs_recurring_billing_start_date="2026-03-15")
    made["line_items"][0]["id"] = "777"
    assert keys(mapped(made, known_keys=known_charges(mapped(deal()).terms))) == {"501", "502"}


def test_a_line_with_another_sku_or_start_is_a_new_charge():
    made = with_line(hs_sku="DATA-API")
    made["line_items"][0]["id"] = "777"
    assert keys(mapped(made, known_keys=known(("501", "Platform seats")))) == {"777", "502"}
    made = with_line(hs_recurring_billing_start_date="2026-04-15", hs_recurring_billing_period=None)
    made["line_items"][0]["id"] = "777"
    assert keys(mapped(made, known_keys=known(("501", "Platform seats")))) == {"777", "502"}


def test_a_charge_whose_line_is_still_there_is_never_taken_over():
    made = deal()
    made["line_items"].append(deepcopy(made["line_items"][0]) | {"id": "777"})
    assert keys(mapped(made, known_keys=known(("501", "Platform seats")))) == {"501", "777", "502"}


def test_of_several_missing_charges_the_one_with_the_same_description_is_meant():
    made = deal()
    made["line_items"][0]["id"] = "777"
    missing = known(("400", "Seats in the US"), ("401", "Platform seats"))
    assert keys(mapped(made, known_keys=missing)) == {"401", "502"}


def test_what_stays_ambiguous_keeps_its_new_id():
    made = deal()
    made["line_items"][0]["id"] = "777"
    missing = known(("400", "Platform seats"), ("401", "Platform seats"))
    assert keys(mapped(made, known_keys=missing)) == {"777", "502"}


def test_two_new_lines_cannot_both_replace_one_charge():
    made = deal()
    made["line_items"][0]["id"] = "777"
    made["line_items"].append(deepcopy(made["line_items"][0]) | {"id": "778"})
    assert keys(mapped(made, known_keys=known(("501", "Platform seats")))) == {"777", "778", "502"}


def test_lines_without_a_sku_are_found_again_by_their_description():
    before = known_charges(mapped(with_line(hs_sku=None)).terms)
    made = with_line(hs_sku=None)
    made["line_items"][0]["id"] = "777"
    assert "501" in keys(mapped(made, known_keys=before))
    made = with_line(hs_sku=None, name="Something else")
    made["line_items"][0]["id"] = "777"
    assert "777" in keys(mapped(made, known_keys=before))


# --------------------------------------------------------------------------------------------------- anything at all


@pytest.mark.parametrize(
    ("dealtype", "relation"),
    [("newbusiness", "new"), ("Existingbusiness", "amendment"), ("renewal", "renewal"), ("Partner", ""), (None, "")],
)
def test_the_deal_type_says_what_a_deal_does(dealtype, relation):
    assert mapped(deal(dealtype=dealtype)).relation == relation


def test_a_deal_may_name_the_contract_it_belongs_to():
    assert mapped(deal(amends_contract=" D42 ")).relates_to == "D42"
    assert mapped(deal()).relates_to == ""


def test_the_ids_that_a_company_had_before_a_merge_come_with_it():
    made = deal()
    made["companies"][0]["merged_ids"] = ["68", "69"]
    assert mapped(made).merged_company_ids == ("68", "69")
    assert mapped(deal()).merged_company_ids == ()


_NAMES = {
    "deals": tuple(deal()["properties"]),
    "line_items": tuple(deal()["line_items"][0]["properties"]),
    "companies": tuple(deal()["companies"][0]["properties"]),
    "contacts": ("email", "firstname", "lastname"),
}
_LIKELY = (
    "1",
    "0",
    "-1",
    "2026-03-15",
    "2199-12-31",
    "P12M",
    "monthly",
    "Monthly",
    "One-off",
    "GBP",
    "us",
    "net 30",
    "10",
    "600",
)
_VALUES = st.none() | st.sampled_from(_LIKELY) | st.text(max_size=40)


def _record(objects: str) -> st.SearchStrategy[dict[str, object]]:
    properties = st.fixed_dictionaries({}, optional=dict.fromkeys(_NAMES[objects], _VALUES))
    return st.fixed_dictionaries({"id": st.text(min_size=1, max_size=12), "properties": properties})


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=12),
            "properties": st.fixed_dictionaries({}, optional=dict.fromkeys(_NAMES["deals"], _VALUES)),
            "line_items": st.lists(_record("line_items"), max_size=3),
            "companies": st.lists(_record("companies"), max_size=1),
            "contacts": st.lists(_record("contacts"), max_size=1),
        }
    )
)
def test_whatever_a_deal_holds_it_is_mapped_or_its_faults_are_named(anything):
    result = apply(shipped(), anything)
    assert isinstance(result, Mapped) or result.faults


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(_NAMES["deals"], _VALUES)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(_NAMES["line_items"], _VALUES)),
)
def test_a_good_deal_with_anything_changed_never_raises(of_deal, of_line):
    made = deal(**of_deal)
    made["line_items"][0]["properties"] |= of_line
    result = apply(shipped(), made)
    if isinstance(result, Mapped):
        assert len(result.terms.charges) == 2
        assert all(charge.price >= 0 and charge.quantity >= 0 for charge in result.terms.charges)
    else:
        assert result.faults
