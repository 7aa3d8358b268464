"""A worker inside the test's own process: real parts, real Redis, and a channel that keeps what is sent.

async with bench.worker(slots=2) as worker:
    await task.aenqueue()
    await auntil(lambda: journal == ["ran"], "the task ran")
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import redis

from tests.support.places import places
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil
from tqd.client.task_queue import TaskQueue
from tqd.clock import monotonic
from tqd.config.model import Config
from tqd.config.parse import parse
from tqd.log import Log
from tqd.metrics.ledger import LEDGER_BYTES, LedgerReader
from tqd.metrics.measures import Measures
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.store.worker_store import WorkerStore
from tqd.system.loop import run
from tqd.system.process import start_ticks
from tqd.task.names import WorkerName
from tqd.wire.messages import Beat, Message
from tqd.wire.records import FailureRecord
from tqd.worker.lifecycle import Ending, Lifecycle

T = TypeVar("T")

NAMESPACE = "test"
NODE = "bench~host~run1"
SCENARIO_S = 60.0
LEAVE_S = 30.0


def configured(url: str, **sections: dict[str, Any]) -> Config:
    """Return a configuration as a file with these sections gives it."""
    redis_section = {"url": url, "namespace": NAMESPACE} | sections.pop("redis", {})
    return parse([("test.toml", {"redis": redis_section, **sections})], {}, {}, 1)


class KeptMessages:
    """Stands where the channel to the master is. While it is `full` nothing gets through."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.full = False

    def send(self, message: Message) -> bool:
        if not self.full:
            self.messages.append(message)
        return not self.full

    @property
    def last(self) -> Beat:
        """The newest beat."""
        beats = [message for message in self.messages if isinstance(message, Beat)]
        return beats[-1]


class Worker:
    """One worker in process: `drain` it or let the context end it; `served` is what serve returned."""

    def __init__(self, queue: TaskQueue, config: Config, name: str) -> None:
        self.name = name
        self.channel = KeptMessages()
        redis_config = config.redis
        endpoint = Endpoint(redis_config.url, redis_config.connection_timeout, redis_config.command_timeout)
        self.store = WorkerStore(
            endpoint, Keys(NAMESPACE), NODE, name, config.queues.names, config.dead_letters.max_count
        )
        self._lease_ms = round(config.node.lease * 1000)
        log = Log(worker=name)
        self._memory = bytearray(LEDGER_BYTES)
        self._reader = LedgerReader(self._memory)
        self._parts = (
            config, queue.registry, self.store, self.channel, log, monotonic(), queue.seal, None,
            self._memory,
        )  # fmt: skip
        self.lifecycle: Lifecycle
        self._runner: asyncio.Task[Ending]

    async def start(self, quiet: bool = False) -> None:
        await self.store.register(self._lease_ms)
        self.lifecycle = Lifecycle(*self._parts)  # type: ignore[arg-type]
        self.lifecycle.set_quiet(quiet)
        self._runner = asyncio.create_task(self.lifecycle.serve())

    def counted(self) -> dict[tuple[str, str], Measures]:
        """Return what its ledger has got since the last call, by name and queue."""
        found: dict[tuple[str, str], Measures] = {}
        for entry in self._reader.read():
            found.setdefault((entry.name, entry.queue), Measures()).enter(entry)
        return found

    @property
    def ended(self) -> bool:
        return self._runner.done()

    async def served(self) -> Ending:
        """Wait for the end and return what serve said; raises what it raised."""
        return await asyncio.wait_for(asyncio.shield(self._runner), LEAVE_S)

    async def drain(self, grace_s: float) -> Ending:
        """Stop and wait for the end."""
        self.lifecycle.drain(grace_s)
        return await self.served()

    async def close(self) -> None:
        if not self.ended:
            self.lifecycle.drain(0.0)
        try:
            await self.served()
        finally:
            await self.store.close()


class Bench:
    """A server, an app on it, and workers on request."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.keys = Keys(NAMESPACE)
        self.queue = TaskQueue(server.url, namespace=NAMESPACE)
        self._count = 0

    @property
    def client(self) -> redis.Redis:
        return self.server.client

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Run a scenario on the worker's kind of loop, within a minute."""
        return run(asyncio.wait_for(scenario, SCENARIO_S))

    @asynccontextmanager
    async def worker(
        self,
        slots: int = 4,
        url: str = "",
        app: TaskQueue | None = None,
        quiet: bool = False,
        **sections: dict[str, Any],
    ) -> AsyncIterator[Worker]:
        """Have a worker for the length of the context; its end must be clean."""
        self._count += 1
        workers = {"max_concurrent_tasks": slots} | sections.pop("workers", {})
        config = configured(url or self.server.url, workers=workers, **sections)
        name = str(WorkerName(NODE, f"w{self._count}", os.getpid(), start_ticks(os.getpid()) or 0))
        worker = Worker(app or self.queue, config, name)
        await worker.start(quiet)
        try:
            yield worker
        finally:
            await worker.close()
            await self.queue.aclose()

    # -- looking ---------------------------------------------------------------------------------

    def places(self) -> dict[bytes, str]:
        """Return where every task is; an AssertionError when one is in two places or lost."""
        return places(self.client, self.keys)

    def ready(self, queue: str = "default") -> list[bytes]:
        return list(self.client.lrange(self.keys.ready(queue), 0, -1))

    def failure(self, identity: bytes) -> FailureRecord:
        """Return the record of a dead letter."""
        data = self.client.hget(self.keys.failure, identity)  # type: ignore[arg-type]
        assert isinstance(data, bytes), "no dead letter of this id"
        return FailureRecord.decode(data)

    def held(self, worker: Worker) -> dict[bytes, bytes]:
        return dict(self.client.hgetall(self.keys.claims(worker.name)))  # type: ignore[arg-type]

    def settled(self) -> bool:
        """Say whether every task is done or a dead letter: a task's payload is kept until then."""
        return not self.client.exists(self.keys.task)

    async def all_settled(self, deadline_s: float = 15.0) -> None:
        await auntil(self.settled, "all tasks are settled", deadline_s)
