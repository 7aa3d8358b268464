"""The pace at which many tasks go into their queues."""

from __future__ import annotations

import pytest

from tqd.errors import RegistrationError
from tqd.task.pace import Pace


def test_without_a_rate_all_go_at_once() -> None:
    pace = Pace(None)
    assert pace.batch(50) == 50
    pace.gone(50, 0.0)
    assert pace.pause_s(0.0) == 0.0


@pytest.mark.parametrize(("per_s", "size"), [(0.5, 1), (9, 1), (25, 2), (100, 10), (10_000, 50)])
def test_a_rate_sends_as_many_together_as_are_due_in_a_tenth_of_a_second(per_s: float, size: int) -> None:
    assert Pace(per_s).batch(50) == size


def test_the_first_go_at_once_and_the_next_when_these_are_paid_for() -> None:
    pace = Pace(10)
    assert pace.pause_s(100.0) == 0.0
    pace.gone(2, 100.0)
    assert pace.pause_s(100.0) == pytest.approx(0.2)
    assert pace.pause_s(100.15) == pytest.approx(0.05)
    assert pace.pause_s(101.0) == 0.0


def test_time_that_was_lost_is_not_caught_up_with_a_burst() -> None:
    pace = Pace(10)
    pace.gone(1, 0.0)
    pace.gone(1, 60.0)
    assert pace.pause_s(60.0) == pytest.approx(0.1)


@pytest.mark.parametrize("per_s", [1, 7, 30, 250, 3000])
def test_over_time_the_rate_is_kept_and_never_exceeded(per_s: float) -> None:
    pace, now, sent = Pace(per_s), 0.0, 0
    while now < 10:
        size = pace.batch(50)
        pace.gone(size, now)
        sent += size
        now += pace.pause_s(now)
        assert sent <= per_s * now + 1e-6
    assert sent == pytest.approx(per_s * now)


@pytest.mark.parametrize("per_s", [0, -1, float("inf"), float("nan")])
def test_what_is_no_rate_is_refused(per_s: float) -> None:
    with pytest.raises(RegistrationError, match="above 0"):
        Pace(per_s)
