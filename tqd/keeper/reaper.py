"""Taking back what dead workers held: reported by the master, of dead nodes, of earlier runs.

A worker is dead when the master saw its end, when its node's lease is over, or when it belongs to
this daemon, in this run or an earlier one on this host, and its process does not exist. It is fenced
off first and then reclaimed; what is left over when this process dies in between is found among the
lost.

When the master killed the worker because of one attempt, or a probe died of the one it had in hand, that
attempt has failed: it is settled as such before anything else, while nobody else can take the worker for
lost, and the rest is not blamed. Of a worker that is just found dead nobody knows why it died.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import Any

from tqd.clock import chance
from tqd.errors import StoreMismatch
from tqd.keeper.culprit import Culprit, count, hopeless
from tqd.log import Log
from tqd.metrics.ledger import LEDGER_BYTES, Ledger
from tqd.store.node_store import NodeStore
from tqd.task.blaming import singled_out
from tqd.task.claim import Blame
from tqd.task.identity import to_text
from tqd.task.names import NodeName, parse_node, parse_worker
from tqd.task.settle import Bury, Dismiss

StartTicks = Callable[[int], int | None]


def dead_processes(workers: Iterable[str], start_ticks: StartTicks) -> list[str]:
    """Return those workers of a visible host whose process is gone."""
    dead = []
    for text in workers:
        worker = parse_worker(text)
        if worker is not None and start_ticks(worker.pid) != worker.start:
            dead.append(text)
    return dead


class Reaper:
    """Each duty is one call that may be repeated; the service decides when.

    Attempts that it settles are counted in the ledger in `memory`, as their workers could not.
    """

    def __init__(
        self,
        store: NodeStore,
        node: NodeName,
        queues: tuple[str, ...],
        max_dead: int,
        start_ticks: StartTicks,
        log: Log,
        memory: Any = None,
    ) -> None:
        self._ledger = Ledger(bytearray(LEDGER_BYTES) if memory is None else memory)
        self._store = store
        self._node = node
        self._queues = queues
        self._max_dead = max_dead
        self._start_ticks = start_ticks
        self._log = log
        self.reclaimed = 0
        self._unfinished = False
        self._killed: Set[bytes] = frozenset()

    async def worker_gone(
        self, worker: str, culprit: Culprit | None = None, blame: Blame = Blame.CRASH, suspect: bytes = b""
    ) -> None:
        """Take back what a worker of this node held when it ended, and settle the culprit before that.

        The `blame` falls on all that it held, unless there is a culprit, or a `suspect`: then on that alone.
        """
        if culprit is not None:
            await self._settle(worker, culprit)
        await self._store.fence(str(self._node), [worker])
        await self._take_back(worker, blame if culprit is None else Blame.NONE, suspect)

    async def reap_lost(self) -> None:
        """Finish what some keeper began."""
        for worker in await self._store.lost_workers():
            await self._take_back(worker)

    async def reap_processes(self, expected: Set[str] = frozenset()) -> None:
        """Take back what the dead processes of this daemon held, of this run and of earlier ones.

        Of this run: those that ended while no keeper was there to be told. Not those whose end is
        `expected` to be told: only the master knows why they ended.
        """
        for text in await self._store.nodes():
            node = parse_node(text)
            if node != self._node and (node is None or not self._node.succeeds(node)):
                continue
            workers = await self._store.workers(text)
            dead = [w for w in dead_processes(workers, self._start_ticks) if w not in expected]
            await self._reap(text, dead, "its process is gone")
            if node != self._node and len(dead) == len(workers):
                await self._store.forget_node(text)

    async def reap_nodes(self, lease_s: float) -> None:
        """Take back what the workers of nodes without a lease held.

        Not within one lease of Redis's own start: while it was down, nobody could renew.
        """
        if self._unfinished:
            # Redis went away between the fence and the end: their node shows them no more.
            await self.reap_lost()
        self._unfinished = False
        expired = await self._store.expired_nodes()
        # Negative when Redis's clock was set back since its start, by a while that may be long.
        if not expired or 0.0 <= await self._store.redis_uptime_s() < lease_s:
            return
        for node in expired:
            await self._reap(node, await self._store.workers(node), "its node's lease is over")
            await self._store.forget_node(node)

    async def _reap(self, node: str, workers: list[str], reason: str) -> None:
        if workers:
            self._log.warning("workers are taken for dead", node=node, count=len(workers), reason=reason)
        self._unfinished = True
        await self._store.fence(node, workers)
        for worker in workers:
            await self._take_back(worker)
        self._unfinished = False

    async def _settle(self, worker: str, culprit: Culprit) -> None:
        task, error = to_text(culprit.task_id), f"{culprit.error.type}: {culprit.error.message}"
        try:
            envelope = await self._store.envelope(culprit.task_id)
            mark = await self._store.mark(culprit.task_id)
            decision = culprit.settlement(envelope or b"", self._store.now_ms(), chance(), mark)
            settled = envelope is not None and await self._store.settle(worker, decision, self._max_dead)
        except (StoreMismatch, ValueError) as problem:
            # It goes back with the others then: run again is better than lost.
            self._log.error("a killed attempt cannot be settled", task=task, error=str(problem))
            return
        if not settled:
            self._log.info("the attempt that its worker was killed for had ended before", task=task)
            return
        count(self._ledger, decision, culprit, envelope or b"")
        if isinstance(decision, Bury):
            self._log.warning(
                "task is a dead letter", task=task, reason=decision.reason, attempts=decision.attempts,
                error=error,
            )  # fmt: skip
        elif isinstance(decision, Dismiss):
            self._log.info("task was cancelled", task=task, reason=decision.reason)
        else:
            self._log.warning("a killed attempt is tried again later", task=task, error=error)

    async def _give_up(self, worker: str, suspect: bytes) -> Set[bytes]:
        """Bury what has cost too many workers, before the rest goes back; returns all that it held."""
        held = await self._store.held(worker)
        for task_id, token in held.items():
            culprit = hopeless(task_id, token, worker)
            if culprit is not None and suspect in (b"", task_id):
                await self._settle(worker, culprit)
        return held.keys()

    async def _take_back(self, worker: str, blame: Blame = Blame.LOST, suspect: bytes = b"") -> None:
        held: Set[bytes] = frozenset()
        try:
            if blame is not Blame.NONE:
                held = await self._give_up(worker, suspect)
            suspects = singled_out(held, blame, suspect, self._killed)
            back = await self._store.reclaim(worker, Blame.NONE if suspect else blame, suspects)
        except StoreMismatch as error:
            # It stays among the lost, where the next round finds it; the others must not wait for it.
            self._log.error("a dead worker's tasks cannot be taken back yet", worker=worker, error=str(error))
            return
        if blame in (Blame.KILL, Blame.AGAIN):
            self._killed = held
        self.reclaimed += back
        # The dead one may have been the only one to know when the next task is due.
        await self._store.ring(self._queues)
        if back:
            self._log.warning("tasks of a dead worker are back in their queues", worker=worker, count=back)
