"""Waiting for work without polling, and waking somebody else when this worker cannot take it.

The listener waits at the bell only while the consumer has nothing to do. A token that comes when no
slot is free, or when this worker is to be quiet, is passed on: it was meant for a task that somebody
should start now.
"""

from __future__ import annotations

import asyncio
import contextlib

from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.worker_store import WorkerStore
from tqd.worker.consumer import Consumer
from tqd.worker.inflight import Inflight

_LOOK_EVERY = 6
"""Waits that end without a token before the queues are looked at all the same."""

_PAUSE_S = 1.0
_AGAIN_S = 0.05


class Bell:
    """Turns tokens into work for the consumer. All parts run until cancelled; `listen` ends by `stop`."""

    def __init__(self, store: WorkerStore, consumer: Consumer, inflight: Inflight, log: Log) -> None:
        self._store = store
        self._consumer = consumer
        self._inflight = inflight
        self._log = log
        self._stopping = False
        self._left = asyncio.Event()

    async def listen(self) -> None:
        """Wait at the bell whenever the consumer is idle, until `stop`."""
        try:
            await self._listen()
        finally:
            self._left.set()

    async def _listen(self) -> None:
        silent = 0
        while True:
            await self._consumer.idle.wait()
            if self._stopping:
                return
            if not self._consumer.claiming:
                self._consumer.idle.clear()  # it fell quiet before this was told that it is idle
                continue
            try:
                token = await self._store.wait_for_bell()
            except StoreError as error:
                self._log.debug("the wait for work broke off", error=str(error))
                self._consumer.expect_work()
                await asyncio.sleep(_PAUSE_S)
                continue
            silent = 0 if token else silent + 1
            if token and (not self._consumer.claiming or self._inflight.free <= 0):
                self._consumer.overdue.set()
            if token or silent >= _LOOK_EVERY:
                silent = 0
                self._consumer.expect_work()
            await asyncio.sleep(0)

    async def pass_on(self) -> None:
        """Ring for another worker each time this one was called and had no room."""
        while True:
            await self._consumer.overdue.wait()
            self._consumer.overdue.clear()
            try:
                await self._store.ring()
            except StoreError as error:
                self._log.debug("could not wake another worker", error=str(error))

    async def leave(self) -> None:
        """End the wait that is on each time the consumer falls quiet."""
        while True:
            await self._consumer.leave_bell.wait()
            self._consumer.leave_bell.clear()
            await self._unblock()

    async def stop(self) -> None:
        """End a wait that is on, without losing its token; returns when `listen` has ended.

        Repeated, because a wait may begin just after it was to be ended.
        """
        self._stopping = True
        while not self._left.is_set():
            # Each time anew: the consumer, which ends meanwhile, takes it back.
            self._consumer.idle.set()
            await self._unblock()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await self._left.wait()

    async def _unblock(self) -> None:
        try:
            await self._store.unblock()
        except StoreError as error:
            self._log.debug("could not end the wait for work", error=str(error))
