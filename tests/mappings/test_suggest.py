"""The nearest known name."""

from __future__ import annotations

from mappings.suggest import did_you_mean, mapping_line, nearest


def test_typing_errors_and_words_in_another_order_are_found():
    assert nearest("contract_strat", ["contract_start", "contract_end", "amount"]) == "contract_start"
    assert nearest("contract_start", ["start_of_contract", "end_of_contract"]) == "start_of_contract"


def test_what_is_like_nothing_gets_no_suggestion():
    assert nearest("zzzz", ["contract_start", "amount"]) is None
    assert did_you_mean("zzzz", []) == "there is none to choose from"
    assert did_you_mean("zzzz", ["b", "a"]) == "known are: a, b"


def test_a_mapping_line_prefers_the_missing_propertys_name_to_the_terms():
    names = ["service_start", "po_number"]
    assert mapping_line("po_number", "deal", "service_strt", names) == 'po_number = { from = "deal.service_start" }'
    assert mapping_line("po_number", "deal", "zzzz", names) == 'po_number = { from = "deal.po_number" }'
    assert mapping_line("entity", "deal", "zzzz", names) is None
