"""Contradictions in terms that can be read but are not meant: found before anything is billed.

Each note has a code, the path of the key (``charges[1].tiers[2]``), and a message that ends with what to do about it.
Days are looked at in ``lint_dates``, amounts in ``lint_prices``; here is what concerns the contract as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from billing.draft import Note
from billing.facts import NO_FACTS, Facts
from billing.passes.commitments import commitment_grid, counted_charges
from billing.reading.lint_dates import (
    DAY,
    Place,
    amendment_notes,
    date_notes,
    discount_notes,
    escalator_days,
    last_end,
    places,
    ramp_notes,
    seat_notes,
    tail_notes,
)  # fmt: skip
from billing.reading.lint_prices import price_notes
from billing.service import contract_start
from billing.terms import (
    Commitment,
    Escalator,
    FixedPrice,
    Prepaid,
    Recurring,
    Renewal,
    Retainer,
    Terms,
    Usage,
    parse_interval,
)  # fmt: skip
from billing.words import date_text, price_text

# ISO 4217: the currencies in use, without funds, metals and test codes.
_ISO_4217 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD "
    "HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL "
    "LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR "
    "PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP "
    "TRY TTD TWD TZS UAH UGX USD UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_ISO_4217.split())
# What a person should know of and that bills as it is written: no contradiction, so invoices do not wait for an answer.
ADVICE = frozenset(
    {
        "commitment_cut",
        "cut_period_billed_in_full",
        "escalator_never_rises",
        "instalments_without_day",
        "one_time_after_end",
        "renewal_without_notice",
        "seats_wait_for_renewal",
        "tier_bounded",
        "tier_cliff",
        "unbilled_tail",
    }
)
_MONEY_IN_WORDS = re.compile(r"\b([A-Z]{3}) ?\d|\d ?([A-Z]{3})\b")


def lint(terms: Terms, facts: Facts = NO_FACTS) -> list[Note]:
    """Return what is contradictory in terms as they are written, amendments included; nothing: they are sound.

    ``facts`` are those that billing will use: the indices that escalators follow, the milestones accepted.
    """
    found = places(terms)
    notes = [*_contract_notes(terms), *_renewal_notes(terms, found), *_reference_notes(terms, found)]
    notes += [note for index in range(len(terms.commitments)) for note in _commitment_notes(terms, index, found)]
    for place in found:
        notes += [*date_notes(terms, place), *price_notes(terms, place.path, place.charge)]
    notes += [*_escalators(terms, found, facts), *_milestone_notes(found, terms, facts), *_currency_notes(terms, found)]
    notes += [*tail_notes(terms, found), *amendment_notes(terms), *seat_notes(terms)]
    return list(dict.fromkeys(notes))


def _contract_notes(terms: Terms) -> Iterator[Note]:
    end = last_end(terms)
    if terms.trial_ends_on is not None and end is not None and terms.trial_ends_on + DAY >= end:
        message = f"the trial ends on {date_text(terms.trial_ends_on)}, and nothing of the term is left: shorten it"
        yield Note("trial_outlives_contract", message, "trial_ends_on")
    if terms.billed_through is not None and end is not None and terms.billed_through + DAY >= end:
        message = f"all service by {date_text(terms.billed_through)} is billed elsewhere, so nothing is billed here"
        yield Note("billed_through_the_end", f"{message}: correct billed_through", "billed_through")
    yield from discount_notes(terms.discounts, "discounts", contract_start(terms), end)
    fee = terms.termination_fee
    if fee is not None and fee.percent is not None and terms.ends_on is None:
        message = "a percent of what is left needs an end of the contract: write an amount or months, or add ends_on"
        yield Note("termination_fee_without_end", message, "termination_fee.percent")


def _renewal_notes(terms: Terms, found: Sequence[Place]) -> Iterator[Note]:
    amended = [(f"amendments[{index}].renewal", one.renewal) for index, one in enumerate(terms.amendments)]
    for path, renewal in [("renewal", terms.renewal), *amended]:
        if renewal is None:
            continue
        if renewal.auto and renewal.notice_days is None:
            message = "the contract renews by itself and no notice period is known: write by how many days before"
            yield Note("renewal_without_notice", f"{message} the end it can be cancelled", f"{path}.notice_days")
        if terms.ends_on is None and path == "renewal":
            yield Note("renewal_without_end", "a contract without end never renews: add ends_on or drop it", path)
        yield from _list_price_notes(renewal, found)


def _list_price_notes(renewal: Renewal, found: Sequence[Place]) -> Iterator[Note]:
    for path, charge, _, _ in found if renewal.price_basis == "list" else ():
        if isinstance(charge, Recurring) and charge.escalates and charge.list_price is None:
            message = f"renewals are at list price, and charge {charge.key!r} has none: add list_price"
            yield Note("list_price_missing", message, f"{path}.list_price")


def _reference_notes(terms: Terms, found: Sequence[Place]) -> Iterator[Note]:
    """Yield keys of charges that do not exist, and terms that find no charge to work on."""
    keys = {place.charge.key for place in found}
    named = [(f"commitments[{index}].charges", one.charges) for index, one in enumerate(terms.commitments)]
    named += [("holdback.charges", terms.holdback.charges)] if terms.holdback is not None else []
    named += [(f"{path}.charges", one.charges) for path, one, _, _ in found if isinstance(one, Prepaid)]
    for path, names in named:
        for index, name in enumerate(names):
            if name not in keys:
                message = f"there is no charge {name!r}; there are: {', '.join(sorted(keys))}. Correct the key"
                yield Note("unknown_charge", message, f"{path}[{index}]")
    fixed = any(isinstance(place.charge, FixedPrice) for place in found)
    if terms.holdback is not None and not terms.holdback.charges and not fixed:
        message = "nothing is held back: there is no fixed price; name the charges that it is held back from"
        yield Note("holdback_without_charge", message, "holdback.charges")
    for path, charge, _, _ in found:
        if isinstance(charge, Prepaid) and not charge.charges and not _drawable(found):
            message = (
                f"nothing draws {charge.key!r} down: there is no usage and no retainer; name the charges it pays for"
            )
            yield Note("prepaid_without_charge", message, f"{path}.charges")


def _drawable(found: Sequence[Place]) -> bool:
    return any(isinstance(place.charge, Usage | Retainer) for place in found)


def _commitment_notes(terms: Terms, index: int, found: Sequence[Place]) -> Iterator[Note]:
    one, path, end = terms.commitments[index], f"commitments[{index}]", last_end(terms)
    if one.starts_on is not None and one.ends_on is not None and one.ends_on < one.starts_on:
        message = f"commitment {one.key!r} ends before it starts: correct one of the two days"
        yield Note("ends_before_start", message, f"{path}.ends_on")
        return
    if one.ends_on is not None and end is not None and one.ends_on >= end:
        message = f"commitment {one.key!r} ends after the contract, on {date_text(one.ends_on)}: correct the day"
        yield Note("commitment_outlives_contract", message, f"{path}.ends_on")
    starts = one.starts_on or contract_start(terms)
    until = min([day for day in (None if one.ends_on is None else one.ends_on + DAY, end) if day], default=None)
    yield from ramp_notes(one.steps, f"{path}.steps", starts, until)
    grid = commitment_grid(terms, one)
    if until is not None and starts < until and grid.boundary(grid.index_of(until)) != until:
        message = (
            f"the last period of commitment {one.key!r} is cut by its end, {date_text(until - DAY)}, and is due by its "
            "days only: let it end with a period if the whole amount is meant"
        )
        yield Note("commitment_cut", message, f"{path}.every")
    base = _committed_base(terms, one, found)
    if base >= one.amount > 0:
        amount = price_text(one.amount, terms.currency)
        message = f"commitment {one.key!r} of {amount} per {one.every} is reached by its recurring charges alone"
        yield Note("commitment_below_base", f"{message}: it never applies; correct its amount", f"{path}.amount")


def _committed_base(terms: Terms, one: Commitment, found: Sequence[Place]) -> Fraction:
    """Return what the plain recurring charges that count cost in a whole commitment period, in major units."""
    period, total, counted = parse_interval(one.every), Fraction(0), counted_charges(terms, one)
    for _, charge, _, _ in found:
        if charge.key not in counted or not isinstance(charge, Recurring | Retainer):
            continue
        per = parse_interval((charge.price_per if isinstance(charge, Recurring) else None) or charge.every)
        if per.unit == period.unit and not (isinstance(charge, Recurring) and charge.tiers):
            total += Fraction(charge.price) * Fraction(charge.quantity) * Fraction(period.count, per.count)
    return total


def _escalators(terms: Terms, found: Sequence[Place], facts: Facts) -> Iterator[Note]:
    start = contract_start(terms)
    if terms.escalator is not None:
        yield from _escalator_notes(terms.escalator, "escalator", facts, terms)
        yield from escalator_days(terms.escalator, "escalator", start, last_end(terms), start)
    for path, charge, starts, until in found:
        own = charge.escalator if isinstance(charge, Recurring | Usage | Retainer) else None
        if own is not None:
            yield from _escalator_notes(own, f"{path}.escalator", facts, terms)
            yield from escalator_days(own, f"{path}.escalator", starts, until, start)


def _escalator_notes(one: Escalator, path: str, facts: Facts, terms: Terms) -> Iterator[Note]:
    if one.percent is None and one.amount is None and one.index is None:
        yield Note("escalator_empty", "the escalator says no rise: add percent, amount or index", path)
    if one.cap is not None and one.floor is not None and one.floor > one.cap:
        yield Note("escalator_bounds", "the floor lies above the cap: correct one of the two", f"{path}.floor")
    if one.index is None:
        return
    series = facts.indices.get(one.index, ())
    if not series:
        message = f"index {one.index!r} has no values: enter them, in a terms file under [indices]"
        yield Note("index_unknown", message, f"{path}.index")
    elif one.base_index is None and series[0][0] > terms.starts_on:
        message = f"index {one.index!r} has no value by {date_text(terms.starts_on)}, the contract's first day"
        yield Note("index_base_missing", f"{message}: enter it, or write base_index", f"{path}.base_index")


def _milestone_notes(found: Sequence[Place], terms: Terms, facts: Facts) -> Iterator[Note]:
    """Yield acceptances of what the contract does not have, and totals that nothing will ever bill."""
    fixed = [(place.path, place.charge) for place in found if isinstance(place.charge, FixedPrice)]
    known = {(charge.key, part.key) for _, charge in fixed for part in charge.instalments}
    known |= {("holdback", "")} if terms.holdback is not None else set()
    for one in facts.accepted:
        if (one.charge, one.milestone) not in known:
            message = f"{one.milestone!r} of {one.charge!r} was accepted, and the contract has no such milestone"
            yield Note("unknown_milestone", f"{message}: correct the acceptance", "charges")
    accepted = {one.charge for one in facts.accepted}
    for path, charge in fixed:
        dated = any(part.on or part.after or part.expected_on for part in charge.instalments)
        if not dated and charge.key not in accepted:
            message = f"no instalment of {charge.key!r} has a day: add on, after, or expected_on for the forecast"
            yield Note("instalments_without_day", message, f"{path}.instalments")


def _currency_notes(terms: Terms, found: Sequence[Place]) -> Iterator[Note]:
    """Refuse a currency that does not exist, and tell of words that name money of another one."""
    if terms.currency not in CURRENCIES:
        message = f"{terms.currency} is no currency of ISO 4217: write the code that the contract names"
        yield Note("currency_unknown", message, "currency")
    texts = [(f"{place.path}.description", place.charge.description) for place in found]
    texts += [(f"commitments[{index}].description", one.description) for index, one in enumerate(terms.commitments)]
    texts += [("po_number", terms.po_number), *((f"custom.{name}", value) for name, value in terms.custom.items())]
    for path, text in texts:
        codes = {one or other for one, other in _MONEY_IN_WORDS.findall(text)} & CURRENCIES - {terms.currency}
        for code in sorted(codes):
            message = f"{text!r} names an amount in {code}, the contract is in {terms.currency}: correct one of the two"
            yield Note("currency_mismatch", message, path)
