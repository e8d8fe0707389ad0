"""Invented companies and people: names, addresses, tax numbers with right check digits, habits of paying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Literal

from sandbox.world.model import Buyer, Habit

STEMS = (
    "Alderbrook", "Ashfall", "Bexmoor", "Birchline", "Brightwater", "Calderon", "Cedarpeak", "Coppergate", "Dovetail",
    "Eastlake", "Elmhurst", "Fairmont", "Fernhill", "Foxglove", "Glenrock", "Greyfield", "Hallmere", "Harrowgate",
    "Ironbridge", "Juniper", "Kestrel", "Kingsway", "Larkspur", "Lindenhof", "Maplewood", "Millstone", "Norwick",
    "Oakhaven", "Pinecrest", "Quarry Lane", "Redwing", "Riverbend", "Sandstone", "Silverton", "Stonebridge",
    "Thornbury", "Umberland", "Valemont", "Westmark", "Wrenfield",
)  # fmt: skip
TRADES = (
    "Analytics", "Biotech", "Capital", "Components", "Diagnostics", "Energy", "Foods", "Freight", "Health", "Hotels",
    "Insurance", "Interiors", "Labs", "Legal", "Logistics", "Manufacturing", "Media", "Mobility", "Packaging",
    "Partners", "Payments", "Robotics", "Software", "Textiles", "Travel",
)  # fmt: skip
FIRST_NAMES = (
    "Amara", "Anton", "Beatriz", "Carla", "Daniel", "Elena", "Farah", "Georg", "Hannah", "Ivo", "Jonas", "Kavita",
    "Leo", "Marta", "Nadia", "Oliver", "Priya", "Quentin", "Rosa", "Samuel", "Tessa", "Ulrich", "Vera", "William",
)  # fmt: skip
LAST_NAMES = (
    "Abbott", "Bianchi", "Castell", "Dumont", "Eriksen", "Fischer", "Grant", "Haas", "Iyer", "Jansen", "Keller",
    "Laurent", "Moreau", "Nolan", "Okafor", "Petit", "Quinn", "Rossi", "Schmitt", "Turner", "Urban", "Visser", "Ward",
)  # fmt: skip
STREETS = ("Mill", "Station", "Harbour", "Church", "Park", "Market", "Bridge", "Garden", "Queen", "Factory")
US_CITIES = (
    ("Austin", "TX", "78701", "512"), ("Denver", "CO", "80202", "303"), ("Boston", "MA", "02110", "617"),
    ("Seattle", "WA", "98101", "206"), ("Chicago", "IL", "60606", "312"), ("Atlanta", "GA", "30303", "404"),
    ("New York", "NY", "10018", "212"), ("Portland", "OR", "97204", "503"), ("San Diego", "CA", "92101", "619"),
)  # fmt: skip
UK_CITIES = (
    ("London", "EC2A 4NE"), ("Manchester", "M1 3BB"), ("Bristol", "BS1 4ST"), ("Leeds", "LS1 4DY"),
    ("Edinburgh", "EH3 9DR"), ("Birmingham", "B3 2TA"), ("Cambridge", "CB2 1TN"),
)  # fmt: skip
HABITS: tuple[Habit, ...] = (
    *("on_time",) * 9, *("late",) * 4, *("partly",) * 2, *("other_name",) * 2, *("twice",) * 1, *("never",) * 2,
)  # fmt: skip


def _digits(rng: Random, length: int) -> str:
    """Return random digits, the first of them not 0."""
    return str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in range(length - 1))


def _luhn(digits: str) -> str:
    """Return the Luhn check digit of ``digits``."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _gb_vat(rng: Random) -> str:
    base = _digits(rng, 7)
    return (
        f"GB{base}{97 - sum(int(digit) * weight for digit, weight in zip(base, range(8, 1, -1), strict=True)) % 97:02}"
    )


def _de_vat(rng: Random) -> str:
    base, check = _digits(rng, 8), 10
    for digit in base:
        check = ((int(digit) + check) % 10 or 10) * 2 % 11
    return f"DE{base}{(11 - check) % 10}"


def _fr_vat(rng: Random) -> str:
    base = _digits(rng, 8)
    siren = base + _luhn(base)
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02}{siren}"


def _it_vat(rng: Random) -> str:
    base = f"{_digits(rng, 7)}{rng.randint(1, 95):03}"
    return f"IT{base}{_luhn(base)}"


def _be_vat(rng: Random) -> str:
    base = f"0{_digits(rng, 7)}"
    return f"BE{base}{97 - int(base) % 97:02}"


def _nl_vat(rng: Random) -> str:
    while True:
        base = _digits(rng, 8)
        check = sum(int(digit) * weight for digit, weight in zip(base, range(9, 1, -1), strict=True)) % 11
        if check < 10:
            return f"NL{base}{check}B01"


@dataclass(frozen=True)
class Country:
    """A country of the euro area: how its companies are called, its tax number, and some of its towns."""

    name: str
    forms: tuple[str, ...]
    dial: str
    vat: Callable[[Random], str]
    cities: tuple[tuple[str, str], ...]


