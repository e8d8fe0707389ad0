"""Terms that a person writes stand beside the deal: amendments, whole files, lines, contracts without a deal."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.customer import Customer
from billing.terms import Recurring, Terms
from billing.terms_file import TermsFile, TermsFileError
from store import contracts, versions
from store.contracts import ContractRow
from sync import proposals, set_terms
from sync.context import Context
from tests.worlds import DAILY, NOBODY, TODAY, Bench, Live

MORE = '[[amendments]]\nkey = "{key}"\neffective_on = {day}\nchange = [{{ charge = "support", {change} }}]\n'


def more(key: str = "A1", day: str = "2026-10-01", change: str = "quantity = 3") -> str:
    return MORE.format(key=key, day=day, change=change)


def row_of(desk: Bench | Live, key: str) -> ContractRow:
    with desk.store() as store:
        return set_terms.find(store, key)


def put(desk: Bench | Live, row: ContractRow, terms: Terms) -> None:
    with desk.store() as store:
        set_terms.put(store, NOBODY, row, terms, "a test wants it")


def amend(desk: Bench | Live, key: str, text: str) -> None:
    row = row_of(desk, key)
    put(desk, row, set_terms.amending(row, text, "a.toml", TODAY))


def effect(bench: Bench, row: ContractRow, terms: Terms) -> str:
    with bench.store() as store:
        return proposals.effect(Context(store, bench, "terms", lambda done, total: None), row, terms)


# ----------------------------------------------------------------------------------------------------------- amendments


def test_an_amendment_bills_the_difference_and_is_known_since_the_day_it_came(bench: Bench) -> None:
    bench.bill("A")
    row = row_of(bench, "A")
    terms = set_terms.amending(row, more(), "a.toml", TODAY)
    assert terms.amendments[0].known_on == TODAY
    assert effect(bench, row, terms) == "applied today: nothing to bill or credit yet"
    put(bench, row, terms)
    bench.today = date(2026, 10, 1)
    bench.run("plan_invoices", "issue_invoices")
    assert bench.issued()["UK-00002"].total == 300_00


def test_a_backdated_amendment_shows_what_it_bills_now(bench: Bench) -> None:
    bench.bill("A")
    row = row_of(bench, "A")
    terms = set_terms.amending(row, more(day="2026-09-01", change="price = 130"), "a.toml", TODAY)
    assert effect(bench, row, terms) == "applied today: an invoice over 30.00 GBP"


def test_amendments_are_added_to_those_there_are_and_may_change_what_those_brought(bench: Bench) -> None:
    bench.bill("A")
    amend(bench, "A", more())
    amend(bench, "A", more("A2", "2026-11-01", "quantity = 5"))
    assert [one.key for one in row_of(bench, "A").agreed.amendments] == ["A1", "A2"]
    with bench.store() as store:
        assert [one.version for one in versions.of(store, "A")] == [1, 2, 3]
        changes = [changed for _, changed in set_terms.history(store, "A")]
    assert changes == ["amendments.A2 added", "amendments.A1 added", "as first known"]


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("", "amendments", "is missing"),
        ('price = 5\n[[amendments]]\nkey = "A1"', "price", "is not known here"),
        ("[[amendments", "TOML", ""),
        (more() + '[[amendments]]\nkey = "A2"', "amendments[1].effective_on", "is missing"),
        (more("first"), "amendments[0].key", "'first' is used more than once"),
        (more(change="quantty = 3"), "amendments[0].change[0].quantty", "is not known here"),
        (more(change="quantity = -3"), "amendments[0].change[0].quantity", "0 or more"),
    ],
)
def test_what_is_wrong_with_an_amendment_is_named_as_it_stands_in_the_file(
    bench: Bench, text: str, path: str, told: str
) -> None:
    bench.bill("A")
    amend(bench, "A", more("first"))
    with pytest.raises(TermsFileError) as refused:
        set_terms.amending(row_of(bench, "A"), text, "a.toml", TODAY)
    found = {fault.path: f"{fault.message} {fault.remedy}" for fault in refused.value.faults}
    assert path in found, found
    assert told in found[path]


def test_an_amendment_of_a_charge_that_does_not_exist_is_refused(bench: Bench) -> None:
    bench.bill("A")
    with pytest.raises(TermsFileError, match=r"amendments\[0\]\.change\[0\].*'suport'"):
        set_terms.amending(row_of(bench, "A"), more().replace('"support"', '"suport"'), "a.toml", TODAY)


def test_a_line_is_billed_once_on_its_day_under_a_key_of_its_own(bench: Bench) -> None:
    bench.bill("A")
    for price in ("12.50", "-4"):
        row = row_of(bench, "A")
        given: dict[str, Any] = {"quantity": Decimal(2), "tax_class": "services", "on": TODAY, "today": TODAY}
        put(bench, row, set_terms.with_line(row, description="Travel", price=Decimal(price), **given))
    assert [one.add[0].key for one in row_of(bench, "A").agreed.amendments] == ["adhoc-1", "adhoc-2"]
    bench.run("plan_invoices", "issue_invoices")
    assert bench.issued()["UK-00002"].total == 25_00 - 8_00
    assert not any(result.changed for result in bench.run("plan_invoices", "issue_invoices").values())


# ---------------------------------------------------------------------------------------------------------- whole files


def test_a_file_replaces_the_terms_under_the_same_key(bench: Bench) -> None:
    bench.bill("A")
    row = row_of(bench, "A")
    cheaper = msgspec.structs.replace(
        row.agreed, charges=(msgspec.structs.replace(row.agreed.charges[0], price=Decimal(60)),)
    )
    assert set_terms.replacing(row, TermsFile(terms=cheaper)) == cheaper
    assert effect(bench, row, cheaper) == "applied today: a credit note over 40.00 GBP"
    put(bench, row, cheaper)
    assert (row_of(bench, "A").version, row_of(bench, "A").by_hand) == (2, True)


@pytest.mark.parametrize(("name", "value"), [("contract", "B"), ("customer", "Else"), ("currency", "EUR")])
def test_a_file_of_another_contract_customer_or_currency_is_refused(bench: Bench, name: str, value: str) -> None:
    bench.contract("A")
    row = row_of(bench, "A")
    with pytest.raises(TermsFileError, match=f"{name}: is '{value}'"):
        set_terms.replacing(row, TermsFile(terms=msgspec.structs.replace(row.agreed, **{name: value})))


def test_a_contract_that_does_not_exist_is_named_with_the_nearest(bench: Bench) -> None:
    bench.contract("ACME-2026")
    with pytest.raises(ValueError, match=r"there is no contract 'ACME-2062': did you mean ACME-2026\?"):
        row_of(bench, "ACME-2062")


# --------------------------------------------------------------------------------------------------- beside the CRM


@pytest.fixture
def billed(live: Live) -> tuple[Live, str]:
    """A deal whose first month is invoiced, with an amendment that a person wrote. Returns the deal's id."""
    deal = live.sell()
    live.done(*DAILY)
    row = row_of(live, f"D{deal}")
    text = more().replace('"support"', f'"{row.agreed.charges[0].key}"')
    amend(live, row.key, text)
    return live, deal


