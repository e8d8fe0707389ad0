"""The home page in a real browser: it fits a phone."""

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

from tests.web.conftest import pages
from tests.worlds import Live

BROWSER = shutil.which("chromium") or "/usr/bin/chromium"
PHONE, DESK = 360, 1280
# A browser's window is not as narrow as a phone, but a frame in it may be; only the test lets the page be framed.
FRAMES = """<!doctype html><body><script>
function measured() {{
  const sizes = [...document.querySelectorAll("iframe")].map((one) => {{
    const page = one.contentDocument.documentElement;
    return `${{page.clientWidth}} ${{page.scrollWidth}} ${{one.contentDocument.styleSheets.length}}`;
  }});
  document.body.dataset.sizes = sizes.join(", ");
}}
addEventListener("load", measured);
</script>{frames}</body>"""


@pytest.fixture(scope="module")
def address(told: Live) -> Iterator[str]:
    application = pages(told)

    def frames() -> str:
        return FRAMES.format(
            frames="".join(f'<iframe src="/" width="{width}" height="9000" frameborder="0"></iframe>'
                           for width in (PHONE, DESK))
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
def test_nothing_on_the_home_page_is_wider_than_a_phone_or_a_desk(address: str, tmp_path: Path) -> None:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}"]
    ran = subprocess.run(
        [BROWSER, *flags, "--virtual-time-budget=3000", "--dump-dom", f"{address}/frames"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found = re.search(r'data-sizes="([^"]*)"', ran.stdout)
    assert found is not None, ran.stdout[:2000]
    sizes = [tuple(map(int, size.split())) for size in found[1].split(", ")]
    assert sizes == [(PHONE, PHONE, 1), (DESK, DESK, 1)]  # width given, width needed, style sheets read
