from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.quickbooks import QuickBooks, fields
from sandbox.quickbooks.seed import REALM
from sandbox.server import Options, Sandbox, create_app
from tests.sandbox.quickbooks_specification import published

TODAY = date(2026, 3, 10)
BEARER = {"Authorization": "Bearer sandbox-quickbooks"}


class Company:
    """The stand-in over WSGI, with the calls that the tests make."""

    def __init__(self, minute: float = 0.06) -> None:
        self.sandbox = Sandbox(Options(today=TODAY, deals=0, minute=minute))
        self.client: FlaskClient = create_app(self.sandbox).test_client()
        vendor = self.sandbox.vendors["quickbooks"]
        assert isinstance(vendor, QuickBooks)
        self.vendor = vendor

    def call(self, method: str, path: str, body: Any = None, **kwargs: Any) -> tuple[int, dict[str, Any]]:
        url = f"/quickbooks/v3/company/{REALM}/{path}"
        answer = self.client.open(url, method=method, json=body, headers=BEARER, **kwargs)
        return answer.status_code, answer.get_json(silent=True) or {}

    def post(self, path: str, body: Any) -> dict[str, Any]:
        status, answer = self.call("POST", path, body)
        assert status == 200, answer
        (entity,) = set(answer) - {"time"}
        return dict(answer[entity])

    def refusal(self, path: str, body: Any) -> tuple[str, str]:
        status, answer = self.call("POST", path, body)
        assert status == 400, answer
        error = answer["Fault"]["Error"][0]
        return error["code"], error["Detail"]

    def query(self, statement: str) -> dict[str, Any]:
        status, answer = self.call("GET", "query", query_string={"query": statement})
        assert status == 200, answer
        return dict(answer["QueryResponse"])

    def get(self, entity: str, id: str) -> dict[str, Any]:
        status, answer = self.call("GET", f"{entity.lower()}/{id}")
        assert status == 200, answer
        return dict(answer[entity])

    def customer(self, name: str = "Acme", currency: str = "USD") -> str:
        return str(self.post("customer", {"DisplayName": name, "CurrencyRef": {"value": currency}})["Id"])

    def invoice(self, customer: str, number: str, amount: float = 100, **more: Any) -> dict[str, Any]:
        return self.post("invoice", invoice(customer, DocNumber=number, Line=[line(amount)]) | more)

    def pay(self, document: dict[str, Any], amount: float, total: float | None = None) -> dict[str, Any]:
        links = [{"Amount": amount, "LinkedTxn": [{"TxnId": document["Id"], "TxnType": "Invoice"}]}]
        body = {"CustomerRef": {"value": document["CustomerRef"]["value"]}, "TotalAmt": total or amount, "Line": links}
        return self.post("payment", body)


def line(amount: float, **detail: Any) -> dict[str, Any]:
    detail = {"ItemRef": {"value": "8"}, "TaxCodeRef": {"value": "TAX"}, **detail}
    return {"DetailType": "SalesItemLineDetail", "Amount": amount, "SalesItemLineDetail": detail}


def invoice(customer: str, **fields: Any) -> dict[str, Any]:
    return {"CustomerRef": {"value": customer}, "Line": [line(100)], **fields}


@pytest.fixture(scope="module")
def one_company() -> Company:
    return Company()


@pytest.fixture
def company(one_company: Company) -> Company:
    one_company.sandbox.reset()
    return one_company


# ------------------------------------------------------------------------------------------------------ access, limits


def test_a_call_without_an_accepted_token_gets_the_authentication_fault_in_lower_case(company: Company) -> None:
    path = f"/quickbooks/v3/company/{REALM}/preferences"
    for headers in ({}, {"Authorization": "Bearer stale"}):
        answer = company.client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.get_json()["fault"]["error"][0]["code"] == "3200"


def test_another_company_is_forbidden(company: Company) -> None:
    assert company.client.get("/quickbooks/v3/company/1/preferences", headers=BEARER).status_code == 403


