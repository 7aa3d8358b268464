"""Sliding windows: what is in them, over how long, and that they forget."""

from __future__ import annotations

import random

import pytest

from tqd.metrics.ledger import FAILED, RETRIED, Entry
from tqd.metrics.windows import FIVE_MINUTES, MINUTE, QUARTER, TIERS, Windows, by_name, by_queue


def entry(done: int = 1, failed: int = 0) -> Entry:
    made = Entry("mail", "default")
    made.done = done
    made.counters[FAILED] = failed
    made.run_s = 0.1 * (done + failed)
    made.runs = {60: done + failed}
    return made


class Clock:
    """Windows that start at 1000 s, and are told of each second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.windows = Windows(self.now)

    def pass_time(self, seconds: float, per_s: int = 0) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1.0)
            if per_s:
                self.windows.enter(("mail", "default"), entry(per_s))
                self.windows.used(2.0, 4.0)
            self.windows.pass_to(self.now)

    def finished(self, tier: int) -> int:
        return self.windows.window(tier, self.now).all().finished


@pytest.mark.parametrize(("tier", "length_s"), [(MINUTE, 60.0), (FIVE_MINUTES, 300.0), (QUARTER, 900.0)])
@pytest.mark.parametrize("lasted_s", [1.0, 59.0, 61.0, 299.0, 1000.0, 4000.0])
def test_a_steady_rate_is_seen_as_it_is(tier: int, length_s: float, lasted_s: float) -> None:
    clock = Clock()
    clock.pass_time(lasted_s, per_s=7)
    window = clock.windows.window(tier, clock.now)
    assert window.span_s == pytest.approx(window.all().finished / 7, abs=1e-6)
    assert window.per_s(window.all().finished) == pytest.approx(7.0)
    assert window.utilization == 0.5
    slack_s = sum(length for length, _ in TIERS[: tier + 1])
    assert min(lasted_s, length_s) <= window.span_s <= min(lasted_s, length_s + slack_s)


def test_what_is_over_leaves_one_window_after_the_other() -> None:
    clock = Clock()
    clock.pass_time(10.0, per_s=3)
    seen = []
    for after_s in (40.0, 60.0, 250.0, 700.0):
        clock.pass_time(after_s)
        seen.append([clock.finished(tier) for tier in (MINUTE, FIVE_MINUTES, QUARTER)])
    assert seen == [[30, 30, 30], [0, 30, 30], [0, 0, 30], [0, 0, 0]]


def test_nothing_is_lost_or_counted_twice_on_its_way_through_the_tiers() -> None:
    chance = random.Random(7)
    clock = Clock()
    total = 0
    for _ in range(400):
        count = chance.randrange(5)
        if count:
            clock.windows.enter(("mail", "default"), entry(count))
        total += count
        clock.now += chance.choice((0.2, 0.7, 1.0, 2.4))
        clock.windows.pass_to(clock.now)
        if clock.now - 1000.0 < 890.0:
            assert clock.finished(QUARTER) == total
        if clock.now - 1000.0 < 290.0:
            assert clock.finished(FIVE_MINUTES) == total
    assert clock.now > 1300.0 and total > 400


def test_a_window_after_a_long_silence_is_empty_and_says_over_how_long() -> None:
    clock = Clock()
    clock.pass_time(3.0, per_s=5)
    clock.now += 10_000.0
    clock.windows.pass_to(clock.now)
    assert clock.windows.window(MINUTE, clock.now).span_s >= 10_000.0
    clock.pass_time(70.0)
    window = clock.windows.window(MINUTE, clock.now)
    assert (window.all().finished, window.utilization) == (0, None)
    assert window.span_s < 80.0


def test_a_window_of_no_time_has_no_rate() -> None:
    window = Windows(5.0).window(MINUTE, 5.0)
    assert (window.per_s(0), window.utilization, window.span_s) == (None, None, 0.0)


def test_a_take_is_exactly_what_came_since_the_last_and_leaves_the_windows_alone() -> None:
    clock = Clock()
    clock.pass_time(7.0, per_s=2)
    first = clock.windows.take(clock.now)
    clock.pass_time(3.0, per_s=1)
    second = clock.windows.take(clock.now)
    assert (first.all().finished, first.span_s, first.slot_s) == (14, 7.0, 28.0)
    assert (second.all().finished, second.span_s, second.busy_slot_s) == (3, 3.0, 6.0)
    assert clock.finished(MINUTE) == 17


def test_what_was_taken_does_not_grow_afterwards() -> None:
    clock = Clock()
    clock.pass_time(1.0, per_s=2)
    window = clock.windows.window(MINUTE, clock.now)
    clock.pass_time(1.0, per_s=2)
    assert window.all().finished == 2


def test_measures_are_told_by_name_and_by_queue() -> None:
    windows = Windows(0.0)
    for name, queue, done in (("mail", "high", 1), ("mail", "low", 2), ("bill", "low", 4)):
        windows.enter((name, queue), entry(done))
    measures = windows.window(MINUTE, 1.0).measures
    assert {name: one.done for name, one in by_name(measures).items()} == {"mail": 3, "bill": 4}
    assert {name: one.done for name, one in by_queue(measures).items()} == {"high": 1, "low": 6}


def test_the_error_rate_is_of_finished_attempts_and_unknown_without_any() -> None:
    windows = Windows(0.0)
    assert windows.window(MINUTE, 1.0).all().error_rate is None
    failing = entry(done=6, failed=1)
    failing.counters[RETRIED] = 3
    windows.enter(("mail", "low"), failing)
    measures = windows.window(MINUTE, 1.0).all()
    assert (measures.finished, measures.errors, measures.error_rate) == (10, 4, 0.4)
    assert measures.mean_run_s == pytest.approx(0.1)
