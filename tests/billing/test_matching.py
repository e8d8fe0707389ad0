from __future__ import annotations

from datetime import date

import pytest

from billing.matching import Applied, Decision, Incoming, Matcher, OpenInvoice

DUE = date(2026, 3, 1)


def invoice(
    number: str = "US-000012", *, customer: str = "acme", currency: str = "USD", open: int = 10000, id: str = ""
) -> OpenInvoice:
    return OpenInvoice(id=id or number, number=number, customer_id=customer, currency=currency, open=open, due_on=DUE)


def paid(*texts: str, available: int = 10000, currency: str = "USD", customer: str = "") -> Incoming:
    fields = {f"field{index}": text for index, text in enumerate(texts)}
    return Incoming(currency=currency, available=available, customer_id=customer, texts=fields)


def decide(payment: Incoming, *invoices: OpenInvoice) -> Decision:
    return Matcher(invoices or [invoice()]).match(payment)


def parts(decision: Decision) -> list[tuple[str, int]]:
    return [(part.invoice_id, part.amount) for part in decision.applications]


@pytest.mark.parametrize(
    "text",
    [
        "US-000012",
        "us-000012",
        "US 000012",
        "US000012",
        "#US-000012",
        "us_000012",
        "US - 000012",
        "US–000012",
        "Invoice:US-000012.",
        "payment for invoice US-000012, thank you",
        "INV/US-000012/ACME",
        "(US-000012)",
        "2026-11-03 US-000012",
        "US-000012 10.000,00",
    ],
)
def test_our_number_is_found_as_a_whole_token_however_it_is_typed(text):
    decision = decide(paid("thanks", text))
    assert parts(decision) == [("US-000012", 10000)]
    assert decision.reason == "number"
    assert "(field1)" in decision.evidence


@pytest.mark.parametrize(
    "text",
    ["US-0000123", "AUS-000012", "1US-000012", "US-000012A", "US-000012-3", "US-000012.5", "000012", "US 12", ""],
)
def test_a_part_of_another_token_is_not_our_number(text):
    assert parts(decide(paid(text))) == []


def test_a_number_ends_where_a_longer_known_one_goes_on():
    both = [invoice("A-1", id="short"), invoice("A-1-2", id="long")]
    assert parts(decide(paid("A-1-2"), *both)) == [("long", 10000)]
    assert parts(decide(paid("A-1"), *both)) == [("short", 10000)]


def test_numbers_of_digits_only_are_taken_as_written_and_not_when_short():
    invoices = [invoice("2026-00017", id="a"), invoice("17", id="b")]
    assert parts(decide(paid("2026-00017"), *invoices)) == [("a", 10000)]
    assert parts(decide(paid("202600017"), *invoices)) == [("a", 10000)]
    for text in ("2026 00017", "2026-000171", "1-2026-00017", "17", "17 seats"):
        assert parts(decide(paid(text), *invoices)) == []


def test_several_numbers_are_paid_in_the_order_they_are_named():
    invoices = [invoice(f"US-{n:06}", open=4000) for n in range(1, 5)]
    decision = decide(paid("US-000003 and US-000001", "re US-000003, US 000002"), *invoices)
    assert parts(decision) == [("US-000003", 4000), ("US-000001", 4000), ("US-000002", 2000)]
    assert decision.amount == 10000


def test_more_money_than_is_open_leaves_the_rest_unapplied():
    assert parts(decide(paid("US-000012", available=10500))) == [("US-000012", 10000)]


def test_a_number_pays_less_than_the_whole_invoice_when_the_payment_is_smaller():
    assert parts(decide(paid("US-000012", available=1))) == [("US-000012", 1)]


def test_a_number_in_another_currency_is_refused():
    decision = decide(paid("US-000012", currency="EUR"))
    assert (parts(decision), decision.reason) == ([], "wrong_currency")
    assert "USD" in decision.evidence


def test_a_known_payer_naming_another_customer_s_invoice_is_refused():
    decision = decide(paid("US-000012", customer="globex"))
    assert (parts(decision), decision.reason) == ([], "other_customer")


def test_an_invoice_of_nobody_known_may_be_paid_by_number_by_anybody_and_by_amount_by_nobody():
    hand_made = invoice("INV-1042", customer="")
    assert parts(decide(paid("INV-1042", customer="acme"), hand_made)) == [("INV-1042", 10000)]
    assert decide(paid("no number", customer="acme"), hand_made).reason == "no_match"


def test_one_wrong_number_puts_the_whole_payment_in_doubt():
    invoices = [invoice(), invoice("US-000013", customer="globex")]
    assert decide(paid("US-000012 US-000013", customer="acme"), *invoices).applications == ()