def test_refresh_tokens_rotate_and_a_used_one_is_an_invalid_grant(company: Company) -> None:
    def renew(token: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        answer = company.client.post("/quickbooks/oauth2/v1/tokens/bearer", data=form, auth=("id", "secret"))
        return answer.status_code, answer.get_json()

    status, first = renew("refresh-0")
    assert status == 200
    assert (first["access_token"], first["refresh_token"], first["expires_in"]) == (
        "sandbox-quickbooks-1",
        "refresh-1",
        3600,
    )
    assert renew("refresh-0") == (400, {"error": "invalid_grant", "error_description": "Incorrect or used Token"})
    assert renew("refresh-1")[1]["access_token"] == "sandbox-quickbooks-2"


def test_the_eleventh_call_in_a_second_is_throttled_in_xml() -> None:
    company = Company(minute=60)
    answers = [company.client.get(f"/quickbooks/v3/company/{REALM}/preferences", headers=BEARER) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].content_type == "application/xml"
    assert 'code="3001"' in answers[-1].get_data(as_text=True)


def test_batches_have_a_limit_of_their_own() -> None:
    company = Company(minute=60)
    company.vendor.limits = tuple(limit for limit in company.vendor.limits if limit.name == "batches")
    body = {"BatchItemRequest": [{"bId": "1", "Query": "select count(*) from Item"}]}
    statuses = [company.call("POST", "batch", body)[0] for _ in range(121)]
    assert statuses == [200] * 120 + [429]
    assert company.call("GET", "preferences")[0] == 200


def test_reads_and_writes_are_metered_by_the_item(company: Company) -> None:
    customer = {"Customer": {"DisplayName": "Acme"}}
    items = [{"bId": "1", "operation": "create", **customer}, {"bId": "2", "Query": "select * from Item"}]
    company.call("POST", "batch", {"BatchItemRequest": items})
    assert company.vendor.state()["meter"] == [{"reads": 1, "writes": 1}]


# ------------------------------------------------------------------------------------------------ batches, repetitions


def test_the_items_of_a_batch_succeed_and_fail_each_for_itself(company: Company) -> None:
    customer = company.customer()
    bodies = [invoice(customer, DocNumber="A"), invoice("404", DocNumber="B"), invoice(customer, DocNumber="C")]
    items = [{"bId": str(n), "operation": "create", "Invoice": body} for n, body in enumerate(bodies)]
    status, answer = company.call("POST", "batch", {"BatchItemRequest": items})
    results = answer["BatchItemResponse"]
    assert status == 200
    assert [result["bId"] for result in results] == ["0", "1", "2"]
    assert ["Fault" in result for result in results] == [False, True, False]
    assert results[1]["Fault"]["Error"][0]["code"] == "2500"


@pytest.mark.parametrize(
    ("count", "bid", "requestid"), [(31, "1", "k"), (1, "12345678901", "k"), (1, "1", "k" * 37), (0, "", "k")]
)
def test_a_batch_beyond_its_bounds_is_refused_as_a_whole(
    company: Company, count: int, bid: str, requestid: str
) -> None:
    items = [{"bId": bid if count == 1 else str(n), "operation": "create", "Customer": {}} for n in range(count)]
    status, answer = company.call("POST", f"batch?requestid={requestid}", {"BatchItemRequest": items})
    assert status == 400
    assert "Fault" in answer


def test_a_replayed_request_id_returns_the_first_answer(company: Company) -> None:
    first = company.call("POST", "customer?requestid=k1", {"DisplayName": "Acme"})
    again = company.call("POST", "customer?requestid=k1", {"DisplayName": "Somebody else"})
    assert first[1]["Customer"] == again[1]["Customer"]
    assert len(company.vendor.state()["customers"]) == 1


def test_a_replayed_batch_repeats_its_faults_too(company: Company) -> None:
    items = [{"bId": "1", "operation": "create", "Invoice": invoice("404")}]
    first = company.call("POST", "batch?requestid=k1", {"BatchItemRequest": items})[1]["BatchItemResponse"]
    again = company.call("POST", "batch?requestid=k1", {"BatchItemRequest": items})[1]["BatchItemResponse"]
    assert "Fault" in first[0]
    assert again == first


def test_a_single_request_id_has_at_most_fifty_characters(company: Company) -> None:
    assert company.call("POST", f"customer?requestid={'k' * 51}", {"DisplayName": "Acme"})[0] == 400
    assert company.call("POST", f"customer?requestid={'k' * 50}", {"DisplayName": "Acme"})[0] == 200


# ------------------------------------------------------------------------------------------------------------ refusals

REFUSED_INVOICES: list[tuple[str, dict[str, Any]]] = [
    ("2010", {"Colour": "red"}),
    ("2010", {"CustomerRef": "1"}),
    ("2010", {"Line": {"Amount": 1}}),
    ("2020", {"Line": []}),
    ("2020", {"CustomerRef": None}),
    ("2050", {"DocNumber": "N" * 22}),
    ("2050", {"PrivateNote": "n" * 4001}),
    ("2050", {"CustomerMemo": {"value": "m" * 1001}}),
    ("2050", {"BillEmail": {"Address": f"{'a' * 95}@x.com"}}),
    ("2080", {"TxnDate": ""}),
    ("2090", {"Line": [line("100.00")]}),  # type: ignore[arg-type]  # a text is no number
    ("2090", {"Line": [line(1.005)]}),
    ("2090", {"Line": [line(100, Qty="1", UnitPrice=100)]}),
    ("2090", {"TxnTaxDetail": {"TotalTax": 1.999}}),
    ("2170", {"EmailStatus": "Sent"}),
    ("2170", {"Line": [{"DetailType": "Discount", "Amount": 1}]}),
    ("2500", {"CustomerRef": {"value": "404"}}),
    ("2500", {"Line": [line(1, ItemRef={"value": "404"})]}),
    ("2500", {"Line": [line(1, ClassRef={"value": "404"})]}),
    ("2500", {"Line": [line(1, TaxCodeRef={"value": "20%"})]}),
    ("6000", {"CurrencyRef": {"value": "EUR"}}),
    ("6000", {"Line": [line(-1)]}),
    ("6070", {"Line": [line(100, Qty=3, UnitPrice=33.33)]}),
]


@pytest.mark.parametrize(("code", "change"), REFUSED_INVOICES, ids=lambda value: str(value)[:40])
def test_an_invoice_that_quickbooks_would_refuse_is_refused_by_its_code(
    company: Company, code: str, change: dict[str, Any]
) -> None:
    body = invoice(company.customer()) | change
    assert company.refusal("invoice", body)[0] == code
    assert company.vendor.state()["invoices"] == []


def test_a_number_taken_names_who_has_it(company: Company) -> None:
    customer = company.customer()
    first = company.invoice(customer, "INV-1")
    code, detail = company.refusal("invoice", invoice(customer, DocNumber="INV-1"))
    assert code == "6140"
    assert f"DocNumber=INV-1 is assigned to TxnType=Invoice with TxnId={first['Id']}" in detail
    assert company.post("creditmemo", invoice(customer, DocNumber="INV-1"))["DocNumber"] == "INV-1"


@pytest.mark.parametrize("name", ["Acme", "ACME", "Harbor Logistics", "Jordan Blake"])
def test_a_name_taken_by_a_customer_vendor_or_employee_is_refused(company: Company, name: str) -> None:
    company.customer("Acme")
    assert company.refusal("customer", {"DisplayName": name})[0] == "6240"


def test_a_customer_keeps_its_currency_and_sells_only_in_it(company: Company) -> None:
    customer = company.customer("Acme (EUR)", "EUR")
    change = {"Id": customer, "SyncToken": "0", "sparse": True, "CurrencyRef": {"value": "USD"}}
    assert company.refusal("customer", change)[0] == "6000"
    assert company.refusal("customer", {"DisplayName": "X", "CurrencyRef": {"value": "XXX"}})[0] == "2500"
    assert company.invoice(customer, "E-1")["CurrencyRef"] == {"value": "EUR", "name": "Euro"}


def test_an_inactive_customer_frees_its_name_and_takes_no_invoice(company: Company) -> None:
    customer = company.customer("Acme")
    company.post("customer", {"Id": customer, "SyncToken": "0", "sparse": True, "Active": False})
    assert company.refusal("invoice", invoice(customer))[0] == "610"
    assert company.query("select * from Customer") == {}
    assert (
        company.query("select * from Customer where Active = false")["Customer"][0]["DisplayName"] == "Acme (deleted)"
    )
    assert company.customer("Acme") != customer


def test_only_the_end_of_a_tax_id_is_shown_again(company: Company) -> None:
    shown = company.post("customer", {"DisplayName": "Acme", "PrimaryTaxIdentifier": "12-3456789"})
    assert shown["PrimaryTaxIdentifier"] == "XXXX56789"


# ---------------------------------------------------------------------------------------- totals, updates, what follows


def test_totals_are_computed_and_the_tax_sent_stands(company: Company) -> None:
    customer = company.customer()
    body = invoice(customer, Line=[line(10.10), line(20.20)], TxnTaxDetail={"TotalTax": 2.51})
    stored = company.post("invoice", body)
    assert (stored["TotalAmt"], stored["Balance"], stored["TxnTaxDetail"]["TotalTax"]) == (32.81, 32.81, 2.51)
    assert stored["Line"][-1] == {"Amount": 30.3, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
    assert company.post("invoice", invoice(customer))["TotalAmt"] == 100


def test_tax_without_a_taxable_line_is_dropped(company: Company) -> None:
    lines = [line(100, TaxCodeRef={"value": "NON"})]
    stored = company.post("invoice", invoice(company.customer(), Line=lines, TxnTaxDetail={"TotalTax": 8}))
    assert stored["TotalAmt"] == 100


def test_a_quantity_times_price_that_rounds_to_the_amount_is_accepted(company: Company) -> None:
    lines = [line(100, Qty=3, UnitPrice=33.333333), line(249.88, Qty=12.5, UnitPrice=19.99)]
    assert company.post("invoice", invoice(company.customer(), Line=lines))["TotalAmt"] == 349.88


def test_an_update_needs_the_current_sync_token(company: Company) -> None:
    stored = company.invoice(company.customer(), "A")
    change = {"Id": stored["Id"], "sparse": True, "PrivateNote": "new"}
    assert company.refusal("invoice", change)[0] == "2020"
    assert company.refusal("invoice", {**change, "SyncToken": "7"})[0] == "5010"
    updated = company.post("invoice", {**change, "SyncToken": "0"})
    assert (updated["SyncToken"], updated["PrivateNote"], updated["DocNumber"]) == ("1", "new", "A")
    assert company.refusal("invoice", {**change, "SyncToken": "0"})[0] == "5010"


def test_a_full_update_clears_what_it_does_not_name(company: Company) -> None:
    customer = company.customer()
    stored = company.invoice(customer, "A", PrivateNote="mine")
    updated = company.post("invoice", invoice(customer, Id=stored["Id"], SyncToken="0"))
    assert "PrivateNote" not in updated
    assert "DocNumber" not in updated


def test_payments_lower_the_balance_and_the_rest_is_credit(company: Company) -> None:
    stored = company.invoice(company.customer(), "A")
    payment = company.pay(stored, 40.40, total=50)
    after = company.get("Invoice", stored["Id"])
    assert (payment["TotalAmt"], payment["UnappliedAmt"]) == (50, 9.6)
    assert (after["Balance"], after["LinkedTxn"]) == (59.6, [{"TxnId": payment["Id"], "TxnType": "Payment"}])
    assert int(after["SyncToken"]) > int(stored["SyncToken"])


def test_a_payment_beyond_balance_total_customer_or_account_is_refused(company: Company) -> None:
    customer, other = company.customer("A"), company.customer("B")
    stored = company.invoice(customer, "A")
    link = {"LinkedTxn": [{"TxnId": stored["Id"], "TxnType": "Invoice"}]}

    def code(payer: str, total: float, amount: float, **more: Any) -> str:
        body = {"CustomerRef": {"value": payer}, "TotalAmt": total, "Line": [{"Amount": amount, **link}], **more}
        return company.refusal("payment", body)[0]

    assert code(customer, 200, 100.01) == "6000"
    assert code(customer, 50, 60) == "6000"
    assert code(other, 100, 100) == "620"
    assert code(customer, 100, 100, DepositToAccountRef={"value": "404"}) == "2500"
    assert code(customer, 100, 100, DepositToAccountRef={"value": "2"}) == "6000"  # an income account
    assert code(customer, 100, 100, PaymentRefNum="r" * 22) == "2050"
    assert company.get("Invoice", stored["Id"])["Balance"] == 100


def test_a_payment_of_zero_nets_a_credit_memo_against_an_invoice(company: Company) -> None:
    customer = company.customer()
    stored = company.invoice(customer, "A")
    memo = company.post("creditmemo", invoice(customer, Line=[line(30)]))
    lines = [
        {"Amount": 30, "LinkedTxn": [{"TxnId": stored["Id"], "TxnType": "Invoice"}]},
        {"Amount": 30, "LinkedTxn": [{"TxnId": memo["Id"], "TxnType": "CreditMemo"}]},
    ]
    company.post("payment", {"CustomerRef": {"value": customer}, "TotalAmt": 0, "Line": lines})
    assert company.get("Invoice", stored["Id"])["Balance"] == 70
    assert company.get("CreditMemo", memo["Id"])["RemainingCredit"] == 0


def test_voiding_an_invoice_zeroes_it_and_frees_its_payment(company: Company) -> None:
    stored = company.invoice(company.customer(), "A", PrivateNote="mine")
    payment = company.pay(stored, 100)
    token = company.get("Invoice", stored["Id"])["SyncToken"]
    voided = company.post("invoice?operation=void", {"Id": stored["Id"], "SyncToken": token})
    assert (voided["TotalAmt"], voided["Balance"], voided["PrivateNote"]) == (0, 0, "Voided - mine")
    assert company.get("Payment", payment["Id"])["UnappliedAmt"] == 100


def test_voiding_or_deleting_a_payment_opens_its_invoice_again(company: Company) -> None:
    stored = company.invoice(company.customer(), "A")
    first, second = company.pay(stored, 30), company.pay(stored, 70)
    void = {"Id": first["Id"], "SyncToken": "0", "sparse": True}
    voided = company.post("payment?operation=update&include=void", void)
    assert (voided["TotalAmt"], voided["Line"], voided["PrivateNote"]) == (0, [], "Voided")
    assert company.get("Invoice", stored["Id"])["Balance"] == 30
    gone = company.post("payment?operation=delete", {"Id": second["Id"], "SyncToken": "0"})
    assert gone["status"] == "Deleted"
    assert company.get("Invoice", stored["Id"])["Balance"] == 100


def test_a_credit_memo_cannot_be_voided_but_deleted(company: Company) -> None:
    memo = company.post("creditmemo", invoice(company.customer()))
    target = {"Id": memo["Id"], "SyncToken": "0"}
    assert company.refusal("creditmemo?operation=void", target)[0] == "500"
    company.post("creditmemo?operation=delete", target)
    assert company.refusal("creditmemo?operation=delete", target)[0] == "610"


# ------------------------------------------------------------------ purchases, transfers, journals, files, closed books


def account(company: Company, name: str) -> dict[str, str]:
    (row,) = company.query(f"select * from Account where Name = '{name}'")["Account"]
    return {"value": row["Id"]}


def balance(company: Company, name: str) -> float:
    return float(company.query(f"select * from Account where Name = '{name}'")["Account"][0]["CurrentBalance"])


def purchase(company: Company, amount: float, to: str = "Merchant fees", **fields: Any) -> dict[str, Any]:
    detail = {"AccountRef": account(company, to)}
    expense = {"DetailType": "AccountBasedExpenseLineDetail", "Amount": amount, "AccountBasedExpenseLineDetail": detail}
    paid_from = account(company, "Stripe clearing")
    return {"PaymentType": "Cash", "AccountRef": paid_from, "Line": [expense], **fields}


def side(company: Company, posting: str, name: str, amount: float, **detail: Any) -> dict[str, Any]:
    fields = {"PostingType": posting, "AccountRef": account(company, name), **detail}
    return {"DetailType": "JournalEntryLineDetail", "Amount": amount, "JournalEntryLineDetail": fields}


def test_purchases_transfers_and_journals_move_the_balances_of_their_accounts(company: Company) -> None:
    company.post("purchase", purchase(company, 2.9))
    ends = {"FromAccountRef": account(company, "Stripe clearing"), "ToAccountRef": account(company, "Checking")}
    company.post("transfer", {**ends, "Amount": 50})
    sides = [side(company, "Debit", "Deferred revenue", 7), side(company, "Credit", "Software revenue", 7)]
    company.post("journalentry", {"Line": sides})
    names = ("Stripe clearing", "Merchant fees", "Checking", "Deferred revenue", "Software revenue")
    assert [balance(company, name) for name in names] == [-52.9, 2.9, 50, 7, -7]
    gone = company.vendor.state()["transfers"][0]
    company.post("transfer?operation=delete", {"Id": gone["Id"], "SyncToken": "0"})
    assert balance(company, "Checking") == 0


def test_a_purchase_that_quickbooks_would_refuse_is_refused(company: Company) -> None:
    def code(**changes: Any) -> str:
        return company.refusal("purchase", purchase(company, 1) | changes)[0]

    assert code(PaymentType="Cheque") == "2170"
    assert code(AccountRef={"value": "404"}) == "2500"
    assert code(AccountRef=account(company, "Software revenue")) == "6000"
    assert code(Line=[]) == "2020"
    assert code(CurrencyRef={"value": "EUR"}, AccountRef=account(company, "Checking KWD")) == "6000"
    assert company.refusal("purchase", purchase(company, -1))[0] == "6000"
    assert company.refusal("purchase", purchase(company, 1, "Accounts Receivable"))[0] == "6000"  # for whom?


def test_a_transfer_and_a_journal_that_quickbooks_would_refuse_are_refused(company: Company) -> None:
    clearing, bank = account(company, "Stripe clearing"), account(company, "Checking")

    def transfer(source: Any, target: Any, amount: float) -> str:
        return company.refusal("transfer", {"FromAccountRef": source, "ToAccountRef": target, "Amount": amount})[0]

    assert transfer(clearing, clearing, 1) == "6000"
    assert transfer(clearing, account(company, "Software revenue"), 1) == "6000"
    assert transfer(clearing, bank, 0) == "6000"
    assert transfer(clearing, bank, 1.005) == "2090"
    debit, credit = side(company, "Debit", "Checking", 2), side(company, "Credit", "Software revenue", 1)
    assert company.refusal("journalentry", {"Line": [debit, credit]})[0] == "6000"
    owed = side(company, "Debit", "Accounts Receivable", 1)
    assert company.refusal("journalentry", {"Line": [owed, credit]})[0] == "6000"


def test_a_check_on_receivables_is_set_against_a_credit_like_an_invoice(company: Company) -> None:
    customer = company.customer()
    memo = company.post("creditmemo", invoice(customer, Line=[line(30)]))
    payee = {"PaymentType": "Check", "EntityRef": {"value": customer, "type": "Customer"}}
    check = company.post("purchase", purchase(company, 20, "Accounts Receivable", **payee))

    def link(amount: float) -> dict[str, Any]:
        pairs = ((check["Id"], "Check"), (memo["Id"], "CreditMemo"))
        lines = [{"Amount": amount, "LinkedTxn": [{"TxnId": id, "TxnType": kind}]} for id, kind in pairs]
        return {"CustomerRef": {"value": customer}, "TotalAmt": 0, "Line": lines}

    assert company.refusal("payment", link(20.01))[0] == "6000"
    company.post("payment", link(20))
    assert company.get("CreditMemo", memo["Id"])["RemainingCredit"] == 10
    assert company.refusal("payment", link(1))[0] == "6000"


def test_nothing_is_written_into_a_closed_period_or_out_of_it(company: Company) -> None:
    stored = company.invoice(company.customer(), "A", TxnDate="2026-02-28")
    later = company.invoice(stored["CustomerRef"]["value"], "B")
    company.vendor.books.preferences["AccountingInfoPrefs"]["BookCloseDate"] = "2026-02-28"
    body = invoice(stored["CustomerRef"]["value"], TxnDate="2026-02-28")
    change = {"Id": stored["Id"], "SyncToken": "0", "sparse": True, "TxnDate": "2026-03-01"}
    back = {"Id": later["Id"], "SyncToken": "0", "sparse": True, "TxnDate": "2026-02-01"}
    target = {"Id": stored["Id"], "SyncToken": "0"}
    for path, wanted in (
        ("invoice", body),
        ("invoice", change),
        ("invoice", back),
        ("invoice?operation=void", target),
        ("invoice?operation=delete", target),
    ):
        assert company.refusal(path, wanted)[0] == "6210"
    assert company.pay(stored, 100)["TotalAmt"] == 100  # dated today


def test_a_file_hangs_on_something_that_exists(company: Company) -> None:
    place = {"EntityRef": {"type": "Invoice", "value": "404"}}
    assert company.refusal("attachable", {"FileName": "a.pdf", "AttachableRef": [place]})[0] == "2500"
    assert company.refusal("attachable", {})[0] == "2020"
    stored = company.invoice(company.customer(), "A")
    place = {"EntityRef": {"type": "Invoice", "value": stored["Id"]}}
    company.post("attachable", {"FileName": "a.pdf", "AttachableRef": [place]})
    where = f"where AttachableRef.EntityRef.Type = 'Invoice' and AttachableRef.EntityRef.value = '{stored['Id']}'"
    assert [row["FileName"] for row in company.query(f"select * from Attachable {where}")["Attachable"]] == ["a.pdf"]


def test_terms_give_the_due_date_unless_one_is_sent(company: Company) -> None:
    customer = company.customer()
    (net,) = company.query("select * from Term where Name = 'Net 60'")["Term"]
    terms: dict[str, Any] = {"SalesTermRef": {"value": net["Id"]}}
    assert company.invoice(customer, "A", **terms)["DueDate"] == "2026-05-09"
    assert company.invoice(customer, "B", DueDate="2026-03-11", **terms)["DueDate"] == "2026-03-11"


def test_a_foreign_document_gets_the_rate_of_the_day_unless_one_is_sent(company: Company) -> None:
    customer = company.customer("Acme (EUR)", "EUR")
    day, named = company.invoice(customer, "A"), company.invoice(customer, "B", ExchangeRate=1.5)
    assert (day["ExchangeRate"], day["HomeTotalAmt"]) == (1.08, 108)
    assert (named["ExchangeRate"], named["HomeTotalAmt"]) == (1.5, 150)
    assert company.refusal("invoice", invoice(company.customer(), ExchangeRate=1.1))[0] == "6000"


def test_automated_sales_tax_works_tax_out_unless_one_is_sent(company: Company) -> None:
    customer = company.customer()
    company.vendor.books.preferences["TaxPrefs"]["PartnerTaxEnabled"] = True

    def tax(**detail: Any) -> float:
        body = invoice(customer, Line=[line(10), line(99, TaxCodeRef={"value": "NON"})], TxnTaxDetail=detail)
        return float(company.post("invoice", body)["TxnTaxDetail"]["TotalTax"])

    assert tax() == 0.83
    assert tax(TotalTax=0.5) == tax(TotalTax=0.5, UseAutomatedSalesTax=False) == 0.5
    assert tax(TotalTax=0.5, UseAutomatedSalesTax=True) == 0.83
    assert company.refusal("invoice", invoice(customer, GlobalTaxCalculation="TaxExcluded"))[0] == "6000"


def test_abroad_each_line_has_a_code_and_each_rate_is_rounded_over_the_document(company: Company) -> None:
    company.vendor.books.go_abroad()
    customer = company.customer()
    lines = [line(0.1, TaxCodeRef={"value": "3"}) for _ in range(3)]
    excluded = {"GlobalTaxCalculation": "TaxExcluded"}
    stored = company.post("invoice", invoice(customer, Line=lines, **excluded))
    assert stored["TxnTaxDetail"]["TotalTax"] == 0.02  # 0.015
    assert company.refusal("invoice", invoice(customer, Line=lines))[0] == "6000"
    assert company.refusal("invoice", invoice(customer, **excluded))[0] == "2500"  # TAX is a code of the US
    told = {"Amount": 0.03, "DetailType": "TaxLineDetail", "TaxLineDetail": {"TaxRateRef": {"value": "R5"}}}
    sent = invoice(customer, Line=lines, TxnTaxDetail={"TotalTax": 0.03, "TaxLine": [told]}, **excluded)
    assert company.post("invoice", sent)["TotalAmt"] == 0.33


# -------------------------------------------------------------------------------------------------- queries and changes


def test_a_query_filters_sorts_counts_and_pages(company: Company) -> None:
    customer = company.customer()
    for number in ("A-1", "A-2", "B-1"):
        company.invoice(customer, number)
    where = "where DocNumber like 'A-%' and DocNumber in ('A-1', 'A-2', 'B-1')"
    assert company.query(f"select count(*) from Invoice {where}") == {"totalCount": 2}
    answer = company.query(f"SELECT * FROM Invoice {where} ORDERBY DocNumber DESC STARTPOSITION 1 MAXRESULTS 1")
    assert [row["DocNumber"] for row in answer["Invoice"]] == ["A-2"]
    assert (answer["startPosition"], answer["maxResults"]) == (1, 1)
    assert company.query("select * from Invoice where DocNumber = 'C-9'") == {}


def test_quotes_and_backslashes_are_escaped(company: Company) -> None:
    company.customer("Bolt & O'Hara \\ Sons")
    statement = r"select * from Customer where DisplayName = 'Bolt & O\'Hara \\ Sons'"
    assert len(company.query(statement)["Customer"]) == 1


def test_a_page_has_100_objects_unless_asked_and_1000_at_most(company: Company) -> None:
    for number in range(101):
        company.vendor.books.write("Customer", {"DisplayName": f"C {number}"}, "create")
    assert len(company.query("select * from Customer")["Customer"]) == 100
    assert len(company.query("select * from Customer MAXRESULTS 1000")["Customer"]) == 101
    assert company.call("GET", "query", query_string={"query": "select * from Customer MAXRESULTS 1001"})[0] == 400


def test_times_are_compared_as_instants(company: Company) -> None:
    company.invoice(company.customer(), "A")
    time = "MetaData.LastUpdatedTime"
    assert company.query(f"select * from Invoice where {time} >= '2026-03-10T12:00:00Z'") != {}
    assert company.query(f"select * from Invoice where {time} >= '2026-03-10T04:00:00-08:00'") != {}
    assert company.query(f"select * from Invoice where {time} >= '2026-03-10T12:00:01Z'") == {}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("select * from Invoice where DocNumber = 'A' or DocNumber = 'B'", "4000"),
        ("select DocNumber from Invoice", "4000"),
        ("select * from Invoice where DocNumber = 'open", "4000"),
        ("select * from Invoice where Balance > 'much'", "4000"),
        ("select * from Invoice where Colour = 'red'", "4001"),
        ("select * from Customer where Notes = 'x'", "4001"),
        ("select * from Wish", "4001"),
    ],
)
def test_what_the_query_language_cannot_say_is_refused(company: Company, statement: str, code: str) -> None:
    company.invoice(company.customer(), "A")
    status, answer = company.call("GET", "query", query_string={"query": statement})
    assert (status, answer["Fault"]["Error"][0]["code"]) == (400, code)


