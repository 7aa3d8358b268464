"""Asks once a second, while attempts are in hand, which of them somebody wants to be cancelled.

Nothing is asked for a single task: one number says that there is no such wish in the whole namespace, and
only else the ids in hand are looked up. A worker that was away asks when it is back. What is claimed with a
mark is not run at all: the claim's answer says so.
"""

from __future__ import annotations

import asyncio

from tqd.errors import StoreError
from tqd.log import Log
from tqd.store.worker_store import WorkerStore
from tqd.task.cancelling import read_mark, spoken
from tqd.worker.executor import Executor
from tqd.worker.inflight import Inflight, Interruption

ROUND_S = 1.0


class Cancelling:
    """`run` until cancelled; what is asked to end has `grace_s` for it, then the process is ended."""

    def __init__(
        self, store: WorkerStore, executor: Executor, inflight: Inflight, grace_s: float, log: Log
    ) -> None:
        self._store = store
        self._executor = executor
        self._inflight = inflight
        self._grace_s = grace_s
        self._log = log

    async def run(self) -> None:
        """Look each second, until cancelled."""
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                await self.look()
            except StoreError as error:
                self._log.debug("could not ask which tasks are cancelled", error=str(error))

    async def look(self) -> None:
        """Ask once, and cancel what is to be cancelled."""
        # Attempts that are in hand before the question have begun when the answer comes: a runner that is
        # cancelled before its first step would end without a word.
        asked = {a.task_id: a for a in self._inflight if a.interruption is not Interruption.CANCEL}
        if not asked:
            return
        for task_id, mark in (await self._store.marks(list(asked))).items():
            self._executor.cancel(asked[task_id], spoken(read_mark(mark)), self._grace_s)
