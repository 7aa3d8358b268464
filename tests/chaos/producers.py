"""Producers that go on while everything breaks, and remember what they were promised.

An enqueue that has returned is a promise. One that raised may have stored its tasks or not: they are not
waited for, but they too may run only once.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Sequence
from random import Random
from typing import Any

from tqd import TaskQueue
from tqd.clock import monotonic
from tqd.errors import StoreError, StoreFull
from tqd.task.model import DEFAULT_QUEUES

STEP_S = 0.06
MANY = 6
DELAY_S = 1.0
KINDS = (
    "quick",
    "quick",
    "quick",
    "threaded",
    "valued",
    "sleeping",
    "sleeping",
    "retrying",
    "failing",
    "timed",
    "delayed",
)


class Ledger:
    """What was promised: number → whether the task is to fail. `due_s`: not to begin before, monotonic."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, bool] = {}
        self.due_s: dict[int, float] = {}
        self.valued: list[tuple[int, Any]] = []
        self.uncertain = 0
        self.full = 0
        self.last_s = 0.0
        self.numbers = itertools.count()

    def note(self, rows: Sequence[tuple[str, int]], handles: Sequence[Any]) -> None:
        """Note that these were acknowledged."""
        for (kind, number), handle in zip(rows, handles, strict=True):
            self.acknowledged[number] = kind == "failing"
            if kind == "valued":
                self.valued.append((number, handle))
        self.last_s = monotonic()

    def failed(self, error: StoreError, count: int) -> None:
        """Note that nobody knows about so many; a full Redis has refused them."""
        if isinstance(error, StoreFull):
            self.full += count
        else:
            self.uncertain += count


class Producers:
    """One thread that blocks, over `direct`, and one with a loop, over `other`."""

    def __init__(self, direct: str, other: str, seed: int) -> None:
        self.ledgers = (Ledger(), Ledger())
        # Numbers tell the two apart.
        self.ledgers[1].numbers = itertools.count(1_000_000)
        self.queues = (TaskQueue(direct), TaskQueue(other))
        self._chances = (Random(seed + 1), Random(seed + 2))
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._blocking, name="producer", daemon=True),
            threading.Thread(target=lambda: asyncio.run(self._on_a_loop()), name="aproducer", daemon=True),
        ]
        self._errors: list[BaseException] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, deadline_s: float = 30.0) -> None:
        """Enqueue no more; raises what has ended a producer before."""
        self.check()
        self._stop.set()
        for thread in self._threads:
            thread.join(deadline_s)
            assert not thread.is_alive(), "a producer hangs in an enqueue"
        self.check()

    def check(self) -> None:
        """Raise what has ended a producer."""
        if self._errors:
            raise self._errors[0]

    @property
    def acknowledged(self) -> dict[int, bool]:
        """What was promised by both."""
        return self.ledgers[0].acknowledged | self.ledgers[1].acknowledged

    @property
    def due_s(self) -> dict[int, float]:
        """When delayed tasks may begin."""
        return self.ledgers[0].due_s | self.ledgers[1].due_s

    def _blocking(self) -> None:
        queue, ledger, chance = self.queues[0], self.ledgers[0], self._chances[0]
        try:
            while not self._stop.wait(STEP_S):
                rows, calls = _some(queue, ledger, chance)
                try:
                    ledger.note(rows, queue.enqueue_many(calls))
                except StoreError as error:
                    ledger.failed(error, len(rows))
        except BaseException as error:
            self._errors.append(error)

    async def _on_a_loop(self) -> None:
        queue, ledger, chance = self.queues[1], self.ledgers[1], self._chances[1]
        try:
            while not self._stop.is_set():
                rows, calls = _some(queue, ledger, chance)
                # Each its own fate: those that return are promised.
                found = await asyncio.gather(
                    *(queue.aenqueue_many([call]) for call in calls), return_exceptions=True
                )
                for row, handles in zip(rows, found, strict=True):
                    if isinstance(handles, StoreError):
                        ledger.failed(handles, 1)
                    elif isinstance(handles, BaseException):
                        raise handles
                    else:
                        ledger.note([row], handles)
                await asyncio.sleep(STEP_S)
            await queue.aclose()
        except BaseException as error:
            self._errors.append(error)


def _some(queue: TaskQueue, ledger: Ledger, chance: Random) -> tuple[list[tuple[str, int]], list[Any]]:
    rows = [(chance.choice(KINDS), next(ledger.numbers)) for _ in range(MANY)]
    return rows, [_call(queue, ledger, chance, kind, number) for kind, number in rows]


def _call(queue: TaskQueue, ledger: Ledger, chance: Random, kind: str, number: int) -> Any:
    where = chance.choice(DEFAULT_QUEUES)
    if kind == "delayed":
        delay_s = chance.uniform(0.1, DELAY_S)
        ledger.due_s[number] = monotonic() + delay_s
        return queue.named("quick").using(queue=where, delay=delay_s).call(number)
    task = queue.named(kind).using(queue=where)
    return task.call(number, chance.uniform(0.1, 0.6)) if kind == "sleeping" else task.call(number)