def test_terms_of_a_person_stand_while_the_deal_says_what_it_said(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.change_deal(deal, dealname="Another name, and nothing else")
    for _ in range(2):
        live.done(*DAILY)
        assert live.items() == []
        row = row_of(live, f"D{deal}")
        assert (len(row.agreed.amendments), row.version, row.by_hand) == (1, 2, True)


def test_a_change_of_the_deal_is_proposed_with_the_amendments_kept_and_applied_by_a_person(
    billed: tuple[Live, str],
) -> None:
    live, deal = billed
    live.change_price(deal, "150")
    live.done(*DAILY)
    item = live.item("contract_changed")
    assert "changed after a person set the contract's terms" in item.message
    assert "price 100 -> 150" in item.message
    assert "amendments" not in item.message
    live.decide("contract_changed", "apply")
    for _ in range(2):
        live.done(*DAILY)
        row = row_of(live, f"D{deal}")
        assert (row.agreed.charges[0].price, len(row.agreed.amendments), row.version) == (Decimal(150), 1, 3)
        assert live.items() == []


def test_a_change_that_is_refused_is_not_proposed_again_but_the_next_one_is(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.change_price(deal, "150")
    live.done(*DAILY)
    live.decide("contract_changed", "keep")
    live.done(*DAILY)
    assert live.items() == []
    live.change_price(deal, "175")
    live.done(*DAILY)
    assert "100 -> 175" in live.item("contract_changed").message


def test_a_change_waits_even_before_the_first_invoice_and_where_changes_are_applied_by_themselves(live: Live) -> None:
    live.configure('crm_changes = "review"' if "crm_changes" in live.file.read_text("utf-8") else "dry_run = false",
                   'crm_changes = "apply"' if "crm_changes" in live.file.read_text("utf-8") else
                   'crm_changes = "apply"\ndry_run = false')  # fmt: skip
    deal = live.sell(contract_start="2026-12-01")
    live.done("pull_deals", "map_terms")
    row = row_of(live, f"D{deal}")
    amend(live, row.key, more(day="2027-01-01").replace('"support"', f'"{row.agreed.charges[0].key}"'))
    live.done("pull_deals", "map_terms")
    live.change_price(deal, "150")
    live.done("pull_deals", "map_terms")
    assert len(live.items("contract_changed")) == 1
    assert row_of(live, row.key).agreed.charges[0].price == 100


def test_other_keys_and_charges_written_by_hand_are_no_change_of_the_deal(billed: tuple[Live, str]) -> None:
    live, deal = billed
    row = row_of(live, f"D{deal}")
    own = Recurring(key="platform", description="Platform", price=Decimal(80), tax_class="reverse_charge")
    put(live, row, msgspec.structs.replace(row.agreed, charges=(own,), amendments=()))
    live.done("pull_deals", "map_terms")
    assert live.items() == []
    assert row_of(live, row.key).agreed.charges == (own,)


def test_a_contract_that_a_person_ended_ends_whatever_its_amendments_and_renewal_say(bench: Bench) -> None:
    bench.bill("A")
    row = row_of(bench, "A")
    text = '[[amendments]]\nkey = "long"\neffective_on = 2026-09-01\nends_on = 2029-12-31\nrenewal = { auto = true }\n'
    amend(bench, "A", text)
    row = row_of(bench, "A")
    with bench.store() as store, store.transaction():
        contracts.end(store, NOBODY, row, date(2026, 9, 30), "over", for_good=True)
    assert row_of(bench, "A").by_hand
    bench.today = date(2027, 6, 1)
    bench.run("plan_invoices", "issue_invoices")
    assert list(bench.issued()) == ["UK-00001"]


# ----------------------------------------------------------------------------------------------------- without a deal


def manual(**fields: Any) -> Terms:
    charge = {"type": "one_time", "key": "advice", "description": "Advice", "price": 250, "tax_class": "services"}
    given = {"contract": "M-1", "customer": "Acme", "currency": "GBP", "starts_on": "2026-09-01", "charges": [charge]}
    return msgspec.convert({**given, **fields}, Terms)


def test_a_contract_without_a_deal_is_billed_like_any_other(bench: Bench) -> None:
    with bench.store() as store:
        context = Context(store, bench, "terms", lambda done, total: None)
        assert set_terms.effect_of_new(context, "uk", manual()) == "applied today: an invoice over 250.00 GBP"
        set_terms.add(store, NOBODY, manual(), entity="uk", customer=Customer(name="Acme", email="ap@acme.example"))
        with pytest.raises(ValueError, match="there is a contract 'M-1' already"):
            set_terms.add(store, NOBODY, manual(), entity="uk", customer=1)
        assert set_terms.customer_of(store, "acme") == 1
    bench.run("plan_invoices", "issue_invoices", "push_documents")
    assert bench.issued()["UK-00001"].total == 250_00
    assert [row.deal_id for row in _rows(bench)] == ["M-1"]


def _rows(bench: Bench | Live) -> list[ContractRow]:
    with bench.store() as store:
        return contracts.all_contracts(store)


def test_no_deal_of_the_crm_touches_a_contract_without_one(live: Live) -> None:
    with live.store() as store:
        set_terms.add(store, NOBODY, manual(), entity="uk", customer=Customer(name="Acme", email="ap@acme.example"))
    live.sell()
    live.done()
    assert {row.key: row.state for row in _rows(live)}["M-1"] == "active"
    assert sorted(row.total for row in live.issued().values()) == [100_00, 300_00]  # with tax
    assert live.items() == []


def test_a_store_of_a_release_that_wrote_terms_otherwise_finds_no_change_in_them(live: Live) -> None:
    live.sell()
    live.done(*DAILY)
    with live.store() as store, store.transaction():
        sql = "UPDATE contracts SET digest='of old', terms=json_set(terms, '$.po_number', '', '$.proration', 'actual')"
        store.execute(sql)
    live.done(*DAILY)
    assert live.items() == []
    assert [row.version for row in _rows(live)] == [1]
