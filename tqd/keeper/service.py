"""The keeper's duties over time: renew the lease, take back claims, fire, sample, outlast the master.

When the master dies the workers drain by themselves. One whose loop is blocked cannot: the keeper
kills what is left of this daemon after the orphan grace, takes back what it held, and goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tqd.clock import monotonic
from tqd.config.model import Config
from tqd.errors import StoreError, StoreMismatch
from tqd.keeper.culprit import Culprit, read_culprit
from tqd.keeper.firer import Firer
from tqd.keeper.fitness import refusal, tell
from tqd.keeper.limits import Limits
from tqd.keeper.namesakes import Namesakes
from tqd.keeper.patience import Patience
from tqd.keeper.reaper import Reaper
from tqd.keeper.remembering import Remembering
from tqd.keeper.sampler import Sampler
from tqd.keeper.survivors import Survivors
from tqd.log import Log
from tqd.store.node_store import PRUNE_LIMIT, NodeStore
from tqd.system import exits
from tqd.system.channel import ChildChannel
from tqd.system.fork import ChildPipes
from tqd.system.logfile import reopen
from tqd.system.process import start_ticks
from tqd.system.usage import rss_bytes
from tqd.task.claim import Blame
from tqd.task.names import NodeName
from tqd.wire.messages import (
    Decided,
    Declared,
    Drain,
    Failed,
    KeeperBeat,
    Message,
    Ready,
    Remember,
    ReopenLog,
    SampleRequest,
    Wanting,
    WorkerGone,
    WorkerUp,
)
from tqd.wire.seal import Seal

BEAT_S = 1.0
CLOCK_S = 60.0
"""How old the measurement of Redis's clock may be."""

LEFTOVERS_S = 30.0
"""How often it is looked for what an earlier keeper, or an earlier run, left behind; first at once."""

ORPHAN_KILL_S = 0.3
"""After the orphan grace: the time a worker has to leave by itself."""

SIGN_OFF_S = 0.5
"""How long Redis may take to hear the last word; without it the lease just ends."""

SUSPECTS_S = 10.0
"""How often it is looked for suspects that others have left; one's own are seen at once."""

SUSPECTS_WAIT_S = 2.0
"""The same while some wait: their end lets the probe go."""

PRUNE_S = 60.0
"""How often dead letters are looked at that are too many or too old."""

PRUNE_STEPS = 25
"""Steps of pruning at a time, so that Redis and the keeper's other duties have their turns."""

_RETRY_S = 0.5
_FULL_S = 0.01
"""How long a full pipe is given to become emptier."""

Gone = tuple[str, Culprit | None, Blame, bytes]
"""A worker that has ended, what it died of if that is known, or what is said of all that it held, or of the
suspect among that."""


