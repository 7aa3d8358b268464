"""Looks at the queues when the master asks, and tells it."""

from __future__ import annotations

import asyncio

from tqd.clock import monotonic
from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.node_store import NodeStore
from tqd.system.channel import ChildChannel
from tqd.wire.messages import Sampled


class Sampler:
    """One look at a time: what is asked for meanwhile is answered by the one that is on its way."""

    def __init__(self, store: NodeStore, queues: tuple[str, ...], channel: ChildChannel, log: Log) -> None:
        self._store = store
        self._queues = queues
        self._channel = channel
        self._log = log
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look now."""
        self._asked.set()

    async def run(self) -> None:
        """Look whenever it is wanted, until cancelled."""
        while True:
            await self._asked.wait()
            try:
                look = await self._store.sample(self._queues)
            except StoreError as error:
                self._log.debug("no sample", error=str(error))
            else:
                rows = [queue.row() for queue in look.queues]
                self._channel.send(Sampled(rows, *look[1:], monotonic()))
            self._asked.clear()