def test_a_query_may_be_posted_as_text(company: Company) -> None:
    company.customer("株式会社テスト")
    url = f"/quickbooks/v3/company/{REALM}/query"
    statement = "select * from Customer where DisplayName = '株式会社テスト'"
    answer = company.client.post(url, data=statement.encode(), headers=BEARER, content_type="application/text")
    assert len(answer.get_json()["QueryResponse"]["Customer"]) == 1


def test_change_data_capture_tells_writes_and_deletions_with_only_an_id(company: Company) -> None:
    customer = company.customer()
    kept, gone = company.invoice(customer, "A"), company.invoice(customer, "B")
    company.post("invoice?operation=delete", {"Id": gone["Id"], "SyncToken": "0"})
    where = {"entities": "Invoice,Payment", "changedSince": "2026-03-10T00:00:00Z"}
    answer = company.call("GET", "cdc", query_string=where)[1]
    invoices, payments = answer["CDCResponse"][0]["QueryResponse"]
    assert [row["Id"] for row in invoices["Invoice"]] == [kept["Id"], gone["Id"]]
    assert invoices["Invoice"][1] == {"domain": "QBO", "status": "Deleted", "Id": gone["Id"]}
    assert payments == {}


def test_change_data_capture_reaches_back_thirty_days_and_tells_a_thousand(company: Company) -> None:
    for number in range(1001):
        company.vendor.books.write("Customer", {"DisplayName": f"C {number}"}, "create")
    where = {"entities": "Customer", "changedSince": "2026-02-08T12:00:00Z"}
    assert company.call("GET", "cdc", query_string=where)[0] == 400
    status, answer = company.call("GET", "cdc", query_string={**where, "changedSince": "2026-02-09T12:00:00Z"})
    assert status == 200
    assert len(answer["CDCResponse"][0]["QueryResponse"][0]["Customer"]) == 1000


