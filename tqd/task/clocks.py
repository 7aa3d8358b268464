"""The two clocks of a whole task: until when it may begin, and until when it has to be over. Pure.

`expires` and `deadline` count from the moment at which the task may first begin: its enqueue or, of a
delayed task, its due time. For a dead letter that is replayed they count from the replay (rounded up to
10 s, as its fence is). Each may be a moment instead: a number beyond any duration is epoch seconds. All is
Redis's clock.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from operator import attrgetter

from tqd.errors import LONGEST_DELAY_S
from tqd.task.claim import REPLAYED_FENCE, Counts, parse_token
from tqd.task.model import TaskOptions, seconds
from tqd.task.outcome import Expired, Overdue

LONGEST_S = LONGEST_DELAY_S
"""No duration is longer: a larger number is a moment, in epoch seconds."""

_OTHERS = [field.name for field in fields(TaskOptions) if field.name != "delay_s"]
_but_delay = attrgetter(*_OTHERS)
_NOTHING = (None,) * len(_OTHERS)


def has_clocks(options: TaskOptions) -> bool:
    """Return whether a task with these options may expire, or has a deadline."""
    return bool(options.expires_s or options.deadline_s)


def only_delayed(options: TaskOptions) -> bool:
    """Return whether options say nothing but a delay, which an attempt does not need to know."""
    return _but_delay(options) == _NOTHING


def ready_ms(enqueued_ms: int, options: TaskOptions) -> int:
    """Return when a task was ready for the first time, in epoch ms of the clock that `enqueued_ms` is of."""
    return enqueued_ms + round(min(options.delay_s, LONGEST_S) * 1000) if options.delay_s else enqueued_ms


def clock_s(value: float | timedelta | datetime) -> float:
    """Return a duration, or a moment with a zone, as the one number that travels; NaN for what is neither."""
    if isinstance(value, datetime):
        # One from before 1980 is over as well, and must not be taken for a duration.
        return float("nan") if value.tzinfo is None else max(LONGEST_S + 1.0, value.timestamp())
    length_s = seconds(value) if isinstance(value, (int, float, timedelta)) else -1.0
    return length_s if 0.0 <= length_s <= LONGEST_S else float("nan")


def on_time(
    options: TaskOptions, enqueued_ms: int, token: bytes, now_ms: int
) -> tuple[TaskOptions, Expired | Overdue | None]:
    """Return the complete options of a claimed task with both clocks as moments, and what is over of them.

    A task that has failed, or whose worker died, has begun: it does not expire any more, but has a deadline.
    """
    counts, _ = parse_token(token)
    start_s = _start_s(options, enqueued_ms, counts)
    options = replace(
        options,
        expires_s=_moment_s(options.expires_s, start_s),
        deadline_s=_moment_s(options.deadline_s, start_s),
    )
    now_s = now_ms / 1000.0
    begun = counts.attempts > 0 or counts.crashes > 0
    if options.expires_s and not begun and now_s >= options.expires_s:
        return options, Expired(now_s - options.expires_s)
    if options.deadline_s and now_s >= options.deadline_s:
        return options, Overdue(now_s - options.deadline_s)
    return options, None


def _start_s(options: TaskOptions, enqueued_ms: int, counts: Counts) -> float:
    if counts.fence >= REPLAYED_FENCE:
        return counts.fence / 1000.0
    return enqueued_ms / 1000.0 + (options.delay_s or 0.0)


def _moment_s(value: float | None, start_s: float) -> float:
    if not value:
        return 0.0
    return value if value > LONGEST_S else start_s + value


def past_deadline(options: TaskOptions, due_ms: int) -> bool:
    """Return whether an attempt due then would begin after the deadline (a moment) in the options."""
    return bool(options.deadline_s) and due_ms >= (options.deadline_s or 0.0) * 1000.0
