"""The sandbox as one server: four stand-ins and the control paths on one loopback port."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.config_file import write_config
from sandbox.core import LOCK, Clock, Fault, Faults, Ledger, Vendor, json_response
from sandbox.hubspot import HubSpot
from sandbox.mail import Mailbox, MailServer
from sandbox.quickbooks import QuickBooks
from sandbox.stripe import Stripe
from sandbox.webhooks import Target, Webhooks
from sandbox.world import World, build_world
from sandbox.xero import Xero


@dataclass(frozen=True)
class Options:
    """How the stand-ins are seeded and how they behave. ``latency`` is in seconds, ``minute`` in real seconds."""

    today: date
    seed: int = 1
    deals: int = 60
    history: int = 0  # months before today over which deals were won
    latency: float = 0.0
    minute: float = 60.0


class Sandbox:
    """The stand-ins over one seeded world."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock(options.today)
        self.faults = Faults()
        self.mailbox = Mailbox(self.faults.ordered)
        self.vendors: dict[str, Vendor] = {}
        ledgers: list[Ledger] = [
            QuickBooks(self.clock, options.minute),
            Xero(self.clock, options.minute),
        ]
        world = self.world = self._world()
        self.hubspot = HubSpot(self.clock, world, options.minute)
        self.stripe = Stripe(self.clock, world, ledgers, options.minute)
        for vendor in (self.hubspot, self.stripe, *ledgers):
            self.vendors[vendor.name] = vendor
        self.webhooks = Webhooks(self.vendors)
        self.reset()

    def _world(self) -> World:
        options = self.options
        return build_world(seed=options.seed, deals=options.deals, history=options.history, today=options.today)

    def reset(self) -> None:
        """Go back to the seeded state, date and call counts; order no faults and no webhooks."""
        self.clock.__init__(self.options.today)  # type: ignore[misc]  # shared by reference with every vendor
        self.faults.ordered.clear()
        self.mailbox.reset()
        self.webhooks.forget()
        for vendor in self.vendors.values():
            vendor.calls.clear()
            vendor.limited = 0
            vendor.reset()
            if isinstance(vendor, Ledger) and vendor.entity in self.world.old_books:
                vendor.load(self.world.old_books[vendor.entity])

    def move_clock(self, to: date) -> None:
        """Walk the date to ``to`` day by day; on each day customers do what they do. Hold ``LOCK`` while calling."""
        while self.clock.today < to:
            self.clock.move(self.clock.today + timedelta(days=1))
            for vendor in self.vendors.values():
                vendor.advance(self.clock.today)
        self.webhooks.collect(clock_moved=True)

    def move_clock_safely(self, to: date) -> None:
        """Like ``move_clock``, from outside a request."""
        with LOCK:
            self.move_clock(to)


def create_app(sandbox: Sandbox) -> Flask:
    """Return the WSGI application with the vendors under ``/<vendor>`` and the control paths under ``/_sandbox``."""
    app = Flask("sandbox")
    for vendor in sandbox.vendors.values():
        app.register_blueprint(vendor.routes)
    app.json.sort_keys = False  # type: ignore[attr-defined]

    original = app.dispatch_request

    def dispatch() -> Any:
        vendor = sandbox.vendors.get(request.blueprint or "")
        if vendor is None:
            return original()
        template = (request.url_rule.rule if request.url_rule else request.path).replace("<", "{").replace(">", "}")
        path = template.removeprefix(f"/{vendor.name}")
        vendor.calls[f"{request.method} {path}"] += 1
        if sandbox.options.latency:
            time.sleep(sandbox.options.latency)

        def handle() -> Response:
            with LOCK:
                limited = vendor.over_limit()
                vendor.limited += limited is not None
                response = limited if limited is not None else app.make_response(original())
                sandbox.webhooks.collect()
                return response

        fault = sandbox.faults.next(vendor.name, request.method, request.path)
        return handle() if fault is None else sandbox.faults.show(fault, handle, vendor)

    app.dispatch_request = dispatch  # type: ignore[method-assign]
    _add_control_paths(app, sandbox)
    return app