def test_an_unknown_payer_may_pay_several_customers_invoices_by_number():
    invoices = [invoice(open=6000), invoice("US-000013", customer="globex", open=4000)]
    assert parts(decide(paid("US-000012 US-000013"), *invoices)) == [("US-000012", 6000), ("US-000013", 4000)]


def test_the_same_number_at_two_entities_is_told_apart_by_currency_and_customer_or_refused():
    invoices = [invoice("A-100", id="us"), invoice("A-100", id="uk", currency="GBP", customer="initech")]
    assert parts(decide(paid("A-100"), *invoices)) == [("us", 10000)]
    assert parts(decide(paid("A-100", currency="GBP"), *invoices)) == [("uk", 10000)]
    same = [invoice("A-100", id="us"), invoice("A-100", id="ca")]
    assert decide(paid("A-100"), *same).reason == "ambiguous"


def test_a_number_like_ours_that_is_not_open_is_never_replaced_by_a_guess():
    decision = decide(paid("US-000011", customer="acme"))
    assert (parts(decision), decision.reason) == ([], "unknown_number")
    assert "US-000011" in decision.evidence


def test_an_unknown_number_beside_a_known_one_stays_in_the_evidence():
    decision = decide(paid("US-000011 US-000012"))
    assert parts(decision) == [("US-000012", 10000)]
    assert "US-000011" in decision.evidence


def test_a_known_customer_with_exactly_one_invoice_of_the_amount_pays_it():
    invoices = [invoice(), invoice("US-000013", open=10001), invoice("US-000014", customer="globex")]
    decision = decide(paid("thanks", customer="acme"), *invoices)
    assert (parts(decision), decision.reason) == ([("US-000012", 10000)], "amount")


def test_a_tie_is_refused_and_named():
    decision = decide(paid(customer="acme"), invoice(), invoice("US-000013"))
    assert (parts(decision), decision.reason) == ([], "ambiguous")
    assert "US-000012, US-000013" in decision.evidence


@pytest.mark.parametrize(
    ("payment", "reason"),
    [
        (paid("thanks"), "no_customer"),
        (paid("thanks", customer="acme", available=9999), "no_match"),
        (paid("thanks", customer="acme", currency="EUR"), "no_match"),
        (paid("thanks", customer="globex"), "no_match"),
        (paid("thanks", customer="acme", available=0), "no_match"),
        (paid("US-000012", available=0), "no_match"),
    ],
)
def test_everything_else_stays_unapplied_with_its_reason(payment, reason):
    decision = decide(payment)
    assert (decision.applications, decision.reason) == ((), reason)
    assert decision.evidence


def test_applying_a_decision_leaves_less_open_for_the_next_payment():
    matcher = Matcher([invoice(), invoice("US-000013")])
    matcher.apply(matcher.match(paid("US-000012", available=4000)))
    assert parts(matcher.match(paid(customer="acme"))) == [("US-000013", 10000)]
    assert parts(matcher.match(paid(customer="acme", available=6000))) == [("US-000012", 6000)]
    matcher.apply(matcher.match(paid("US-000012")))
    again = matcher.match(paid("US-000012"))
    assert (again.applications, again.reason) == ((), "no_match")


def test_more_than_is_open_is_never_applied():
    matcher = Matcher([invoice(open=5)])
    decision = matcher.match(paid("US-000012"))
    matcher.apply(decision)
    assert decision.applications == (Applied("US-000012", 5),)
    with pytest.raises(ValueError, match="more than the 0 open"):
        matcher.apply(decision)


def test_an_invoice_given_twice_is_refused():
    with pytest.raises(ValueError, match="given twice"):
        Matcher([invoice(), invoice()])


def test_matching_asks_dictionaries_and_not_every_invoice():
    invoices = [invoice(f"US-{n:06}", customer=f"c{n}", open=100 + n) for n in range(5000)]
    matcher = Matcher(invoices)
    looked_at: list[str] = []

    class Watched(dict):  # type: ignore[type-arg]
        def __getitem__(self, key):
            looked_at.append(key)
            return super().__getitem__(key)

    matcher._invoices = Watched(matcher._invoices)
    for n in range(0, 5000, 50):
        text = f"invoice US-{n:06}" if n % 100 else "thanks"
        assert parts(matcher.match(paid(text, available=100 + n, customer=f"c{n}"))) == [(f"US-{n:06}", 100 + n)]
    assert len(looked_at) <= 200


def test_the_invoices_a_text_names_are_told_whatever_is_open_on_them():
    matcher = Matcher([invoice("US-000001", open=0), invoice("US-000002", open=5)])
    assert matcher.named({"a": "us 000001", "b": "US-000002, US-000003"}) == ["US-000001", "US-000002"]
    assert matcher.named({"a": "US-000099"}) == []
