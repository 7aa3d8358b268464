"""Intervals: their spellings, their bounds, and that every host counts them alike."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tqd.schedule.timetable import Interval, ScheduleError, first_slot, interval_spec, timetable


@pytest.mark.parametrize(
    ("period", "spec"),
    [
        (30, "every 30s"), (1.5, "every 1500ms"), (3600.0, "every 1h"), ("90s", "every 90s"),
        ("1h30m", "every 90m"), ("1h 30m", "every 90m"), ("0.5m", "every 30s"), ("2w", "every 2w"),
        ("1500ms", "every 1500ms"), (timedelta(days=1), "every 1d"), (timedelta(seconds=1), "every 1s"),
    ],
)  # fmt: skip
def test_an_interval_has_one_spelling(period: str | float | timedelta, spec: str) -> None:
    assert interval_spec(period) == spec
    assert isinstance(timetable(spec, "UTC"), Interval)


@pytest.mark.parametrize(
    "period", ["", "30", "s", "30x", "-5s", "1h,5m", True, None, float("nan"), float("inf"), "٣s"]
)
def test_what_is_no_interval_is_refused(period: object) -> None:
    with pytest.raises(ScheduleError, match="is none: it is like 30"):
        interval_spec(period)  # type: ignore[arg-type]


@pytest.mark.parametrize("period", [0, 0.5, "999ms", "367d", timedelta(days=400), "1.0005s"])
def test_an_interval_has_bounds(period: str | float | timedelta) -> None:
    with pytest.raises(ScheduleError, match=r"out of range|is none"):
        interval_spec(period)


def test_slots_count_from_the_epoch_whoever_counts_them() -> None:
    table = Interval(30_000)
    assert list(table.slots(0, 90_000)) == [30_000, 60_000, 90_000]
    assert list(table.slots(29_999, 30_000)) == [30_000]
    assert first_slot(table, 1_700_000_000_001) == 1_700_000_010_000
    assert list(table.slots(60_000, 59_000)) == []


def test_its_moments_are_told_in_utc() -> None:
    assert Interval(1000).local(1_500) == "1970-01-01T00:00:01.500+00:00"