EURO_AREA = (
    Country("Germany", ("GmbH", "AG"), "+49 30", _de_vat, (("Berlin", "10115"), ("Köln", "50667"), ("Ulm", "89073"))),
    Country("France", ("SAS", "SA"), "+33 1", _fr_vat, (("Lyon", "69002"), ("Nantes", "44000"), ("Paris", "75009"))),
    Country("Netherlands", ("B.V.",), "+31 20", _nl_vat, (("Utrecht", "3511 AB"), ("Rotterdam", "3011 AA"))),
    Country("Italy", ("S.r.l.", "S.p.A."), "+39 02", _it_vat, (("Milano", "20121"), ("Torino", "10121"))),
    Country("Belgium", ("BV", "NV"), "+32 2", _be_vat, (("Gent", "9000"), ("Bruxelles", "1000"))),
)


def person(rng: Random) -> tuple[str, str]:
    """Return a first and a last name."""
    return rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)


class BuyerMaker:
    """Makes buyers that do not repeat a name. The same random numbers make the same buyers."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._names: set[str] = set()
        self._ids = (str(9_100_000_000 + 37 * number) for number in count(1))
        self._habits = self._deal_habits()

    def make(self, *, healthy: bool) -> Buyer:
        """Return a new buyer; those of faulty deals pay on time so that every other habit is seen on real invoices."""
        habit: Habit = next(self._habits) if healthy else "on_time"
        market = self._rng.choices(("us", "gb", "eu"), (55, 22, 23))[0]
        base = self._new_name()
        properties = {"us": self._american, "gb": self._british, "eu": self._european}[market](base)
        domain = "".join(letter for letter in base.lower() if letter.isascii() and letter.isalnum()) + ".example"
        name = str(properties["name"])
        entity: Literal["us", "uk"] = "us" if market == "us" else "uk"
        return Buyer(
            id=next(self._ids),
            name=name,
            entity=entity,
            currency={"us": "USD", "gb": "GBP", "eu": "EUR"}[market],
            habit=habit,
            pays_as=self._other_name(base) if habit == "other_name" else name,
            email=f"{self._rng.choice(('ap', 'invoices', 'accounts.payable', 'finance'))}@{domain}",
            properties={**properties, "domain": domain},
        )

    def _deal_habits(self) -> Iterator[Habit]:
        """Deal the habits out like shuffled cards: each occurs within any twenty buyers."""
        while True:
            cards = list(HABITS)
            self._rng.shuffle(cards)
            yield from cards

    def _new_name(self) -> str:
        for attempt in count():
            stem = self._rng.choice(STEMS)
            if attempt > 3:  # a big world needs longer names
                stem = f"{stem} {self._rng.choice(LAST_NAMES)}"
            name = f"{stem} {self._rng.choice(TRADES)}"
            if name not in self._names:
                self._names.add(name)
                return name
        raise AssertionError("unreachable")

    def _other_name(self, base: str) -> str:
        """Return a payer's name in which the buyer's is hard or impossible to see."""
        first, last = person(self._rng)
        return self._rng.choice((f"{last} {self._rng.choice(TRADES)} Treasury Services", f"{first} {last} Holdings"))

    def _street(self) -> str:
        return f"{self._rng.randint(1, 480)} {self._rng.choice(STREETS)}"

    def _american(self, base: str) -> dict[str, str | None]:
        city, state, zip_code, area = self._rng.choice(US_CITIES)
        return {
            "name": base + self._rng.choice((", Inc.", " LLC", " Corp.", ", Inc.", " Inc")),
            "phone": f"+1 {area} 555 01{self._rng.randint(0, 99):02}",
            "address": f"{self._street()} Street",
            "city": city,
            "state": state,
            "zip": zip_code,
            "country": "United States",
            "vat_number": None,
        }

    def _british(self, base: str) -> dict[str, str | None]:
        city, zip_code = self._rng.choice(UK_CITIES)
        return {
            "name": f"{base} {self._rng.choice(('Ltd', 'Limited', 'plc'))}",
            "phone": f"+44 20 7946 0{self._rng.randint(100, 999)}",
            "address": f"{self._street()} Road",
            "city": city,
            "state": None,
            "zip": zip_code,
            "country": "United Kingdom",
            "vat_number": _gb_vat(self._rng),
        }

    def _european(self, base: str) -> dict[str, str | None]:
        country = self._rng.choice(EURO_AREA)
        city, zip_code = self._rng.choice(country.cities)
        return {
            "name": f"{base} {self._rng.choice(country.forms)}",
            "phone": f"{country.dial} 5550 {self._rng.randint(1000, 9999)}",
            "address": f"{self._rng.choice(STREETS)}straße {self._rng.randint(1, 220)}"
            if country.name == "Germany"
            else f"{self._street()} Avenue",
            "city": city,
            "state": None,
            "zip": zip_code,
            "country": country.name,
            "vat_number": country.vat(self._rng),
        }
