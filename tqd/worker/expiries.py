"""Tells in the log which tasks have expired: one line a second for each name, not one for each task."""

from __future__ import annotations

import asyncio
from collections import Counter

from tqd.log import Log
from tqd.task.identity import to_text
from tqd.task.outcome import Expired

GATHER_S = 1.0
MOST_NAMES = 100


class Expiries:
    """Gathers what expires; after a night without workers that may be all that was enqueued."""

    __slots__ = ("_counts", "_log", "_loop", "_newest", "_timer")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._counts: Counter[str] = Counter()
        self._newest: dict[str, tuple[bytes, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, name: str, task_id: bytes, late: Expired) -> None:
        """Take note of a task that has expired."""
        if name not in self._counts and len(self._counts) >= MOST_NAMES:
            self.tell()
        self._counts[name] += 1
        self._newest[name] = (task_id, late.late_s)
        if self._timer is None:
            self._timer = self._loop.call_later(GATHER_S, self.tell)

    def tell(self) -> None:
        """Log what has gathered; harmless when that is nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for name, count in self._counts.items():
            task_id, late_s = self._newest[name]
            self._log.info(
                "tasks have expired and never run",
                name=name, count=count, newest=to_text(task_id), since_s=round(late_s, 3),
            )  # fmt: skip
        self._counts.clear()
        self._newest.clear()
