"""The seeded world is believable, the same for the same seed, and wrong exactly where it says so."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from stdnum.eu import vat as eu_vat
from stdnum.gb import vat as gb_vat

from sandbox.hubspot.schema import PROPERTIES
from sandbox.world import FAULTS, PRODUCTS, Buyer, CrmRecord, Habit, World, build_world

TODAY = date(2026, 3, 10)
SEEDS = (1, 2, 3, 7, 42)


def world(seed: int = 1, deals: int = 60, history: int = 0, today: date = TODAY) -> World:
    return build_world(seed=seed, deals=deals, history=history, today=today)


def won(made: World) -> list[CrmRecord]:
    return [deal for deal in made.deals if deal.won_on is not None]


def lines_of(made: World, deal: CrmRecord) -> list[CrmRecord]:
    by_id = {line.id: line for line in made.line_items}
    return [by_id[one] for one in deal.associations["line_items"]]


def day_of(text: str | None) -> date:
    return date.fromisoformat(str(text))


def test_the_same_seed_makes_the_same_world_whatever_the_hash_seed() -> None:
    program = (
        "import hashlib, datetime; from sandbox.world import build_world; "
        "made = build_world(seed=5, deals=40, history=0, today=datetime.date(2026, 3, 10)); "
        "print(hashlib.sha256(repr(made).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(digests) == 1


def test_another_seed_makes_another_world() -> None:
    assert world(1) != world(2)


@pytest.mark.parametrize("deals", [0, 1, 2, 5, 13])
def test_a_small_world_holds_as_many_won_deals_as_asked_for(deals: int) -> None:
    assert len(won(world(deals=deals))) == deals


def test_no_deals_means_an_empty_world() -> None:
    made = world(deals=0)
    assert (made.deals, made.buyers, made.line_items, made.contacts) == ((), (), (), ())


@pytest.mark.parametrize("seed", SEEDS)
def test_two_thirds_are_won_up_to_today_and_the_rest_later(seed: int) -> None:
    days = [deal.won_on for deal in won(world(seed)) if deal.won_on is not None]
    assert sum(day <= TODAY for day in days) == 40
    assert min(days) >= TODAY - timedelta(days=45)
    assert max(days) <= TODAY + timedelta(days=50)


def test_a_history_spreads_the_past_deals_over_its_months() -> None:
    days = [deal.won_on for deal in won(world(deals=300, history=12)) if deal.won_on is not None]
    assert date(2025, 3, 10) <= min(days) < date(2025, 4, 1)
    assert len({(day.year, day.month) for day in days if day <= TODAY}) >= 12


@pytest.mark.parametrize("seed", SEEDS)
def test_future_deals_wait_in_an_open_stage(seed: int) -> None:
    for deal in won(world(seed)):
        assert deal.won_on is not None
        past = deal.won_on <= TODAY
        assert deal.properties["dealstage"] == ("closedwon" if past else "contractsent")
        assert deal.properties["hs_is_closed_won"] == str(past).lower()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_was_modified_after_the_first_noon(seed: int) -> None:
    made = world(seed)
    for one in (*made.deals, *made.line_items):
        assert datetime.fromisoformat(str(one.properties["hs_lastmodifieddate"])) < datetime.fromisoformat(
            f"{TODAY}T12:00Z"
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_every_habit_of_paying_occurs_on_deals_that_can_be_billed_today(seed: int) -> None:
    made = world(seed)
    buyers = {buyer.id: buyer for buyer in made.buyers}
    habits = {
        buyers[deal.associations["companies"][0]].habit
        for deal in won(made)
        if deal.id not in made.faulty and deal.properties["dealstage"] == "closedwon"
    }
    assert habits == set(get_args(Habit))


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_habit_other_name_pays_under_another_name(seed: int) -> None:
    for buyer in world(seed).buyers:
        assert (buyer.pays_as != buyer.name) == (buyer.habit == "other_name")


@pytest.mark.parametrize("seed", SEEDS)
def test_buyers_have_distinct_names_and_domains_and_at_most_two_deals(seed: int) -> None:
    made = world(seed)
    assert len({buyer.name for buyer in made.buyers}) == len(made.buyers)
    assert len({buyer.properties["domain"] for buyer in made.buyers}) == len(made.buyers)
    primary = Counter(deal.associations["companies"][0] for deal in made.deals if deal.associations["companies"])
    assert set(primary.values()) == {1, 2}


@pytest.mark.parametrize("seed", SEEDS)
def test_each_entity_sells_in_its_currencies(seed: int) -> None:
    made = world(seed)
    assert {(buyer.entity, buyer.currency) for buyer in made.buyers} == {("us", "USD"), ("uk", "GBP"), ("uk", "EUR")}
    countries = {buyer.currency: buyer.properties["country"] for buyer in made.buyers}
    assert countries["USD"] == "United States"
    assert countries["GBP"] == "United Kingdom"
    assert countries["EUR"] not in ("United States", "United Kingdom")


def test_tax_numbers_have_right_check_digits() -> None:
    for buyer in world(deals=400).buyers:
        number = buyer.properties["vat_number"]
        if buyer.currency == "USD":
            assert number is None
        else:
            assert (gb_vat if buyer.currency == "GBP" else eu_vat).is_valid(number), number


@pytest.mark.parametrize("seed", SEEDS)
def test_sound_deals_have_complete_and_consistent_terms(seed: int) -> None:
    made = world(seed)
    buyers = {buyer.id: buyer for buyer in made.buyers}
    for deal in won(made):
        if deal.id in made.faulty:
            continue
        terms, lines = deal.properties, lines_of(made, deal)
        buyer = buyers[deal.associations["companies"][0]]
        assert 1 <= len(lines) <= 4
        assert 1 <= len(deal.associations["contacts"]) <= 2
        assert terms["billing_entity"] in (None, buyer.entity)
        assert terms["deal_currency_code"] == buyer.currency
        assert terms["contract_end"] or terms["contract_term_months"]
        if terms["contract_end"]:
            assert day_of(terms["contract_end"]) > day_of(terms["contract_start"])
        assert deal.won_on is not None
        assert abs((day_of(terms["contract_start"]) - deal.won_on).days) <= 31
        assert Decimal(str(terms["amount"])) > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_line_items_sell_products_of_the_catalogue_at_their_prices(seed: int) -> None:
    made = world(seed)
    catalogue = {product.sku: product for product in PRODUCTS}
    one_time = {"IMPL-FEE", "TRAINING"}
    months = {"monthly": 1, "quarterly": 3, "per_six_months": 6, "annually": 12}
    spoiled = {
        line
        for deal in made.deals
        if made.faulty.get(deal.id) in ("ambiguous_frequency", "negative_price")
        for line in deal.associations["line_items"]
    }
    for line in made.line_items:
        if line.id in spoiled:
            continue
        values, sku = line.properties, str(line.properties["hs_sku"])
        assert values["name"] == catalogue[sku].name
        assert (values["recurringbillingfrequency"] is None) == (sku in one_time)
        assert values["hs_discount_percentage"] is None or values["discount"] is None
        price = Decimal(str(values["price"]))
        if sku == "PLAT-SEAT":
            assert 22 <= price / months[str(values["recurringbillingfrequency"])] <= 90
        if sku == "PLAT-BASE":
            assert 450 <= price / months[str(values["recurringbillingfrequency"])] <= 4000
        if sku == "IMPL-FEE":
            assert 5_000 <= price <= 40_000


def test_everything_sold_occurs_in_the_default_world() -> None:
    made = world()
    assert {line.properties["hs_sku"] for line in made.line_items} == {product.sku for product in PRODUCTS}
    frequencies = {deal.properties["billing_frequency"] for deal in won(made)}
    assert frequencies >= {"Monthly", "Quarterly", "Annually", "Semi-annually", "One-off"}
    assert {line.properties["tax_class"] for line in made.line_items} == {"standard", "services", "reverse_charge"}
    assert any(line.properties["hs_recurring_billing_start_date"] for line in made.line_items)
    assert any(line.properties["discount"] for line in made.line_items)
    assert any(line.properties["hs_discount_percentage"] for line in made.line_items)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_kind_of_fault_occurs_and_is_what_it_says(seed: int) -> None:
    made = world(seed)
    deals = {deal.id: deal for deal in made.deals}
    assert set(made.faulty.values()) == set(FAULTS)
    for deal_id, kind in made.faulty.items():
        deal = deals[deal_id]
        terms, lines = deal.properties, lines_of(made, deal)
        wrong = {
            "no_start_date": terms["contract_start"] is None,
            "vague_payment_terms": terms["payment_terms"] == "as discussed",
            "ambiguous_frequency": terms["billing_frequency"] == "Bi-monthly",
            "end_before_start": bool(terms["contract_end"] and terms["contract_start"])
            and day_of(terms["contract_end"]) < day_of(terms["contract_start"]),
            "no_line_items": not lines,
            "no_company": not deal.associations["companies"],
            "foreign_currency": terms["deal_currency_code"] == "CAD",
            "negative_price": any(Decimal(str(line.properties["price"])) < 0 for line in lines),
        }
        assert {name for name, holds in wrong.items() if holds} == {kind}


def test_open_lost_and_partner_deals_stand_beside_the_won_ones() -> None:
    others = [deal for deal in world().deals if deal.won_on is None]
    stages = {(deal.properties["pipeline"], deal.properties["dealstage"]) for deal in others}
    assert {("default", "closedlost"), ("partner", "partner_won"), ("default", "qualifiedtobuy")} <= stages


def test_every_seeded_property_exists_in_the_portal() -> None:
    made = world()
    seeded: dict[str, tuple[Buyer | CrmRecord, ...]] = {
        "deals": made.deals,
        "line_items": made.line_items,
        "companies": made.buyers,
        "contacts": made.contacts,
    }
    for object_type, records in seeded.items():
        for one in records:
            for name, value in one.properties.items():
                options = PROPERTIES[object_type][name].options
                assert value is None or options is None or value in options, (object_type, name, value)
