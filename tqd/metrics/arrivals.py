"""How many tasks arrive: a rate over any time of the last quarter of an hour, from growing counts.

The counts are Redis's own, of all producers and daemons. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import lt

KEPT_S = 960.0
SPACING_S = 2.0
"""Readings that are closer together replace one another, but for the newest: looking often costs nothing."""


class Arrivals:
    """Readings of how many tasks have arrived so far, one count for each queue; below 0 is not known."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: deque[tuple[float, tuple[int, ...]]] = deque()

    def add(self, at: float, counts: Sequence[int]) -> None:
        """Take a reading of a moment, monotonic s. Other queues, or counts that shrank, begin anew."""
        readings = self._readings
        if readings:
            last = readings[-1][1]
            if len(last) != len(counts) or any(map(lt, counts, last)):
                readings.clear()
        if len(readings) > 1 and readings[-1][0] - readings[-2][0] < SPACING_S:
            readings.pop()
        readings.append((at, tuple(counts)))
        while len(readings) > 2 and readings[1][0] <= at - KEPT_S:
            readings.popleft()

    def forget(self) -> None:
        """Begin anew: the queues are others."""
        self._readings.clear()

    def per_s(self, place: int, window_s: float) -> float | None:
        """Return how many tasks a second arrived in a queue, over about the last `window_s` of readings.

        From the newest reading back to the first one that is as old; None before there are two, or when the
        counts are not known.
        """
        if len(self._readings) < 2:
            return None
        ended, last = self._readings[-1]
        began, first = self._readings[-2]
        for at, counts in reversed(self._readings):
            if at < ended:
                began, first = at, counts
            if ended - at >= window_s:
                break
        if last[place] < 0 or first[place] < 0 or ended <= began:
            return None
        return (last[place] - first[place]) / (ended - began)
