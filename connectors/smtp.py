"""Our own mail, by SMTP (standard library): one message per connection, each failure read as what it means.

A mail may surely be sent again as long as the server has not been given its text. From there on only the server's
answer tells, and without one nobody knows (RFC 5321, 6.1, warns of such duplicates): that is ``OutcomeUnknown``.
Passwords and texts go out encrypted only: with STARTTLS, or TLS from the start (``smtps://``). This machine is exempt.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from connectors.base import Mail, Ports, Probe, Settings
from connectors.errors import AuthExpired, ConnectorError, OutcomeUnknown, Refused, Retryable, Unsupported
from connectors.http import redact

TIMEOUT = 30.0  # seconds for each answer; a server may take long over a large message
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PORTS = {"smtp": 587, "smtps": 465}
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")  # RFC 5321 without quoted names
_LOGIN = (530, 534, 535, 538)  # RFC 4954: the server wants (other) credentials


def connect(settings: Settings, ports: Ports) -> Smtp:
    """Return the mailer of ``settings``; ``account`` is the user, empty where the server asks for none."""
    return Smtp(settings, ports)


class Smtp:
    """The mailer role at one mail server."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        url = urlsplit(settings.base_url)
        self._encrypted = url.scheme == "smtps"
        self._host = url.hostname or ""
        self._port = url.port or _PORTS.get(url.scheme, 25)
        self._user = settings.account
        self._credentials = ports.credentials
        self._sender_name, self._sender = parseaddr(settings.sender)

    def probe(self) -> Probe:
        """Sign in and leave."""
        with self._session():
            return Probe(account_name=f"{self._sender} by {self._host}")

    def send(self, mail: Mail) -> str:
        """Send one mail; see the module for which failures mean that it may have been sent."""
        recipient = _plain_address(mail.recipient)
        content = _dotted(compose(mail, self._sender, self._sender_name))
        with self._session() as server:
            self._expect(server.mail(self._sender), sender=True)
            self._expect(server.rcpt(recipient))
            self._expect(server.docmd("data"), wanted=354)
            return _deliver(server, content)

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Yield a connection that is encrypted and signed in; nothing has been sent when it raises."""
        try:
            server = self._open()
            try:
                self._secure(server)
                if self._user:
                    server.login(self._user, self._credentials.access_token())
                yield server
            finally:
                with suppress(OSError, smtplib.SMTPException):
                    server.quit()
                server.close()
        except ConnectorError:
            raise
        except smtplib.SMTPAuthenticationError as error:
            raise _login_error(error) from None
        except (OSError, smtplib.SMTPException) as error:
            text = redact(f"{type(error).__name__}: {error}")
            raise Retryable(f"the mail server {self._host} could not be used: {text}") from error

    def _open(self) -> smtplib.SMTP:
        name = self._sender.rpartition("@")[2] or "localhost"  # smtplib would ask the name server who we are
        if self._encrypted:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, name, timeout=TIMEOUT, context=context)
        return smtplib.SMTP(self._host, self._port, name, timeout=TIMEOUT)

    def _secure(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if self._encrypted or self._host in _LOOPBACK:
            return
        if not server.has_extn("starttls"):
            raise Unsupported(f"the mail server {self._host} offers no STARTTLS: mail is not sent in the clear")
        server.starttls(context=ssl.create_default_context())

    def _expect(self, answer: tuple[int, bytes], *, wanted: int = 250, sender: bool = False) -> None:
        """Raise what an answer means that came before the text of the mail was sent."""
        code, words = answer
        if code == wanted or (wanted == 250 and code == 251):  # 251: will forward
            return
        text = _words(code, words)
        if code in _LOGIN or (sender and code >= 500):
            raise AuthExpired(f"the mail server refuses {self._sender}: {text}: check user, password and from")
        raise Refused(f"the mail server refused it: {text}") if code >= 500 else Retryable(f"the mail server: {text}")


def _deliver(server: smtplib.SMTP, content: bytes) -> str:
    """Hand over the text and read the verdict."""
    try:
        server.send(content)
        code, words = server.getreply()
    except (OSError, smtplib.SMTPException) as error:
        text = redact(f"{type(error).__name__}: {error}")
        raise OutcomeUnknown(f"the mail was handed over, but the server's answer was lost: {text}") from error
    if 200 <= code < 300:
        return _words(code, words)
    text = f"the mail server refused the text of the mail: {_words(code, words)}"
    raise Refused(text) if code >= 500 else Retryable(text)


def _login_error(error: smtplib.SMTPAuthenticationError) -> ConnectorError:
    text = f"the mail server refused the login: {_words(error.smtp_code, error.smtp_error)}"
    return AuthExpired(text) if error.smtp_code >= 500 else Retryable(text)


def _words(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return redact(f"{code} {one_line(text)}", 200)


# ------------------------------------------------------------------------------------------------------- the message


def compose(mail: Mail, sender: str, sender_name: str = "") -> bytes:
    """Return the message as it goes over the wire; raises ``Refused`` for an address that cannot be written."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(one_line(mail.sender_name or sender_name), addr_spec=_plain_address(sender))
    message["To"] = Address(one_line(mail.recipient_name), addr_spec=_plain_address(mail.recipient))
    message["Subject"] = one_line(mail.subject)
    message["Date"] = format_datetime(mail.sent_at)
    message["Message-ID"] = f"<{one_line(mail.message_id)}@{_plain_address(sender).rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office programs do not answer
    message.set_content(mail.text)
    for attachment in mail.attachments:
        main, _, sub = attachment.type.partition("/")
        name = one_line(attachment.name).replace("/", "-")
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=name)
    return message.as_bytes()


def one_line(text: str) -> str:
    """Return ``text`` fit for a header: no line ends nor other characters that steer, single spaces, not endless."""
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(visible.split()).replace("=?", "= ?")[:200]  # "=?" would begin an encoded word


def _plain_address(address: str) -> str:
    """Return an address as SMTP without extensions takes it; raises ``Refused`` when that is not possible."""
    local, _, domain = address.rpartition("@")
    try:
        plain = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        plain = ""
    if _ADDRESS.fullmatch(plain) is None:
        raise Refused(f"{one_line(address)!r} is no mail address")
    return plain


def _dotted(content: bytes) -> bytes:
    """Return the message with the dots that SMTP wants doubled, and its end."""
    body = re.sub(rb"(?m)^\.", b"..", content)
    return body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n"
