"""Consent as the vendors ask for it (RFC 6749, section 4.1; RFC 7636): the person at a stand-in always agrees."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.datastructures import MultiDict


class _Given(NamedTuple):
    client: str
    redirect: str
    challenge: str


class Consents:
    """The codes that were given out: each is good once, for the client, address and verifier that it was given for."""

    def __init__(self) -> None:
        self._given: dict[str, _Given] = {}
        self._count = 0

    def agree(self, extra: Mapping[str, str] | None = None) -> Response:
        """Send the browser back with a code; ``extra`` is what the vendor adds to the query."""
        asked = request.args
        if asked.get("response_type") != "code" or not asked.get("client_id") or not asked.get("redirect_uri"):
            return Response("This request for consent is not complete.", 400, content_type="text/plain")
        self._count += 1
        code = f"sandbox-code-{self._count}"
        self._given[code] = _Given(asked["client_id"], asked["redirect_uri"], asked.get("code_challenge", ""))
        query = urlencode({"code": code, "state": asked.get("state", ""), **(extra or {})})
        return Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{query}"})

    def redeem(self, form: MultiDict[str, str], client: str) -> bool:
        """Say whether the code of a form is good, and use it up."""
        given = self._given.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return given is not None and given == _Given(
            client, form.get("redirect_uri", ""), challenge if given.challenge else ""
        )


def client_id() -> str:
    """Return the application that asks for a token, by basic authentication or in the form."""
    sent = request.authorization
    if sent is not None and sent.type == "basic":
        return sent.username or ""
    return request.form.get("client_id", "")
