"""What the keeper asks of Redis: leases, dead nodes, and the claims of workers that are gone.

A worker is taken back in two steps, each safe to repeat. `fence` moves it from the set of workers
that may claim to the set of the lost: a claim of its that is still on the way is refused from then
on. `reclaim` gives what it held back to the queues; when nothing is left, the worker is forgotten.
If a keeper dies between the two, the next one finds the worker among the lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tqd.errors import StoreFull
from tqd.store import calls
from tqd.store.bells import ring
from tqd.store.connection import Endpoint, Link, accept
from tqd.store.keys import Keys
from tqd.task.settle import Release, reclaimed

REAP_LIMIT = 16
LOST_LIMIT = 64


class QueueDepth:
    """How many tasks one queue holds, by state."""

    __slots__ = ("name", "ready", "scheduled")

    def __init__(self, name: str, ready: int, scheduled: int) -> None:
        self.name = name
        self.ready = ready
        self.scheduled = scheduled


class NodeStore:
    """The store as a keeper needs it, over one connection."""

    def __init__(self, endpoint: Endpoint, keys: Keys, node: str) -> None:
        self._keys = keys
        self._node = node
        self._link = Link(endpoint)

    async def synchronise(self) -> None:
        """Measure Redis's time."""
        await self._link.synchronise()

    async def renew(self, lease_ms: int) -> None:
        """Set the end of this node's lease to `lease_ms` from now."""
        end_ms = self._link.clock.now_ms() + lease_ms
        try:
            await self._link.call(("ZADD", self._keys.nodes, end_ms, self._node))
        except StoreFull:
            await self._link.call(calls.lease(self._keys, self._node, end_ms))

    async def nodes(self) -> list[str]:
        """Return every node with a lease, alive or not (bounded by the number of daemons)."""
        return _texts(await self._link.call(("ZRANGE", self._keys.nodes, 0, -1)))

    async def expired_nodes(self) -> list[str]:
        """Return up to 16 nodes whose lease is over."""
        now_ms = self._link.clock.now_ms()
        command = ("ZRANGEBYSCORE", self._keys.nodes, "-inf", now_ms, "LIMIT", 0, REAP_LIMIT)
        return [node for node in _texts(await self._link.call(command)) if node != self._node]

    async def redis_uptime_s(self) -> float:
        """Return for how long this Redis has been up, in s."""
        info = await self._link.call(("INFO", "server"))
        text = info if isinstance(info, str) else bytes(info).decode()
        return float(text.partition("uptime_in_seconds:")[2].split(maxsplit=1)[0])

    async def workers(self, node: str) -> list[str]:
        """Return the workers of a node that may claim."""
        return _texts(await self._link.call(("SMEMBERS", self._keys.workers(node))))

    async def fence(self, node: str, workers: Iterable[str]) -> None:
        """Refuse further claims of these workers, and note them as lost."""
        source, lost = self._keys.workers(node), self._keys.lost
        commands = [("SMOVE", source, lost, worker) for worker in workers]
        if commands:
            for reply in await self._link.exchange(commands):
                accept(reply)

    async def lost_workers(self) -> list[str]:
        """Return up to 64 workers that are fenced off and not yet forgotten."""
        return _texts(await self._link.call(("SRANDMEMBER", self._keys.lost, LOST_LIMIT)))

    async def reclaim(self, worker: str) -> int:
        """Give everything a fenced worker held back to its queues and forget it.

        Returns how many tasks went back. Each costs no attempt and gets one crash on record.
        """
        held = dict(await self._link.call(("HGETALL", self._keys.claims(worker))))
        releases = _releases(held)
        taken_by_others = 0
        if releases:
            for reply in await self._link.exchange(calls.release(self._keys, worker, releases)):
                taken_by_others += len(accept(reply))
        await self._link.call(("SREM", self._keys.lost, worker))
        return len(releases) - taken_by_others

    async def forget_node(self, node: str) -> None:
        """Remove a node that has no worker left."""
        await self._link.call(("ZREM", self._keys.nodes, node))

    async def ring(self, queues: Sequence[str]) -> None:
        """Wake a worker for each queue, in case the one that watched the next due time is gone."""
        await ring(self._link, [self._keys.bell(queue) for queue in queues])

    async def depths(self, queues: Sequence[str]) -> tuple[list[QueueDepth], int]:
        """Return the depth of each queue, and the number of dead letters."""
        keys = self._keys
        commands: list[calls.Command] = []
        for queue in queues:
            commands += (("LLEN", keys.ready(queue)), ("ZCARD", keys.due(queue)))
        commands.append(("ZCARD", keys.dead))
        counts = [accept(reply) for reply in await self._link.exchange(commands)]
        pairs = zip(queues, counts[0:-1:2], counts[1:-1:2], strict=True)
        return [QueueDepth(*row) for row in pairs], counts[-1]

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()


def _releases(held: Mapping[bytes, bytes]) -> list[Release]:
    releases: list[Release] = []
    for identity, token in sorted(held.items()):  # the oldest task is to run first
        try:
            releases.append(reclaimed(identity, token))
        except ValueError:
            continue  # nobody of ours wrote this; it must not keep the others from their queues
    return releases


def _texts(reply: Iterable[bytes]) -> list[str]:
    # A name that is no text was written by nobody of ours; it must not keep us from the others.
    return [name for item in reply if (name := item.decode(errors="ignore")).encode() == item]
