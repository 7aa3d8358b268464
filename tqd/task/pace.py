"""How fast many tasks go into their queues: so many a second, evenly, and no burst to catch up. Pure."""

from __future__ import annotations

from tqd.errors import RegistrationError

_STEP_S = 0.1
"""With a rate, as many go together as are due in this time."""


class Pace:
    """Counts what has gone; `per_s` None is as fast as possible. `now` is the monotonic clock in s."""

    __slots__ = ("_free", "_per_s")

    def __init__(self, per_s: float | None) -> None:
        if per_s is not None and not 0 < per_s < float("inf"):
            raise RegistrationError(f"the rate is {per_s!r}: it is a number of tasks per second, above 0")
        self._per_s = per_s
        self._free = float("-inf")

    def batch(self, most: int) -> int:
        """Return how many may go together, 1 to `most`."""
        return most if self._per_s is None else max(1, min(most, int(self._per_s * _STEP_S)))

    def pause_s(self, now: float) -> float:
        """Return how long the next ones have to wait, in s."""
        return max(0.0, self._free - now)

    def gone(self, count: int, now: float) -> None:
        """Note that so many have gone just now."""
        if self._per_s is not None:
            self._free = max(now, self._free) + count / self._per_s
