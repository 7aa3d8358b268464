"""What a task is made of: its id, its options, its states, and the queues it can be in.

Values only. Nothing here knows of Redis, of time, or of the process it runs in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from enum import StrEnum


class TaskState(StrEnum):
    """Where a task is in its life; the same words in Lua, Python, labels and the CLI.

    scheduled → ready (the claim script, when its time has come) → claimed (a worker) → done, dead,
    cancelled (ended on purpose, without a result), expired (not begun in time), or back to scheduled
    (retry) and ready (release). `parked` waits for a worker that knows its name, `suspect` for the probe:
    workers died of it, or of something that was there each time.
    """

    READY = "ready"
    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PARKED = "parked"
    SUSPECT = "suspect"


class queues:  # noqa: N801 - a namespace of constants: `queues.HIGH_PRIORITY`
    """The queues every daemon serves unless told otherwise, in the order in which it serves them."""

    HIGH_PRIORITY = "high_priority"
    DEFAULT = "default"
    LOW_PRIORITY = "low_priority"


DEFAULT_QUEUES = (queues.HIGH_PRIORITY, queues.DEFAULT, queues.LOW_PRIORITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """How a task is to be run. `None` means: not said here, ask the next level.

    The levels are: this call (`using(...)`, travels with the task), then the handler's declaration
    in the worker's code, then `DEFAULTS`. Durations are in seconds; `expires_s` and `deadline_s` may
    be moments (see `clocks`), and count from `delay_s` after the enqueue. New options come last: they
    travel in this order.
    """

    queue: str | None = None
    max_retries: int | None = None
    timeout_s: float | None = None
    retry_delay_s: float | None = None
    max_retry_delay_s: float | None = None
    result_ttl_s: float | None = None
    hard_timeout_s: float | None = None
    expires_s: float | None = None
    deadline_s: float | None = None
    delay_s: float | None = None

    def over(self, lower: TaskOptions) -> TaskOptions:
        """Return these options with the gaps filled from `lower`."""
        gaps = {
            field.name: getattr(lower, field.name)
            for field in fields(self)
            if getattr(self, field.name) is None
        }
        return replace(self, **gaps)


NO_OPTIONS = TaskOptions()

DEFAULTS = TaskOptions(
    queue=queues.DEFAULT,
    max_retries=3,
    timeout_s=300.0,
    retry_delay_s=1.0,
    max_retry_delay_s=600.0,
    result_ttl_s=0.0,
    hard_timeout_s=0.0,
    expires_s=0.0,
    deadline_s=0.0,
    delay_s=0.0,
)
"""max_retries: tries after the first run. Of the times, 0 switches off all but the delays."""


def seconds(value: float | timedelta) -> float:
    """Return a duration in seconds, given as a number of seconds or a timedelta."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
