"""The only reader of time and of chance.

Two clocks are kept apart. `monotonic` is for durations and deadlines in this process. `epoch_ms` is
for what is stored; in Redis it is always *Redis's* time, which `RedisClock` makes from the monotonic
clock and a measured offset, so that a jump of this host's wall clock moves no task.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

monotonic: Callable[[], float] = time.monotonic
"""Seconds for differences, never for storage."""

chance: Callable[[], float] = random.random
"""A number in [0, 1) for jitter."""


def wall_ms() -> int:
    """Return this host's wall clock in epoch milliseconds, for logs and task ids only."""
    return time.time_ns() // 1_000_000


def wall_iso() -> str:
    """Return this host's wall clock as ISO 8601 with milliseconds, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pause(seconds: float) -> None:
    """Sleep in this thread. For producers that wait to reconnect, never for the daemon."""
    time.sleep(seconds)


def reseed() -> None:
    """Give this process its own chance after a fork."""
    random.seed()


class RedisClock:
    """Redis's time, made from the monotonic clock and the last measured offset.

    Until the first measurement it falls back on the wall clock.
    """

    __slots__ = ("_offset_ms",)

    def __init__(self) -> None:
        self._offset_ms: float | None = None

    @property
    def known(self) -> bool:
        """Whether it was measured."""
        return self._offset_ms is not None

    def measured(self, redis_ms: float, asked: float, answered: float) -> None:
        """Take the answer of `TIME`: the reading lies half-way between question and answer."""
        self._offset_ms = redis_ms - (asked + answered) * 500.0

    def now_ms(self) -> int:
        """Return Redis's time in epoch milliseconds."""
        if self._offset_ms is None:
            return wall_ms()
        return int(monotonic() * 1000.0 + self._offset_ms)
