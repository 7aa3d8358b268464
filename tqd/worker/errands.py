"""The worker's rounds: tasks parked under names that it knows, Redis's clock, and whether somebody records.

While older code serves the same queues, as in a rolling deploy, it parks again a part of what was made ready
here. So a round that has moved something is soon followed by the next, as long as there is less each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tqd.app import Registry
from tqd.errors import StoreError, StoreMismatch, WireError
from tqd.log import Log
from tqd.store.worker_store import UNPARK_BATCH, WorkerStore
from tqd.wire.envelope import decode_envelope

ROUND_S = 10.0
SOON_S = 0.5
_CLOCK_ROUNDS = 6


def next_pause_s(moved: int, before: int, pause_s: float) -> float:
    """Return when to look again after a round that moved so many tasks, and the one `before` it so many."""
    if not moved:
        return ROUND_S
    return SOON_S if moved < before or not before else min(ROUND_S, 2 * pause_s)


class Errands:
    """Goes its round every 10 s, sooner while parked tasks come back, until cancelled."""

    def __init__(
        self, store: WorkerStore, registry: Registry, log: Log, recorded: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._recorded = recorded
        self._names = [handler.name for handler in registry]
        self._log = log

    async def run(self) -> None:
        """Unpark at once and each round, measure the clock each minute, until cancelled."""
        rounds, before, pause_s = 0, 0, ROUND_S
        while True:
            moved = 0
            try:
                moved = await self.unpark()
                if rounds % _CLOCK_ROUNDS == _CLOCK_ROUNDS - 1:
                    await self._store.synchronise()
            except StoreError as error:
                self._log.debug("a round was given up", error=str(error))
            rounds += 1
            pause_s, before = next_pause_s(moved, before, pause_s), moved
            await asyncio.sleep(pause_s)

    async def unpark(self) -> int:
        """Make the parked tasks ready whose names are known here; returns how many there were.

        If somebody records what runs, that is told on the way.
        """
        total = 0
        if not self._names:
            return total
        names, recorded = await self._store.parked(self._names)
        if recorded:
            self._recorded()
        for name in names:
            try:
                moved = await self._unpark(name)
            except StoreMismatch as error:
                self._log.error("parked tasks cannot be moved", name=name, error=str(error))
                continue
            total += moved
            self._log.info("parked tasks are ready again", name=name, count=moved)
        return total

    async def _unpark(self, name: str) -> int:
        moved = 0
        while True:
            by_queue: dict[str, list[bytes]] = {}
            rows = await self._store.parked_envelopes(name)
            for task_id, envelope in rows:
                by_queue.setdefault(_queue(envelope), []).append(task_id)
            for queue, ids in by_queue.items():
                moved += await self._store.unpark(name, queue, ids)
            if len(rows) < UNPARK_BATCH:
                return moved


def _queue(envelope: bytes | None) -> str:
    # An id without a task goes where the claim drops it.
    try:
        return decode_envelope(envelope or b"").queue
    except WireError:
        return "default"
