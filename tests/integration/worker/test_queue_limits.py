"""Paused, limited and weighted queues with real workers: nobody spins, and free room is used at once."""

from __future__ import annotations

import asyncio

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import queues
from tqd.store import calls
from tqd.store.connection import Endpoint, SyncLink
from tqd.task.queue_limit import QueueLimit


def limit(bench: Bench, **rules: float) -> None:
    link = SyncLink(Endpoint(bench.server.url))
    limits = [QueueLimit(queue="default", **rules)]  # type: ignore[arg-type]
    link.call(calls.limit(bench.keys, "here", limits, take_over=True))
    link.close()


def claims(bench: Bench) -> int:
    return int(bench.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


def test_a_paused_queue_stands_still_until_it_goes_on(bench: Bench) -> None:
    ran: list[str] = []

    @bench.queue.task(name="work")
    async def work(name: str) -> None:
        ran.append(name)

    async def scenario() -> None:
        await bench.queue.queues.apause("default")
        async with bench.worker() as worker:
            await work.aenqueue("paused")
            await work.using(delay=0.01).aenqueue("due")
            await work.using(queue=queues.LOW_PRIORITY).aenqueue("other")
            await auntil(lambda: ran == ["other"], "the other queue goes on")
            await work.using(queue=queues.LOW_PRIORITY, delay=0.1).aenqueue("later")
            await auntil(lambda: ran == ["other", "later"], "what came later has run")
            assert bench.held(worker) == {}
            await bench.queue.queues.aresume("default")
            await auntil(lambda: len(ran) == 4, "it goes on")
            assert set(ran[2:]) == {"paused", "due"}

    bench.run(scenario())


def test_no_more_run_at_once_than_allowed_over_all_workers_and_none_waits_for_a_timer(bench: Bench) -> None:
    inside, most, done = 0, 0, 0

    @bench.queue.task(name="work")
    async def work() -> None:
        nonlocal inside, most, done
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        done += 1

    async def scenario() -> None:
        limit(bench, concurrency=3)
        await bench.queue.aenqueue_many([work.call() for _ in range(300)])
        async with bench.worker(8), bench.worker(8):
            # A look each second would let 3 a second start: 100 s.
            await auntil(lambda: done == 300, "all have run", 30)
            await bench.all_settled()

    bench.run(scenario())
    assert 1 <= most <= 3


def test_room_that_a_leaving_worker_makes_is_taken_by_another(bench: Bench) -> None:
    started: list[int] = []
    go = asyncio.Event()

    @bench.queue.task(name="work")
    async def work(number: int) -> None:
        started.append(number)
        await go.wait()

    async def scenario() -> None:
        limit(bench, concurrency=1)
        async with bench.worker() as first:
            await work.aenqueue(1)
            await auntil(lambda: started == [1], "the first runs")
            async with bench.worker():
                await work.aenqueue(2)
                await first.drain(0.0)  # gives the first back
                await auntil(lambda: started == [1, 1], "the other worker has it")
                go.set()
                await auntil(lambda: started == [1, 1, 2], "and then the next")
                await bench.all_settled()

    bench.run(scenario())


def test_a_rate_is_kept_over_two_workers_that_do_not_spin_meanwhile(bench: Bench) -> None:
    ran = 0

    @bench.queue.task(name="work")
    async def work() -> None:
        nonlocal ran
        ran += 1

    async def scenario() -> tuple[float, int]:
        limit(bench, rate_per_s=50, burst=1)
        await bench.queue.aenqueue_many([work.call() for _ in range(50)])
        before, loop = claims(bench), asyncio.get_running_loop()
        begun = loop.time()
        async with bench.worker(8), bench.worker(8):
            await auntil(lambda: ran == 50, "all have run", 30)
            took_s = loop.time() - begun
            return took_s, claims(bench) - before

    took_s, calls_made = bench.run(scenario())
    assert took_s > 0.9
    # Each of two workers looks when a token is there, and settles what it ran.
    assert calls_made < 50 * 6


def test_in_the_weighted_order_full_queues_are_served_by_their_weights(bench: Bench) -> None:
    ran: list[str] = []

    @bench.queue.task(name="work")
    async def work(queue: str) -> None:
        ran.append(queue)

    async def scenario() -> None:
        names = (queues.HIGH_PRIORITY, queues.DEFAULT, queues.LOW_PRIORITY)
        await bench.queue.aenqueue_many([work.using(queue=q).call(q) for q in names for _ in range(300)])
        section = {"order": "weighted", "weights": dict(zip(names, (3, 2, 1), strict=True))}
        async with bench.worker(8, queues=section):
            await bench.all_settled()

    bench.run(scenario())
    # Until the first queue is empty each has its share.
    until_empty = ran[: len(ran) - ran[::-1].index(queues.HIGH_PRIORITY)]
    assert 460 <= len(until_empty) <= 640
    assert 180 <= until_empty.count(queues.DEFAULT) <= 220
    assert 80 <= until_empty.count(queues.LOW_PRIORITY) <= 120
    assert len(ran) == 900