class Keeper:
    """`serve` runs until the master says drain, or is gone."""

    def __init__(
        self,
        config: Config,
        node: NodeName,
        store: NodeStore,
        pipes: ChildPipes,
        log: Log,
        seal: Seal | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._log = log
        self._node = node
        self._lease_s = config.node.lease
        self._patience = Patience(self._lease_s)
        self._reaper = Reaper(
            store,
            node,
            config.queues.names,
            config.dead_letters.max_count,
            start_ticks,
            log,
            pipes.ledger,
        )
        app, scheduler = config.tasks.app, config.scheduler
        self._firer = Firer(store.cron, app, scheduler.tick_interval, scheduler.max_tasks_per_tick, log, seal)
        self._channel = ChildChannel(pipes, self._on_message, self._on_orphaned)
        self._survivors = Survivors()
        self._expected: set[str] = set()
        self._gone: asyncio.Queue[Gone] = asyncio.Queue()
        self._suspects = 0
        self._recalled: list[Message] = []
        self._leased = False
        self._sampler = Sampler(store, config.queues.names, self._channel, log)
        self._stop = asyncio.Event()
        self._orphaned = False
        self._remembering = Remembering(store, log)
        self._limits = Limits(store, node.name, config.queues.limits, log)
        self._namesakes = Namesakes(store, node, log)
        self._clock_end = 0.0

    async def serve(self) -> None:
        """Do all duties until stopped; then sign the node off, if no worker is left."""
        self._channel.open()
        stop = asyncio.create_task(self._stop.wait())
        beat = asyncio.create_task(self._beat())
        # Redis may be down: the master's word, or its end, must be heard all the same.
        first = asyncio.create_task(self._begin())
        duties: list[asyncio.Task[Any]] = [first]
        await asyncio.wait({stop, beat, *duties}, return_when=asyncio.FIRST_COMPLETED)
        if first.done() and (reason := first.result()):
            self._channel.send(Failed(exits.CONFIG, reason))
            self._stop.set()
        elif first.done():
            duties = self._start_duties()
        ended, _ = await asyncio.wait({stop, beat, *duties}, return_when=asyncio.FIRST_COMPLETED)
        if self._orphaned:
            await self._outlast()
        for duty in (stop, beat, *duties):
            duty.cancel()
        await asyncio.gather(stop, beat, *duties, return_exceptions=True)
        await asyncio.wait({asyncio.create_task(self._sign_off())}, timeout=SIGN_OFF_S)
        for duty in ended - {stop}:
            duty.result()  # a duty that ended by itself has failed: its error ends the keeper

    async def _begin(self) -> str:
        """Reach Redis and report; returns why not, when nobody could work with it."""
        await self._insist(self._renew)
        await self._insist(self._recall)
        reason = await self._unfit()
        if not reason:
            await self._report()
        return reason

    async def _unfit(self) -> str:
        try:
            advice = await self._store.advice(self._config.workers)
        except StoreError as error:
            self._log.debug("redis was not looked at", error=str(error))
            return ""
        tell(advice, self._log)
        return refusal(advice)

    async def _recall(self) -> None:
        self._recalled = await self._remembering.recall()

    async def _report(self) -> None:
        """Tell what was kept, and that this keeper is ready: more than a pipe holds, and nothing may miss.

        When the master does not read, its deadline for the start ends this.
        """
        for message in (*self._recalled, Ready("", "", 0)):
            while not self._channel.send(message):
                await asyncio.sleep(_FULL_S)

    def _start_duties(self) -> list[asyncio.Task[Any]]:
        duties = [
            self._repeat(self._renew, self._lease_s / 3),
            self._repeat(self._reap_nodes, self._lease_s / 3),
            self._repeat(self._reap_leftovers, LEFTOVERS_S),
            self._repeat(self._prune, PRUNE_S),
            self._watch_suspects(),
            self._repeat(self._limits.publish, LEFTOVERS_S),
            self._reclaim_reported(),
            self._sampler.run(),
            self._remembering.run(),
        ]
        if self._config.scheduler.enabled:
            duties.append(self._firer.run())
        return [asyncio.create_task(duty) for duty in duties]

    async def _renew(self) -> None:
        if monotonic() >= self._clock_end:
            await self._store.synchronise()
            self._clock_end = monotonic() + CLOCK_S
        there = await self._store.renew(round(self._lease_s * 1000))
        self._patience.renewed(monotonic())
        if self._leased and not there:
            # Who waits for work would learn of it after a minute, and only new workers publish schedules.
            self._log.warning("the lease was gone: redis was emptied, or others took this daemon for dead")
            await self._store.ring(self._config.queues.names)
        self._leased = True

    async def _reap_nodes(self) -> None:
        if self._patience.may_judge(monotonic()):
            before = self._reaper.reclaimed
            await self._reaper.reap_nodes(self._lease_s)
            if self._reaper.reclaimed != before:
                await self._look_for_suspects()

    async def _reap_leftovers(self) -> None:
        await self._reaper.reap_lost()
        await self._reaper.reap_processes(self._expected)
        await self._namesakes.look()

    async def _prune(self) -> None:
        limits = self._config.dead_letters
        removed = 0
        try:
            for _ in range(PRUNE_STEPS):
                removed += (step := await self._store.prune(limits.max_count, limits.max_age))
                if step < PRUNE_LIMIT:
                    break
        except StoreMismatch as error:
            # Tried again at the next round: no duty that others must wait for.
            self._log.error("dead letters cannot be pruned", error=str(error))
        if removed:
            self._log.info("old dead letters were removed", count=removed)

    async def _repeat(self, duty: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            await self._insist(duty)
            await asyncio.sleep(every_s)

    async def _insist(self, duty: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                await duty()
                return
            except StoreError as error:
                if failures == 0:
                    self._log.warning("a duty waits for redis", error=str(error))
                failures += 1
                await asyncio.sleep(_RETRY_S)

    async def _reclaim_reported(self) -> None:
        while True:
            gone = await self._gone.get()

            async def reclaim(gone: Gone = gone) -> None:
                await self._reaper.worker_gone(*gone)
                await self._look_for_suspects()

            await self._insist(reclaim)
            self._expected.discard(gone[0])
            self._gone.task_done()

    async def _watch_suspects(self) -> None:
        while True:
            await self._insist(self._look_for_suspects)
            await asyncio.sleep(SUSPECTS_WAIT_S if self._suspects else SUSPECTS_S)

    async def _look_for_suspects(self) -> None:
        """Tell the master at once when there are others than before, or none: a probe may be needed."""
        before = self._suspects
        self._suspects = await self._store.suspects(self._config.queues.names)
        if self._suspects != before or self._suspects:
            self._send_beat()

    async def _beat(self) -> None:
        while True:
            self._send_beat()
            await asyncio.sleep(BEAT_S)

    def _send_beat(self) -> None:
        down_s = round(self._store.down_s(), 3)
        self._channel.send(KeeperBeat(self._reaper.reclaimed, rss_bytes(), down_s, self._suspects))

    async def _outlast(self) -> None:
        grace_s = self._config.workers.orphan_grace_period + ORPHAN_KILL_S
        for worker in await self._survivors.outlast(grace_s):
            # The master's end is the reason, no task's.
            self._gone.put_nowait((worker, None, Blame.NONE, b""))
        try:
            async with asyncio.timeout(1.0):
                await self._gone.join()
        except TimeoutError:
            self._log.error("redis did not answer: the next run or another node takes the claims back")

    async def _sign_off(self) -> None:
        try:
            if not await self._store.workers(str(self._node)):
                await self._store.forget_node(str(self._node))
        except StoreError as error:
            self._log.debug("could not sign the node off", error=str(error))
        await self._store.close()

    def _on_message(self, message: Message) -> None:
        match message:
            case WorkerUp(worker, pid):
                self._expected.add(worker)
                self._survivors.watch(worker, pid)
            case WorkerGone(worker, culprit, report, blame, suspect):
                self._expected.add(worker)
                self._survivors.unwatch(worker)
                self._gone.put_nowait((worker, self._culprit(culprit, report), Blame(blame), suspect))
            case SampleRequest():
                self._sampler.ask()
            case Wanting():
                self._sampler.want(message)
            case Declared():
                self._firer.look_soon()
            case Decided():
                self._remembering.note(message)
            case Remember():
                self._remembering.take(message)
            case ReopenLog(path):
                self._reopen(path)
            case Drain():
                self._stop.set()

    def _culprit(self, values: list[object], report: str) -> Culprit | None:
        try:
            return read_culprit(values, report)
        except ValueError as error:
            self._log.error("a killed attempt cannot be settled: all goes back", error=str(error))
            return None

    def _reopen(self, path: str) -> None:
        try:
            reopen(path)
        except OSError as error:
            self._log.warning("the log goes on into the old file", path=path, error=str(error))

    def _on_orphaned(self) -> None:
        self._orphaned = True
        self._stop.set()
