"""Which slots are fired: on time, late, and after nobody was there."""

from __future__ import annotations

import pytest

from tqd.schedule.due import LATE_MS, due_slots, newest_slots
from tqd.schedule.entry import CatchUp, Entry
from tqd.schedule.timetable import Interval, timetable

MINUTE = 60_000
EVERY_MINUTE = Interval(MINUTE)
EVERY_SECOND = Interval(1000)
ALL_WAYS = list(CatchUp)


@pytest.mark.parametrize("catch_up", ALL_WAYS)
def test_a_slot_is_due_at_its_moment_and_not_before(catch_up: CatchUp) -> None:
    assert due_slots(EVERY_MINUTE, 0, MINUTE - 1, catch_up, 100) == []
    assert due_slots(EVERY_MINUTE, 0, MINUTE, catch_up, 100) == [MINUTE]
    assert due_slots(EVERY_MINUTE, MINUTE, MINUTE, catch_up, 100) == []


@pytest.mark.parametrize("catch_up", ALL_WAYS)
def test_a_keeper_that_was_away_for_some_seconds_fires_every_slot(catch_up: CatchUp) -> None:
    assert due_slots(EVERY_SECOND, 100_000, 105_500, catch_up, 2) == [
        101_000,
        102_000,
        103_000,
        104_000,
        105_000,
    ]
    assert due_slots(EVERY_MINUTE, 0, MINUTE + LATE_MS - 1, catch_up, 100) == [MINUTE]


def test_skip_leaves_out_what_was_missed() -> None:
    assert due_slots(EVERY_MINUTE, 0, MINUTE + LATE_MS, CatchUp.SKIP, 100) == []
    assert due_slots(EVERY_MINUTE, 0, 59 * MINUTE + 30_000, CatchUp.SKIP, 100) == []


def test_after_an_outage_the_slot_that_is_not_late_is_fired_by_skip_too() -> None:
    assert due_slots(EVERY_MINUTE, 0, 60 * MINUTE + 5, CatchUp.SKIP, 100) == [60 * MINUTE]
    assert due_slots(EVERY_SECOND, 0, 60 * MINUTE + 5, CatchUp.SKIP, 100) == [60 * MINUTE]


def test_once_is_one_run_for_all_that_was_missed_with_the_newest_slot() -> None:
    assert due_slots(EVERY_MINUTE, 0, 60 * MINUTE + 30_000, CatchUp.ONCE, 100) == [60 * MINUTE]


def test_all_is_a_run_for_each_up_to_the_limit_the_newest() -> None:
    now = 5 * MINUTE + 30_000
    assert due_slots(EVERY_MINUTE, 0, now, CatchUp.ALL, 100) == [n * MINUTE for n in range(1, 6)]
    assert due_slots(EVERY_MINUTE, 0, now, CatchUp.ALL, 2) == [4 * MINUTE, 5 * MINUTE]


@pytest.mark.parametrize("catch_up", ALL_WAYS)
def test_nothing_is_due_when_the_clock_went_back(catch_up: CatchUp) -> None:
    assert due_slots(EVERY_MINUTE, 60 * MINUTE, 0, catch_up, 100) == []


def test_the_newest_slots_are_found_however_far_apart_they_are() -> None:
    yearly = timetable("0 0 1 1 *", "UTC")
    now = 1_790_000_000_000
    assert [yearly.local(slot)[:4] for slot in newest_slots(yearly, 0, now, 3)] == ["2024", "2025", "2026"]
    assert newest_slots(yearly, now - 1000, now, 3) == []
    assert newest_slots(EVERY_SECOND, 0, 10**12, 2) == [10**12 - 1000, 10**12]


def test_the_fingerprint_changes_when_the_slots_do() -> None:
    one = Entry(name="n", task="t", queue="q", spec="0 5 * * *")
    same = Entry(name="other", task="u", queue="r", spec="0 5 * * *", catch_up=CatchUp.ALL)
    moved = Entry(name="n", task="t", queue="q", spec="0 5 * * *", tz="Europe/Vienna")
    assert one.fingerprint == same.fingerprint != moved.fingerprint
