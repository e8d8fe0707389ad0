"""Deals and companies in the CRM show what is invoiced, open and overdue; only what differs is ever written."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from sandbox.core import RateLimit
from tests.worlds import Live

UPDATE = "hubspot POST /crm/objects/{version}/{object_type}/batch/update"
SHOWN = (
    "netterms_last_invoice", "netterms_last_invoice_date", "netterms_open", "netterms_overdue",
    "netterms_payment_status",
)  # fmt: skip


def shown(live: Live, kind: str, one: str) -> list[str | None]:
    """Return what a record shows in the CRM."""
    properties = live.sandbox.hubspot.records.by_type[kind][one].properties
    return [properties.get(name) for name in SHOWN]


def company_of(live: Live, deal: str) -> str:
    (company,) = live.sandbox.hubspot.records.linked("deals", deal, "companies")
    return company


def told(live: Live) -> int:
    return live.writes()[UPDATE]


@pytest.fixture
def billed(live: Live) -> tuple[Live, str]:
    """A deal with an invoice of 100.00, told to the CRM."""
    deal = live.sell()
    live.done()
    return live, deal


def test_deal_and_company_show_the_last_invoice_and_what_is_open(billed: tuple[Live, str]) -> None:
    live, deal = billed
    wanted = ["UK-00001", "2026-09-01", "100.00", "0.00", "Open"]
    assert shown(live, "deals", deal) == wanted
    assert shown(live, "companies", company_of(live, deal)) == wanted
    assert told(live) == 2


def test_an_invoice_that_falls_due_shows_as_overdue_without_any_event(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.move_to(date(2026, 10, 1))
    live.done("write_back")
    assert shown(live, "deals", deal)[3:] == ["0.00", "Open"]  # due today
    live.move_to(date(2026, 10, 2))
    live.done("write_back")
    assert shown(live, "deals", deal)[3:] == ["100.00", "Overdue"]


def test_a_payment_shows_as_paid(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.pay(100_00, "UK-00001")
    live.done()
    assert shown(live, "deals", deal) == ["UK-00001", "2026-09-01", "0.00", "0.00", "Paid"]


def test_a_deal_without_an_invoice_is_left_alone(live: Live) -> None:
    deal = live.sell(contract_start="2027-01-01")
    live.done()
    assert shown(live, "deals", deal) == [None] * 5
    assert told(live) == 0


def test_what_is_voided_in_the_books_no_longer_shows(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.xero("POST", "Invoices", {"Invoices": [{"InvoiceNumber": "UK-00001", "Status": "VOIDED"}]})
    live.done()
    assert [value or "" for value in shown(live, "deals", deal)] == [""] * 5


def test_only_what_differs_from_the_last_time_is_written(billed: tuple[Live, str]) -> None:
    live, _ = billed
    other = live.sell("Other Ltd")
    before = told(live)
    assert live.done()["write_back"].tally == {"deals told": 1, "companies told": 1}
    assert told(live) == before + 2
    assert shown(live, "deals", other)[0] == "UK-00002"
    assert live.done()["write_back"].changed is False
    assert told(live) == before + 2


def test_our_own_writes_are_seen_once_more_at_most_and_change_nothing(billed: tuple[Live, str]) -> None:
    live, _ = billed
    contents = live.contents()
    assert not any(result.changed for result in live.done().values())
    assert live.contents() == contents
    live.move_to(live.today + timedelta(days=1))
    read = []
    for _ in range(3):
        before = live.sandbox.hubspot.calls.copy()
        assert live.done("pull_deals")["pull_deals"].changed is False
        made = Counter(live.sandbox.hubspot.calls) - before
        read.append(sum(count for call, count in made.items() if "batch/read" in call))
    assert read[0] > 0
    assert read[1:] == [0, 0]


def test_an_edit_made_while_we_write_is_not_lost(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.done("pull_deals")
    live.change_deal(deal, payment_terms="Net 60")
    live.pay(100_00, "UK-00001")
    live.done("pull_payments", "match_payments", "write_back")
    assert "Net 60" in str(live.rows("SELECT data FROM deals"))
    live.done("map_terms")
    assert len(live.items("contract_changed")) == 1


def test_two_deals_of_a_company_show_each_its_own_and_the_company_both(live: Live) -> None:
    first, second = live.sell(), live.sell("Other Ltd", price="40", dealtype="newbusiness")
    records = live.sandbox.hubspot.records
    records.links["deals", "companies"][second].clear()
    records.link("deals", second, "companies", company_of(live, first), primary=True)
    live.done()
    assert shown(live, "deals", first)[2] == "100.00"
    assert shown(live, "deals", second)[2] == "40.00"
    assert shown(live, "companies", company_of(live, first))[2] == "140.00"


def test_amounts_in_two_currencies_are_not_added_up(live: Live) -> None:
    first, second = live.sell(), live.sell("Other Ltd", deal_currency_code="EUR", dealtype="newbusiness")
    records = live.sandbox.hubspot.records
    records.links["deals", "companies"][second].clear()
    records.link("deals", second, "companies", company_of(live, first), primary=True)
    live.done()
    number, _, unpaid, overdue, status = shown(live, "companies", company_of(live, first))
    assert (number, unpaid or "", overdue or "", status) == ("UK-00002", "", "", "Open")


def test_a_merged_company_shows_what_both_of_its_parts_owe(live: Live) -> None:
    first, second = live.sell(), live.sell("Eastwind Ltd", dealtype="newbusiness")
    live.done()
    body = {"primaryObjectId": company_of(live, first), "objectIdToMerge": company_of(live, second)}
    merged = str(live.hubspot("POST", "companies/merge", body)["id"])
    live.done()
    assert shown(live, "companies", merged)[2] == "200.00"


def test_a_deleted_deal_is_not_written_to(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.hubspot("DELETE", f"deals/{deal}")
    live.pay(100_00, "UK-00001")
    live.done()
    assert shown(live, "deals", deal)[4] == "Open"
    assert shown(live, "companies", next(iter(live.sandbox.hubspot.records.by_type["companies"])))[4] == "Paid"


def test_a_record_that_is_gone_does_not_keep_the_others_from_being_told(live: Live) -> None:
    deals = [live.sell(f"Company{number} Ltd") for number in range(5)]
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    live.hubspot("DELETE", f"deals/{deals[2]}")  # nobody has noticed yet
    assert live.done("write_back")["write_back"].tally["deals told"] == 4
    assert all(shown(live, "deals", one)[4] == "Open" for one in deals if one != deals[2])
    before = told(live)
    live.done("write_back")
    assert told(live) == before


def test_records_go_in_the_crms_batches(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.hubspot import HubSpotCrm

    assert HubSpotCrm.update_batch == 100
    monkeypatch.setattr(HubSpotCrm, "update_batch", 3)
    for number in range(4):
        live.sell(f"Company{number} Ltd", price="1")
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices", "write_back")
    assert told(live) == 4  # 3 and 1, of deals and of companies


def test_nothing_is_written_where_the_connection_does_not_say_so(live: Live) -> None:
    live.configure("write_back = true\n", "")
    live.sell()
    live.done()
    assert told(live) == 0
    assert live.rows("SELECT * FROM written_back") == []


def test_a_dry_run_writes_nothing_and_says_what_it_would(live: Live) -> None:
    deal = live.sell()
    results = live.sync(dry_run=True)
    assert results["write_back"].tally == {"deals told": 1, "companies told": 1}
    assert live.world.noted()["hubspot"] == {"deal update": 1, "company update": 1}
    assert shown(live, "deals", deal) == [None] * 5


def use_mapping(live: Live, old: str, new: str) -> None:
    from mappings import SHIPPED

    folder = live.file.parent / "mappings"
    folder.mkdir()
    for file in SHIPPED.glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        if file.name == "hubspot.toml":
            assert old in text
        (folder / file.name).write_text(text.replace(old, new), encoding="utf-8")


def test_a_figure_without_a_property_is_left_out(live: Live) -> None:
    use_mapping(live, 'payment_status = "netterms_payment_status"', 'payment_status = ""')
    deal = live.sell()
    live.done()
    assert shown(live, "deals", deal) == ["UK-00001", "2026-09-01", "100.00", "0.00", None]


def test_a_property_that_is_missing_is_named_by_check_and_by_a_review_item(live: Live) -> None:
    use_mapping(live, 'open = "netterms_open"    ', 'open = "netterms_opne"    ')
    live.sell()
    assert live.done()["write_back"].opened == 1
    assert "netterms_opne" in live.item("write_back_refused").message
    assert live.rows("SELECT state FROM connections WHERE name='hubspot'") == [("ok",)]
    from sync.check import check_all

    (fault,) = [one for one in check_all(live.world).faults if "write_back" in one]
    assert "write_back.deal.open: the CRM has no property 'deal.netterms_opne'" in fault
    assert "type number" in fault


def test_a_lost_answer_is_asked_for_again_with_the_same_values(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.pay(100_00, "UK-00001")
    live.fault("hubspot", "reset_after", path="batch/update")
    live.done()
    assert shown(live, "deals", deal)[4] == "Paid"


def test_a_crm_that_refuses_our_token_is_told_later(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.pay(100_00, "UK-00001")
    live.fault("hubspot", "unauthorized", path="batch/update", times=-1)
    assert live.sync()["write_back"].outcome == "partly"
    assert shown(live, "deals", deal)[4] == "Open"
    live.mend()
    live.done("write_back")
    assert shown(live, "deals", deal)[4] == "Paid"


def test_a_limit_that_others_use_up_is_waited_for(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    deal = live.sell()
    monkeypatch.setattr(live.sandbox.hubspot, "limits", (RateLimit("TEN_SECONDLY_ROLLING", 2, 10.0),))
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices", "write_back")
    assert shown(live, "deals", deal)[4] == "Open"
