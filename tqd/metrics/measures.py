"""What is known of the attempts of a task name, a queue, or all together, over a time. Pure.

Counts add up whatever they were taken of; what follows from them is None when there is nothing to say it of.
"""

from __future__ import annotations

from tqd.metrics.histogram import Histogram
from tqd.metrics.ledger import (
    ASKED,
    DISCARDED,
    EXPIRED,
    FAILED,
    RELEASED,
    RETRIED,
    TIMED_OUT,
    Entry,
)


class Measures:
    """Attempts by outcome, their run times, and how long their tasks were ready before they started.

    `done`, `failed` (dead letters), `retried` (another attempt follows; `asked` for, without a failure) and
    `discarded` are the ends of attempts: each has one. `timed_out` are among the failed and the retried.
    `released` attempts were given back, `expired` tasks not begun.
    """

    __slots__ = (
        "asked", "discarded", "done", "expired", "failed", "released", "retried", "run_s", "runs",
        "timed_out", "waits",
    )  # fmt: skip

    def __init__(self) -> None:
        self.done = self.failed = self.retried = self.asked = 0
        self.timed_out = self.discarded = self.released = self.expired = 0
        self.run_s = 0.0
        self.runs = Histogram()
        self.waits = Histogram()

    def enter(self, entry: Entry) -> None:
        """Add what a worker has counted."""
        counters = entry.counters
        self.done += entry.done
        self.failed += counters[FAILED]
        self.retried += counters[RETRIED]
        self.asked += counters[ASKED]
        self.timed_out += counters[TIMED_OUT]
        self.discarded += counters[DISCARDED]
        self.released += counters[RELEASED]
        self.expired += counters[EXPIRED]
        self.run_s += entry.run_s
        self.runs.merge(entry.runs)
        self.waits.merge(entry.waits)

    def add(self, other: Measures) -> None:
        """Add the measures of something else, or of another time."""
        self.done += other.done
        self.failed += other.failed
        self.retried += other.retried
        self.asked += other.asked
        self.timed_out += other.timed_out
        self.discarded += other.discarded
        self.released += other.released
        self.expired += other.expired
        self.run_s += other.run_s
        self.runs.merge(other.runs.counts)
        self.waits.merge(other.waits.counts)

    @property
    def finished(self) -> int:
        """How many attempts have ended, and were not just given back."""
        return self.done + self.failed + self.retried + self.discarded

    @property
    def errors(self) -> int:
        """How many attempts have failed, whether or not another one follows."""
        return self.failed + self.retried - self.asked

    @property
    def error_rate(self) -> float | None:
        """The failed ones as a share of the finished attempts, 0 to 1; None when none has finished."""
        return self.errors / self.finished if self.finished else None

    @property
    def ran(self) -> int:
        """How many run times there are."""
        return sum(self.runs.counts.values())

    @property
    def mean_run_s(self) -> float | None:
        """The mean run time of an attempt, in s."""
        return self.run_s / self.ran if self.ran else None
