"""What the queues hold, in one look: counts by state, and how long the next ready task has been there.

One round trip as long as no worker came or went since the last look, which tells whose claims to count.
A queue whose keys are of another kind has unknown numbers (-1), and the others their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from tqd.store.calls import Command, claimed
from tqd.store.connection import Link
from tqd.store.keys import Keys, texts
from tqd.store.lines import held_of
from tqd.task.claim import parse_token
from tqd.task.identity import ID_BYTES, created_ms

UNKNOWN = -1

MOST_CLAIMS = 2_000
"""Claims that are counted by queue: above, `claimed` is unknown. Redis serves nobody else meanwhile, for
less than a millisecond."""

MOST_WORKERS = 256
"""Living workers whose claims are counted, and daemons whose workers are looked up; above, unknown."""

_PER_QUEUE = 3


class QueueSample:
    """What one queue holds; -1 is what is not known. What the limits of keys hold back is ready, too.

    `claimed` counts what all living workers of the namespace hold of it, see `MOST_CLAIMS`. `oldest_ms`
    is the time since the next ready task was enqueued; -1 also when none is ready. `paused` is 1 or 0.
    """

    __slots__ = ("claimed", "oldest_ms", "paused", "ready", "scheduled")

    def __init__(self, ready: int, scheduled: int, claimed: int, oldest_ms: int, paused: int = 0) -> None:
        self.ready = ready
        self.scheduled = scheduled
        self.claimed = claimed
        self.oldest_ms = oldest_ms
        self.paused = paused

    def row(self) -> list[int]:
        """Return the numbers in the order in which a message carries them."""
        return [self.ready, self.scheduled, self.claimed, self.oldest_ms, self.paused]


class QueueSampler:
    """Takes samples over a connection of somebody else's; remembers which workers there were."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._nodes: list[str] = []
        self._workers: list[str] = []

    async def sample(self, queues: Sequence[str]) -> tuple[list[QueueSample], int]:
        """Return a sample of each queue, and the number of dead letters (-1: not known)."""
        keys = self._keys
        pauses: Command = ("SMISMEMBER", keys.paused, *queues)
        holding: Command = ("HMGET", keys.holding, *queues)
        counts = [
            ("ZCARD", keys.dead),
            pauses,
            holding,
            *(c for queue in queues for c in _counts(keys, queue)),
        ]
        crews = [("ZRANGE", keys.nodes, 0, MOST_WORKERS), *self._crews(self._nodes)]
        replies = await self._link.exchange([*counts, *crews, *self._claims()])
        dead, paused, rows = replies[0], _flags(replies[1], len(queues)), replies[3 : len(counts)]
        waiting = (
            [held_of(count) for count in replies[2]] if isinstance(replies[2], list) else [0] * len(queues)
        )
        rest = replies[len(counts) :]
        held = await self._held(rest[: len(crews)], rest[len(crews) :])
        now_ms = self._link.clock.now_ms()
        samples = [
            _sample(
                rows[place : place + _PER_QUEUE], UNKNOWN if held is None else held[queue], now_ms, flag, more
            )
            for place, queue, flag, more in zip(
                range(0, len(rows), _PER_QUEUE), queues, paused, waiting, strict=True
            )
        ]
        return samples, _number(dead)

    async def _held(self, crews: Sequence[Any], claims: Sequence[Any]) -> Counter[str] | None:
        """Return the number of claims by queue, None when it is not known; asks again for new workers."""
        nodes = _names([crews[0]])
        if nodes is None:
            return None
        workers = _names(crews[1:])
        if nodes != self._nodes:
            self._nodes = nodes
            workers = _names(await self._link.exchange(self._crews(nodes))) if nodes else []
        if workers is None:
            return None
        if workers != self._workers:
            self._workers = workers
            claims = await self._link.exchange(self._claims()) if workers else []
        return claims_by_queue(claims[0]) if workers else Counter()

    def _crews(self, nodes: Iterable[str]) -> list[Command]:
        return [("SMEMBERS", self._keys.workers(node)) for node in nodes]

    def _claims(self) -> list[Command]:
        return [claimed(self._keys, self._workers, MOST_CLAIMS)] if self._workers else []


def _counts(keys: Keys, queue: str) -> tuple[Command, Command, Command]:
    ready = keys.ready(queue)
    return ("LLEN", ready), ("ZCARD", keys.due(queue)), ("LINDEX", ready, 0)


def _flags(reply: Any, number: int) -> list[int]:
    return [int(flag) for flag in reply] if isinstance(reply, list) else [UNKNOWN] * number


def _sample(replies: Sequence[Any], claimed: int, now_ms: int, paused: int, held: int) -> QueueSample:
    ready, scheduled, head = replies
    known = not any(isinstance(reply, ResponseError) for reply in replies)
    if not known:
        return QueueSample(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, paused)
    return QueueSample(ready + held, scheduled, claimed, age_ms(head, now_ms), paused)


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
