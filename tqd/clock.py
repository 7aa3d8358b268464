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
from typing import NamedTuple

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


READINGS = 3
"""How often Redis's time is asked for at most, until an answer comes quickly enough."""

QUICK_S = 0.01


class Reading(NamedTuple):
    """One answer of `TIME`, and when it was asked for and came, on the monotonic clock.

    Redis has looked at its clock somewhere between the two: the offset may be wrong by half of that time.
    """

    redis_ms: float
    asked: float
    answered: float

    @property
    def took_s(self) -> float:
        """How long it took."""
        return self.answered - self.asked


class Readings:
    """The readings of one measurement; an answer that was long on its way is asked for again. Pure."""

    __slots__ = ("_best", "_count")

    def __init__(self) -> None:
        self._count = 0
        self._best: Reading | None = None

    def add(self, reading: Reading) -> None:
        """Take a reading in."""
        self._count += 1
        if self._best is None or reading.took_s < self._best.took_s:
            self._best = reading

    @property
    def best(self) -> Reading | None:
        """The reading to be believed; None as long as another one is wanted."""
        if self._count >= READINGS or (self._best is not None and self._best.took_s <= QUICK_S):
            return self._best
        return None


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

    def measured(self, reading: Reading) -> None:
        """Believe a reading: it lies half-way between question and answer."""
        self._offset_ms = reading.redis_ms - (reading.asked + reading.answered) * 500.0

    def now_ms(self) -> int:
        """Return Redis's time in epoch milliseconds."""
        if self._offset_ms is None:
            return wall_ms()
        return int(monotonic() * 1000.0 + self._offset_ms)
