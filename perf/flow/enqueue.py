"""How fast an asyncio producer stores tasks: in bulk next to the bare loop, and gathered next to one by one.

No daemon runs: the figures are the producer's and Redis's.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from statistics import median

from perf.bare import BULK_BATCH, bare_bulk
from perf.figure import Figure, figure, paired
from perf.harness import NAMESPACE, Plan, point_client_at, private_redis
from perf.tasks import arguments, noop, tq
from tests.support.redis_server import RedisServer
from tqd.store.keys import Keys
from tqd.system.loop import run as run_loop

GATHERED = 100


def run(plan: Plan) -> list[Figure]:
    """Measure bulk and gather."""
    with private_redis() as server:
        return [_bulk(server, plan), _gather(server, plan)]


def _bulk(server: RedisServer, plan: Plan) -> Figure:
    rounds = plan.pick(50, 30)
    bare: list[float] = []
    ours: list[float] = []
    for _ in range(plan.repeats):
        server.client.flushall()
        gc.collect()
        bare.append(bare_bulk(server, Keys(NAMESPACE), rounds))
        server.client.flushall()
        gc.collect()
        ours.append(_rate(server, _bulk_rounds, rounds, BULK_BATCH))
    return figure("bulk", paired(ours, bare), per_s=median(ours), bare_per_s=median(bare))


def _gather(server: RedisServer, plan: Plan) -> Figure:
    rounds, singles = plan.pick(100, 40), plan.pick(3000, 1500)
    one_by_one: list[float] = []
    gathered: list[float] = []
    for _ in range(plan.repeats):
        server.client.flushall()
        one_by_one.append(_rate(server, _single_rounds, singles, 1))
        gathered.append(_rate(server, _gather_rounds, rounds, GATHERED))
    ratios = paired(gathered, one_by_one)
    return figure("gather", ratios, per_s=median(gathered), one_by_one_per_s=median(one_by_one))


def _rate(
    server: RedisServer, rounds_of: Callable[[int], Awaitable[None]], rounds: int, tasks_a_round: int
) -> float:
    """Return tasks per s of a producer that has connected before the first round."""

    async def measured() -> float:
        await noop.aenqueue(*arguments(0))
        began = time.perf_counter()
        await rounds_of(rounds)
        took_s = time.perf_counter() - began
        await tq.aclose()
        return rounds * tasks_a_round / took_s

    point_client_at(server)
    return run_loop(measured())


async def _bulk_rounds(rounds: int) -> None:
    for number in range(rounds):
        first = number * BULK_BATCH
        await tq.aenqueue_many([noop.call(*arguments(i)) for i in range(first, first + BULK_BATCH)])


async def _single_rounds(rounds: int) -> None:
    for number in range(rounds):
        await noop.aenqueue(*arguments(number))


async def _gather_rounds(rounds: int) -> None:
    for _ in range(rounds):
        await asyncio.gather(*(noop.aenqueue(*arguments(i)) for i in range(GATHERED)))
