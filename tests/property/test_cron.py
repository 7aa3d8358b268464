"""Cron slots against brute force: every minute of some days is looked at, over changes of the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from tqd.schedule.timetable import first_slot, timetable
from tqd.schedule.zone import stretches

ZONES = (
    "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana",
    "Africa/Casablanca", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia",
)  # fmt: skip
MINUTE = timedelta(minutes=1)
DAYS = 4


def changes(zone: str) -> list[datetime]:
    """Return days within which the zone's clocks are changed."""
    where = ZoneInfo(zone)
    days = [datetime(2010, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(14 * 365)]
    offsets = [day.astimezone(where).utcoffset() for day in days]
    return [day for day, one, next_ in zip(days, offsets, offsets[1:], strict=False) if one != next_]


CHANGES = {zone: changes(zone) or [datetime(2026, 3, 29, tzinfo=UTC)] for zone in ZONES}


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> tuple[str, frozenset[int]]:
    """Return a field and what it matches, by an own reading of it."""
    match draw(st.sampled_from(["star", "step", "list", "range"])):
        case "star":
            return "*", frozenset(range(low, high + 1))
        case "step":
            step = draw(st.integers(1, high))
            return f"*/{step}", frozenset(range(low, high + 1, step))
        case "list":
            chosen = draw(st.frozensets(st.integers(low, high), min_size=1, max_size=3))
            return ",".join(map(str, sorted(chosen))), chosen
        case _:
            begin = draw(st.integers(low, high))
            end = draw(st.integers(begin, high))
            return f"{begin}-{end}", frozenset(range(begin, end + 1))


def brute(
    minutes: frozenset[int], hours: frozenset[int], rhythm: bool, zone: ZoneInfo, begin: datetime
) -> list[datetime]:
    """Return the slots of some days, from what the clock shows at every real minute."""
    real = [begin + n * MINUTE for n in range(-2 * 1440, DAYS * 1440 + 1)]
    shown = [moment.astimezone(zone).replace(tzinfo=None) for moment in real]
    found: list[datetime] = []
    latest = shown[0] - MINUTE
    for moment, wall in zip(real, shown, strict=True):
        # What the clock has not shown before: this minute, and those it has just left out.
        fresh = [wall] if rhythm else []
        while not rhythm and latest < wall:
            latest += MINUTE
            fresh.append(latest)
        if any(one.minute in minutes and one.hour in hours for one in fresh):
            found.append(moment)
    return [moment for moment in found if moment > begin]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), zone=st.sampled_from(ZONES), minute=fields(0, 59), hour=fields(0, 23))
def test_the_slots_are_those_that_brute_force_finds(
    data: st.DataObject, zone: str, minute: tuple[str, frozenset[int]], hour: tuple[str, frozenset[int]]
) -> None:
    begin = data.draw(st.sampled_from(CHANGES[zone])) - timedelta(days=data.draw(st.integers(0, 2)))
    begin += data.draw(st.integers(0, 1439)) * MINUTE
    rhythm = minute[0].startswith("*") or hour[0].startswith("*")
    expected = brute(minute[1], hour[1], rhythm, ZoneInfo(zone), begin)
    table = timetable(f"{minute[0]} {hour[0]} * * *", zone)
    begin_ms = round(begin.timestamp() * 1000)
    until_ms = begin_ms + DAYS * 86_400_000
    found = list(table.slots(begin_ms, until_ms))
    assert [datetime.fromtimestamp(slot / 1000, UTC) for slot in found] == expected
    assert first_slot(table, begin_ms, until_ms) == (found[0] if found else None)


@settings(max_examples=100, deadline=None)
@given(
    minute=fields(0, 59), hour=fields(0, 23), day=fields(1, 28), month=fields(1, 12), weekday=fields(0, 7),
    begin=st.datetimes(datetime(1999, 1, 1), datetime(2060, 1, 1)),
)  # fmt: skip
def test_without_changes_of_the_clock_they_are_those_of_the_library(
    minute: tuple[str, object],
    hour: tuple[str, object],
    day: tuple[str, object],
    month: tuple[str, object],
    weekday: tuple[str, object],
    begin: datetime,
) -> None:
    spec = " ".join(field for field, _ in (minute, hour, day, month, weekday))
    start = begin.replace(tzinfo=UTC)
    expected = list(islice(CronSim(spec, start), 5))
    begin_ms = int(start.timestamp()) * 1000
    until_ms = round(expected[-1].timestamp() * 1000)
    found = list(timetable(spec, "UTC").slots(begin_ms, until_ms))
    assert [datetime.fromtimestamp(slot / 1000, UTC) for slot in found] == expected


# -- every zone -----------------------------------------------------------------------------------

FROM_S, TO_S = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2016, 2027))


def clock_changes(name: str) -> Iterator[tuple[int, int, int]]:
    """Yield when a zone's clocks are changed in ten years, in s, and the offsets before and after."""
    for (_, end_s, before_s), (_, _, after_s) in pairwise(stretches(ZoneInfo(name), FROM_S, TO_S)):
        if before_s != after_s:
            yield end_s, before_s, after_s


def noon_ms(moment_s: int, days: int, zone: ZoneInfo) -> int:
    """Return noon in a zone, some days after a moment."""
    day = datetime.fromtimestamp(moment_s, zone).date() + timedelta(days=days)
    return round(datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp() * 1000)


def test_in_every_zone_a_time_of_the_day_fires_once_a_day_and_a_rhythm_goes_on() -> None:
    wrong = []
    looked: set[tuple[int, int, int]] = set()
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for change in clock_changes(name):
            if change in looked:
                continue  # zones that change alike
            looked.add(change)
            change_s = change[0]
            begin_ms, end_ms = noon_ms(change_s, -2, zone), noon_ms(change_s, 2, zone)
            hour = datetime.fromtimestamp(change_s - 1, zone).hour
            for near in (hour - 1, hour, hour + 1, hour + 2):
                table = timetable(f"30 {near % 24} * * *", name)
                if len(list(table.slots(begin_ms, end_ms))) != 4:
                    wrong.append(f"{name} {near % 24}:30 at {change_s}")
            beats = list(timetable("*/15 * * * *", name).slots(begin_ms, end_ms))
            if {later - beat for beat, later in pairwise(beats)} != {900_000}:
                wrong.append(f"{name} */15 at {change_s}")
    assert wrong == []
    assert len(looked) > 300
