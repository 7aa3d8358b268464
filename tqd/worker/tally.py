"""What a worker counts; the beat carries it to the master."""

from __future__ import annotations

from tqd.metrics.histogram import Histogram

LONG_S = 0.5
"""An attempt that ran for so long may have been what blocked the loop."""


class Tally:
    """Totals of this process, and run times since the last beat.

    `failed` counts dead letters; `retried` failed attempts that have another one before them;
    `superseded` settlements that came after the task had been given to somebody else. `lately` are the
    handlers of long attempts that have ended since somebody looked.
    """

    __slots__ = ("done", "failed", "last_run_s", "lately", "released", "retried", "runs", "superseded")

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self.retried = 0
        self.released = 0
        self.superseded = 0
        self.runs = Histogram()
        self.last_run_s = 0.0
        self.lately: list[str] = []

    def ran(self, run_s: float) -> None:
        """Count the run time of an attempt, in s."""
        self.last_run_s = run_s
        self.runs.add(run_s)

    def took_long(self, name: str) -> None:
        """Note the handler of an attempt that has ended after `LONG_S` or more."""
        self.lately.append(name)

    def take_lately(self) -> list[str]:
        """Return the handlers of the long attempts that have ended since the last call."""
        lately, self.lately = self.lately, []
        return lately
