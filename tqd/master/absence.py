"""How long the master itself could hear nobody: it forked, it was stopped, its machine stood still. Pure.

What a child said meanwhile waits in its pipe, and a child that stood still with the master said nothing: such
a time is no silence of a child. It is the time in which the master did not wait for events, and all of a
wait that ended too late: nobody knows when in it the master was stopped, so that no wait is long.
"""

from __future__ import annotations

AWAY_S = 1.0
"""Less is the work of a busy loop, for which all deadlines have room."""

LONGEST_WAIT_S = 1.0
"""Children beat as often: a loop that wakes for that has no more to do."""


class Absence:
    """Adds up the time since the pipes were read; times are monotonic s."""

    __slots__ = ("_since", "_until", "_worked_s")

    def __init__(self, now: float) -> None:
        self._worked_s = 0.0
        self._since = self._until = now

    def waits(self, now: float, timeout_s: float | None) -> float:
        """Note that the loop waits for events from now on; returns for how long it may."""
        wait_s = LONGEST_WAIT_S if timeout_s is None else min(LONGEST_WAIT_S, timeout_s)
        self._worked_s, self._since, self._until = now - self._since, now, now + wait_s
        return wait_s

    def woke(self, now: float) -> float:
        """Note that the pipes are read now; returns the time that is to be made up for, if there is any."""
        waited_s = now - self._since if now - self._until > AWAY_S else 0.0
        away_s = self._worked_s + waited_s
        self._worked_s, self._since = 0.0, now
        return away_s if away_s > AWAY_S else 0.0

    def worked(self, now: float) -> float:
        """Return the same amid a round, for which it is made up then; 0.0 while it is short."""
        away_s = now - self._since
        if away_s <= AWAY_S:
            return 0.0
        self._since = now
        return away_s
