"""A worker's life on its loop: start the parts, serve, stop them in the order that loses nothing.

The order of a stop:
1. claim no more; beside all that follows leave the bell, giving back a token that came meanwhile;
2. let attempts finish for the grace time, settling them as they end;
3. cancel the rest, so that they can clean up, for the last moment of the grace time;
4. give back what is still in hand, before anything is killed: twice is better than never;
5. settle all that is decided, wake the others, give up the right to claim.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from enum import Enum
from typing import Any

from tqd.app import Registry
from tqd.clock import monotonic
from tqd.config.model import Config
from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.worker_store import WorkerStore
from tqd.system.channel import ChildChannel
from tqd.wire.seal import Seal
from tqd.worker.beat import Pulse
from tqd.worker.bell import Bell
from tqd.worker.cancelling import Cancelling
from tqd.worker.consumer import Consumer
from tqd.worker.errands import Errands
from tqd.worker.executor import Executor
from tqd.worker.inflight import Inflight
from tqd.worker.order import order_of
from tqd.worker.publication import Publication
from tqd.worker.recording import Recording
from tqd.worker.settler import Settler

CLEAN_UP_S = 1.0
"""The end of the grace time that cancelled attempts have to clean up."""

CANCEL_S = 0.5
"""How long a cancelled part may take to end before it is cancelled again."""

SETTLE_S = 3.0
"""How long a stopping worker tries to settle; then the keeper takes its claims back."""

LEAVE_S = 0.5
"""How long Redis may take to end the wait at the bell, and to hear the last word."""


class Ending(Enum):
    """Why a worker has ended.

    fenced: it was declared dead while it lived. overtime: code that is over its time goes on, and
    only the end of the process stops it.
    """

    DRAINED = "drained"
    FENCED = "fenced"
    OVERTIME = "overtime"


class Lifecycle:
    """The parts of one worker and how they start and stop; a probe has slots of its own kind.

    `memory` is shared with the master: the ledger is written there.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        store: WorkerStore,
        channel: ChildChannel,
        log: Log,
        launched: float = 0.0,
        seal: Seal | None = None,
        inflight: Inflight | None = None,
        memory: Any = None,
    ) -> None:
        self._log = log
        self._store = store
        queues = config.queues
        max_bytes = int(config.security.max_payload_size_mb * 1_048_576)
        if inflight is None:
            inflight = Inflight(config.workers.max_concurrent_tasks)
        self.inflight = inflight
        self._settler = Settler(lambda: self._consumer.wake())
        self._executor = Executor(
            registry, self.inflight, self._settler, store, channel, log, max_bytes, seal, memory
        )
        order = order_of(queues, monotonic())
        self._consumer = Consumer(store, self._executor, self.inflight, self._settler, order, log)
        self._bell = Bell(store, self._consumer, self.inflight, log)
        self._recording = Recording(store, self._executor, seal, log)
        self._errands = Errands(store, registry, log, self._recording.wanted)
        self._publication = Publication(store, registry, config.tasks.app, launched, channel, log, seal)
        executor = self._executor
        self._cancelling = Cancelling(store, executor, self.inflight, config.tasks.cancel_grace, log)
        self._pulse = Pulse(channel, self.inflight, executor.tally, executor.limits, self._may_claim, log)
        self._stop = asyncio.Event()
        self._sooner = asyncio.Event()
        self._deadline = 0.0
        self._ending = Ending.DRAINED

    def drain(self, grace_s: float) -> None:
        """Stop within `grace_s`; a later call can only make it sooner."""
        deadline = monotonic() + grace_s
        self._deadline = min(self._deadline, deadline) if self._stop.is_set() else deadline
        self._stop.set()
        self._sooner.set()

    def beat(self) -> None:
        """Tell the present state, out of turn."""
        self._pulse.send()

    def set_quiet(self, quiet: bool) -> None:
        """Claim nothing (True), or claim again (False); without effect on a worker that drains."""
        if not self._stop.is_set():
            self._consumer.set_quiet(quiet)
            if not quiet:
                self._publication.allow()

    async def serve(self) -> Ending:
        """Work until drained, or until this process must be replaced."""
        consumer = asyncio.create_task(self._consumer.run())
        listener = asyncio.create_task(self._bell.listen())
        parts = (
            self._errands.run(), self._pulse.run(), self._bell.pass_on(), self._bell.leave(),
            self._publication.run(), self._cancelling.run(), self._recording.run(),
        )  # fmt: skip
        rounds = [asyncio.create_task(part) for part in parts]
        reasons = [asyncio.create_task(part) for part in (self._stop.wait(), self._fenced(), self._overran())]
        ended, _ = await asyncio.wait(
            {consumer, listener, *rounds, *reasons}, return_when=asyncio.FIRST_COMPLETED
        )
        if not self._stop.is_set():
            self.drain(CLEAN_UP_S)
        self._consumer.stop_claiming()
        # Beside the rest: Redis may not answer, and what runs must be given back in time all the same.
        leaving = asyncio.create_task(self._bell.stop())
        await self._drained()
        await self._settle(consumer)
        await asyncio.wait({leaving}, timeout=LEAVE_S)
        await _cancelled(consumer, listener, leaving, *rounds, *reasons)
        self._pulse.send()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._leave()
        for runner in ended.difference(reasons):
            runner.result()  # a part that ended by itself has failed: its error ends the worker
        return self._ending

    def _may_claim(self) -> bool:
        """Tell whether a task may still be claimed here: a claim on its way counts."""
        return self._consumer.claiming or (self._stop.is_set() and not self._consumer.last_claimed.is_set())

    async def _fenced(self) -> None:
        await self._consumer.fenced.wait()
        if not self._stop.is_set():
            self._ending = Ending.FENCED
        self.drain(0.0)

    async def _overran(self) -> None:
        """Hurry the end when code cannot be stopped otherwise, also of a drain that is on already."""
        await self._executor.limits.overrun.wait()
        self._log.error("code that is over its time goes on: this process ends, to stop it")
        if not self._stop.is_set():
            self._ending = Ending.OVERTIME
        self.drain(CLEAN_UP_S)

    async def _drained(self) -> None:
        await self._last_claimed()
        self._pulse.send()  # whoever waits for the last claim need not wait for the next beat
        await self._emptied(CLEAN_UP_S)
        self._executor.interrupt()
        await self._emptied(0.0)
        left = self._executor.give_back()
        self._executor.close()
        if left:
            self._log.warning("tasks did not end in the grace time and were given back", count=left)

    async def _last_claimed(self) -> None:
        # A claim on its way still brings tasks; they are run or given back like the others.
        last = asyncio.create_task(self._consumer.last_claimed.wait())
        least = monotonic() + CLEAN_UP_S
        await self._ended(last, lambda: max(least, self._deadline - CLEAN_UP_S))
        last.cancel()

    async def _emptied(self, before_s: float) -> None:
        """Wait until nothing is in hand, or until `before_s` before the deadline."""
        in_time = True
        while in_time and len(self.inflight):
            empty = asyncio.create_task(self.inflight.empty.wait())
            in_time = await self._ended(empty, lambda: self._deadline - before_s)
            empty.cancel()

    async def _settle(self, consumer: asyncio.Task[None]) -> None:
        self._consumer.finish()
        least = monotonic() + SETTLE_S
        if not await self._ended(consumer, lambda: max(least, self._deadline)):
            self._log.error(
                "redis did not take the last settlements; their tasks will run again",
                count=len(self._settler),
            )

    async def _ended(self, runner: asyncio.Task[Any], end: Callable[[], float]) -> bool:
        """Wait for a runner until a moment that moves when the deadline does; False: it goes on."""
        while not runner.done():
            self._sooner.clear()
            left_s = end() - monotonic()
            if left_s <= 0:
                return False
            sooner = asyncio.create_task(self._sooner.wait())
            await asyncio.wait({runner, sooner}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            sooner.cancel()
        return True

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
