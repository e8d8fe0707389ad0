"""A ready configuration for the service, aimed at a running sandbox."""

from __future__ import annotations

from datetime import date
from pathlib import Path

_TEMPLATE = """\
# Written by `netterms sandbox`: every vendor is a stand-in on this machine, so nothing here is secret.
dry_run = false
approve = "auto"
store = "{store}"

[web]
port = {web_port}

[entities.us]
name = "Northwind Cloud, Inc."
timezone = "America/New_York"
currencies = ["USD"]
go_live = {go_live}
catch_up_review = 1000000 # these deals were won weeks ago and come in today: bill them without asking
accounting = "quickbooks_us"
delivery = "{delivery}"
send_hour = 6 # with --today it is noon in London all day long, and early morning in New York

[entities.us.tax]
standard = 6.25
services = 0

[entities.uk]
name = "Northwind Software UK Ltd"
timezone = "Europe/London"
currencies = ["GBP", "EUR"]
go_live = {go_live}
catch_up_review = 1000000 # these deals were won weeks ago and come in today: bill them without asking
accounting = "xero_uk"
delivery = "{delivery}"

[entities.uk.tax]
standard = 20
services = 20
reverse_charge = 0

[connections.hubspot]
vendor = "hubspot"
base_url = "{url}/hubspot"
token = "pat-sandbox-1"
write_back = true
webhook_secret = "hubspot-client-secret"
minute_seconds = {minute}

[connections.quickbooks_us]
vendor = "quickbooks"
entity = "us"
base_url = "{url}/quickbooks"
account = "9130350000000001"
token = "sandbox-quickbooks-1"
webhook_secret = "quickbooks-verifier-token"
minute_seconds = {minute}

[connections.xero_uk]
vendor = "xero"
entity = "uk"
base_url = "{url}/xero"
account = "5d4f1c1e-0000-4000-8000-00000000c0de"
token = "sandbox-xero-1"
webhook_secret = "xero-webhook-key"
minute_seconds = {minute}

[connections.stripe_us]
vendor = "stripe"
entity = "us"
base_url = "{url}/stripe"
token = "sk_test_sandbox_us"
webhook_secret = "whsec_sandbox_us"
minute_seconds = {minute}

[connections.stripe_uk]
vendor = "stripe"
entity = "uk"
base_url = "{url}/stripe"
token = "sk_test_sandbox_uk"
webhook_secret = "whsec_sandbox_uk"
minute_seconds = {minute}
"""


_MAIL = """
[connections.mail]
vendor = "smtp"
base_url = "{mail_url}"
from = "Northwind Billing <billing@northwind.example>"
"""


def write_config(
    target: Path, *, url: str, minute: float, go_live: date, web_port: int = 8400, mail_url: str = ""
) -> None:
    """Write a configuration that aims every connection at the sandbox at ``url``; its store lies beside it.

    Without ``mail_url``, the sandbox's mail server, nobody is mailed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    content = _TEMPLATE.format(
        url=url,
        minute=float(minute),
        go_live=go_live.isoformat(),
        store=f"{target.stem}.db",
        web_port=web_port,
        delivery="netterms" if mail_url else "none",
    )
    if mail_url:
        content += _MAIL.format(mail_url=mail_url)
    target.write_text(content, encoding="utf-8")
