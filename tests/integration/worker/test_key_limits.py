"""Limits of keys with real workers: over both of them, without a timer, and with a slot that comes back."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd.store import calls
from tqd.store.connection import Endpoint, SyncLink
from tqd.task.queue_limit import QueueLimit


def limit(bench: Bench, **rules: float) -> None:
    link = SyncLink(Endpoint(bench.server.url))
    limits = [QueueLimit(queue="default", **rules)]  # type: ignore[arg-type]
    link.call(calls.limit(bench.keys, "here", limits, take_over=True))
    link.close()


def test_one_at_a_time_of_each_key_over_two_workers_and_all_are_done(bench: Bench) -> None:
    inside: Counter[str] = Counter()
    most: Counter[str] = Counter()
    order: dict[str, list[int]] = {"a": [], "b": [], "c": []}

    @bench.queue.task(name="work", limit_by="key")
    async def work(key: str, number: int) -> None:
        inside[key] += 1
        most[key] = max(most[key], inside[key])
        await asyncio.sleep(0.001)
        inside[key] -= 1
        order[key].append(number)

    async def scenario() -> None:
        limit(bench, key_concurrency=1)
        await bench.queue.aenqueue_many([work.call(key, n) for n in range(20) for key in "abc"])
        async with bench.worker(8), bench.worker(8):
            await auntil(lambda: sum(map(len, order.values())) == 60, "all have run", 60)
            await bench.all_settled()

    bench.run(scenario())
    assert most == {"a": 1, "b": 1, "c": 1}
    assert order == {key: list(range(20)) for key in "abc"}, "in their order"


def test_a_flood_of_one_key_lets_another_keys_task_pass(bench: Bench) -> None:
    started: list[str] = []
    go = asyncio.Event()

    @bench.queue.task(name="work", limit_by="key")
    async def work(key: str) -> None:
        started.append(key)
        await go.wait()

    async def scenario() -> None:
        limit(bench, key_concurrency=1)
        await bench.queue.aenqueue_many([work.call("flood") for _ in range(20_000)])
        async with bench.worker(4):
            await work.aenqueue("other")
            # The flood's first task never ends: what passes did not wait for it.
            await auntil(lambda: started == ["flood", "other"], "the other key's task runs", 20)
            view = await bench.queue.queues.aget("default")
            assert (view.ready, view.held_by_keys) == (19_999, 19_999)
            await bench.queue.queues.apurge("default")
            go.set()
            await bench.all_settled()

    bench.run(scenario())
    assert Counter(started) == {"flood": 1, "other": 1}


def test_the_rate_of_each_key_is_kept_and_nobody_spins_meanwhile(bench: Bench) -> None:
    ran: Counter[str] = Counter()

    @bench.queue.task(name="work", limit_by="key")
    async def work(key: str) -> None:
        ran[key] += 1

    def claims() -> int:
        return int(bench.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])

    async def scenario() -> tuple[float, int]:
        limit(bench, key_rate_per_s=20, key_burst=1)
        await bench.queue.aenqueue_many([work.call(key) for _ in range(20) for key in "ab"])
        before, loop = claims(), asyncio.get_running_loop()
        begun = loop.time()
        async with bench.worker(8), bench.worker(8):
            await auntil(lambda: ran == {"a": 20, "b": 20}, "all have run", 30)
            return loop.time() - begun, claims() - before

    took_s, calls_made = bench.run(scenario())
    assert took_s > 0.9
    assert calls_made < 40 * 8


def test_the_slot_of_a_key_that_a_leaving_worker_held_is_taken_by_another(bench: Bench) -> None:
    started: list[int] = []
    go = asyncio.Event()

    @bench.queue.task(name="work")
    async def work(number: int) -> None:
        started.append(number)
        await go.wait()

    async def scenario() -> None:
        limit(bench, key_concurrency=1)
        async with bench.worker() as first:
            await work.using(limit_key="a").aenqueue(1)
            await auntil(lambda: started == [1], "the first runs")
            async with bench.worker():
                await work.using(limit_key="a").aenqueue(2)
                await first.drain(0.0)  # gives the first back
                await auntil(lambda: len(started) == 2, "the other worker has one of them")
                go.set()
                await auntil(lambda: sorted(started) == [1, 1, 2], "and then the other")
                await bench.all_settled()

    bench.run(scenario())


def test_a_retry_keeps_its_key(bench: Bench) -> None:
    inside = most = runs = 0

    @bench.queue.task(name="work", max_retries=3, retry_delay=0.01)
    async def work() -> None:
        nonlocal inside, most, runs
        inside += 1
        runs += 1
        most = max(most, inside)
        await asyncio.sleep(0.005)
        inside -= 1
        if runs <= 5:
            raise ValueError("once more")

    async def scenario() -> None:
        limit(bench, key_concurrency=1)
        await bench.queue.aenqueue_many([work.using(limit_key="a").call() for _ in range(5)])
        async with bench.worker(8):
            await bench.all_settled()

    bench.run(scenario())
    assert (runs, most) == (10, 1)
