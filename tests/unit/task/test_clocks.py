"""Until when a task may begin, and until when it has to be over."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from tqd.task.claim import REPLAYED_FENCE
from tqd.task.clocks import LONGEST_S, clock_s, has_clocks, on_time, past_deadline
from tqd.task.model import DEFAULTS, TaskOptions
from tqd.task.outcome import Expired, Overdue

ENQUEUED_MS = 1_700_000_000_000
FIRST = b"1:0:0:default"


def late(
    after_s: float, token: bytes = FIRST, enqueued_ms: int = ENQUEUED_MS, **options: float
) -> Expired | Overdue | None:
    """Return what is over when a task is claimed so long after its enqueue."""
    chosen = TaskOptions(**options).over(DEFAULTS)  # type: ignore[arg-type]
    return on_time(chosen, enqueued_ms, token, ENQUEUED_MS + round(after_s * 1000))[1]


def test_without_clocks_it_is_never_too_late() -> None:
    assert not has_clocks(DEFAULTS)
    assert late(1e9) is None


def test_a_task_expires_so_long_after_its_enqueue() -> None:
    assert late(59.999, expires_s=60.0) is None
    assert late(60.0, expires_s=60.0) == Expired(0.0)
    assert late(72.0, expires_s=60.0) == Expired(12.0)


def test_the_clocks_of_a_delayed_task_count_from_its_due_time() -> None:
    assert late(3659.0, expires_s=60.0, delay_s=3600.0) is None
    assert late(3660.0, expires_s=60.0, delay_s=3600.0) == Expired(0.0)
    assert late(3659.0, deadline_s=60.0, delay_s=3600.0) is None
    assert late(3661.0, deadline_s=60.0, delay_s=3600.0) == Overdue(1.0)


def test_a_moment_counts_from_nothing() -> None:
    moment = clock_s(datetime.fromtimestamp(ENQUEUED_MS / 1000 + 10, UTC))
    assert late(9.0, expires_s=moment, delay_s=3600.0) is None
    assert late(11.0, expires_s=moment, delay_s=3600.0) == Expired(1.0)
    assert late(11.0, deadline_s=moment) == Overdue(1.0)


@pytest.mark.parametrize("token", [b"2:1:0:default", b"2:0:1:default"], ids=["failed", "worker died"])
def test_a_task_that_has_begun_does_not_expire_but_has_a_deadline(token: bytes) -> None:
    assert late(100.0, token, expires_s=60.0) is None
    assert late(100.0, token, expires_s=60.0, deadline_s=90.0) == Overdue(10.0)


def test_one_that_was_only_given_back_has_not_begun() -> None:
    assert late(100.0, b"2:0:0:default", expires_s=60.0) == Expired(40.0)


def test_a_task_that_never_began_is_expired_rather_than_dead() -> None:
    assert late(100.0, expires_s=60.0, deadline_s=30.0) == Expired(40.0)


def test_the_clocks_of_a_replayed_task_count_from_its_replay() -> None:
    token = b"%d:0:0:default" % (ENQUEUED_MS + 500_000)
    assert late(559.0, token, expires_s=60.0, deadline_s=60.0) is None
    assert late(561.0, token, expires_s=60.0) == Expired(1.0)
    assert ENQUEUED_MS > REPLAYED_FENCE > 10**9, "no task is claimed so often, no replay was so early"


def test_the_options_of_an_attempt_have_moments() -> None:
    chosen = TaskOptions(expires_s=60.0, deadline_s=90.0, timeout_s=5.0).over(DEFAULTS)
    options, _ = on_time(chosen, ENQUEUED_MS, FIRST, ENQUEUED_MS)
    assert (options.expires_s, options.deadline_s, options.timeout_s) == (
        1_700_000_060.0,
        1_700_000_090.0,
        5.0,
    )
    options, _ = on_time(TaskOptions(expires_s=60.0).over(DEFAULTS), ENQUEUED_MS, FIRST, ENQUEUED_MS)
    assert options.deadline_s == 0.0, "none is none"


def test_hostile_numbers_are_numbers() -> None:
    assert late(1.0, expires_s=1e300, delay_s=1e300, deadline_s=1.7e308, enqueued_ms=2**62) is None
    assert late(1.0, b"%d:0:0:q" % (10**15 - 1), expires_s=1.0) is None


def test_an_attempt_due_at_the_deadline_is_past_it() -> None:
    options = TaskOptions(deadline_s=1_700_000_090.0)
    assert not past_deadline(options, 1_700_000_089_999)
    assert past_deadline(options, 1_700_000_090_000)
    assert not past_deadline(DEFAULTS, 10**15)


def test_a_clock_travels_as_one_number() -> None:
    assert clock_s(60) == clock_s(timedelta(minutes=1)) == 60.0
    assert clock_s(LONGEST_S) == LONGEST_S
    assert clock_s(datetime(2030, 1, 1, tzinfo=UTC)) == 1_893_456_000.0
    assert clock_s(datetime(1975, 1, 1, tzinfo=UTC)) > LONGEST_S, "long over, and no duration"


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, LONGEST_S + 1, datetime(2030, 1, 1)])
def test_what_is_no_clock_is_no_number(value: float | datetime) -> None:
    assert math.isnan(clock_s(value))
