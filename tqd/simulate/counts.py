"""What happened at the workers since the counts were last taken. Pure."""

from __future__ import annotations

from tqd.metrics.histogram import Histogram


class Counts:
    """Counters of one interval; the plant adds to them directly, as this is its innermost part.

    `arrivals` are tasks that became ready, retries too; `finished` are attempts, `failed` those of them that
    failed. `at_once` started without a wait; once taken, they are in `waits`, too. `runs` maps a task's name
    to [attempts that succeeded, their seconds]. `busy_slot_s` and `slot_s` are slot-seconds; a draining
    worker's free slots take nothing and are not counted.
    """

    __slots__ = (
        "arrivals",
        "at_once",
        "busy_slot_s",
        "failed",
        "finished",
        "run_times",
        "runs",
        "slot_s",
        "waits",
    )

    def __init__(self) -> None:
        self.arrivals = 0
        self.at_once = 0
        self.finished = 0
        self.failed = 0
        self.busy_slot_s = 0.0
        self.slot_s = 0.0
        self.waits = Histogram()
        self.run_times = Histogram()
        self.runs: dict[str, list[float]] = {}
