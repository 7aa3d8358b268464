"""The schedules that this worker's code declares, on their way into Redis.

A worker publishes once it may claim tasks: code of a generation that can still be refused declares nothing.
All workers of a generation say the same, as of the moment when it was launched; older code is not heard.
"""

from __future__ import annotations

import asyncio

from tqd.app import Registry
from tqd.clock import monotonic
from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.worker_store import WorkerStore
from tqd.system.channel import ChildChannel
from tqd.wire.messages import Declared
from tqd.wire.seal import Seal

RETRY_S = 1.0


class Publication:
    """`run` until cancelled; `launched` is when the generation was launched, in monotonic s."""

    def __init__(
        self,
        store: WorkerStore,
        registry: Registry,
        app: str,
        launched: float,
        channel: ChildChannel,
        log: Log,
        seal: Seal | None = None,
    ) -> None:
        self._seal = seal
        self._channel = channel
        self._store = store
        self._registry = registry
        self._app = app
        self._launched = launched
        self._log = log
        self._allowed = asyncio.Event()

    def allow(self) -> None:
        """Say that this code serves."""
        self._allowed.set()

    async def run(self) -> None:
        """Publish once it is allowed, however long Redis takes; then wait to be cancelled."""
        await self._allowed.wait()
        told = False
        while not await self._published(told):
            told = True
            await asyncio.sleep(RETRY_S)
        await asyncio.Event().wait()

    async def _published(self, told: bool) -> bool:
        entries = self._registry.schedules()
        started_ms = self._store.now_ms() - round((monotonic() - self._launched) * 1000)
        try:
            newest = await self._store.publish(self._app, started_ms, entries, self._seal)
        except StoreError as error:
            if not told:
                self._log.warning("schedules are not published yet", count=len(entries), error=str(error))
            return False
        if entries and not newest:
            self._log.info("schedules are left as newer code has declared them", app=self._app)
        self._channel.send(Declared())
        return True
