"""A mail server on 127.0.0.1 that delivers nothing: it keeps what it is given, to be looked at.

Enough of SMTP (RFC 5321) for any client: EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP, QUIT. Faults are ordered like those
of the other stand-ins, with ``mail`` as the vendor, the command as the method and a part of the address as the path.
"""

from __future__ import annotations

import re
import socketserver
import threading
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from sandbox.core import LOCK, Fault

LARGEST = 25_000_000  # bytes of a message
_ADDRESS = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)


@dataclass(frozen=True)
class Caught:
    """A message as it came: to whom its envelope said, and its bytes."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, decoded."""
        found = message_from_bytes(self.content, policy=default)
        assert isinstance(found, EmailMessage)
        return found

    def shown(self) -> dict[str, Any]:
        """Return what people want to see of it."""
        message = self.message
        body = message.get_body(("plain",))
        return {
            "from": str(message["From"]),
            "to": str(message["To"]),
            "recipients": list(self.recipients),
            "subject": str(message["Subject"]),
            "message_id": str(message["Message-ID"]),
            "date": str(message["Date"]),
            "text": body.get_content().replace("\r\n", "\n") if body is not None else "",
            "attachments": [
                {"name": part.get_filename(), "size": len(part.get_payload(decode=True) or b"")}
                for part in message.iter_attachments()
            ],
        }


class Mailbox:
    """Everything that was caught since the last reset, oldest first; ``faults`` are the sandbox's ordered ones."""

    def __init__(self, faults: list[Fault]) -> None:
        self.caught: list[Caught] = []
        self._faults = faults

    def reset(self) -> None:
        """Forget everything."""
        self.caught.clear()

    def fault(self, command: str, address: str) -> Fault | None:
        """Return the fault to show on a command, if one is ordered for the mail server."""
        with LOCK:
            return next((one for one in self._faults if one.vendor and one.matches("mail", command, address)), None)

    def keep(self, message: Caught) -> None:
        """Take a message."""
        with LOCK:
            self.caught.append(message)


class _Broken(Exception):
    """The connection ends here."""


class _Session(socketserver.StreamRequestHandler):
    """One client's connection."""

    timeout = 30
    server: MailServer

    def handle(self) -> None:
        """Answer commands until the client leaves or a fault ends the connection."""
        self._sender, self._recipients = "", []  # type: tuple[str, list[str]]
        try:
            self._say("220 sandbox")
            while line := self.rfile.readline(4096):
                command, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
                if not self._answer(command.upper(), rest):
                    return
        except (_Broken, OSError):
            return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _answer(self, command: str, rest: str) -> bool:
        """Answer one command; return whether the connection goes on."""
        address = _ADDRESS.search(rest)
        fault = self.server.mailbox.fault(command, address[1] if address else ",".join(self._recipients))
        if fault is not None and not (command == "DATA" and fault.kind.endswith("_after")):
            if not fault.kind.startswith("error"):
                raise _Broken
            self._say(f"{fault.status} {fault.body}")
        elif command == "DATA":
            self._data(fault)
        elif command == "MAIL" and address:
            self._sender, self._recipients = address[1], []
            self._say("250 OK")
        elif command == "RCPT" and address and self._sender:
            self._recipients.append(address[1])
            self._say("250 OK")
        elif command in ("EHLO", "HELO", "RSET", "NOOP"):
            self._sender, self._recipients = ("", []) if command != "NOOP" else (self._sender, self._recipients)
            self._say(f"250-sandbox\r\n250 SIZE {LARGEST}" if command == "EHLO" else "250 OK")
        elif command == "QUIT":
            self._say("221 Bye")
            return False
        else:
            self._say("503 Bad sequence" if command in ("MAIL", "RCPT") else "502 Command not implemented")
        return True

    def _data(self, fault: Fault | None) -> None:
        if not self._recipients:
            self._say("503 Bad sequence")
            return
        self._say("354 End with a line that holds a dot")
        lines: list[bytes] = []
        size = 0
        while (line := self.rfile.readline(65536)) not in (b".\r\n", b".\n"):
            size += len(line)
            if not line or size > LARGEST:
                raise _Broken
            lines.append(line[1:] if line.startswith(b"..") else line)
        self.server.mailbox.keep(Caught(self._sender, tuple(self._recipients), b"".join(lines)))
        self._sender, self._recipients = "", []
        if fault is not None:
            raise _Broken  # the message is kept, but its sender never hears of it
        self._say(f"250 OK: kept as {len(self.server.mailbox.caught)}")


class MailServer(socketserver.ThreadingTCPServer):
    """The server; it serves from a thread until it is closed. Port 0 takes a free one."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, mailbox: Mailbox, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.mailbox = mailbox
        self.port = int(self.server_address[1])
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
