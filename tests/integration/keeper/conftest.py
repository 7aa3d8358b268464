"""The keeper's reaper on a real Redis, and workers that are only names with claims."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.support.redis_server import RedisServer
from tests.support.store_driver import StoreDriver, identity
from tests.support.wait import until
from tqd.clock import wall_ms
from tqd.keeper.reaper import Reaper
from tqd.log import Log
from tqd.store.connection import Endpoint
from tqd.store.node_store import NodeStore
from tqd.system.loop import run
from tqd.system.process import start_ticks
from tqd.task.names import NodeName, WorkerName

OURS = NodeName("shop", "host", "run2")
BEFORE = NodeName("shop", "host", "run1")
ELSEWHERE = NodeName("shop", "other-host", "run1")
STRANGER = NodeName("bakery", "host", "run1")
LEASE_S = 3.0
MAX_DEAD = 10
DEAD_PID = 2**22 + 1
"""Beyond the largest pid that Linux gives."""


class Scene:
    """Nodes with workers and their claims, and the reaper of one node, duty by duty."""

    def __init__(self, server: RedisServer) -> None:
        self.driver = StoreDriver(server)
        self.client = server.client
        self.keys = self.driver.keys
        self.socket = server.socket
        self._server = server

    def worker(self, node: NodeName = OURS, label: str = "w1", *, living: bool = False) -> str:
        """Give a worker of a node the right to claim; its process is this one, or none."""
        pid, start = (os.getpid(), start_ticks(os.getpid()) or 0) if living else (DEAD_PID, 1)
        name = str(WorkerName(str(node), label, pid, start))
        self.driver.hire(name, node=str(node))
        return name

    def holds(self, worker: str, *numbers: int, token: bytes = b"1:0:0:default") -> None:
        """Let a worker hold tasks."""
        for number in numbers:
            self.client.hset(self.keys.task, identity(number), b"payload")  # type: ignore[arg-type]
            self.client.hset(self.keys.claims(worker), identity(number), token)  # type: ignore[arg-type]

    def lease(self, node: NodeName, seconds: float) -> None:
        """Set the end of a node's lease, from now."""
        self.client.zadd(self.keys.nodes, {str(node): wall_ms() + round(seconds * 1000)})

    def leases(self) -> dict[str, float]:
        """Return how long each lease still is, in s."""
        rows = self.client.zrange(self.keys.nodes, 0, -1, withscores=True)
        return {node.decode(): (end - wall_ms()) / 1000 for node, end in rows}  # type: ignore[union-attr]

    def may_claim(self, worker: str, node: NodeName) -> bool:
        return bool(self.client.sismember(self.keys.workers(str(node)), worker))

    def lost(self) -> set[str]:
        return {name.decode() for name in self.client.smembers(self.keys.lost)}  # type: ignore[union-attr]

    def run(self, duty: Callable[[Reaper, NodeStore], Coroutine[Any, Any, None]], url: str = "") -> Reaper:
        """Do one duty with a reaper and a store of their own, as after a restart of the keeper."""

        async def once() -> Reaper:
            store = NodeStore(Endpoint(url or self._server.url), self.keys, str(OURS))
            reaper = Reaper(store, OURS, ("default",), MAX_DEAD, start_ticks, Log(role="keeper"))
            try:
                await store.synchronise()
                await duty(reaper, store)
            finally:
                await store.close()
            return reaper

        return run(once())


@pytest.fixture
def scene(redis_server: RedisServer) -> Iterator[Scene]:
    scene = Scene(redis_server)
    yield scene
    scene.driver.close()


@pytest.fixture
def grown_up(scene: Scene) -> Scene:
    """A Redis that has been up for longer than a lease."""
    until(lambda: int(scene.client.info("server")["uptime_in_seconds"]) > LEASE_S, "redis is old enough", 10)
    return scene
