"""The changes of the number of workers: how many, and how many of them were flaps. Pure.

A flap is a change that takes back the one before within 5 minutes: an up and then a down, or a down and
then an up.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

FLAP_S = 300.0
KEPT = 1000
_HOUR_S = 3600.0


class Change(NamedTuple):
    """One change: when, from how many workers to how many, and why, in a sentence."""

    at_s: float
    before: int
    after: int
    why: str


class Changes:
    """Counts changes as they come; the last of them are kept."""

    def __init__(self) -> None:
        self.ups = 0
        self.downs = 0
        self.flaps = 0
        self.worst_hour = 0
        self.last: deque[Change] = deque(maxlen=KEPT)
        self._hour = -1
        self._in_hour = 0

    def add(self, change: Change) -> None:
        """Count a change, no earlier than those before."""
        up = change.after > change.before
        self.ups += up
        self.downs += not up
        if self.last:
            past = self.last[-1]
            if (past.after > past.before) is not up and change.at_s - past.at_s < FLAP_S:
                self._flap(int(change.at_s // _HOUR_S))
        self.last.append(change)

    def _flap(self, hour: int) -> None:
        """Count a flap, also in its hour: the first hour of the trace, the second and so on."""
        self.flaps += 1
        self._in_hour = self._in_hour + 1 if hour == self._hour else 1
        self._hour = hour
        self.worst_hour = max(self.worst_hour, self._in_hour)
