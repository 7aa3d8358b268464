"""The way of new tasks to Redis: one asyncio sender per event loop, blocking lanes for threads.

Concurrent `aenqueue` calls share a round trip: while one batch is on the way the next gathers. A
call returns only after Redis has acknowledged the batch that its task was in.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Sequence

from tqd.client.admission import still_fitting
from tqd.clock import RedisClock
from tqd.errors import AdmissionError, StoreError
from tqd.store.calls import MAX_BATCH, NewTask
from tqd.store.connection import Endpoint, Link
from tqd.store.keys import Keys
from tqd.store.producer import Producer, Refusals, SyncProducer
from tqd.store.results import ResultFeed


def date(tasks: Sequence[NewTask], now_ms: int) -> None:
    """Turn delays into due times on Redis's clock."""
    for task in tasks:
        if task.delay_ms:
            task.due_ms = now_ms + task.delay_ms


class AsyncSender:
    """Sends the new tasks of one event loop; one batch in flight."""

    def __init__(self, endpoint: Endpoint, keys: Keys, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._producer = Producer(endpoint, keys)
        self._waiting: list[tuple[Sequence[NewTask], asyncio.Future[None]]] = []
        self._runner: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[int] | None = None
        self.lookup = Link(endpoint)
        self.lookup_lock = asyncio.Lock()
        self.feed = ResultFeed(endpoint, keys)

    @property
    def clock(self) -> RedisClock:
        """Redis's clock as last measured by the producer's connection."""
        return self._producer.clock

    async def synchronise(self) -> None:
        """Measure Redis's clock before the first task; StoreUnavailable as `send`.

        Callers that come meanwhile share the measurement, and go on in the order in which they came.
        """
        if self._measuring is None or self._measuring.done():
            self._measuring = self.loop.create_task(self._producer.now_ms())
        await asyncio.shield(self._measuring)

    async def send(self, tasks: Sequence[NewTask]) -> None:
        """Store the tasks, together with those of other callers; returns when acknowledged."""
        stored: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append((tasks, stored))
        if self._runner is None:
            self._runner = self.loop.create_task(self._run())
        await stored

    async def close(self) -> None:
        """Send what waits, then close all connections of this loop."""
        pending = [one for one in (self._runner, self._measuring) if one is not None]
        await asyncio.gather(*pending, return_exceptions=True)
        await self.feed.close()
        await self.lookup.close()
        await self._producer.close()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._batch()
        finally:
            self._runner = None
            abandoned, self._waiting = self._waiting, []
            for _, stored in abandoned:
                stored.cancel()

    async def _batch(self) -> None:
        size, count = 0, 0
        for tasks, _ in self._waiting:
            if count and size + len(tasks) > MAX_BATCH:
                break
            size, count = size + len(tasks), count + 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        try:
            refused = await self._store([task for tasks, _ in batch for task in tasks])
            if refused:
                refused = await self._second_try([tasks for tasks, _ in batch], refused)
        except BaseException as error:
            # Whatever ended the batch, every caller of it is told, and the next batch is tried.
            for _, stored in batch:
                if not stored.done():
                    stored.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for tasks, stored in batch:
                refusal = _first_refusal(tasks, refused)
                if stored.done():
                    continue
                if refusal is None:
                    stored.set_result(None)
                else:
                    stored.set_exception(refusal)

    async def _second_try(self, calls: Sequence[Sequence[NewTask]], refused: Refusals) -> Refusals:
        """Store the calls that a full queue refused only because of those beside them."""
        fitting = still_fitting(calls, refused)
        if not fitting:
            return refused
        left = {task.task_id for task in fitting}
        still = await self._store(fitting)
        return {task_id: error for task_id, error in refused.items() if task_id not in left} | still

    async def _store(self, tasks: Sequence[NewTask]) -> Refusals:
        if any(task.delay_ms for task in tasks):
            date(tasks, await self._producer.now_ms())
        return await self._producer.store(tasks)


class SyncSender:
    """Sends the new tasks of threads: each call takes a lane, a connection with a producer's name."""

    def __init__(self, endpoint: Endpoint, keys: Keys) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._lanes: deque[SyncProducer] = deque()
        self._pid = os.getpid()
        self.clock = RedisClock()

    def now_ms(self, exact: bool) -> int:
        """Return Redis's time in epoch ms; measured before the first task when it has to be `exact`."""
        if exact and not self.clock.known:
            lane = self._take()
            try:
                lane.now_ms()
            except BaseException:
                lane.close()
                raise
            self.clock = lane.clock
            self._lanes.append(lane)
        return self.clock.now_ms()

    def send(self, tasks: Sequence[NewTask]) -> None:
        """Store the tasks; returns when Redis has acknowledged them."""
        lane = self._take()
        try:
            if any(task.delay_ms for task in tasks):
                date(tasks, lane.now_ms())
            error = self._store(lane, tasks)
        except BaseException:
            # Whatever broke in (a signal handler may raise): an answer may still be on its way.
            lane.close()
            raise
        self.clock = lane.clock
        self._lanes.append(lane)
        if error is not None:
            raise error

    def close(self) -> None:
        """Close the lanes that are not in use."""
        while self._lanes:
            self._lanes.pop().close()

    def _store(self, lane: SyncProducer, tasks: Sequence[NewTask]) -> StoreError | AdmissionError | None:
        for first in range(0, len(tasks), MAX_BATCH):
            batch = tasks[first : first + MAX_BATCH]
            error = _first_refusal(batch, lane.store(batch))
            if error is not None:
                return error
        return None

    def _take(self) -> SyncProducer:
        if self._pid != os.getpid():
            # A fork: the lanes' sockets and names are the parent's. Forget them, unclosed.
            self._pid = os.getpid()
            self._lanes.clear()
        try:
            return self._lanes.pop()
        except IndexError:
            return SyncProducer(self._endpoint, self._keys)


def _first_refusal(tasks: Sequence[NewTask], refused: Refusals) -> StoreError | AdmissionError | None:
    if not refused:
        return None
    return next((refused[task.task_id] for task in tasks if task.task_id in refused), None)
