"""The simulated workers: who starts, who is ready, who drains, whose slots are free. Pure.

As in the daemon, a worker that is to go takes nothing more and ends with its last task; the idlest goes
first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum


class Life(Enum):
    """The life of a worker; the words are those of the daemon."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    GONE = "gone"


class Worker:
    """One worker: how many tasks it runs, and what memory they and it take."""

    __slots__ = ("busy", "life", "memory_bytes", "number")

    def __init__(self, number: int, memory_bytes: int) -> None:
        self.number = number
        self.memory_bytes = memory_bytes
        self.busy = 0
        self.life = Life.STARTING


class Crew:
    """All workers. `free` holds one entry for each free slot of a ready worker, the longest free first.

    `worker_s` and `slot_s` are up to date after `pass_to`, which every change of the crew begins with.
    """

    __slots__ = (
        "_numbers", "_since", "_slots", "_worker_bytes",
        "free", "memory_bytes", "slot_s", "worker_s", "workers",
    )  # fmt: skip

    def __init__(self, slots: int, worker_bytes: int) -> None:
        self.workers: list[Worker] = []
        self.free: deque[Worker] = deque()
        self.worker_s = 0.0
        self.slot_s = 0.0
        self.memory_bytes = 0
        self._slots = slots
        self._worker_bytes = worker_bytes
        self._numbers = 0
        self._since = 0.0

    def count(self, life: Life) -> int:
        """Return how many are at this point of their lives."""
        return [worker.life for worker in self.workers].count(life)

    def lives(self) -> tuple[int, int, int]:
        """Return how many are ready, how many start, and how many drain."""
        ready, starting = self.count(Life.READY), self.count(Life.STARTING)
        return ready, starting, len(self.workers) - ready - starting

    @property
    def wanted(self) -> int:
        """Return how many are meant to stay: those that start and those that are ready."""
        return len(self.workers) - self.count(Life.DRAINING)

    def pass_to(self, now: float) -> None:
        """Add up the time since the last change."""
        passed_s, self._since = now - self._since, now
        self.worker_s += passed_s * len(self.workers)
        # A ready worker has all its slots; of a draining one those count that are at work.
        slots = sum(self._slots if worker.life is Life.READY else worker.busy for worker in self.workers)
        self.slot_s += passed_s * slots

    def start(self, now: float) -> Worker:
        """Return a new worker, which is not ready yet."""
        self.pass_to(now)
        self._numbers += 1
        worker = Worker(self._numbers, self._worker_bytes)
        self.workers.append(worker)
        self.memory_bytes += self._worker_bytes
        return worker

    def ready(self, worker: Worker, now: float) -> None:
        """Let a worker that has started take tasks."""
        self.pass_to(now)
        worker.life = Life.READY
        self.free.extend([worker] * self._slots)

    def retire(self, count: int, now: float) -> None:
        """Let so many go: first those that are not ready yet, the newest first, then the idlest."""
        self.pass_to(now)
        for worker in self._leavers(count):
            if worker.busy:
                worker.life = Life.DRAINING
            else:
                self.remove(worker, now)
        self.free = deque(worker for worker in self.free if worker.life is Life.READY)

    def remove(self, worker: Worker, now: float) -> None:
        """Take a worker out that has ended."""
        self.pass_to(now)
        worker.life = Life.GONE
        self.workers.remove(worker)
        self.memory_bytes -= worker.memory_bytes

    def lose(self, worker: Worker, now: float) -> None:
        """Take a worker out that was killed, with its free slots."""
        self.remove(worker, now)
        self.free = deque(other for other in self.free if other is not worker)

    def _leavers(self, count: int) -> Sequence[Worker]:
        staying = [worker for worker in self.workers if worker.life is not Life.DRAINING]
        staying.sort(key=lambda one: (one.life is Life.READY, one.busy, -one.number))
        return staying[:count]
