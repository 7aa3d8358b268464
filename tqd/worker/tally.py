"""What a worker counts; the beat carries it to the master."""

from __future__ import annotations

from tqd.metrics.histogram import Histogram


class Tally:
    """Totals of this process, and run times since the last beat.

    `failed` counts dead letters; `retried` failed attempts that have another one before them;
    `superseded` settlements that came after the task had been given to somebody else.
    """

    __slots__ = ("done", "failed", "last_run_s", "released", "retried", "runs", "superseded")

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self.retried = 0
        self.released = 0
        self.superseded = 0
        self.runs = Histogram()
        self.last_run_s = 0.0

    def ran(self, run_s: float) -> None:
        """Count the run time of an attempt, in s."""
        self.last_run_s = run_s
        self.runs.add(run_s)
