"""The configuration: TOML and environment to one frozen ``Config``, every fault reported at once by its key."""

from __future__ import annotations

import base64
import difflib
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

Approve = Literal["manual", "auto"]
TaxRounding = Literal["per_document", "per_line"]
PostPayments = Literal["netterms", "ledger"]
ClosedPeriod = Literal["wait", "next_open"]  # what is dated in a closed period of the books
Delivery = Literal["netterms", "ledger", "none"]
Grant = Literal["authorization_code", "client_credentials"]
Published = tuple[tuple[date, Decimal], ...]  # the values of a price index by the day each was published, oldest first
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DURATION = re.compile(r"([1-9]\d{0,4})([smhd])")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class OAuth(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection renews its access token. ``refresh_token`` is only the first one; later ones are stored.

    ``grant``: whether a person lets us in, or our application has its own access. ``authorize_url``: where the person
    is asked, empty for the vendor's own address.
    """

    token_url: str
    client_id: str
    client_secret: str
    refresh_token: str = ""
    grant: Grant = "authorization_code"
    authorize_url: str = ""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A configured account at a vendor."""

    name: str
    vendor: str
    role: str
    base_url: str
    entity: str = ""
    account: str = ""
    token: str = ""
    oauth: OAuth | None = None
    mapping: str = ""
    minute_seconds: float = 60.0
    limits: dict[str, int] = {}  # calls of the vendor's limits that differ for this account; msgspec copies the default
    write_back: bool = False  # a CRM: whether it is told of invoices
    sender: str = ""  # whom our own mail comes from
    webhook_secrets: tuple[str, ...] = ()  # any of them may have signed; none: no webhooks are taken

    @property
    def is_loopback(self) -> bool:
        """Say whether calls of this connection stay on this machine."""
        return is_loopback(self.base_url)


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A legal entity: who sells, in which zone its days begin, which ledger keeps its books."""

    key: str
    name: str
    timezone: str
    currencies: tuple[str, ...]
    go_live: date
    accounting: str
    number_prefix: str
    number_digits: int
    credit_prefix: str
    approve: Approve
    tax_rates: dict[str, Decimal]
    tax_rounding: TaxRounding = "per_document"
    catch_up_review: Decimal = Decimal(1000)
    delivery: Delivery = "none"
    deliver_from: date = date.min
    send_hour: int = 9
    reminder_days: tuple[int, ...] = ()
    payment_link: str = ""
    payment_pages: str = ""
    post_payments: PostPayments = "netterms"
    closed_period: ClosedPeriod = "wait"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the service is told from outside."""

    file: Path
    dry_run: bool
    store: Path
    mappings: Path
    host: str
    port: int
    crm_changes: Literal["review", "apply"]
    entities: dict[str, Entity]
    connections: dict[str, Connection]
    cadence: dict[str, int]  # job name -> seconds between runs
    alerts: str = ""  # who is mailed when a connection must be made anew; empty: nobody
    public_url: str = ""  # how the pages are reached from outside, as vendors sign it; empty: as each request says
    hosts: tuple[str, ...] = ()  # further names under which the pages are reached
    password: str = ""  # of the one who may see the pages; none on this machine's own addresses
    secret_key: str = ""  # signs cookies; empty: a random one per start
    api_token: str = ""  # lets systems send usage and events; empty: the API takes nothing
    indices: dict[str, Published] = {}  # price indices that contracts' escalators follow, by name

    def by_role(self, role: str) -> list[Connection]:
        """Return the connections that play ``role``, in the file's order."""
        return [connection for connection in self.connections.values() if connection.role == role]

    @property
    def web_hosts(self) -> tuple[str, ...]:
        """Every name the pages answer to, as a browser sends it: this machine's own first."""
        named = [self.host] if self.host not in _EVERY_ADDRESS else []
        named += [_host(self.public_url)] if self.public_url else []
        names = [f"[{name}]" if ":" in name else name for name in (*_LOOPBACK, *named)]
        return tuple(dict.fromkeys([*names, *self.hosts]))

    @property
    def only_loopback(self) -> bool:
        """Say whether every connection stays on this machine: then the date may be chosen."""
        return all(connection.is_loopback for connection in self.connections.values())


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong in a configuration file: where, what, and what to write instead."""

    file: str
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}" if self.key else f"{self.file}: {self.problem}"


class ConfigError(Exception):
    """The configuration cannot be used; ``faults`` names everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def is_loopback(url: str) -> bool:
    """Say whether ``url`` points at this machine."""
    return _host(url) in _LOOPBACK


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def load(
    path: Path,
    roles: Mapping[str, str],
    jobs: Mapping[str, int],
    environ: Mapping[str, str],
    webhooks: Collection[str] = (),
    limits: Mapping[str, Collection[str]] | None = None,
) -> Config:
    """Read the configuration at ``path``.

    ``roles`` says which vendors exist and the role of each; ``jobs`` which jobs exist and their default cadence in
    seconds; ``webhooks`` the vendors whose webhooks can be read; ``limits`` which limits each vendor has
    (None: any name is taken); secrets written as ``env:NAME`` are looked up in ``environ``. Raises ``ConfigError``
    with every fault.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        remedy = "there is no such file: copy config.example.toml, or name another with --config or NETTERMS_CONFIG"
        raise ConfigError([Fault(str(path), "", remedy)]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError([Fault(str(path), "", f"is not readable as TOML: {error}")]) from None
    faults: list[Fault] = []
    root = _Section(str(path), "", data, faults)
    config = _read(path, root, roles, jobs, environ)
    for connection in config.connections.values():
        known = (limits or {}).get(connection.vendor, ())
        for name in connection.limits if limits is not None else ():
            if name not in known:
                problem = f"is no limit of {connection.vendor}: known are {', '.join(known) or 'none'}"
                root.fault(f"connections.{connection.name}.limits.{name}", problem)
        if connection.webhook_secrets and connection.vendor in roles and connection.vendor not in webhooks:
            problem = f"is of no use: webhooks of {connection.vendor} are not read; remove it"
            root.fault(f"connections.{connection.name}.webhook_secret", problem)
    if faults:
        raise ConfigError(faults)
    return config


class _Section:
    """A TOML table being read: it notes what is missing, of the wrong type or unknown, and goes on."""

    def __init__(self, file: str, path: str, data: dict[str, Any], faults: list[Fault]) -> None:
        self.file, self.path, self.data, self.faults = file, path, data, faults
        self.known: set[str] = set()

    def fault(self, key: str, problem: str) -> None:
        """Note a fault at ``key`` of this table."""
        self.faults.append(Fault(self.file, f"{self.path}.{key}".strip("."), problem))

    def value(self, key: str, kinds: type | tuple[type, ...], wanted: str, default: Any = None) -> Any:
        """Return the value at ``key``; without one ``default``, and a fault when that is None."""
        self.known.add(key)
        found = self.data.get(key)
        if found is None:
            if default is None:
                self.fault(key, f"is missing: write {wanted}")
            return default
        # To Python a bool is an int and a datetime is a date; here they are not.
        if not isinstance(found, kinds) or (isinstance(found, bool | datetime) and kinds is not bool):
            self.fault(key, f"is {found!r}: write {wanted}")
            return default
        return found

    def text(self, key: str, wanted: str, default: str | None = None) -> str:
        """Return a text that is not empty unless the default is."""
        found = self.value(key, str, wanted, default)
        if found == "" and default != "":
            self.fault(key, f"is empty: write {wanted}")
        return found or ""

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """Return one of ``choices``."""
        found = self.text(key, " or ".join(f'"{choice}"' for choice in choices), default)
        if found not in choices:
            self.fault(key, f"is {found!r}: write {' or '.join(choices)}{_nearest(found, choices)}")
            return default
        return found

    def table(self, key: str) -> _Section:
        """Return the table at ``key``, empty when there is none."""
        self.known.add(key)
        found = self.data.get(key, {})
        if not isinstance(found, dict):
            self.fault(key, f"is {found!r}: write a table [{self.path + '.' if self.path else ''}{key}]")
            found = {}
        return _Section(self.file, f"{self.path}.{key}".strip("."), found, self.faults)

    def tables(self, key: str) -> list[tuple[str, _Section]]:
        """Return the named tables below ``key``; names are lower-case words."""
        outer = self.table(key)
        result = []
        for name in outer.data:
            if _NAME.fullmatch(name) is None:
                outer.fault(name, "is no good name: use lower-case letters, digits and _, a letter first")
            result.append((name, outer.table(name)))
        return result

    def close(self) -> None:
        """Note every key nobody asked for, with the nearest that exists."""
        for key in self.data:
            if key not in self.known:
                self.fault(key, f"is unknown{_nearest(key, self.known) or ': remove it'}")


def _nearest(word: str, known: Any) -> str:
    match = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f": did you mean {match[0]!r}?" if match else ""


def _read(
    path: Path, root: _Section, roles: Mapping[str, str], jobs: Mapping[str, int], environ: Mapping[str, str]
) -> Config:
    approve = root.choice("approve", ("manual", "auto"), "manual")
    web, api = root.table("web"), root.table("api")
    config = Config(
        file=path,
        dry_run=root.value("dry_run", bool, "true or false", True),
        store=path.parent / root.text("store", "the path of the SQLite file", "netterms.db"),
        mappings=_mappings(path, root),
        crm_changes=cast(Any, root.choice("crm_changes", ("review", "apply"), "review")),
        host=web.text("host", "an address to bind", "127.0.0.1"),
        port=web.value("port", int, "a port number", 8400),
        entities={name: _entity(name, table, approve) for name, table in root.tables("entities")},
        connections={name: _connection(name, table, roles, environ) for name, table in root.tables("connections")},
        cadence=_cadence(root.table("jobs"), jobs),
        public_url=web.text("public_url", "the address under which vendors reach this service", "").rstrip("/"),
        hosts=_hosts(web),
        password=_named_secret(web, "password", 12, environ),
        secret_key=_named_secret(web, "secret_key", 32, environ),
        api_token=_named_secret(api, "token", 32, environ),
        alerts=_alerts(root.table("alerts")),
        indices=_indices(root.table("indices")),
    )
    _check_url(web, "public_url", config.public_url)
    _check_web(web, config)
    if not 0 <= config.port <= 65535:
        web.fault("port", f"is {config.port}: write a number up to 65535")
    web.close()
    api.close()
    root.close()
    _check_references(root, config)
    return config


def _hosts(web: _Section) -> tuple[str, ...]:
    wanted = 'a list of names without port, such as ["netterms.example.com"]'
    found = web.value("hosts", list, wanted, [])
    if not all(isinstance(name, str) and _HOST_NAME.fullmatch(name) for name in found):
        web.fault("hosts", f"is {found!r}: write {wanted}")
        return ()
    return tuple(found)


def _named_secret(table: _Section, key: str, least: int, environ: Mapping[str, str]) -> str:
    """Return a secret of this service, which only the environment may hold; empty when none is named."""
    table.known.add(key)
    found = _secret(table, key, "https://anywhere", environ) if key in table.data else ""
    if found and len(found) < least:
        table.fault(key, f"is shorter than {least} characters: write a longer one into its variable")
    return found


def _alerts(table: _Section) -> str:
    address = table.text("email", "the address of whoever runs this", "")
    if address and "@" not in parseaddr(address)[1]:
        table.fault("email", f"is {address!r}: write an address such as ops@example.com")
    table.close()
    return address


def _indices(table: _Section) -> dict[str, Published]:
    """Return the price indices: in the table of each, the day of publication and the value published then."""
    found = {}
    for name in table.data:
        index = table.table(name)
        values = [(_published_on(index, day), _index_value(index, day)) for day in index.data]
        found[name] = tuple(sorted((day, value) for day, value in values if day and value))
        if not index.data:
            table.fault(name, "is empty: write the day and the value of each publication, such as 2026-01-15 = 321.5")
    return found


def _published_on(index: _Section, written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        index.fault(written, "is no date: write the day on which the value was published, such as 2026-01-15 = 321.5")
        return None


def _index_value(index: _Section, day: str) -> Decimal | None:
    value = index.data[day]
    number = Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else Decimal(0)
    if number.is_finite() and number > 0:
        return number
    index.fault(day, f"is {value!r}: write the value published that day, a number above 0")
    return None


def _check_web(web: _Section, config: Config) -> None:
    """Let the pages leave this machine only with a password, and only under names that are known."""
    outside = [name for name in config.web_hosts if name.strip("[]") not in _LOOPBACK]
    if config.host in _EVERY_ADDRESS and not outside:
        web.fault("hosts", f"is empty: name what people call the pages, as {config.host} says nothing of it")
    if (outside or config.host not in _LOOPBACK) and "password" not in web.data:
        remedy = 'set password = "env:NETTERMS_ADMIN_PASSWORD"'
        key = "host" if config.host not in _LOOPBACK else "hosts" if config.hosts else "public_url"
        web.fault(key, f"lets others than this machine see the pages, which needs a login: {remedy}")


def _mappings(path: Path, root: _Section) -> Path:
    """Return the folder of the mapping files: as written, else ``mappings`` beside the file, else the shipped one."""
    beside = path.parent / root.text("mappings", "the folder of the mapping files", "mappings")
    if beside.is_dir() or "mappings" in root.data:
        return beside
    return Path(__file__).resolve().parent / "mappings"


def _entity(name: str, table: _Section, approve: str) -> Entity:
    zone = table.text("timezone", 'an IANA zone such as "Europe/London"')
    if zone:
        _check_zone(table, zone)
    go_live = table.value("go_live", date, "the first day that is billed from here, e.g. 2026-01-01") or date.min
    prefix = table.text("number_prefix", 'what invoice numbers begin with, such as "US-"', f"{name.upper()}-")
    entity = Entity(
        key=name,
        name=table.text("name", "the legal name printed on invoices"),
        timezone=zone,
        currencies=_currencies(table),
        go_live=go_live,
        accounting=table.text("accounting", "the name of the accounting connection"),
        number_prefix=prefix,
        number_digits=table.value("number_digits", int, "a number of digits", 5),
        credit_prefix=table.text("credit_note_prefix", "what credit note numbers begin with", f"{prefix}CN-"),
        approve=cast(Approve, table.choice("approve", ("manual", "auto"), approve)),
        tax_rates=_tax_rates(table.table("tax")),
        tax_rounding=cast(TaxRounding, table.choice("tax_rounding", ("per_document", "per_line"), "per_document")),
        catch_up_review=_catch_up_review(table),
        delivery=cast(Delivery, table.choice("delivery", ("netterms", "ledger", "none"), "none")),
        deliver_from=table.value("deliver_from", date, "the first day of issue that is mailed", go_live),
        send_hour=table.value("send_hour", int, "an hour from 0 to 23", 9),
        reminder_days=_reminder_days(table),
        payment_link=table.text("payment_link", "an address with {number} in it", ""),
        payment_pages=table.text("payment_pages", "the name of a payment connection", ""),
        post_payments=cast(PostPayments, table.choice("post_payments", ("netterms", "ledger"), "netterms")),
        closed_period=cast(ClosedPeriod, table.choice("closed_period", ("wait", "next_open"), "wait")),
    )
    if not 0 <= entity.send_hour <= 23:
        table.fault("send_hour", f"is {entity.send_hour}: write an hour from 0 to 23")
    if entity.payment_link:
        _check_url(table, "payment_link", entity.payment_link)
    # QuickBooks keeps 21 characters of a number, the shortest of the ledgers.
    if len(entity.credit_prefix) + entity.number_digits > 21 or len(prefix) + entity.number_digits > 21:
        table.fault("number_prefix", "makes numbers longer than 21 characters: shorten it")
    if entity.number_digits < 1:
        table.fault("number_digits", f"is {entity.number_digits}: write how many digits a number has, such as 5")
    if prefix == entity.credit_prefix:
        table.fault("credit_note_prefix", "equals number_prefix: invoices and credit notes are two series")
    table.close()
    return entity


def _catch_up_review(table: _Section) -> Decimal:
    wanted = "an amount in major units, such as 1000"
    amount = Decimal(table.value("catch_up_review", (int, Decimal), wanted, 1000))
    if not (amount.is_finite() and amount >= 0):
        table.fault("catch_up_review", f"is {amount}: write {wanted}")
    return amount


def _reminder_days(table: _Section) -> tuple[int, ...]:
    wanted = "up to three growing numbers of days, such as [1, 7, 14], or [] for no reminders"
    days = table.value("reminder_days", list, wanted, [1, 7, 14])
    fits = all(type(day) is int and day > 0 for day in days) and len(days) <= 3 and days == sorted(set(days))
    if not fits:
        table.fault("reminder_days", f"is {days!r}: write {wanted}")
    return tuple(days) if fits else ()


def _check_zone(table: _Section, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        table.fault("timezone", f'is {zone!r}, which is no IANA zone: write e.g. "Europe/London"')


def _currencies(table: _Section) -> tuple[str, ...]:
    wanted = 'a list such as ["GBP", "EUR"]'
    found = table.value("currencies", list, wanted)
    if found == []:
        table.fault("currencies", f"is empty: write {wanted}")
    found = found or []
    for currency in found:
        if not isinstance(currency, str) or _CURRENCY.fullmatch(currency) is None:
            table.fault("currencies", f"holds {currency!r}: write three capital letters (ISO 4217)")
    return tuple(str(currency) for currency in found)


def _tax_rates(table: _Section) -> dict[str, Decimal]:
    rates = {}
    for name, value in table.data.items():
        try:
            rate = Decimal(str(value))
        except InvalidOperation:
            rate = Decimal(-1)
        if isinstance(value, bool) or not (rate.is_finite() and 0 <= rate <= 100):
            table.fault(name, f"is {value!r}: write a percentage from 0 to 100")
        rates[name] = rate
    return rates


def _connection(name: str, table: _Section, roles: Mapping[str, str], environ: Mapping[str, str]) -> Connection:
    vendor = table.text("vendor", " or ".join(sorted(roles)))
    if vendor and vendor not in roles:
        table.fault("vendor", f"is {vendor!r}: known are {', '.join(sorted(roles))}{_nearest(vendor, roles)}")
    role = roles.get(vendor, "")
    if role == "mail":
        return _mail_server(name, table, vendor, environ)
    url = table.text("base_url", "the vendor's API address (see config.example.toml)")
    _check_url(table, "base_url", url)
    oauth = _oauth(table.table("oauth"), vendor, url, environ) if "oauth" in table.data else None
    by_consent = oauth is not None and oauth.grant == "authorization_code"  # then the consent may say which account
    connection = Connection(
        name=name,
        vendor=vendor,
        role=role,
        base_url=url.rstrip("/"),
        entity=table.text("entity", "the legal entity it belongs to", "" if role == "crm" else None),
        account=table.text(
            "account", "the account's id at the vendor", None if role == "accounting" and not by_consent else ""
        ),
        token="" if oauth else _secret(table, "token", url, environ),
        oauth=oauth,
        mapping=table.text("mapping", "a mapping file", f"{vendor}.toml"),
        minute_seconds=_minute(table),
        limits=_limits(table.table("limits")),
        write_back=role == "crm" and table.value("write_back", bool, "true or false", False),
        webhook_secrets=_webhook_secrets(table, url, environ),
    )
    table.close()
    return connection


def _mail_server(name: str, table: _Section, vendor: str, environ: Mapping[str, str]) -> Connection:
    url = table.text("base_url", "smtp://host:587 or smtps://host:465")
    if url and not (_host(url) and url.partition("://")[0].lower() in ("smtp", "smtps")):
        table.fault("base_url", f"is {url!r}: write smtp://host:587 or smtps://host:465")
    sender = table.text("from", 'whom mail comes from, such as "Example Ltd <billing@example.com>"')
    if sender and "@" not in parseaddr(sender)[1]:
        table.fault("from", f"is {sender!r}: write an address, or a name and <an address>")
    user = table.text("user", "the user at the mail server", "")
    connection = Connection(
        name=name,
        vendor=vendor,
        role="mail",
        base_url=url.rstrip("/"),
        entity=table.text("entity", "the legal entity it belongs to", ""),
        account=user,
        token=_secret(table, "password", url, environ) if user or "password" in table.data else "",
        sender=sender,
    )
    table.close()
    return connection


def _check_url(table: _Section, key: str, url: str) -> None:
    scheme = url.partition("://")[0].lower()
    if url and not (_host(url) and (scheme == "https" or (scheme == "http" and is_loopback(url)))):
        table.fault(key, f"is {url!r}: write an https address (http only on this machine)")


def _minute(table: _Section) -> float:
    found = Decimal(table.value("minute_seconds", (int, Decimal), "seconds", 60))
    if not (found.is_finite() and found > 0):
        table.fault("minute_seconds", f"is {found}: write how many seconds the stand-in's minute lasts")
    return float(found)


def _limits(table: _Section) -> dict[str, int]:
    found = {}
    for name, calls in table.data.items():
        if type(calls) is int and calls > 0:
            found[name] = calls
        else:
            table.fault(name, f"is {calls!r}: write how many calls, a whole number above 0")
    return found


def _oauth(table: _Section, vendor: str, url: str, environ: Mapping[str, str]) -> OAuth:
    table.known.add("refresh_token")
    # A custom connection at Xero is an application with access of its own; the other vendors know no such thing.
    usual = "client_credentials" if vendor == "xero" and "refresh_token" not in table.data else "authorization_code"
    oauth = OAuth(
        grant=cast(Grant, table.choice("grant", ("authorization_code", "client_credentials"), usual)),
        authorize_url=table.text("authorize_url", "the vendor's address for consent", ""),
        token_url=table.text("token_url", "the vendor's token address"),
        client_id=table.text("client_id", "the app's client id"),
        client_secret=_secret(table, "client_secret", url, environ),
        refresh_token=_secret(table, "refresh_token", url, environ) if "refresh_token" in table.data else "",
    )
    if not all(map(_is_key, environ.get("NETTERMS_KEY", "").split(","))):
        remedy = "set NETTERMS_KEY to 32 random bytes in URL-safe base64 and keep it apart from the store"
        table.fault("refresh_token", f"needs a key, as renewed tokens are kept encrypted: {remedy}")
    _check_url(table, "token_url", oauth.token_url)
    _check_url(table, "authorize_url", oauth.authorize_url)
    table.close()
    return oauth


def _is_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == 32
    except ValueError:
        return False


def _secret(table: _Section, key: str, url: str, environ: Mapping[str, str]) -> str:
    """Return a secret from the environment; one written out is only accepted for a server on this machine."""
    written = table.text(key, '"env:NAME", the environment variable that holds it')
    return _opened(table, key, written, url, environ)


def _webhook_secrets(table: _Section, url: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what may sign the connection's webhooks: one secret, or the old and the new one while it is changed."""
    wanted = '"env:NAME", or a list of two while the secret is changed'
    found = table.value("webhook_secret", (str, list), wanted, [])
    written = [found] if isinstance(found, str) else found
    if not all(isinstance(one, str) and one for one in written):
        table.fault("webhook_secret", f"holds something else than a text: write {wanted}")
        return ()
    return tuple(_opened(table, "webhook_secret", one, url, environ) for one in written)


def _opened(table: _Section, key: str, written: str, url: str, environ: Mapping[str, str]) -> str:
    if written.startswith("env:"):
        variable = written[4:]
        if not environ.get(variable):
            table.fault(key, f"names the environment variable {variable}, which is not set: export {variable}=...")
        return environ.get(variable, "")
    if written and url and not is_loopback(url):
        table.fault(key, 'holds a secret in plain text: write "env:NAME" and put the secret into that variable')
    return written


def _cadence(table: _Section, jobs: Mapping[str, int]) -> dict[str, int]:
    cadence = dict(jobs)
    table.known |= set(jobs)
    for name in jobs:
        if name in table.data:
            written = table.text(name, 'how often it runs, e.g. "15m"')
            match = _DURATION.fullmatch(written)
            if written and match is None:
                table.fault(name, f"is {written!r}: write a number and s, m, h or d, e.g. '15m'")
            elif match is not None:
                cadence[name] = int(match[1]) * _SECONDS[match[2]]
    table.close()
    return cadence


def _check_references(root: _Section, config: Config) -> None:
    entities = root.table("entities")
    if not config.entities:
        root.fault("entities", "is missing: add a table [entities.<name>] for each legal entity")
    if not config.by_role("crm"):
        root.fault("connections", "has no CRM: add a table [connections.<name>] with vendor = 'hubspot'")
    for entity in config.entities.values():
        ledger = config.connections.get(entity.accounting)
        if entity.accounting and (ledger is None or ledger.role != "accounting"):
            entities.fault(f"{entity.key}.accounting", f"is {entity.accounting!r}: name an accounting connection")
        elif ledger is not None and ledger.entity not in ("", entity.key):
            problem = f"is {entity.accounting!r}, which belongs to {ledger.entity!r}: name this entity's own"
            entities.fault(f"{entity.key}.accounting", problem)
        pages = config.connections.get(entity.payment_pages)
        if entity.payment_pages and (pages is None or pages.role != "payments" or pages.entity != entity.key):
            problem = f"is {entity.payment_pages!r}: name a payment connection of this entity"
            entities.fault(f"{entity.key}.payment_pages", problem)
        if entity.delivery == "netterms" and not any(one.entity in ("", entity.key) for one in config.by_role("mail")):
            remedy = 'add [connections.mail] with vendor = "smtp", or write ledger or none'
            entities.fault(f"{entity.key}.delivery", f"is netterms, but no mail server is configured: {remedy}")
    connections = root.table("connections")
    for connection in config.connections.values():
        if connection.entity and connection.entity not in config.entities:
            known = ", ".join(sorted(config.entities)) or "none"
            connections.fault(f"{connection.name}.entity", f"is {connection.entity!r}: known entities are {known}")
    _check_series(entities, list(config.entities.values()))


def _check_series(entities: _Section, all_entities: Sequence[Entity]) -> None:
    taken: dict[str, str] = {}
    for entity in all_entities:
        for prefix in (entity.number_prefix, entity.credit_prefix):
            other = taken.setdefault(prefix, entity.key)
            if other != entity.key:
                entities.fault(f"{entity.key}.number_prefix", f"{prefix!r} is also used by {other!r}: choose another")
