"""The organisation's books: every object by id, and its contacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal

from sandbox.core import Clock
from sandbox.xero import seed
from sandbox.xero.wire import Invalid, Wire, read_moment, updated_fields

_CONTACT_FIELDS = (
    "ContactNumber",
    "AccountNumber",
    "ContactStatus",
    "Name",
    "FirstName",
    "LastName",
    "CompanyNumber",
    "EmailAddress",
    "TaxNumber",
    "DefaultCurrency",
    "Addresses",
    "Phones",
    "ContactPersons",
)


class Books:
    """The state of one organisation, as wire objects by id."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.contacts: dict[str, Wire] = {}
        self._named: dict[tuple[str, str], list[Wire]] = defaultdict(list)  # by a field and what it ever said
        self.invoices: dict[str, Wire] = {}
        self.credit_notes: dict[str, Wire] = {}
        self.payments: dict[str, Wire] = {}
        self.bank_transactions: dict[str, Wire] = {}
        self.overpayments: dict[str, Wire] = {}
        self.prepayments: dict[str, Wire] = {}
        self.transfers: dict[str, Wire] = {}
        self.transfers_changed: dict[str, str] = {}  # when each was, which Xero filters by but does not show
        self.journals: dict[str, Wire] = {}
        self.attachments: dict[str, dict[str, Wire]] = defaultdict(dict)  # by document, then by the file's name
        self.numbers: dict[tuple[str, str], str] = {}  # (type, number) of every document -> its id
        self.applied: dict[str, list[Wire]] = defaultdict(list)  # payments and allocations by document
        self.accounts = seed.accounts()
        self.items = seed.items()
        self.tax_rates = seed.tax_rates()
        self.tracking = seed.tracking_categories()
        self.currencies = seed.currencies()
        self.organisation = seed.organisation()
        self._ids = 0

    def new_id(self) -> str:
        """Return an id never given before; a reset starts again, so a seeded run has the same ids."""
        self._ids += 1
        return seed.stable_id("object", str(self._ids))

    def stamp(self) -> Wire:
        """Return the fields that say when an object was changed: now."""
        return updated_fields(self.clock.tick())

    def touch_transfer(self, transfer: Wire) -> None:
        """Note that a transfer was made or changed now."""
        self.transfers_changed[transfer["BankTransferID"]] = self.stamp()["UpdatedDateUTC"]

    def account(self, *, code: str | None = None, account_id: str | None = None) -> Wire | None:
        """Return the account of that code or id."""
        found = (one for one in self.accounts if one["Code"] == code or one["AccountID"] == account_id)
        return next(found, None)

    def item(self, code: str) -> Wire | None:
        """Return the item of that code."""
        return next((one for one in self.items if one["Code"] == code), None)

    def tax_rate(self, tax_type: str) -> Wire | None:
        """Return the tax rate of that type."""
        return next((one for one in self.tax_rates if one["TaxType"] == tax_type), None)

    def has_tracking(self, category: str, option: str) -> bool:
        """Say whether the tracking category has that option."""
        return any(
            one["Name"] == category and any(known["Name"] == option for known in one["Options"])
            for one in self.tracking
        )

    def rate(self, currency: str) -> Decimal:
        """Return units of ``currency`` for one pound; raises ``Invalid`` for a currency nobody subscribed to."""
        if all(known["Code"] != currency for known in self.currencies):
            raise Invalid(f"Organisation is not subscribed to currency {currency}")
        return seed.RATES.get(currency, Decimal(1))

    def check_open(self, on: date) -> None:
        """Raise ``Invalid`` when ``on`` lies in a locked period."""
        locks = (self.organisation.get(name) for name in ("PeriodLockDate", "EndOfYearLockDate"))
        latest = max((read_moment(lock).date() for lock in locks if lock), default=None)
        if latest is not None and on <= latest:
            raise Invalid(f"The document date cannot be before the period lock date, currently set at {latest}")

    # --------------------------------------------------------------------------------------------------------- contacts

    def create_contact(self, data: Wire) -> Wire:
        """Save a new contact; raises ``Invalid``."""
        contact = {
            "ContactID": self.new_id(),
            "ContactStatus": "ACTIVE",
            "EmailAddress": "",
            "BankAccountDetails": "",
            "Addresses": [],
            "Phones": [],
            "ContactGroups": [],
            "IsSupplier": False,
            "IsCustomer": False,
            "ContactPersons": [],
        }
        return self._save_contact(contact, data)

    def upsert_contact(self, data: Wire) -> Wire:
        """Change the contact of that id, number or name, or save a new one; raises ``Invalid``."""
        known = self._known_contact(data)
        return self.create_contact(data) if known is None else self._save_contact(known, data)

    def contact_for(self, data: Wire) -> Wire:
        """Return the contact that a document is for; raises ``Invalid`` for an unknown or archived one."""
        contact = self._known_contact(data)
        if contact is None:
            raise Invalid("The Contact must contain at least a ContactID, ContactNumber or Name of an existing contact")
        if contact["ContactStatus"] != "ACTIVE":
            raise Invalid(
                "The Contact with the specified contact details has been archived. "
                "The Contact must be un-archived before creating new invoices or credit notes."
            )
        return contact

    def payee(self, data: Wire) -> Wire:
        """Return the contact of a bank transaction: one that is known by name alone is made where there is none."""
        known = self._known_contact(data)
        return self.create_contact(data) if known is None and data.get("Name") else self.contact_for(data)

    def merge_contacts(self, loser: str, winner: str) -> None:
        """Make two contacts one: the first is archived and names the second, to which its documents go over."""
        gone, kept = self.contacts[loser], self.contacts[winner]
        gone.update(ContactStatus="ARCHIVED", MergedToContactID=winner, **self.stamp())
        shown = {name: kept[name] for name in ("ContactID", "ContactNumber", "Name") if name in kept}
        stores = (self.invoices, self.credit_notes, self.overpayments, self.prepayments)
        for document in (one for store in stores for one in store.values()):
            if document["Contact"]["ContactID"] == loser:
                document.update(Contact=shown, **self.stamp())

    def _known_contact(self, data: Wire) -> Wire | None:
        if "ContactID" in data:
            known = self.contacts.get(str(data["ContactID"]).lower())
            if known is None:
                raise Invalid(f"The contact ID {data['ContactID']} does not exist")
            return known
        return next(self._with("ContactNumber", data), None) or next(self._with("Name", data), None)

    def _with(self, field: str, wanted: Wire) -> Iterator[Wire]:
        """Yield the contacts whose ``field`` equals that of ``wanted``, letters' case aside."""
        value = _said(wanted, field)
        return (one for one in self._named[field, value] if _said(one, field) == value) if value else iter(())

    def _save_contact(self, contact: Wire, data: Wire) -> Wire:
        given = {name: data[name] for name in _CONTACT_FIELDS if name in data}
        changed = {**contact, **given}
        messages = [*_contact_faults(changed), *self._taken(changed)]
        if messages:
            raise Invalid(*messages)
        contact.update(given, HasValidationErrors=False, **self.stamp())
        contact.pop("UpdatedDateUTCString")  # contacts have it in one spelling only
        self.contacts[contact["ContactID"]] = contact
        for field in ("ContactNumber", "Name"):
            named = self._named[field, _said(contact, field)]
            if not any(one is contact for one in named):
                named.append(contact)
        return contact

    def _taken(self, contact: Wire) -> Iterable[str]:
        same_name = (one for one in self._with("Name", contact) if one["ContactStatus"] == "ACTIVE")
        if contact["ContactStatus"] == "ACTIVE" and any(map(_is_other(contact), same_name)):
            yield (
                f"The contact name {contact['Name']} is already assigned to another contact. "
                "The contact name must be unique across all active contacts."
            )
        if any(map(_is_other(contact), self._with("ContactNumber", contact))):
            yield f"The contact number {contact['ContactNumber']} is already assigned to another contact."


def _said(contact: Wire, field: str) -> str:
    return str(contact.get(field) or "").lower()


def _is_other(contact: Wire) -> Callable[[Wire], bool]:
    return lambda one: one["ContactID"] != contact["ContactID"]


def _contact_faults(contact: Wire) -> Iterable[str]:
    name = str(contact.get("Name") or "")
    if not name.strip():
        yield "The Contact Name is mandatory."
    if len(name) > 255:
        yield "The Contact Name must be 255 characters or less."
    if any(sign in name for sign in "<>"):
        yield "The Contact Name cannot contain < or >."
    if len(str(contact.get("ContactNumber") or "")) > 50:
        yield "The Contact Number must be 50 characters or less."
    email = str(contact.get("EmailAddress") or "")
    if email and ("@" not in email or " " in email or len(email) > 255):
        yield f"Email address {email} is not valid."
