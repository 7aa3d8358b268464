"""Rates of what arrives, from growing counts."""

from __future__ import annotations

import pytest

from tqd.metrics.arrivals import KEPT_S, Arrivals


def readings(*rows: tuple[float, list[int]]) -> Arrivals:
    arrivals = Arrivals()
    for at, counts in rows:
        arrivals.add(at, counts)
    return arrivals


def test_a_rate_is_unknown_before_two_readings() -> None:
    assert Arrivals().per_s(0, 60.0) is None
    assert readings((10.0, [5])).per_s(0, 60.0) is None


def test_a_rate_is_the_growth_over_the_window() -> None:
    arrivals = readings(*((10.0 * n, [100 * n, 0]) for n in range(10)))
    assert arrivals.per_s(0, 60.0) == arrivals.per_s(0, 5.0) == 10.0
    assert arrivals.per_s(1, 60.0) == 0.0


def test_what_was_before_the_window_does_not_count() -> None:
    arrivals = readings((0.0, [0]), (10.0, [1000]), (70.0, [1060]))
    assert arrivals.per_s(0, 60.0) == 1.0


@pytest.mark.parametrize("counts", [[4], [5, 1]])
def test_counts_that_shrink_or_are_others_begin_anew(counts: list[int]) -> None:
    arrivals = readings((0.0, [5]), (10.0, counts))
    assert arrivals.per_s(0, 60.0) is None
    arrivals.add(20.0, [count + 20 for count in counts])
    assert arrivals.per_s(0, 60.0) == 2.0


def test_what_is_not_known_has_no_rate() -> None:
    arrivals = readings((0.0, [-1, 0]), (10.0, [-1, 10]))
    assert (arrivals.per_s(0, 60.0), arrivals.per_s(1, 60.0)) == (None, 1.0)


def test_looking_all_the_time_neither_fills_the_memory_nor_spoils_the_rate() -> None:
    arrivals = Arrivals()
    for n in range(30_000):
        arrivals.add(n * 0.1, [n])
    assert arrivals.per_s(0, 60.0) == pytest.approx(10.0)
    assert arrivals.per_s(0, 2 * KEPT_S) == pytest.approx(10.0)
    assert len(arrivals._readings) < 600


def test_after_a_change_of_queues_all_begins_anew() -> None:
    arrivals = readings((0.0, [5]), (10.0, [6]))
    arrivals.forget()
    assert arrivals.per_s(0, 60.0) is None
