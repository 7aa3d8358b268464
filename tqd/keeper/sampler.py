"""Looks at the queues when the master asks, and tells it."""

from __future__ import annotations

import asyncio

from tqd.clock import monotonic
from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.node_store import NodeStore
from tqd.system.channel import ChildChannel
from tqd.wire.messages import Sampled, Wanting, digest


class Sampler:
    """One look at a time: what is asked for meanwhile is answered by the one that is on its way."""

    def __init__(self, store: NodeStore, queues: tuple[str, ...], channel: ChildChannel, log: Log) -> None:
        self._store = store
        self._queues = queues
        self._channel = channel
        self._log = log
        self._asked = asyncio.Event()
        self._wanting: Wanting | None = None
        self._heard_at = 0.0

    def ask(self) -> None:
        """Look now."""
        self._asked.set()

    def want(self, message: Wanting) -> None:
        """Tell the other daemons what this one wants, and look."""
        self._wanting, self._heard_at = message, monotonic()
        self._asked.set()

    async def run(self) -> None:
        """Look whenever it is wanted, until cancelled."""
        while True:
            await self._asked.wait()
            try:
                await self._tell()
                look = await self._store.sample(self._queues)
            except StoreError as error:
                self._log.debug("no sample", error=str(error))
            else:
                rows = [queue.row() for queue in look.queues]
                company, names = list(look.company), digest(self._queues)
                self._channel.send(
                    Sampled(rows, look.dead, look.nodes, look.workers, company, monotonic(), names)
                )
            self._asked.clear()

    async def _tell(self) -> None:
        wanting, self._wanting = self._wanting, None
        if wanting is None:
            return
        late_ms = round((monotonic() - self._heard_at) * 1000)
        grown_ms, changed_ms = (
            ms + late_ms if ms >= 0 else None for ms in (wanting.grown_ms, wanting.changed_ms)
        )
        await self._store.tell(wanting.workers, grown_ms, changed_ms, self._queues, wanting.ttl_ms)