def _add_control_paths(app: Flask, sandbox: Sandbox) -> None:
    @app.get("/_sandbox/calls")
    def calls() -> Response:
        limited = {"429": {name: vendor.limited for name, vendor in sandbox.vendors.items() if vendor.limited}}
        counted = {name: dict(sorted(vendor.calls.items())) for name, vendor in sandbox.vendors.items()}
        return json_response(counted | (limited if limited["429"] else {}))

    @app.get("/_sandbox/state")
    def state() -> Response:
        with LOCK:
            return json_response({name: vendor.state() for name, vendor in sandbox.vendors.items()})

    @app.post("/_sandbox/reset")
    def reset() -> Response:
        with LOCK:
            sandbox.reset()
        return json_response({"date": sandbox.clock.today.isoformat()})

    @app.get("/_sandbox/mail")
    def mail() -> Response:
        with LOCK:
            caught = list(sandbox.mailbox.caught)
        return json_response({"mail": [message.shown() for message in caught]})

    @app.get("/_sandbox/clock")
    def clock() -> Response:
        return json_response({"date": sandbox.clock.today.isoformat()})

    @app.post("/_sandbox/clock")
    def move() -> Response:
        body = request.get_json(force=True, silent=True) or {}
        try:
            to = date.fromisoformat(body["date"]) if "date" in body else sandbox.clock.today
            to += timedelta(days=int(body.get("days", 0 if "date" in body else 1)))
            if to < sandbox.clock.today:
                raise ValueError(f"the date is {sandbox.clock.today} and cannot go back")
        except (ValueError, TypeError) as error:
            return json_response({"error": f'send {{"date": "YYYY-MM-DD"}} or {{"days": N}}: {error}'}, 400)
        with LOCK:
            sandbox.move_clock(to)
        return json_response({"date": sandbox.clock.today.isoformat()})

    @app.get("/_sandbox/webhooks")
    def webhooks() -> Response:
        with LOCK:
            return json_response(sandbox.webhooks.status())

    @app.post("/_sandbox/webhooks")
    def send_webhooks() -> Response:
        try:
            targets = [Target(**order) for order in _orders()]
        except (TypeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)
        with LOCK:
            sandbox.webhooks.order(targets)
        return json_response({"webhooks": len(targets)})

    @app.post("/_sandbox/faults")
    def faults() -> Response:
        try:
            ordered = [Fault(**order) for order in _orders()]
            unknown = [fault.kind for fault in ordered if fault.kind not in Fault.KINDS]
            if unknown:
                raise ValueError(f"unknown kind {unknown[0]!r}; known: {', '.join(Fault.KINDS)}")
        except (TypeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)
        sandbox.faults.ordered[:] = ordered
        return json_response({"faults": len(ordered)})


def _orders() -> list[Any]:
    """Return the request's body: one order, or a list of them."""
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, list) else [body] if body else []


class _Handler(WSGIRequestHandler):
    """Keeps connections open and sends header and body in one packet (else each call waits 40 ms for an ACK)."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 20

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the call counts tell more."""

    def finish(self) -> None:
        """End the connection; one that a fault has broken on purpose is no error."""
        with suppress(ConnectionError):
            super().finish()


class Running:
    """A sandbox that serves from a thread; ``url`` is where. Use as a context manager."""

    def __init__(self, options: Options, port: int = 0) -> None:
        self.sandbox = Sandbox(options)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, create_app(self.sandbox), threaded=True, request_handler=_Handler
        )
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            self._mail = MailServer(self.sandbox.mailbox, port + 1 if port else 0)
        except OSError:  # somebody has that port
            self._server.server_close()
            raise
        self.mail_url = f"smtp://127.0.0.1:{self._mail.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Running:
        self._thread.start()
        self._mail.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._mail.close()
        self.sandbox.webhooks.close()

    def write_config(self, target: Path) -> None:
        """Write a configuration that goes live before all that was sold; with a history this month, after old books."""
        options = self.sandbox.options
        month = options.today if options.history else options.today - timedelta(days=3 * 31)
        go_live = month.replace(day=1)
        write_config(target, url=self.url, minute=options.minute, go_live=go_live, mail_url=self.mail_url)

    def wait(self) -> None:
        """Serve until the process is interrupted."""
        self._thread.join()
