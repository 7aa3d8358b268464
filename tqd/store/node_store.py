"""What the keeper asks of Redis: leases, dead nodes, and the claims of workers that are gone.

A worker is taken back in two steps, each safe to repeat. `fence` moves it from the set of workers
that may claim to the set of the lost: a claim of its that is still on the way is refused from then
on. `reclaim` gives what it held back to the queues; when nothing is left, the worker is forgotten.
If a keeper dies between the two, the next one finds the worker among the lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from tqd.clock import monotonic
from tqd.config.model import WorkersConfig
from tqd.errors import StoreError, StoreFull, StoreUnavailable
from tqd.store import calls, settling
from tqd.store.bells import ring
from tqd.store.checkup import Advice, aask, connections, diagnose
from tqd.store.connection import Endpoint, Link, Replies, accept
from tqd.store.cron_table import CronStore
from tqd.store.keys import Keys, texts
from tqd.store.outage import Outage
from tqd.store.sampling import Look, QueueSampler
from tqd.task.claim import Blame
from tqd.task.names import parse_node
from tqd.task.queue_limit import QueueLimit
from tqd.task.settle import Release, Settlement, reclaimed

REAP_LIMIT = 16
LOST_LIMIT = 64
PRUNE_LIMIT = 200


class _WatchedLink(Link):
    """A connection that knows for how long nothing has come back over it."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.outage = Outage()

    async def exchange(self, commands: Sequence[calls.Command]) -> Replies:
        self.outage.asked(monotonic())
        try:
            replies = await super().exchange(commands)
        except StoreUnavailable:
            self.outage.failed()
            raise
        except StoreError:
            self.outage.answered(monotonic())
            raise
        except BaseException:
            self.outage.failed()  # nobody waits for the answer any more
            raise
        self.outage.answered(monotonic())
        return replies


