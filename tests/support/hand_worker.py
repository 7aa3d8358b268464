"""A worker that does nothing by itself: tests claim and settle by hand, over a real WorkerStore."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tqd.client.handle import Handle
from tqd.client.task_queue import TaskQueue
from tqd.store.keys import Keys
from tqd.store.worker_store import Exchanged, WorkerStore
from tqd.task.claim import Claim, Counts
from tqd.task.model import DEFAULT_QUEUES, TaskState
from tqd.task.outcome import ErrorInfo
from tqd.task.settle import Bury, Finish, Park, RetryAt, Settlement
from tqd.wire.envelope import Envelope, decode_envelope, encode_value
from tqd.wire.records import ResultRecord

LEASE_MS = 60_000


class HandWorker:
    """Each method is one exchange with an event loop of its own: call it in a thread from a loop."""

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue

    def claim(self) -> dict[bytes, Claim]:
        """Claim everything that is ready."""
        claimed = asyncio.run(self._exchange((), 1000)).claimed
        assert claimed is not None
        return {claim.task_id: claim for claim in claimed.claims}

    def take(self, handle: Handle[object]) -> Claim:
        """Claim everything, and return the claim of this task."""
        return self.claim()[handle.identity]

    def settle(self, *settlements: Settlement) -> list[bytes]:
        """Settle; returns the ids whose claims were lost."""
        return asyncio.run(self._exchange(settlements, 0)).lost

    def finish(self, claim: Claim, value: object, ttl_ms: int = 60_000) -> None:
        record = ResultRecord(state=TaskState.DONE, value=encode_value(value), finished_ms=1)
        assert self.settle(Finish(claim.task_id, claim.token, ttl_ms, record.encode())) == []

    def bury(self, claim: Claim, ttl_ms: int = 0, message: str = "no luck") -> None:
        error = ErrorInfo(type="ValueError", message=message, traceback="")
        assert self.settle(Bury(claim, "raised", (error,), 1, ttl_ms)) == []

    def retry(self, claim: Claim, queue: str = "default") -> None:
        due_ms = 1 << 45
        assert self.settle(RetryAt(claim.task_id, claim.token, queue, due_ms, Counts(1, 1, 0))) == []

    def park(self, claim: Claim) -> None:
        name = decode_envelope(claim.envelope).name
        assert self.settle(Park(claim.task_id, claim.token, name, Counts(1, 0, 0))) == []

    async def _exchange(self, settlements: Sequence[Settlement], credit: int) -> Exchanged:
        queue = self._queue
        store = WorkerStore(queue.endpoint, Keys(queue.namespace), "node", "hand", DEFAULT_QUEUES, 100)
        try:
            await store.register(LEASE_MS)
            exchanged = await store.exchange(settlements, credit, [(name, 1000) for name in DEFAULT_QUEUES])
            assert exchanged.refusal is None
            return exchanged
        finally:
            await store.close()


def envelopes(worker: HandWorker) -> list[Envelope]:
    """Claim everything and return what travelled, in the order of the queues."""
    return [decode_envelope(claim.envelope) for claim in worker.claim().values()]
