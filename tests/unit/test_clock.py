"""Redis's clock: which of its readings is believed."""

from __future__ import annotations

import pytest

from tqd.clock import READINGS, Reading, Readings, RedisClock


def reading(redis_ms: float, took_s: float) -> Reading:
    return Reading(redis_ms, 100.0, 100.0 + took_s)


def test_a_quick_answer_is_believed_at_once() -> None:
    readings = Readings()
    readings.add(reading(5_000.0, 0.001))
    assert readings.best == reading(5_000.0, 0.001)


def test_a_slow_answer_is_asked_for_again() -> None:
    readings = Readings()
    readings.add(reading(5_000.0, 3.0))
    assert readings.best is None
    readings.add(reading(8_000.0, 0.002))
    assert readings.best == reading(8_000.0, 0.002)


def test_where_all_answers_are_slow_the_quickest_is_believed() -> None:
    readings = Readings()
    for number in range(READINGS):
        assert readings.best is None
        readings.add(reading(float(number), 0.2 - 0.01 * (number % 3)))
    assert readings.best == reading(2.0, 0.18)


def test_a_clock_that_was_never_measured_is_not_known() -> None:
    clock = RedisClock()
    assert not clock.known
    clock.measured(reading(5_000.0, 0.001))
    assert clock.known


def test_a_reading_lies_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqd.clock.monotonic", lambda: 102.0)
    clock = RedisClock()
    clock.measured(Reading(5_000.0, 100.0, 100.5))
    assert clock.now_ms() == 6_750
