"""The pages in a real browser: each fits a phone and a desk."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Response, request
from werkzeug.serving import make_server

from store import contracts, invoices, review
from tests.web.conftest import pages
from tests.web.test_lists import LISTS
from tests.worlds import Live

BROWSER = shutil.which("chromium") or "/usr/bin/chromium"
PHONE, DESK = 360, 1280
# A browser's window is not as narrow as a phone, but a frame in it may be; only the test lets the page be framed.
FRAMES = """<!doctype html><body><script>
function measured() {{
  const sizes = [...document.querySelectorAll("iframe")].map((one) => {{
    const page = one.contentDocument.documentElement;
    const title = one.contentDocument.title.split(" · ")[1];
    return `${{page.clientWidth}} ${{page.scrollWidth}} ${{one.contentDocument.styleSheets.length}} ${{title}}`;
  }});
  document.body.dataset.sizes = sizes.join(", ");
}}
addEventListener("load", measured);
</script>{frames}</body>"""


def addresses(walked: Live) -> list[str]:
    """Return every kind of page, of a single thing the ones with the most on them."""
    with walked.store() as store:
        held = max(contracts.all_contracts(store), key=lambda row: (row.proposed is not None, len(row.terms))).key
        wordy = max(review.open_items(store), key=lambda item: len(item.choices)).id
        waiting = invoices.drafts(store)[0].id
    lists = ["/", *LISTS]
    return [
        *lists,
        "/customers/1",
        f"/contracts/{held}",
        "/invoices/1",
        "/invoices/1/credit",
        f"/drafts/{waiting}/proforma",
        "/payments/1",
        f"/review/{wordy}",
        "/nowhere",
    ]


@pytest.fixture
def address(walked: Live) -> Iterator[str]:
    application = pages(walked)

    def frames() -> str:
        return FRAMES.format(
            frames="".join(f'<iframe src="{one}" width="{width}" height="20000" frameborder="0"></iframe>'
                           for one in addresses(walked) for width in (PHONE, DESK))
        )  # fmt: skip

    def unlock(response: Response) -> Response:
        if request.path == "/frames":
            response.headers["Content-Security-Policy"] = ""
        elif "Content-Security-Policy" in response.headers:
            policy = response.headers["Content-Security-Policy"]
            response.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", "")
        return response

    application.add_url_rule("/frames", "frames", frames)
    application.after_request_funcs.setdefault(None, []).insert(0, unlock)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.skipif(not Path(BROWSER).exists(), reason="there is no chromium on this machine")
def test_no_page_is_wider_than_a_phone_or_a_desk(address: str, walked: Live, tmp_path: Path) -> None:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}"]
    ran = subprocess.run(
        [BROWSER, *flags, "--virtual-time-budget=20000", "--dump-dom", f"{address}/frames"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r'data-sizes="([^"]*)"', ran.stdout)
    assert found is not None, ran.stdout[:2000]
    frames = [(one, width) for one in addresses(walked) for width in (PHONE, DESK)]
    sizes = dict(zip(frames, found[1].split(", "), strict=True))
    # The width given, the width needed, style sheets read, and the name that every page of ours carries.
    assert sizes == {(one, width): f"{width} {width} 1 Netterms" for one, width in sizes}
