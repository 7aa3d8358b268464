"""What a simulated daemon is made of, and what befalls it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tqd.task.model import DEFAULT_QUEUES


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which a dependency is away: an attempt that begins in it fails after `fails_after_s`.

    It concerns tasks of these `names`; without any, all of them.
    """

    start_s: float
    end_s: float
    fails_after_s: float = 0.05
    names: frozenset[str] = frozenset()

    def hits(self, now: float, name: str) -> bool:
        """Tell whether an attempt that begins now fails."""
        return self.start_s <= now < self.end_s and (not self.names or name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How much workers take: each `worker_bytes`, and each running task what its name says.

    Above `limit_bytes` the kernel kills the largest worker; None: there is no end of memory.
    """

    worker_bytes: int
    task_bytes: Mapping[str, int]
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The workers, the queues in their order, the wait goal, and the retry policy of every task.

    `boot_s` is from the decision to the worker's READY. An empty app was measured at 0.02 to 0.05 s; the
    default leaves a quarter of a second for the imports of a real one. Queues that only the trace knows come
    after `queues`, in the order in which they appear.
    """

    slots: int = 32
    boot_s: float = 0.3
    queues: tuple[str, ...] = DEFAULT_QUEUES
    starvation_after_s: float = 5.0
    goal_s: float = 10.0
    max_retries: int = 3
    retry_delay_s: float = 1.0
    max_retry_delay_s: float = 600.0
    outages: tuple[Outage, ...] = field(default=())
    memory: Memory | None = None
