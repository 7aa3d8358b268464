"""What one task costs in time on an idle daemon: until its start, until its result, after its due time.

The tasks come at random moments from one asyncio client on uvloop. Start times are the task's own: it
writes its first line's CLOCK_MONOTONIC into a pipe. The floor is one RPUSH that ends another connection's
BLPOP, with nothing else around it; `bare_ms` is the way of a task through our scripts without the
framework. Where they are high, it is the machine that wakes its processes late.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator

from perf.bare_idle import bare_idle_ms
from perf.figure import Figure, percentile, sampled
from perf.harness import Plan, Stamps, private_redis, stamping_daemon
from perf.tasks import echo, stamp, tq
from tests.support.redis_server import RedisServer
from tqd.store.connection import Endpoint, Link
from tqd.system.loop import run as run_loop

WARM = 20
SEED = 20
MS = 1e-6
"""Milliseconds in a nanosecond."""


def run(plan: Plan) -> list[Figure]:
    """Measure idle_latency_p50, idle_latency_p99, roundtrip and delayed."""
    with private_redis() as server, stamping_daemon(server) as stamps:
        floor = run_loop(_floor(server, plan.pick(500, 200)))
        bare = bare_idle_ms(server, _moments(WARM + plan.pick(500, 200)))[WARM:]
        latencies = _started(stamps, plan.pick(1000, 500))
        round_trips = run_loop(_round_trips(plan.pick(1000, 400)))
        late = _delayed(stamps, plan.pick(300, 120))
    floor_p50, floor_p99 = percentile(floor, 0.5), percentile(floor, 0.99)
    return [
        sampled("idle_latency_p50", latencies, 0.5, floor_ms=floor_p50, bare_ms=percentile(bare, 0.5)),
        sampled("idle_latency_p99", latencies, 0.99, floor_ms=floor_p99, bare_ms=percentile(bare, 0.99)),
        sampled("roundtrip", round_trips, 0.5, p99_ms=percentile(round_trips, 0.99)),
        sampled("delayed", late, 0.99, p50_ms=percentile(late, 0.5), least_ms=min(late)),
    ]


def _started(stamps: Stamps, samples: int) -> list[float]:
    """Return ms from the enqueue call to the task's first line."""

    async def enqueue() -> None:
        async for _ in _moments(WARM + samples):
            await stamp.aenqueue(time.monotonic_ns())
        await tq.aclose()

    run_loop(enqueue())
    pairs = stamps.read(WARM + samples)[WARM:]
    return [(began_ns - asked_ns) * MS for asked_ns, began_ns in pairs]


async def _moments(count: int) -> AsyncIterator[int]:
    chance = random.Random(SEED)
    for number in range(count):
        await asyncio.sleep(chance.uniform(0.002, 0.008))
        yield number


async def _round_trips(samples: int) -> list[float]:
    """Return ms from the enqueue call to the result in hand, one after the other."""
    readings = []
    for number in range(WARM + samples):
        asked_ns = time.monotonic_ns()
        handle = await echo.aenqueue(number)
        value = await handle.result(timeout=10)
        readings.append((time.monotonic_ns() - asked_ns) * MS)
        if value != number:
            raise RuntimeError(f"the result of {number} was {value}")
    await tq.aclose()
    return readings[WARM:]


def _delayed(stamps: Stamps, samples: int) -> list[float]:
    """Return ms from the due time to the first line, of tasks whose delays end at random moments."""

    async def enqueue() -> None:
        chance = random.Random(SEED)
        async for _ in _moments(samples):
            delay_s = chance.uniform(0.3, 2.0)
            due_ns = time.monotonic_ns() + round(delay_s * 1e9)
            await stamp.using(delay=delay_s).aenqueue(due_ns)
        await tq.aclose()

    run_loop(enqueue())
    return [(began_ns - due_ns) * MS for due_ns, began_ns in stamps.read(samples)]


async def _floor(server: RedisServer, samples: int) -> list[float]:
    """Return ms from an RPUSH to the end of another connection's BLPOP, in this process."""
    pusher, waiter = Link(Endpoint(server.url)), Link(Endpoint(server.url))
    for link in (pusher, waiter):
        await link.exchange([])
    readings = []
    async for _ in _moments(samples):
        waiting = asyncio.create_task(waiter.call(("BLPOP", "floor", 5)))
        await asyncio.sleep(0.001)
        asked_ns = time.monotonic_ns()
        pushing = asyncio.create_task(pusher.call(("RPUSH", "floor", 1)))
        await waiting
        readings.append((time.monotonic_ns() - asked_ns) * MS)
        await pushing
    for link in (pusher, waiter):
        await link.close()
    return readings
