"""Each transform, in sentences."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from mappings import transforms
from mappings.transforms import TRANSFORMS, Unreadable


def refused(step, value: str) -> str:
    with pytest.raises(Unreadable) as caught:
        step(value)
    assert caught.value.fix
    return caught.value.problem


def test_lower_and_upper_change_letters_only():
    assert transforms.lower()("Net 30") == "net 30"
    assert transforms.upper()("gbp") == "GBP"


def test_split_takes_the_first_part_by_default_and_the_last_by_minus_one():
    assert transforms.split(by=";")("a@x.com; b@x.com") == "a@x.com"
    assert transforms.split(by=";", take=-1)("a@x.com; b@x.com") == "b@x.com"


def test_split_refuses_a_part_that_is_not_there_or_empty():
    assert refused(transforms.split(by=";", take=3), "a;b") == "has no part 3 when cut at ';'"
    refused(transforms.split(by=";", take=2), "a; ")
    refused(transforms.split(by=";", take=-3), "a;b")


def test_split_cannot_count_from_zero():
    with pytest.raises(ValueError, match="counts from 1"):
        transforms.split(by=";", take=0)


def test_regex_takes_a_group_and_refuses_what_does_not_fit():
    step = transforms.regex(pattern=r"PO[- ]?(\d+)")
    assert step("see PO-4711, urgent") == "4711"
    assert refused(step, "no number").startswith("does not fit the pattern")
    assert transforms.regex(pattern=r"PO-\d+", group=0)("x PO-1") == "PO-1"


def test_regex_refuses_a_broken_pattern_and_a_group_it_has_not():
    with pytest.raises(ValueError, match="no regular expression"):
        transforms.regex(pattern="(")
    with pytest.raises(ValueError, match="no group 2"):
        transforms.regex(pattern="(a)", group=2)


@pytest.mark.parametrize(("text", "number"), [("1200.50", "1200.50"), ("-3", "-3"), ("0", "0"), ("1.2E7", "12000000")])
def test_decimal_reads_plain_numbers_exactly(text, number):
    assert str(transforms.decimal_()(text)) == number


@pytest.mark.parametrize(
    "text", ["1,200.50", "1 200", "twelve", "NaN", "Infinity", "1e99", "١٢", "1.", ".5", "--1", "0x1"]
)
def test_decimal_refuses_everything_else_rather_than_guess(text):
    assert refused(transforms.decimal_(), text) == "is no number"


def test_decimal_accepts_thousands_separators_only_when_named_and_well_placed():
    step = transforms.decimal_(thousands=",")
    assert step("1,200.50") == Decimal("1200.50")
    assert step("1200") == 1200
    assert "odd places" in refused(step, "12,00")


def test_decimal_reads_a_decimal_comma_when_told():
    step = transforms.decimal_(thousands=".", point=",")
    assert step("1.200,50") == Decimal("1200.50")
    assert "odd places" in refused(step, "1.2")
    assert "point where a comma" in refused(transforms.decimal_(point=","), "1.2")


def test_decimal_refuses_marks_that_contradict_each_other():
    with pytest.raises(ValueError, match="must differ"):
        transforms.decimal_(thousands=".", point=".")


def test_a_number_of_a_million_million_is_a_typing_error():
    assert refused(transforms.decimal_(), "1000000000000") == "is too large to be meant"


def test_integer_reads_twelve_point_zero_but_not_twelve_and_a_half():
    assert transforms.integer()("12.0") == 12
    assert refused(transforms.integer(), "12.5") == "is no whole number"


def test_percent_reads_a_sign_and_turns_fractions_only_when_told():
    assert transforms.percent()("15 %") == 15
    assert transforms.percent()("0.15") == Decimal("0.15")
    assert transforms.percent(fraction=True)("0.15") == 15
    assert transforms.percent(fraction=True)("15%") == 15


def test_round_takes_halves_away_from_zero():
    assert transforms.round_(places=2)(Decimal("2.345")) == Decimal("2.35")
    assert transforms.round_(places=0)(Decimal("-2.5")) == -3


def test_boolean_reads_true_false_yes_no():
    assert [transforms.boolean()(text) for text in ("true", "No", "YES", "false")] == [True, False, True, False]
    refused(transforms.boolean(), "1")


@pytest.mark.parametrize(
    "text",
    ["2026-03-01", "2026-03-01T00:00:00Z", "2026-03-01T09:30:12.123Z", "2026-03-01T01:00:00+01:00", "1772323200000"],
)
def test_date_reads_iso_dates_moments_and_hubspots_milliseconds(text):
    assert transforms.date_()(text) == date(2026, 3, 1)


def test_date_takes_the_day_of_a_moment_in_the_given_zone():
    step = transforms.date_(zone="America/New_York")
    assert step("2026-03-01T02:00:00Z") == date(2026, 2, 28)
    assert step("2026-03-01") == date(2026, 3, 1)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "01/03/2026", "20260301", "2026-W09-7", "soon", "2026-03-01T99:99", "9" * 14]
)
def test_date_refuses_what_it_does_not_know(text):
    assert refused(transforms.date_(), text) in ("is no date", "lies in the year 5138")


def test_date_refuses_years_that_must_be_typing_errors():
    assert refused(transforms.date_(), "0206-03-01") == "lies in the year 206"


def test_date_reads_its_format_and_nothing_else():
    step = transforms.date_(format="%d.%m.%Y")
    assert step("31.12.2026") == date(2026, 12, 31)
    with pytest.raises(Unreadable) as caught:
        step("2026-12-31")
    assert caught.value.fix == "write it like 01.03.2026"


@pytest.mark.parametrize("format", ["%d.%m", "%Y", "day", "%H:%M", "%q"])
def test_date_refuses_a_format_without_day_month_and_year(format):
    with pytest.raises(ValueError, match="does not hold day, month and year"):
        transforms.date_(format=format)


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc", "", "Europe"])
def test_date_refuses_an_unknown_zone(zone):
    with pytest.raises(ValueError, match="is not known"):
        transforms.date_(zone=zone)


def test_period_months_reads_years_and_months():
    step = transforms.period_months()
    assert [step(text) for text in ("P12M", "P1Y6M", "p2y")] == [12, 18, 24]


@pytest.mark.parametrize("text", ["12", "P", "P0M", "P4W", "P1M2W", "P30D"])
def test_period_months_refuses_what_is_no_number_of_months(text):
    assert refused(transforms.period_months(), text) == "is no number of months"


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("Month", "month"),
        ("half_year", "half_year"),
        ("2  Weeks", "2 weeks"),
        ("P3M", "3 months"),
        ("P1Y", "12 months"),
        ("P2W", "2 weeks"),
    ],
)
def test_interval_reads_the_terms_own_words_and_iso_lengths(text, every):
    assert transforms.interval()(text) == every


@pytest.mark.parametrize("text", ["bi-monthly", "P", "P0M", "0 weeks", "P1M1W", "fortnight"])
def test_interval_refuses_ambiguous_words(text):
    assert refused(transforms.interval(), text) == "is no billing interval"


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("Net 30", "net 30"),
        ("NET45", "net 45"),
        ("net-30", "net 30"),
        ("net 60 days", "net 60"),
        ("30 days", "net 30"),
        ("n/30", "net 30"),
        ("within 14 days.", "net 14"),
        ("30", "net 30"),
        ("Due on receipt", "on receipt"),
        ("upon receipt", "on receipt"),
        ("EOM", "eom"),
        ("EOM + 15", "eom + 15"),
        ("end of month+10 days", "eom + 10"),
        ("net 30 EOM", "eom + 30"),
        ("15 days after end of month", "eom + 15"),
        ("Due on the 15th of the following month", "day 15 of next month"),
        ("day 5 of next month", "day 5 of next month"),
        ("31 days then day 15", "31 days then day 15"),
        ("2/10 net 30", "2/10 net 30"),
        ("2% / 10, 1.5%/20, n/30", "2/10 1.5/20 net 30"),
    ],
)
def test_payment_terms_reads_what_people_write(text, term):
    assert transforms.payment_terms()(text) == term


@pytest.mark.parametrize(
    "text",
    [
        "as discussed",
        "2/10",
        "2/10 soon",
        "32nd of next month",
        "net thirty",
        "30 or 60 days",
        "EOM 15",
        "net 3000",
        "/30",
    ],
)
def test_payment_terms_refuses_what_it_cannot_say_exactly(text):
    assert refused(transforms.payment_terms(), text) == "is no payment term"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("United States", "US"),
        ("usa", "US"),
        ("U.S.A.", "US"),
        ("gb", "GB"),
        ("UK", "GB"),
        ("The Netherlands", "NL"),
        ("Curaçao", "CW"),
    ],
)
def test_country_reads_names_and_codes(text, code):
    assert transforms.country()(text) == code


def test_country_names_the_nearest_one_when_misspelt():
    with pytest.raises(Unreadable) as caught:
        transforms.country()("Germny")
    assert "did you mean Germany (DE)?" in caught.value.fix


def test_every_transform_is_in_the_readme():
    from mappings import SHIPPED

    table = (SHIPPED / "README.md").read_text(encoding="utf-8").partition("### Transforms")[2].partition("## Three")[0]
    for transform in TRANSFORMS.values():
        assert f"`{transform.name}`" in table
        assert all(f"`{parameter}" in table for parameter in transform.parameters)
