"""What a worker counts; the beat carries it to the master."""

from __future__ import annotations

from tqd.app import Registry
from tqd.metrics.histogram import Histogram

LONG_S = 0.5
"""An attempt that ran for so long may have been what blocked the loop."""


class Tally:
    """Totals of this process, and run times since the last beat.

    `discarded` counts tasks that their handler ended; `expired` those not begun in time; `failed` dead
    letters; `retried` attempts that have another one before them, as they failed or their handler asked;
    `superseded` settlements that came after the task had been given to somebody else. `lately` are the
    handlers of long attempts that have ended since somebody looked.
    """

    __slots__ = (
        "_done_before", "_registry", "discarded", "expired", "failed", "last_run_s", "lately", "released",
        "retried", "runs", "superseded",
    )  # fmt: skip

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._done_before = 0
        self._done_before = self.done
        self.discarded = 0
        self.expired = 0
        self.failed = 0
        self.retried = 0
        self.released = 0
        self.superseded = 0
        self.runs = Histogram()
        self.last_run_s = 0.0
        self.lately: list[str] = []

    @property
    def done(self) -> int:
        """How many attempts ended well; counted by handler, so that it is counted once."""
        return sum(handler.done for handler in self._registry) - self._done_before

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
