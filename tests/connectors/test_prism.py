"""Servers that nobody here made: Prism answers from the published specifications, and complains of what breaks them.

It is a separate process, never required: where no ``prism`` is on the PATH or named by ``NETTERMS_PRISM`` these tests
are skipped. Its answers are the specifications' examples, so nothing is to be learned from what they hold.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

import connectors.hubspot
import connectors.xero
from billing.customer import Customer
from connectors.base import (
    AllocationDraft,
    CustomerDraft,
    DealScope,
    DocumentDraft,
    JournalDraft,
    JournalLine,
    LedgerLine,
    PaymentDraft,
    Ports,
    Ref,
    RefundDraft,
    Settings,
    TransferDraft,
)
from connectors.errors import Refused
from tests.conftest import FixedToken, NoWait

EXECUTABLE = os.environ.get("NETTERMS_PRISM") or shutil.which("prism")
SINCE, DAY = datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 2)
ANY = Ref(id="00000000-0000-4000-8000-000000000000")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        EXECUTABLE is None, reason="prism is not installed: put it on the PATH, or its path into NETTERMS_PRISM"
    ),
]


@contextmanager
def serving(specification: Path, log: Path) -> Iterator[str]:
    """Run Prism on a free port until the block ends; what it has to say of requests goes to ``log``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(EXECUTABLE), "mock", "--host", "127.0.0.1", "--port", str(port), str(specification)]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            while "is listening" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def ports() -> Ports:
    return Ports(credentials=FixedToken("token"), clock=NoWait())


def settings(vendor: str, url: str) -> Settings:
    return Settings(name=vendor, vendor=vendor, base_url=url, account=ANY.id, minute_seconds=0.06)


def try_all(log: Path, calls: list[Callable[[], Any]]) -> list[str]:
    """Make every call, whatever comes of it, and return what Prism found wrong with the requests."""
    for call in calls:
        with suppress(Refused):  # the examples do not hold what is looked for
            call()
    return sorted({line.partition("Violation: ")[2] for line in log.read_text().splitlines() if "Violation" in line})


def test_hubspot_is_asked_as_its_specification_says_and_its_examples_are_understood(
    specs: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving(specs / "hubspot" / "merged-2026-03.json", log) as url:
        crm = connectors.hubspot.connect(settings("hubspot", url), ports())
        scope = DealScope(
            won_stages={"default": ("closedwon",)},
            deal_properties=("dealname",),
            line_item_properties=("name",),
            company_properties=("name",),
            contact_properties=("email",),
        )
        assert [len(page.deals) for page in crm.won_deals(None, scope)] == []  # the example is not won
        assert [len(page.deals) for page in crm.won_deals(SINCE, scope)] == [0]
        violations = try_all(
            log,
            [
                lambda: crm.count_won(scope),
                lambda: crm.fates(["1", "2"], scope),
                lambda: crm.properties("deals"),
                crm.stages,
                lambda: crm.update("deals", {"512": {"netterms_open": "1.00"}}),
            ],
        )
    assert violations == []
    assert "search" in log.read_text()


def xero_calls(xero: Any) -> list[Callable[[], Any]]:
    line = LedgerLine(
        description="Seats", amount=1000, quantity=Decimal(1), unit_price=Decimal(10), tax=0, account="200",
        tax_code="NONE",
    )  # fmt: skip

    def document(kind: Any) -> DocumentDraft:
        return DocumentDraft(
            number="INV-1", type=kind, customer=ANY, currency="NZD", issue_on=DAY, due_on=DAY, lines=(line,),
            subtotal=1000, tax=0, total=1000,
        )  # fmt: skip

    money: dict[str, Any] = {"customer": ANY, "currency": "NZD", "amount": 500}
    credit: dict[str, Any] = {"source": ANY, "source_kind": "credit_note"}
    lines = (JournalLine(account="200", amount=5), JournalLine(account="400", amount=-5))
    wanted = [
        (xero.customers, CustomerDraft(key="hubspot-1", currency="NZD", customer=Customer(name="Acme"))),
        (xero.documents, document("invoice")),
        (xero.documents, document("credit_note")),
        (xero.payments, PaymentDraft(key="p1", document=ANY, received_on=DAY, account="091", **money)),
        (
            xero.allocations,
            AllocationDraft(key="a", source=ANY, source_kind="credit_note", document=ANY, on=DAY, **money),
        ),
        (xero.refunds, RefundDraft(key="r", on=DAY, account="091", **credit, **money)),
        (xero.transfers, TransferDraft(key="t", currency="NZD", amount=5, source="091", target="092", on=DAY)),
        (xero.journals, JournalDraft(key="j", currency="NZD", on=DAY, lines=lines)),
    ]
    return [
        xero.probe,
        xero.setup,
        lambda: xero.changes(None),
        lambda: xero.changes(SINCE),
        lambda: xero.entry_changes(SINCE),
        lambda: xero.numbers("INV-"),
        lambda: xero.payment_link(ANY),
        lambda: xero.send(ANY, "invoice", "ap@acme.example", "k1"),
        lambda: xero.void_document(ANY, "invoice", "k2"),
        lambda: xero.void_payment(ANY, "k3"),
        *(lambda them=them, one=one: them.find([one]) for them, one in wanted),
        *(lambda them=them, one=one: them.create([one], "k4") for them, one in wanted),
    ]


def test_xero_is_asked_as_its_specification_says_and_its_examples_are_understood(specs: Path, tmp_path: Path) -> None:
    spec = yaml.load((specs / "xero" / "xero_accounting.yaml").read_text(), Loader=yaml.CSafeLoader)
    spec["paths"] = {f"/api.xro/2.0{path}": operations for path, operations in spec["paths"].items()}  # Prism drops it
    file, log = tmp_path / "xero.json", tmp_path / "log"
    file.write_text(json.dumps(spec, default=str))
    with serving(file, log) as url:
        xero = connectors.xero.connect(settings("xero", url), ports())
        assert xero.changes(None).documents
        violations = try_all(log, xero_calls(xero))
    assert violations == []
    assert "Contacts" in log.read_text()
