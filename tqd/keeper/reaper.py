"""Taking back what dead workers held: reported by the master, of dead nodes, of earlier runs.

A worker is dead when the master saw its end, when its node's lease is over, or when it belongs to
this daemon, in this run or an earlier one on this host, and its process does not exist. It is fenced
off first and then reclaimed; what is left over when this process dies in between is found among the
lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tqd.errors import StoreMismatch
from tqd.log import Log
from tqd.store.node_store import NodeStore
from tqd.task.names import NodeName, parse_node, parse_worker

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
    """Each duty is one call that may be repeated; the service decides when."""

    def __init__(
        self, store: NodeStore, node: NodeName, queues: tuple[str, ...], start_ticks: StartTicks, log: Log
    ) -> None:
        self._store = store
        self._node = node
        self._queues = queues
        self._start_ticks = start_ticks
        self._log = log
        self.reclaimed = 0

    async def worker_gone(self, worker: str) -> None:
        """Take back what a worker of this node held when it ended."""
        await self._store.fence(str(self._node), [worker])
        await self._take_back(worker)

    async def reap_lost(self) -> None:
        """Finish what some keeper began."""
        for worker in await self._store.lost_workers():
            await self._take_back(worker)

    async def reap_processes(self) -> None:
        """Take back what the dead processes of this daemon held, of this run and of earlier ones.

        Of this run: those that ended while no keeper was there to be told.
        """
        for text in await self._store.nodes():
            node = parse_node(text)
            if node != self._node and (node is None or not self._node.succeeds(node)):
                continue
            workers = await self._store.workers(text)
            dead = dead_processes(workers, self._start_ticks)
            await self._reap(text, dead, "its process is gone")
            if node != self._node and len(dead) == len(workers):
                await self._store.forget_node(text)

    async def reap_nodes(self, lease_s: float) -> None:
        """Take back what the workers of nodes without a lease held.

        Not within one lease of Redis's own start: while it was down, nobody could renew.
        """
        expired = await self._store.expired_nodes()
        if not expired or await self._store.redis_uptime_s() < lease_s:
            return
        for node in expired:
            await self._reap(node, await self._store.workers(node), "its node's lease is over")
            await self._store.forget_node(node)

    async def _reap(self, node: str, workers: list[str], reason: str) -> None:
        if workers:
            self._log.warning("workers are taken for dead", node=node, count=len(workers), reason=reason)
        await self._store.fence(node, workers)
        for worker in workers:
            await self._take_back(worker)

    async def _take_back(self, worker: str) -> None:
        try:
            count = await self._store.reclaim(worker)
        except StoreMismatch as error:
            # It stays among the lost, where the next round finds it; the others must not wait for it.
            self._log.error("a dead worker's tasks cannot be taken back yet", worker=worker, error=str(error))
            return
        self.reclaimed += count
        # The dead one may have been the only one to know when the next task is due.
        await self._store.ring(self._queues)
        if count:
            self._log.warning("tasks of a dead worker are back in their queues", worker=worker, count=count)
