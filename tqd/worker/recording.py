"""Tells what ran here to somebody who records a trace (`tqd record`): each attempt as it ends.

Off, it costs a look at an attribute for each task. On, rows are gathered and handed to Redis each second, and
those that are too many are left out and counted. It ends by itself when nobody records any more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from tqd.errors import StoreError, WireError
from tqd.log import Log
from tqd.store.worker_store import WorkerStore
from tqd.task.clocks import ready_ms
from tqd.wire.envelope import decode_envelope
from tqd.wire.seal import Seal
from tqd.worker.inflight import Attempt

SEND_S = 1.0
MOST_ROWS = 5_000
"""Rows of a second that are kept."""


class Rows:
    """What has ended since the last taking: [arrival, ms of Redis's clock; run time, µs; queue; name]."""

    def __init__(self, now_ms: Callable[[], int], seal: Seal | None) -> None:
        self._now_ms = now_ms
        self._seal = seal
        self._rows: list[list[Any]] = []
        self._left_out = 0

    def note(self, attempt: Attempt, run_s: float) -> None:
        """Note an attempt that has ended."""
        if len(self._rows) >= MOST_ROWS:
            self._left_out += 1
            return
        run_us = round(run_s * 1_000_000)
        began_ms = self._now_ms() - run_us // 1000
        page = attempt.page
        arrived_ms = self._arrived_ms(attempt) if attempt.token == page.first else began_ms
        self._rows.append([min(arrived_ms, began_ms), run_us, page.queue, page.name])

    def leave_out(self, count: int) -> None:
        """Count rows that nobody got."""
        self._left_out += count

    def take(self) -> tuple[list[list[Any]], int]:
        """Return the rows since the last call, and how many there were besides."""
        taken = self._rows, self._left_out
        self._rows, self._left_out = [], 0
        return taken

    def _arrived_ms(self, attempt: Attempt) -> int:
        try:
            data = attempt.envelope
            envelope = decode_envelope(data if self._seal is None else self._seal.open(attempt.task_id, data))
        except WireError:
            return self._now_ms()
        return ready_ms(envelope.enqueued_ms, envelope.options)


class Runs(Protocol):
    """Where attempts end."""

    rows: Rows | None


class Recording:
    """`wanted` says that somebody records; `run` until cancelled hands the rows over."""

    def __init__(self, store: WorkerStore, executor: Runs, seal: Seal | None, log: Log) -> None:
        self._store = store
        self._executor = executor
        self._seal = seal
        self._log = log
        self._on = asyncio.Event()

    def wanted(self) -> None:
        """Begin, if it is not on."""
        if self._executor.rows is None:
            self._executor.rows = Rows(self._store.now_ms, self._seal)
            self._on.set()

    async def run(self) -> None:
        """Hand rows over while somebody wants them, until cancelled."""
        while True:
            await self._on.wait()
            await asyncio.sleep(SEND_S)
            await self.hand_over()

    async def hand_over(self) -> None:
        """Hand over what has ended, and stop when nobody wants it; what does not arrive is left out."""
        rows = self._executor.rows
        if rows is None:
            return
        taken, left_out = rows.take()
        news = json.dumps([left_out, taken]).encode() if taken or left_out else b""
        try:
            going_on = await self._store.record(news)
        except StoreError as error:
            rows.leave_out(left_out + len(taken))
            self._log.debug("what ran could not be recorded", error=str(error))
            return
        if not going_on:
            self._executor.rows = None
            self._on.clear()
