"""Cron expressions: which moments are slots, what both changes of the clock do, and what is refused."""

from __future__ import annotations

from datetime import datetime

import pytest

from tqd.schedule.cron import Cron
from tqd.schedule.timetable import ScheduleError, Timetable, first_slot, timetable


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def slots(spec: str, tz: str, after: str, until: str) -> list[str]:
    """Return the slots between two moments, as the clocks of the zone show them."""
    table = timetable(spec, tz)
    return [table.local(slot)[:16] + table.local(slot)[23:] for slot in table.slots(ms(after), ms(until))]


def following(spec: str, after: str, count: int = 3) -> list[str]:
    """Return the next slots in UTC."""
    table: Timetable = Cron(spec, "UTC")
    found, moment = [], ms(after)
    for _ in range(count):
        moment = first_slot(table, moment) or 0
        found.append(table.local(moment)[:16])
    return found


# -- fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("*/20 9-10 * * *", ["2026-01-01T09:00", "2026-01-01T09:20", "2026-01-01T09:40"]),
        ("5,50 0 * * *", ["2026-01-01T00:05", "2026-01-01T00:50", "2026-01-02T00:05"]),
        ("0 12 29 2 *", ["2028-02-29T12:00", "2032-02-29T12:00", "2036-02-29T12:00"]),
        ("0 0 L * *", ["2026-01-31T00:00", "2026-02-28T00:00", "2026-03-31T00:00"]),
        ("0 0 LW * *", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-31T00:00"]),
        ("0 0 * * FRI#2", ["2026-01-09T00:00", "2026-02-13T00:00", "2026-03-13T00:00"]),
        ("0 0 * * 5L", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-27T00:00"]),
        ("0 6 * jan-feb mon", ["2026-01-05T06:00", "2026-01-12T06:00", "2026-01-19T06:00"]),
        ("0 0 1,13 * fri", ["2026-01-02T00:00", "2026-01-09T00:00", "2026-01-13T00:00"]),
        ("0 0 */5 * fri", ["2026-01-16T00:00", "2026-02-06T00:00", "2026-03-06T00:00"]),
        ("0 0 * 2 MON#5", ["2044-02-29T00:00", "2072-02-29T00:00", "2112-02-29T00:00"]),
        ("@weekly", ["2026-01-04T00:00", "2026-01-11T00:00", "2026-01-18T00:00"]),
        ("@hourly", ["2026-01-01T01:00", "2026-01-01T02:00", "2026-01-01T03:00"]),
    ],
)
def test_an_expression_names_these_moments(spec: str, expected: list[str]) -> None:
    assert following(spec, "2026-01-01T00:00:00+00:00") == expected


def test_six_fields_begin_with_the_second() -> None:
    table = Cron("*/20 59 23 * * *", "UTC")
    found = list(table.slots(ms("2026-01-01T23:59:00+00:00"), ms("2026-01-03T00:00:00+00:00")))
    assert [table.local(slot)[11:19] for slot in found] == [
        "23:59:20", "23:59:40", "23:59:00", "23:59:20", "23:59:40",
    ]  # fmt: skip


def test_a_slot_is_later_than_the_moment_asked_about_and_the_end_counts() -> None:
    table = Cron("0 * * * *", "UTC")
    noon = ms("2026-01-01T12:00:00+00:00")
    assert list(table.slots(noon, noon)) == []
    assert list(table.slots(noon - 1, noon)) == [noon]
    assert list(table.slots(noon, noon + 3_599_999)) == []


# -- clocks are put forward -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tz", "day", "spec", "expected"),
    [
        ("Europe/Vienna", "2026-03-29", "30 2 * * *", ["2026-03-29T03:00+02:00"]),
        ("Europe/Vienna", "2026-03-29", "0,15,30 2 * * *", ["2026-03-29T03:00+02:00"]),
        (
            "Europe/Vienna",
            "2026-03-29",
            "0 1,2,3 * * *",
            ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"],
        ),
        ("America/New_York", "2026-03-08", "30 2 * * *", ["2026-03-08T03:00-04:00"]),
        ("Australia/Lord_Howe", "2026-10-04", "10 2 * * *", ["2026-10-04T02:30+11:00"]),
        ("Africa/Cairo", "2026-04-24", "0 0 * * *", ["2026-04-24T01:00+03:00"]),
    ],
)
def test_a_time_of_the_day_that_is_left_out_fires_once_right_after_the_gap(
    tz: str, day: str, spec: str, expected: list[str]
) -> None:
    assert slots(spec, tz, f"{day}T00:00:00+12:00", f"{day}T10:00:00+00:00")[-len(expected) :] == expected
    assert len(slots(spec, tz, f"{day}T00:00:00+03:00", f"{day}T10:00:00+00:00")) <= len(expected) + 1


