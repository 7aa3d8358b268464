"""What a worker has in hand: its attempts, and the slots they occupy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum

from tqd.app import Handler
from tqd.task.claim import Claim
from tqd.task.model import TaskOptions


class Interruption(Enum):
    """Why the worker itself interrupts an attempt."""

    TIMEOUT = "timeout"
    RELEASE = "release"


class Attempt:
    """One attempt in hand. `deadline` is monotonic s, 0.0 when the attempt has none."""

    __slots__ = (
        "args", "claim", "deadline", "handler", "interruption", "kwargs", "options", "runner", "started",
    )  # fmt: skip

    def __init__(
        self,
        claim: Claim,
        handler: Handler,
        options: TaskOptions,
        args: list[object],
        kwargs: dict[str, object],
    ) -> None:
        self.claim = claim
        self.handler = handler
        self.options = options
        self.args = args
        self.kwargs = kwargs
        self.started = 0.0
        self.deadline = 0.0
        self.interruption: Interruption | None = None
        self.runner: asyncio.Task[None] | None = None


class Inflight:
    """The attempts in hand by task id, within a fixed number of slots.

    A plain function that ran out of time keeps its slot until its thread comes back, although its
    attempt is settled: `strays` counts those threads.
    """

    __slots__ = ("_attempts", "slots", "strays")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.strays = 0
        self._attempts: dict[bytes, Attempt] = {}

    @property
    def free(self) -> int:
        """The number of slots that are free: how many tasks may be claimed."""
        return self.slots - len(self._attempts) - self.strays

    @property
    def busy(self) -> int:
        """The number of slots that are not free."""
        return len(self._attempts) + self.strays

    def __len__(self) -> int:
        return len(self._attempts)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(list(self._attempts.values()))

    def get(self, task_id: bytes) -> Attempt | None:
        """Return the attempt of a task, if it is in hand."""
        return self._attempts.get(task_id)

    def add(self, attempt: Attempt) -> None:
        """Take an attempt in hand."""
        self._attempts[attempt.claim.task_id] = attempt

    def remove(self, attempt: Attempt) -> bool:
        """Let go of an attempt; False when it was let go of before."""
        return self._attempts.pop(attempt.claim.task_id, None) is not None

    def oldest_s(self, now: float) -> float:
        """Return for how long the oldest attempt has been running, in s; 0 without any."""
        return max((now - attempt.started for attempt in self._attempts.values()), default=0.0)
