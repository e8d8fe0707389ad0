from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from billing.draft import Draft
from billing.grouping import merge
from billing.invoicing import Rules
from tests.billing.build import bill_on, issue, one_time, recurring, terms

RULES = Rules(tax_rates={"standard": Decimal(15), "reduced": Decimal(5)})


def draft(contract: str, price: str, **fields: object) -> Draft:
    (found,) = bill_on(terms(recurring(price=price), contract=contract, **fields), [], "2026-01-01", RULES).drafts
    return found


def test_drafts_of_several_contracts_become_one_document_taxed_as_a_whole():
    parts = [draft("C-1", "25.06"), draft("C-2", "25.61"), draft("C-3", "25.63")]
    merged = merge(parts)
    assert [one.line.contract for one in merged.lines] == ["C-1", "C-2", "C-3"]
    assert (merged.contract, merged.subtotal, merged.tax, merged.total) == ("C-1", 7630, 1145, 8775)
    assert [(tax.base, tax.amount) for tax in merged.taxes] == [(7630, 1145)]
    assert merge(parts, "per_line").tax == 1144


def test_every_tax_class_keeps_its_rate():
    reduced = bill_on(terms(one_time(tax_class="reduced"), contract="C-2"), [], "2026-01-01", RULES).drafts[0]
    merged = merge([draft("C-1", "100"), reduced])
    assert [(tax.tax_class, tax.amount) for tax in merged.taxes] == [("standard", 1500), ("reduced", 2500)]


def test_a_merged_document_has_the_payment_terms_that_all_of_its_parts_have():
    a, b, c = (
        draft(key, "10", payment_terms=terms) for key, terms in (("A", "net 30"), ("B", "net 30"), ("C", "2/10 net 30"))
    )
    assert merge([a, b]).payment_terms == "net 30"
    assert merge([a, b, c]).payment_terms == ""


def test_a_merged_document_waits_when_one_of_its_parts_does():
    one = msgspec.structs.replace(draft("C-1", "1"), waits=("catch_up",))
    two = msgspec.structs.replace(draft("C-2", "1"), waits=("po_budget", "catch_up"))
    assert merge([one, two]).waits == ("catch_up", "po_budget")


def test_one_draft_alone_stays_as_it_is():
    one = draft("C-1", "100")
    assert merge([one]) is one


@pytest.mark.parametrize(
    "other",
    [
        {"customer": "Other Ltd"},
        {"currency": "EUR"},
        {"payment_terms": "net 10"},
        {"po_number": "PO-9"},
    ],
)
def test_what_differs_in_what_a_document_has_once_is_not_merged(other):
    pair = [draft("C-1", "100"), draft("C-2", "100", **other)]
    with pytest.raises(ValueError, match="only drafts of one customer"):
        merge(pair)


def test_a_credit_note_and_an_invoice_are_not_merged():
    contract = terms(contract="C-2")
    settled = issue(contract, [], "2026-01-01")
    (credit,) = bill_on(terms(contract="C-2", ends_on="2026-01-10"), settled, "2026-01-01").drafts
    with pytest.raises(ValueError, match="only drafts of one customer, currency, type"):
        merge([credit, draft("C-1", "100")])
    both = merge([credit, msgspec.structs.replace(credit, contract="C-3")])
    assert (both.type, both.total) == ("credit_note", 2 * credit.total)


def test_a_person_s_credit_note_stands_alone():
    notes = [
        msgspec.structs.replace(draft("C-1", "1"), type="credit_note", against=number) for number in ("I-1", "I-2")
    ]
    with pytest.raises(ValueError, match="is not merged"):
        merge(notes)
    with pytest.raises(ValueError, match="only drafts"):
        merge([])