def test_a_rhythm_goes_on_over_the_gap_in_real_time() -> None:
    expected = ["2026-03-29T01:40+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:20+02:00"]
    begin, end = "2026-03-29T01:20:00+01:00", "2026-03-29T03:20:00+02:00"
    assert slots("*/20 * * * *", "Europe/Vienna", begin, end) == expected


def test_a_rhythm_within_the_hour_that_is_left_out_does_not_fire_that_day() -> None:
    assert slots("*/20 2 * * *", "Europe/Vienna", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00") == []


def test_quarters_after_a_gap_of_half_an_hour_are_all_there() -> None:
    begin, end = "2026-10-04T00:00+10:30", "2026-10-04T03:30+11:00"
    found = slots("*/15 2-3 * * *", "Australia/Lord_Howe", begin, end)
    assert [slot[11:16] for slot in found] == ["02:30", "02:45", "03:00", "03:15", "03:30"]


# -- clocks are put back --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tz", "day", "spec", "expected"),
    [
        ("Europe/Vienna", "2026-10-25", "30 2 * * *", ["2026-10-25T02:30+02:00"]),
        ("America/New_York", "2026-11-01", "30 1 * * *", ["2026-11-01T01:30-04:00"]),
        ("Australia/Lord_Howe", "2026-04-05", "45 1 * * *", ["2026-04-05T01:45+11:00"]),
    ],
)
def test_a_time_of_the_day_that_comes_twice_fires_the_first_time_only(
    tz: str, day: str, spec: str, expected: list[str]
) -> None:
    table = timetable(spec, tz)
    around = [table.local(s) for s in table.slots(ms(f"{day}T00:00+14:00"), ms(f"{day}T23:00-12:00"))]
    assert [slot[:16] + slot[23:] for slot in around if slot.startswith(day)] == expected


def test_asked_between_the_two_times_it_does_not_name_the_first_again() -> None:
    between = ms("2026-10-25T02:10:00+01:00")  # for the second time
    table = timetable("30 2 * * *", "Europe/Vienna")
    assert table.local(first_slot(table, between) or 0) == "2026-10-26T02:30:00.000+01:00"


def test_a_rhythm_goes_on_through_the_hour_that_comes_twice() -> None:
    begin, end = "2026-10-25T01:30:00+02:00", "2026-10-25T03:00:00+01:00"
    found = slots("*/30 * * * *", "Europe/Vienna", begin, end)
    assert [slot[11:] for slot in found] == [
        "02:00+02:00",
        "02:30+02:00",
        "02:00+01:00",
        "02:30+01:00",
        "03:00+01:00",
    ]


def test_six_fields_follow_the_same_rules() -> None:
    begin, end = "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"
    assert slots("0 30 2 * * *", "Europe/Vienna", begin, end) == ["2026-10-25T02:30+02:00"]


# -- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("61 * * * *", ["minute", '"61"', "0-59"]),
        ("* 24 * * *", ["hour", '"24"', "0-23"]),
        ("x * * * * *", ["second", '"x"']),
        ("0 0 31 2 *", ["day-of-month", '"31"']),
        ("0 0 * foo *", ["month", '"foo"', "JAN-DEC"]),
        ("0 0 * * MON#7", ["day-of-week", '"MON#7"']),
        ("*/0 * * * *", ["minute", '"*/0"']),
        ("* * * *", ["4 fields"]),
        ("", ["0 fields"]),
        ("@reboot", ["@reboot", "@daily"]),
        ("* " * 100, ["200 characters"]),
        ("9" * 90 + " * * * *", ["minute"]),
    ],
)
def test_what_is_no_expression_is_refused_with_the_field(spec: str, words: list[str]) -> None:
    with pytest.raises(ScheduleError) as caught:
        Cron(spec, "UTC")
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("tz", ["Europe/Viena", "", "../etc/passwd", "Europe"])
def test_a_zone_that_is_none_is_refused(tz: str) -> None:
    with pytest.raises(ScheduleError, match=f'the time zone "{tz}" is not known'):
        Cron("* * * * *", tz)


def test_the_nearest_zone_is_named() -> None:
    with pytest.raises(ScheduleError, match="did you mean Europe/Vienna"):
        Cron("* * * * *", "Europe/Viena")


def test_without_a_database_of_zones_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqd.schedule.zone.available_timezones", lambda: set())
    with pytest.raises(ScheduleError, match="install the Python package tzdata"):
        Cron("* * * * *", "Nowhere/City")