# ----------------------------------------------------------------------------------------------------- seed and sandbox


def test_the_seed_has_what_a_sale_needs(company: Company) -> None:
    info = company.call("GET", f"companyinfo/{REALM}")[1]["CompanyInfo"]
    preferences = company.call("GET", "preferences")[1]["Preferences"]
    assert info["Country"] == "US"
    assert preferences["SalesFormsPrefs"]["CustomTxnNumbers"] is True
    assert preferences["CurrencyPrefs"] == {"MultiCurrencyEnabled": True, "HomeCurrency": {"value": "USD"}}
    assert company.query("select * from Item where Sku = 'PLAT-BASE'")["Item"][0]["Name"] == "Platform subscription"
    accounts = {row["Name"]: row["AccountType"] for row in company.vendor.state()["accounts"]}
    assert accounts["Stripe clearing"] == "Bank"
    assert {row["Id"] for row in company.query("select * from TaxCode")["TaxCode"]} == {"TAX", "NON"}


def test_open_documents_are_the_unpaid_invoices_in_major_units(company: Company) -> None:
    customer = company.customer()
    open_, paid = company.invoice(customer, "A", 100.5, DueDate="2026-04-01"), company.invoice(customer, "B")
    company.pay(open_, 0.2)
    company.pay(paid, 100)
    (document,) = company.vendor.open_documents()
    assert (document.number, document.customer_name, document.currency) == ("A", "Acme", "USD")
    assert document.balance == Decimal("100.3")
    assert (document.issue_on, document.due_on) == (TODAY, date(2026, 4, 1))