class NodeStore:
    """The store as a keeper needs it, over one connection."""

    def __init__(self, endpoint: Endpoint, keys: Keys, node: str) -> None:
        self._keys = keys
        self._node = node
        self._link = _WatchedLink(endpoint)
        self._lapsed: float | None = None
        self._sampler = QueueSampler(self._link, keys, node)
        self.cron = CronStore(self._link, keys)

    def now_ms(self) -> int:
        """Return Redis's time in epoch ms, as this process last measured it."""
        return self._link.clock.now_ms()

    def down_s(self) -> float:
        """Return for how long Redis has not answered, or has not let the lease be renewed, in s; else 0.0."""
        now = monotonic()
        return max(self._link.outage.down_s(now), 0.0 if self._lapsed is None else now - self._lapsed)

    async def advice(self, workers: WorkersConfig) -> list[Advice]:
        """Return what is wrong with this Redis for a daemon with so many workers; more may come later."""
        return diagnose(await aask(self._link), connections(workers.initial_count))

    async def synchronise(self) -> None:
        """Measure Redis's time."""
        await self._link.synchronise()

    async def renew(self, lease_ms: int) -> bool:
        """Set the end of this node's lease to `lease_ms` from now; False when there certainly was none."""
        end_ms = self.now_ms() + lease_ms
        added = 0
        try:
            try:
                added = await self._link.call(("ZADD", self._keys.nodes, end_ms, self._node))
            except StoreFull:
                await self._link.call(calls.lease(self._keys, self._node, end_ms))
        except StoreError:
            # One that takes no writes may answer everything else, and no task is settled all the same.
            self._lapsed = monotonic() if self._lapsed is None else self._lapsed
            raise
        self._lapsed = None
        return added == 0

    async def nodes(self) -> list[str]:
        """Return every node with a lease, alive or not (bounded by the number of daemons)."""
        return texts(await self._link.call(("ZRANGE", self._keys.nodes, 0, -1)))

    async def leases(self) -> dict[str, float]:
        """Return the end of each node's lease, in epoch ms; names that are no text are left out."""
        rows = await self._link.call(("ZRANGE", self._keys.nodes, 0, -1, "WITHSCORES"))
        return {name: float(end) for item, end in rows for name in texts([item])}

    async def expired_nodes(self) -> list[str]:
        """Return up to 16 nodes whose lease is over."""
        command = ("ZRANGEBYSCORE", self._keys.nodes, "-inf", self.now_ms(), "LIMIT", 0, REAP_LIMIT)
        return [node for node in texts(await self._link.call(command)) if node != self._node]

    async def redis_uptime_s(self) -> float:
        """Return for how long Redis has been up by its own clock, in s: negative if that was set back."""
        info = await self._link.call(("INFO", "server"))
        text = info if isinstance(info, str) else bytes(info).decode()
        return float(text.partition("uptime_in_seconds:")[2].split(maxsplit=1)[0])

    async def workers(self, node: str) -> list[str]:
        """Return the workers of a node that may claim."""
        return texts(await self._link.call(("SMEMBERS", self._keys.workers(node))))

    async def fence(self, node: str, workers: Iterable[str]) -> None:
        """Refuse further claims of these workers, and note them as lost."""
        source, lost = self._keys.workers(node), self._keys.lost
        commands = [("SMOVE", source, lost, worker) for worker in workers]
        if commands:
            for reply in await self._link.exchange(commands):
                accept(reply)

    async def lost_workers(self) -> list[str]:
        """Return up to 64 workers that are fenced off and not yet forgotten."""
        return texts(await self._link.call(("SRANDMEMBER", self._keys.lost, LOST_LIMIT)))

    async def envelope(self, identity: bytes) -> bytes | None:
        """Return a task's envelope; None when there is no such task any more."""
        return await self._link.call(("HGET", self._keys.task, identity))  # type: ignore[no-any-return]

    async def mark(self, identity: bytes) -> bytes | None:
        """Return the mark of a task that somebody has cancelled and that has not ended; else None."""
        return await self._link.call(("HGET", self._keys.cancels, identity))  # type: ignore[no-any-return]

    async def settle(self, worker: str, settlement: Settlement, max_dead: int) -> bool:
        """Settle one attempt of a worker that cannot; False when its claim was settled before.

        `max_dead` letters are kept.
        """
        settler = settling.Settler(self._keys, worker, max_dead)
        for reply in await self._link.exchange(settler.settle([settlement], self.now_ms())):
            if accept(reply):
                return False
        return True

    async def reclaim(
        self, worker: str, blame: Blame = Blame.CRASH, suspects: Set[bytes] = frozenset()
    ) -> int:
        """Give everything a fenced worker held back to its queues and forget it.

        Returns how many tasks went back. None is charged an attempt; each has the death on its record, as
        heavy as its `blame`, and goes to the suspects when that is too much, or at once if it is one of
        these `suspects`.
        """
        releases = _releases(await self.held(worker), blame, suspects)
        taken_by_others = 0
        if releases:
            for reply in await self._link.exchange(settling.release(self._keys, worker, releases)):
                taken_by_others += len(accept(reply))
        await self._link.call(("SREM", self._keys.lost, worker))
        return len(releases) - taken_by_others

    async def held(self, worker: str) -> dict[bytes, bytes]:
        """Return id → token of what a worker holds, or held when it died (at most its slots)."""
        return dict(await self._link.call(("HGETALL", self._keys.claims(worker))))

    async def suspects(self, queues: Sequence[str]) -> int:
        """Return how many suspects of these queues wait; a key of another kind counts none."""
        lists = [self._keys.suspect(queue) for queue in queues]
        if not await self._link.call(("EXISTS", *lists)):
            return 0
        replies = await self._link.exchange([("LLEN", key) for key in lists])
        return sum(reply for reply in replies if isinstance(reply, int))

    async def forget_node(self, node: str) -> None:
        """Remove a node that has no worker left."""
        await self._link.call(("ZREM", self._keys.nodes, node))

    async def prune(self, max_count: int, max_age_s: float) -> int:
        """Remove up to 200 of the oldest dead letters beyond `max_count` or `max_age_s` (0: any age).

        Returns how many went; 200 means that there may be more.
        """
        oldest_ms = self.now_ms() - round(max_age_s * 1000) if max_age_s else 0
        return int(await self._link.call(calls.prune(self._keys, max_count, oldest_ms, PRUNE_LIMIT)))

    async def remembered(self) -> bytes:
        """Return what is kept for this daemon's name; empty when nothing is."""
        return await self._link.call(("GET", self._keys.scaling(self._name()))) or b""

    async def remember(self, data: bytes, kept_s: int) -> None:
        """Keep a value for this daemon's name, for so many s."""
        await self._link.call(("SET", self._keys.scaling(self._name()), data, "EX", kept_s))

    async def decisions(self, count: int) -> list[bytes]:
        """Return the last decisions that were noted for this daemon's name, the newest last."""
        return list(await self._link.call(("LRANGE", self._keys.decisions(self._name()), -count, -1)))

    async def note_decision(self, data: bytes, most: int, kept_s: int) -> None:
        """Note a decision; the last `most` are kept, for so many s after the last one."""
        key = self._keys.decisions(self._name())
        commands: list[calls.Command] = [
            ("RPUSH", key, data), ("LTRIM", key, -most, -1), ("EXPIRE", key, kept_s),
        ]  # fmt: skip
        for reply in await self._link.exchange(commands):
            accept(reply)

    async def keep_current(self, data: bytes, kept_s: int) -> None:
        """Keep this daemon's very last decision for so many s; without data it has none."""
        key = self._keys.current(self._name())
        await self._link.call(("SET", key, data, "EX", kept_s) if data else ("DEL", key))

    def _name(self) -> str:
        node = parse_node(self._node)
        return node.name if node else self._node

    async def limit(
        self, publisher: str, limits: Sequence[QueueLimit], *, take_over: bool
    ) -> list[tuple[str, bytes]]:
        """Publish a daemon's limits; returns queues of which another has said otherwise, and what.

        Those are replaced when told to `take_over`, and otherwise left.
        """
        reply = await self._link.call(calls.limit(self._keys, publisher, limits, take_over=take_over))
        fields = iter(reply)
        return [(name.decode(errors="replace"), record) for name, record in zip(fields, fields, strict=True)]

    async def ring(self, queues: Sequence[str]) -> None:
        """Wake a worker for each queue, in case the one that watched the next due time is gone."""
        await ring(self._link, [self._keys.bell(queue) for queue in queues])

    async def sample(self, queues: Sequence[str]) -> Look:
        """Return what each queue holds, and what there is besides."""
        return await self._sampler.sample(queues)

    async def tell(
        self, workers: int, grown_ms: int | None, changed_ms: int | None, queues: Sequence[str], ttl_ms: int
    ) -> None:
        """Tell the other daemons for `ttl_ms` how many workers this one wants for which queues.

        `grown_ms` and `changed_ms`: how long ago it grew, and changed the number at all; None: never.
        """
        await self._sampler.tell(workers, grown_ms, changed_ms, queues, ttl_ms)

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()


def _releases(held: Mapping[bytes, bytes], blame: Blame, suspects: Set[bytes]) -> list[Release]:
    releases: list[Release] = []
    for identity, token in sorted(held.items()):  # the oldest task is to run first
        try:
            found = Blame.SUSPECT if identity in suspects else blame
            releases.append(reclaimed(identity, token, found))
        except ValueError:
            continue  # nobody of ours wrote this; it must not keep the others from their queues
    return releases
