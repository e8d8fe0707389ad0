"""A stand-in of Stripe's API (version 2026-10-28): one server, several accounts, chosen by the key.

It pages, expands, honours idempotency keys for 24 hours of its own time, refuses what Stripe refuses and keeps Stripe's
published limits. When the sandbox's date moves, the world's buyers pay what they see open in the ledgers.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from flask import Response, request

from sandbox.core import Clock, Ledger, RateLimit, Vendor, json_response
from sandbox.stripe import links, wire
from sandbox.stripe.account import Account, Answer
from sandbox.stripe.api import ENDPOINTS, TEST_METHODS, Call, Endpoint
from sandbox.stripe.objects import Object
from sandbox.stripe.payers import ENTITIES, Payers
from sandbox.stripe.wire import Refusal
from sandbox.world import World

KEY = "sk_test_sandbox_"  # and the entity
KEYS_KEPT = timedelta(hours=24)

# https://docs.stripe.com/rate-limits: 100 calls a second for the account, 25 for each endpoint
PER_ENDPOINT = 25
PER_ACCOUNT = 100
RESOURCES = sorted({"/".join(endpoint.path.split("/")[:3]) for endpoint in ENDPOINTS})


class Stripe(Vendor):
    """The stand-in; see the module."""

    name = "stripe"
    limits = (
        *(RateLimit(f"endpoint-rate {path}", PER_ENDPOINT, 1, path) for path in RESOURCES),
        RateLimit("global-rate", PER_ACCOUNT, 1),
    )

    def __init__(self, clock: Clock, world: World, ledgers: Sequence[Ledger], minute: float = 60.0) -> None:
        super().__init__(clock, minute)
        self.world, self.ledgers = world, ledgers
        self.accounts: dict[str, Account] = {}
        for endpoint in ENDPOINTS:
            self._route(endpoint.method, endpoint.path, partial(self._answer, endpoint))
        self.routes.add_url_rule("/buy/<entity>/<id>", "buy", self._buy, methods=["POST"])
        for method in ("GET", "POST", "DELETE"):
            self._route(method, "/v1/<path:rest>", _unrecognized)
        self.reset()

    def _route(self, method: str, path: str, view: Callable[..., Response]) -> None:
        self.routes.add_url_rule(path, f"{method} {path}", view, methods=[method])

    def reset(self) -> None:
        """Go back to the seeded state: empty accounts, but for the customers that are known already."""
        self.accounts = {
            entity: Account(entity, country, currency, self.world.seed)
            for entity, (country, currency) in ENTITIES.items()
        }
        self.payers = Payers(self.world, self.ledgers, self.accounts)
        self._requests = 0

    def advance(self, day: date) -> None:
        """Settle debits, pay out, and let the buyers pay."""
        for account in self.accounts.values():
            account.begin_day(day)
        self.payers.act(day)

    def happened(self) -> dict[str, Sequence[Object]]:
        """Return the events of each account that an endpoint for ``charge.*`` is told of."""
        return {
            entity: [event for event in account.objects["event"].values() if event["type"].startswith("charge.")]
            for entity, account in self.accounts.items()
        }

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every object by type, each with the account it belongs to."""
        kinds = ("customer", "charge", "payment_intent", "balance_transaction", "refund", "dispute", "payout")
        return {
            f"{kind}s": [
                {**item, "account": account.id}
                for account in self.accounts.values()
                for item in account.objects[kind].values()
            ]
            for kind in kinds
        }

    def too_many(self, limit: RateLimit, wait: float) -> Response:
        """Return Stripe's 429, which names the limiter in a header."""
        message = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
        response = Refusal(429, message, code="rate_limit").response()
        response.headers["Stripe-Rate-Limited-Reason"] = limit.name.split()[0]
        return response

    def unauthorized(self) -> Response:
        """Return Stripe's 401, which shows only the end of the key."""
        return _bad_key(_sent_key()).response()

    def _answer(self, endpoint: Endpoint, id: str = "") -> Response:
        self._requests += 1
        try:
            account = self._account()
            response = (
                self._once(endpoint, account, id) if endpoint.method == "POST" else self._do(endpoint, account, id)
            )
        except Refusal as refusal:
            response = refusal.response()
        response.headers["Request-Id"] = f"req_sandbox{self._requests:08d}"
        return response

    def _buy(self, entity: str, id: str) -> Response:
        """Pay on a payment link's page, as a customer does who has no key: with ``payment_method``, else a card."""
        try:
            method = TEST_METHODS[request.form.get("payment_method", "pm_card_visa")]
            charge = links.buy(self.accounts[entity], int(self.clock.tick().timestamp()), id, *method)
        except Refusal as refusal:
            return refusal.response()
        return json_response({"paid": charge["id"]})

    def _account(self) -> Account:
        key = _sent_key()
        account = self.accounts.get(key.removeprefix(KEY)) if key.startswith(KEY) else None
        if account is None:
            raise _bad_key(key)
        asked = request.headers.get("Stripe-Account", account.id)
        if asked != account.id:
            message = (
                f"The provided key '{_masked(key)}' does not have access to account '{asked}' "
                "(or that account does not exist). Application access may have been revoked."
            )
            raise Refusal(403, message, code="account_invalid")
        return account

    def _do(self, endpoint: Endpoint, account: Account, id_: str) -> Response:
        params = wire.parse([*request.args.items(multi=True), *request.form.items(multi=True)])
        for name in params:
            if name not in endpoint.params:
                raise wire.unknown(name)
        body = endpoint.answer(Call(account, params, self.clock.now, self.clock.tick, id_))
        paths = wire.as_list(params.get("expand"))
        return json_response(wire.expand(account, endpoint.kind, body, paths))

    def _once(self, endpoint: Endpoint, account: Account, id_: str) -> Response:
        """Answer a POST, or replay the first answer given to its ``Idempotency-Key``."""
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return self._do(endpoint, account, id_)
        if len(key) > 255:
            raise Refusal(400, "Idempotency keys may have at most 255 characters.", type_="idempotency_error")
        now, fingerprint = self.clock.now(), _fingerprint()
        first = account.answers.get(key)
        if first is not None and now - first.at < KEYS_KEPT:
            return _replay(key, first, fingerprint)
        try:
            response = self._do(endpoint, account, id_)
        except Refusal as refusal:
            if refusal.status != 402:  # what fails before anything was done is not kept
                raise
            response = refusal.response()
        account.answers[key] = Answer(now, fingerprint, response.status_code, response.get_data())
        return response


def _fingerprint() -> str:
    sent: Object = {"path": request.path, "form": sorted(request.form.items(multi=True))}
    return hashlib.sha256(json.dumps(sent).encode()).hexdigest()


def _replay(key: str, first: Answer, fingerprint: str) -> Response:
    if first.fingerprint != fingerprint:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        )
        raise Refusal(400, message, type_="idempotency_error")
    response = Response(first.body, first.status, content_type="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _sent_key() -> str:
    """Return the secret key of the request, sent as a bearer token or as the user of basic authentication."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return value
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except ValueError:
        return ""


def _masked(key: str) -> str:
    return f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 12 else "*" * len(key)


def _bad_key(key: str) -> Refusal:
    if not key:
        return Refusal(
            401, "You did not provide an API key. You need to provide your API key in the Authorization header."
        )
    return Refusal(401, f"Invalid API Key provided: {_masked(key)}", code="api_key_invalid")


def _unrecognized(rest: str) -> Response:
    message = f"Unrecognized request URL ({request.method}: /v1/{rest})."
    return Refusal(404, message).response()
