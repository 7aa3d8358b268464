"""The bare loops: tqd's own scripts and connection without the framework. What they reach is the ceiling.

`bare_drain` settles the tasks it was given last and claims the next 100 in one write, over and over, in
one process on uvloop. It decodes no envelope, runs no handler, keeps no deadline: ids and tokens go from
one reply into the next call. With one link Redis and Python take turns; with two they overlap, each
link being a worker of its own, with slots of its own.

`bare_bulk` stores 1000 tasks in one call, over and over: an id from a counter and the plain msgpack of the
envelope's fields are made in the loop; there is no check of arguments, no handle, no task object.
"""

from __future__ import annotations

import asyncio
import time

import msgpack

from perf.backlog import STAGE
from perf.tasks import arguments
from tests.support.redis_server import RedisServer
from tqd.clock import wall_ms
from tqd.store.calls import PRODUCER_TTL_S, Claimant, Command
from tqd.store.connection import Endpoint, Link, accept
from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.system.loop import run

DRAIN_BATCH = 100
BULK_BATCH = 1000
NODE = "bare"


def bare_drain(server: RedisServer, keys: Keys, links: int) -> float:
    """Drain the staged backlog; returns tasks per s."""
    return run(_drain(Endpoint(server.url), keys, links))


async def _drain(endpoint: Endpoint, keys: Keys, links: int) -> float:
    loops = [_Drainer(Link(endpoint), keys, f"bare-{n}") for n in range(links)]
    for loop in loops:
        await loop.register()
    began = time.perf_counter()
    counts = await asyncio.gather(*(loop.drain() for loop in loops))
    ended = time.perf_counter()
    for loop in loops:
        await loop.link.close()
    return sum(counts) / (ended - began)


class _Drainer:
    def __init__(self, link: Link, keys: Keys, worker: str) -> None:
        self.link = link
        self._keys = keys
        self._worker = worker
        self._claimant = Claimant(keys, NODE, worker)

    async def register(self) -> None:
        accept(await self.link.call(("SADD", self._keys.workers(NODE), self._worker)))

    async def drain(self) -> int:
        keys, link, caps = self._keys, self.link, [(STAGE, DRAIN_BATCH)]
        names = (
            keys.claims(self._worker), keys.task, keys.attempts, keys.errors, keys.unique, keys.keyed,
            keys.cancels,
        )  # fmt: skip
        head: Command = ("EVALSHA", sha("complete"), len(names), *names)
        count = 0
        commands: list[Command] = []
        while True:
            commands.append(self._claimant.claim(link.clock.now_ms(), DRAIN_BATCH, caps))
            reply = accept((await link.exchange(commands))[-1])
            ids = reply[5::3]
            if not ids:
                return count
            count += len(ids)
            fields = [b""] * (2 * len(ids))
            fields[::2] = ids
            fields[1::2] = reply[6::3]
            commands = [(*head, *fields)]


def bare_bulk(server: RedisServer, keys: Keys, rounds: int) -> float:
    """Store `rounds` times 1000 tasks; returns tasks per s."""
    return run(_bulk(Endpoint(server.url), keys, rounds))


async def _bulk(endpoint: Endpoint, keys: Keys, rounds: int) -> float:
    link = Link(endpoint)
    await link.exchange([])
    pack = msgpack.Packer().pack
    where = (keys.producer("bare"), keys.task, keys.ready(STAGE), keys.bell(STAGE), keys.limits)
    head = ("EVALSHA", sha("enqueue"), len(where), *where)
    origin = wall_ms().to_bytes(8, "big")
    began = time.perf_counter()
    for number in range(rounds):
        now_ms = link.clock.now_ms()
        fields: list[bytes] = []
        for i in range(number * BULK_BATCH, (number + 1) * BULK_BATCH):
            fields.append(origin + i.to_bytes(8, "big"))
            fields.append(pack([1, "perf.noop", arguments(i), "default", now_ms]))
        accept(await link.call((*head, number + 1, PRODUCER_TTL_S, *fields)))
    ended = time.perf_counter()
    await link.close()
    return rounds * BULK_BATCH / (ended - began)
