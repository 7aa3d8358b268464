"""What a worker has in hand: its attempts, and the slots they occupy."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from enum import Enum

from tqd.app import Handler
from tqd.metrics.ledger import Page
from tqd.task.claim import Claim
from tqd.task.model import TaskOptions
from tqd.task.outcome import Discarded, Done, Raised, RetryAsked

OCCUPANT: ContextVar[bytes] = ContextVar("OCCUPANT", default=b"")
"""The id of the task for which the code of this context runs. It is inherited by what a handler starts:
coroutines, callbacks, threads. Only the id, as a context may live as long as somebody's connection."""


class Interruption(Enum):
    """Why the worker itself interrupts an attempt."""

    TIMEOUT = "timeout"
    DEADLINE = "deadline"
    RELEASE = "release"
    CANCEL = "cancel"


class Attempt(Claim):
    """One attempt in hand: the claim, and how it is run. `deadline` is monotonic s, 0.0 for none; `page` is
    where it is counted.

    `lane` is the thread's future of a plain function, once it was started. `cancel_reason` is there once
    somebody has cancelled the task.
    """

    __slots__ = (
        "args",
        "cancel_reason",
        "deadline",
        "handler",
        "interruption",
        "kwargs",
        "lane",
        "options",
        "page",
        "runner",
        "started",
    )

    def __init__(
        self,
        claim: Claim,
        handler: Handler,
        options: TaskOptions,
        args: list[object],
        kwargs: dict[str, object],
        page: Page,
    ) -> None:
        self.task_id = claim.task_id
        self.token = claim.token
        self.envelope = claim.envelope
        self.handler = handler
        self.options = options
        self.args = args
        self.kwargs = kwargs
        self.page = page
        self.started = 0.0
        self.deadline = 0.0
        self.interruption: Interruption | None = None
        self.runner: asyncio.Task[None] | None = None
        self.lane: Future[Done | Raised | RetryAsked | Discarded] | None = None
        self.cancel_reason: str  # not set for every task

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled the task."""
        return self.interruption is Interruption.CANCEL


class Inflight:
    """The attempts in hand by task id, within a fixed number of slots.

    A plain function that ran out of time keeps its slot until its thread comes back, although its
    attempt is settled: `strays` counts those threads. `empty` is set while no attempt is in hand; `get`
    returns the attempt of a task, if it is in hand.
    """

    __slots__ = ("_attempts", "_stray_s", "empty", "get", "slots", "strays")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.strays = 0
        self._stray_s = 0.0
        self.empty = asyncio.Event()
        self.empty.set()
        self._attempts: dict[bytes, Attempt] = {}
        # Asked once for every task: the dict's own method, without a call in between.
        self.get: Callable[[bytes], Attempt | None] = self._attempts.get

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

    def add(self, attempt: Attempt) -> None:
        """Take an attempt in hand."""
        if not self._attempts:
            self.empty.clear()
        self._attempts[attempt.task_id] = attempt

    def remove(self, attempt: Attempt) -> bool:
        """Let go of an attempt; False when it was let go of before."""
        found = self._attempts.pop(attempt.task_id, None)
        if found is not attempt:
            if found is not None:
                self._attempts[attempt.task_id] = found  # the next attempt of a task that was given back
            return False
        if not self._attempts:
            self.empty.set()
        return True

    def stray(self, now: float) -> None:
        """Keep the slot of an attempt that is settled, as its code goes on."""
        self.strays += 1
        self._stray_s -= now

    def stray_returned(self, now: float) -> None:
        """Let go of such a slot."""
        self.strays -= 1
        self._stray_s += now

    def busy_s(self, now: float) -> float:
        """Return for how long slots have been taken by what is in hand now, or by strays ever, together."""
        running_s = sum(now - attempt.started for attempt in self._attempts.values())
        return running_s + self._stray_s + self.strays * now

    def names(self) -> Counter[str]:
        """Return how many attempts of each handler are in hand."""
        return Counter(attempt.handler.name for attempt in self._attempts.values())

    def oldest_s(self, now: float) -> float:
        """Return for how long the oldest attempt has been running, in s; 0 without any."""
        return max((now - attempt.started for attempt in self._attempts.values()), default=0.0)
