"""A worker's life on its loop: start the parts, serve, stop them in the order that loses nothing.

The order of a stop:
1. claim no more, and leave the bell, giving back a token that came meanwhile;
2. let attempts finish for the grace time, settling them as they end;
3. cancel the rest, so that they can clean up, for the last moment of the grace time;
4. give back what is still in hand, before anything is killed: twice is better than never;
5. settle all that is decided, wake the others, give up the right to claim.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tqd.app import Registry
from tqd.clock import monotonic
from tqd.config.model import Config
from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.worker_store import WorkerStore
from tqd.system.channel import ChildChannel
from tqd.worker.beat import Pulse
from tqd.worker.bell import Bell
from tqd.worker.consumer import Consumer
from tqd.worker.errands import Errands
from tqd.worker.executor import Executor
from tqd.worker.inflight import Inflight
from tqd.worker.order import QueueOrder
from tqd.worker.settler import Settler

CLEAN_UP_S = 1.0
"""The end of the grace time that cancelled attempts have to clean up."""

CANCEL_S = 0.5
"""How long a cancelled part may take to end before it is cancelled again."""

SETTLE_S = 3.0
"""How long a stopping worker tries to settle; then the keeper takes its claims back."""


class Lifecycle:
    """The parts of one worker and how they start and stop."""

    def __init__(
        self, config: Config, registry: Registry, store: WorkerStore, channel: ChildChannel, log: Log
    ) -> None:
        self._log = log
        self._store = store
        queues = config.queues
        max_bytes = int(config.security.max_payload_size_mb * 1_048_576)
        self.inflight = Inflight(config.workers.max_concurrent_tasks)
        self._settler = Settler(lambda: self._consumer.wake())
        self._executor = Executor(registry, self.inflight, self._settler, store, log, max_bytes)
        order = QueueOrder(queues.names, queues.starvation_after, monotonic())
        self._consumer = Consumer(store, self._executor, self.inflight, self._settler, order, log)
        self._bell = Bell(store, self._consumer, self.inflight, log)
        self._errands = Errands(store, registry, log)
        self._pulse = Pulse(channel, self.inflight, self._executor.tally)
        self._stop = asyncio.Event()
        self._sooner = asyncio.Event()
        self._deadline = 0.0

    def drain(self, grace_s: float) -> None:
        """Stop within `grace_s`; a later call can only make it sooner."""
        deadline = monotonic() + grace_s
        self._deadline = min(self._deadline, deadline) if self._stop.is_set() else deadline
        self._stop.set()
        self._sooner.set()

    async def serve(self) -> bool:
        """Work until drained; False when this worker was fenced off and must be replaced."""
        consumer = asyncio.create_task(self._consumer.run())
        listener = asyncio.create_task(self._bell.listen())
        rounds = [
            asyncio.create_task(part)
            for part in (self._errands.run(), self._pulse.run(), self._bell.pass_on())
        ]
        fenced = asyncio.create_task(self._consumer.fenced.wait())
        stop = asyncio.create_task(self._stop.wait())
        ended, _ = await asyncio.wait(
            {consumer, listener, fenced, stop, *rounds}, return_when=asyncio.FIRST_COMPLETED
        )
        if not self._stop.is_set():
            self.drain(0.0 if fenced in ended else CLEAN_UP_S)
        await self._drained()
        await self._settle(consumer)
        await _cancelled(listener, fenced, stop, *rounds)
        self._pulse.send(0.0)
        await self._leave()
        for runner in ended - {stop, fenced}:
            runner.result()  # a part that ended by itself has failed: its error ends the worker
        return fenced not in ended

    async def _drained(self) -> None:
        self._consumer.stop_claiming()
        await self._bell.stop()
        await self._quiet()
        await self._emptied(CLEAN_UP_S)
        self._executor.interrupt()
        await self._emptied(0.0)
        left = self._executor.give_back()
        self._executor.close()
        if left:
            self._log.warning("tasks did not end in the grace time and were given back", count=left)

    async def _quiet(self) -> None:
        # A claim on its way still brings tasks; they are run or given back like the others.
        quiet = asyncio.create_task(self._consumer.quiet.wait())
        await asyncio.wait({quiet}, timeout=max(CLEAN_UP_S, self._deadline - monotonic()))
        quiet.cancel()

    async def _emptied(self, before_s: float) -> None:
        """Wait until nothing is in hand, or until `before_s` before the deadline, which may move."""
        while len(self.inflight):
            self._sooner.clear()
            left_s = self._deadline - before_s - monotonic()
            if left_s <= 0:
                return
            waits = [asyncio.create_task(event.wait()) for event in (self.inflight.empty, self._sooner)]
            await asyncio.wait(waits, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def _settle(self, consumer: asyncio.Task[None]) -> None:
        self._consumer.finish()
        done, _ = await asyncio.wait({consumer}, timeout=SETTLE_S)
        if not done:
            self._log.error(
                "redis did not take the last settlements; their tasks will run again",
                count=len(self._settler),
            )

    async def _leave(self) -> None:
        try:
            await self._store.ring()
            await self._store.leave()
        except StoreError as error:
            self._log.debug("could not sign off", error=str(error))


async def _cancelled(*runners: asyncio.Task[Any]) -> None:
    """Cancel and wait for the end; again until it comes: a connection being made can swallow one."""
    left = set(runners)
    while left:
        for runner in left:
            runner.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_S)
    await asyncio.gather(*runners, return_exceptions=True)