def test_a_reset_forgets_everything_but_the_seed(company: Company) -> None:
    company.call("POST", "customer?requestid=k1", {"DisplayName": "Acme"})
    company.sandbox.reset()
    state = company.vendor.state()
    assert (state["customers"], state["invoices"], len(state["items"])) == ([], [], 8)
    assert (
        company.call("POST", "customer?requestid=k1", {"DisplayName": "Other"})[1]["Customer"]["DisplayName"] == "Other"
    )


# -------------------------------------------------------------------------------------------- the published schema


def test_the_table_of_fields_agrees_with_the_published_schema(specs: Path) -> None:
    schema = published(specs)
    for entity, table in fields.FIELDS.items():
        for name, field in table.items():
            there = schema["entities"][entity][name]
            longest = there.get("max_len", fields.DOCUMENTED.get((entity, name)))
            assert (field.type, field.many, field.longest) == (there["type"], there["many"], longest), (entity, name)
    for name, allowed in fields.ENUMS.items():
        assert allowed <= set(schema["enums"][name]) | {"DescriptionOnly"}, name


def test_what_the_stand_in_answers_is_in_the_published_schema(company: Company, specs: Path) -> None:
    known = published(specs)["entities"]
    stored = company.invoice(company.customer(), "A")
    company.pay(stored, 30)
    company.post("creditmemo", invoice(stored["CustomerRef"]["value"], DocNumber="CN"))
    state = company.vendor.state()
    company.post("purchase", purchase(company, 1))
    ends = {"FromAccountRef": account(company, "Stripe clearing"), "ToAccountRef": account(company, "Checking")}
    company.post("transfer", {**ends, "Amount": 1})
    sides = [side(company, "Debit", "Checking", 1), side(company, "Credit", "Software revenue", 1)]
    company.post("journalentry", {"Line": sides})
    company.post("attachable", {"FileName": "a.pdf"})
    state = company.vendor.state()
    kinds = {"invoices": "Invoice", "creditmemos": "CreditMemo", "payments": "Payment", "customers": "Customer"}
    kinds |= {"purchases": "Purchase", "transfers": "Transfer", "journals": "JournalEntry", "attachables": "Attachable"}
    for plural, entity in {**kinds, "items": "Item", "accounts": "Account"}.items():
        assert state[plural]
        for row in state[plural]:
            assert set(row) <= set(known[entity]) | {"domain", "sparse"}, entity
