"""What the queues hold, in one look: counts by state, for how long the next task could have started, and how
many have arrived so far; and how many daemons and workers there are.

One round trip as long as no worker came or went since the last look, which tells whose claims to count.
A queue whose keys are of another kind has unknown numbers (-1), and the others their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from tqd.store.calls import Command, claimed, fronts
from tqd.store.company import Company, Stance, company, dump, load
from tqd.store.connection import Link
from tqd.store.fronts import UNKNOWN, Front, front_of, oldest_ms
from tqd.store.keys import Keys, texts
from tqd.store.lines import held_of
from tqd.task.claim import parse_token
from tqd.task.identity import ID_BYTES, created_ms

MOST_CLAIMS = 2_000
"""Claims that are counted by queue: above, `claimed` is unknown. Redis serves nobody else meanwhile, for
less than a millisecond."""

MOST_WORKERS = 256
"""Living workers whose claims are counted, and daemons whose workers are looked up; above, unknown."""

MOST_HELD = 2**32 - 1
"""So that the figures of 64 queues fit into a frame."""

FRONT_IDS = 8
"""How many of the next tasks of a queue are looked at for one of which it is known since when it is ready."""

FRONT_BYTES = 16_384
"""An envelope that is longer is not looked at: Redis would copy it for each look."""


class QueueSample:
    """What one queue holds; -1 is what is not known. What the limits of keys hold back is ready, too.

    What is due is ready, and no longer `scheduled`, even before a worker's claim has moved it over: where
    there is no worker, nobody does.

    `claimed` counts what all living workers of the namespace hold of it, see `MOST_CLAIMS`. `oldest_ms`
    is for how long a task could have been started, or, of one that was claimed before, for how long it has
    been seen at the head; -1 also when none is ready. `paused` is 1 or 0, `throttled` 1 when the queue's
    own rate lets none start at the moment.
    `arrived` counts tasks that became ready, by whomever and whenever: at their enqueue, when they came due
    (which somebody has to look at), at a replay. Those that are given back have arrived before. `held` are
    those of the ready ones that the limits of their keys hold back, as nothing else would.
    """

    __slots__ = ("arrived", "claimed", "held", "oldest_ms", "paused", "ready", "scheduled", "throttled")

    def __init__(
        self,
        ready: int,
        scheduled: int,
        claimed: int,
        oldest_ms: int,
        paused: int = 0,
        arrived: int = UNKNOWN,
        held: int = 0,
        throttled: int = 0,
    ) -> None:
        self.ready = ready
        self.scheduled = scheduled
        self.claimed = claimed
        self.oldest_ms = oldest_ms
        self.paused = paused
        self.arrived = arrived
        self.held = held
        self.throttled = throttled

    def row(self) -> list[int]:
        """Return the numbers in the order in which a message carries them."""
        held = min(self.held, MOST_HELD)
        return [
            self.ready, self.scheduled, self.claimed, self.oldest_ms, self.paused, self.arrived, held,
            self.throttled,
        ]  # fmt: skip


class Look(NamedTuple):
    """What one look has seen; -1 is what is not known.

    `nodes` are the daemons of the namespace whose leases hold, `workers` all that are registered, of a daemon
    that has just died too.
    """

    queues: list[QueueSample]
    dead: int
    nodes: int
    workers: int
    company: Company


class QueueSampler:
    """Takes samples over a connection of somebody else's; remembers which workers there were."""

    def __init__(self, link: Link, keys: Keys, node: str = "") -> None:
        self._link = link
        self._keys = keys
        self._node = node
        self._nodes: list[str] = []
        self._workers: list[str] = []
        self._sizes: dict[str, int] | None = None
        self._heads: dict[str, tuple[bytes, int]] = {}
        self._stances: dict[str, Stance | None] = {}

    async def tell(
        self, workers: int, grown_ms: int | None, changed_ms: int | None, queues: Sequence[str], ttl_ms: int
    ) -> None:
        """Tell the other daemons what this one wants; see `NodeStore.tell`."""
        now_ms = self._link.clock.now_ms()
        grown, changed = (0 if ago is None else now_ms - ago for ago in (grown_ms, changed_ms))
        stance = Stance(workers, grown, changed, tuple(queues))
        await self._link.exchange([("SET", self._keys.stance(self._node), dump(stance), "PX", ttl_ms)])

    async def sample(self, queues: Sequence[str]) -> Look:
        """Return a sample of each queue, and what there is besides."""
        keys, now_ms = self._keys, self._link.clock.now_ms()
        heads: list[Command] = [
            ("ZCARD", keys.dead),
            ("ZRANGEBYSCORE", keys.nodes, now_ms, "+inf", "LIMIT", 0, MOST_WORKERS),
            ("SMISMEMBER", keys.paused, *queues),
            ("HMGET", keys.arrived, *queues),
            ("HMGET", keys.holding, *queues),
        ]
        counts = [*heads, fronts(keys, queues, now_ms, FRONT_IDS, FRONT_BYTES)]
        crews = [("ZRANGE", keys.nodes, 0, MOST_WORKERS), *self._crews(self._nodes)]
        replies = await self._link.exchange([*counts, *crews, *self._claims()])
        dead, alive, paused, arrived, holding, seen = replies[: len(counts)]
        rows = seen if isinstance(seen, list) else [[] for _ in queues]
        waiting = [held_of(count) for count in holding] if isinstance(holding, list) else [0] * len(queues)
        rest = replies[len(counts) :]
        held = await self._held(rest[: len(crews)], rest[len(crews) :])
        samples = [
            self._sample(queue, front_of(row), UNKNOWN if held is None else held[queue], now_ms, more)
            for row, queue, more in zip(rows, queues, waiting, strict=True)
        ]
        flags, counted = _flags(paused, len(queues)), _arrived(arrived, len(queues))
        for one, flag, count in zip(samples, flags, counted, strict=True):
            one.paused, one.arrived = flag, count
        living = _names([alive])
        return Look(
            samples,
            _number(dead),
            UNKNOWN if living is None else len(living),
            UNKNOWN if self._sizes is None else sum(self._sizes.values()),
            self._company(queues, living, now_ms),
        )

    def _sample(self, queue: str, front: Front | None, claimed: int, now_ms: int, held: int) -> QueueSample:
        if front is None:
            return QueueSample(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
        head, seen_ms = self._heads.get(queue, (b"", 0))
        if head != front.head:
            seen_ms = now_ms
            self._heads[queue] = front.head, seen_ms
        return QueueSample(
            front.ready + front.ripe + held,
            max(0, front.scheduled - front.ripe),
            claimed,
            oldest_ms(front, seen_ms, now_ms),
            held=held,
            throttled=front.throttled,
        )

    def _company(self, queues: Sequence[str], alive: list[str] | None, now_ms: int) -> Company:
        if alive is None or self._sizes is None:
            return Company()
        return company(self._node, queues, alive, self._sizes, self._stances, now_ms)

    async def _held(self, crews: Sequence[Any], claims: Sequence[Any]) -> Counter[str] | None:
        """Return the number of claims by queue, None when it is not known; asks again for new workers."""
        self._sizes = None
        nodes = _names([crews[0]])
        if nodes is None:
            return None
        rows = crews[1:]
        if nodes != self._nodes:
            self._nodes = nodes
            rows = await self._link.exchange(self._crews(nodes)) if nodes else []
        rows, told = rows[: len(nodes)], rows[len(nodes) :]
        found = told[0] if told and isinstance(told[0], list) else [None] * len(nodes)
        self._stances = dict(zip(nodes, map(load, found), strict=True))
        workers = _names(rows)
        if workers is None:
            return None
        self._sizes = {node: len(row) for node, row in zip(nodes, rows, strict=True)}
        if workers != self._workers:
            self._workers = workers
            claims = await self._link.exchange(self._claims()) if workers else []
        return claims_by_queue(claims[0]) if workers else Counter()

    def _crews(self, nodes: Iterable[str]) -> list[Command]:
        """Return the calls for the workers of each node, and for what all of them want."""
        crews: list[Command] = [("SMEMBERS", self._keys.workers(node)) for node in nodes]
        return [*crews, ("MGET", *map(self._keys.stance, nodes))] if crews else []

    def _claims(self) -> list[Command]:
        return [claimed(self._keys, self._workers, MOST_CLAIMS)] if self._workers else []


def _flags(reply: Any, number: int) -> list[int]:
    return [int(flag) for flag in reply] if isinstance(reply, list) else [UNKNOWN] * number


def _arrived(reply: Any, number: int) -> list[int]:
    """Return how many tasks have arrived in each queue: none where nobody has counted yet."""
    if not isinstance(reply, list):
        return [UNKNOWN] * number
    return [int(count) if count and count.isdigit() else UNKNOWN if count else 0 for count in reply]


def age_ms(identity: bytes | None, now_ms: int) -> int:
    """Return how long ago a task was enqueued, as its id tells; -1 when there is none, or no id of ours."""
    if identity is None or len(identity) != ID_BYTES:
        return UNKNOWN
    return max(0, now_ms - created_ms(identity))


def _number(reply: Any) -> int:
    return reply if isinstance(reply, int) else UNKNOWN


def _names(replies: Iterable[Any]) -> list[str] | None:
    """Return the names in all replies, sorted; None when one is an error, or there are too many."""
    names: list[str] = []
    for reply in replies:
        if isinstance(reply, ResponseError):
            return None
        names += texts(reply)
    return sorted(names) if len(names) <= MOST_WORKERS else None


def claims_by_queue(reply: Any) -> Counter[str] | None:
    if not isinstance(reply, list):
        return None  # too many, or a key of another kind
    counts: Counter[str] = Counter()
    fields = iter(reply)
    for token, count in zip(fields, fields, strict=True):
        try:
            counts[parse_token(token)[1]] += count
        except ValueError:
            continue  # nobody of ours wrote this
    return counts
