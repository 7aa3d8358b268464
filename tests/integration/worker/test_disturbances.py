"""A Redis that goes away, hangs, or cuts connections: nothing is lost, and extra runs have a cause."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
import redis

from tests.support.engines import engines
from tests.support.faults import CuttingProxy
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd.store.scripts import sha
from tqd.task.claim import parse_token


@pytest.fixture
def durable() -> Iterator[RedisServer]:
    """A server of its own, whose data survives a restart."""
    with RedisServer(engines()[0].binary, appendonly=True) as server:
        yield server


class Journal:
    """Which tasks ran, how often, with which fence."""

    def __init__(self) -> None:
        self.runs: Counter[int] = Counter()
        self.ends: Counter[int] = Counter()

    def declare(self, bench: Bench, pause_s: float = 0.002) -> list[object]:
        @bench.queue.task(name="work", max_retries=0)
        async def work(number: int) -> None:
            self.runs[number] += 1
            await asyncio.sleep(pause_s)
            self.ends[number] += 1

        return [work]


def test_redis_restarted_under_a_busy_worker_loses_nothing(durable: RedisServer) -> None:
    bench, journal = Bench(durable), Journal()
    (work,) = journal.declare(bench)
    count = 3000

    async def scenario() -> None:
        await bench.queue.aenqueue_many([work.call(n) for n in range(count)])  # type: ignore[attr-defined]
        async with bench.worker(slots=32) as worker:
            await auntil(lambda: len(journal.ends) > 300, "it is busy", 15)
            for _ in range(2):
                seen = len(journal.ends)
                await asyncio.to_thread(durable.stop)
                durable.start()  # in the main thread: the server ends with the thread that started it
                await auntil(lambda seen=seen: len(journal.ends) > seen + 100, "it goes on", 20)  # type: ignore[misc]
            await bench.all_settled(40)
            assert not worker.ended
            assert bench.held(worker) == {}

    bench.run(scenario())
    assert set(journal.ends) == set(range(count))
    assert bench.places() == {}
    # A claim whose reply was lost never started here; what ended is settled with the next exchange.
    assert sum(journal.runs.values()) == count


def test_what_ends_while_redis_is_down_is_settled_when_it_is_back(durable: RedisServer) -> None:
    bench = Bench(durable)
    started, go_on = asyncio.Event(), asyncio.Event()
    runs: list[int] = []

    @bench.queue.task(name="work", max_retries=0)
    async def work() -> None:
        runs.append(1)
        started.set()
        await go_on.wait()

    async def scenario() -> None:
        await work.aenqueue()
        async with bench.worker(slots=2) as worker:
            await asyncio.wait_for(started.wait(), 10)
            await asyncio.to_thread(durable.stop)
            go_on.set()
            await auntil(lambda: worker.lifecycle.inflight.busy == 0, "the attempt has ended", 10)
            durable.start()
            await bench.all_settled(20)

    bench.run(scenario())
    assert runs == [1]


@pytest.mark.parametrize("round_", range(3))
def test_a_redis_that_hangs_longer_than_the_command_timeout_loses_nothing(
    durable: RedisServer, round_: int
) -> None:
    bench, journal = Bench(durable), Journal()
    (work,) = journal.declare(bench)
    count = 2000

    async def scenario() -> None:
        await bench.queue.aenqueue_many([work.call(n) for n in range(count)])  # type: ignore[attr-defined]
        timeouts = {"command_timeout": 0.3, "connection_timeout": 0.3}
        async with bench.worker(slots=16, redis=timeouts) as worker:
            await auntil(lambda: len(journal.ends) > 200 + 50 * round_, "it is busy", 15)
            durable.pause()
            try:
                await auntil(lambda: worker.lifecycle.inflight.busy == 0, "all in hand has ended", 15)
                failing = worker.lifecycle._consumer
                await auntil(lambda: failing._failures >= 2, "the worker gave up waiting, twice", 15)
            finally:
                durable.resume()
            await bench.all_settled(40)
            assert not worker.ended

    bench.run(scenario())
    assert set(journal.ends) == set(range(count))
    assert bench.places() == {}
    assert sum(journal.runs.values()) == count


def test_cut_connections_under_load_cost_no_task_and_no_second_run(bench: Bench) -> None:
    journal = Journal()
    (work,) = journal.declare(bench, 0.001)
    count = 4000
    over = threading.Event()

    def cut() -> None:
        client = redis.Redis.from_url(bench.server.url)
        while not over.wait(0.02):
            client.client_kill_filter(_type="normal", skipme=True)

    async def scenario() -> None:
        await bench.queue.aenqueue_many([work.call(n) for n in range(count)])  # type: ignore[attr-defined]
        async with bench.worker(slots=16) as worker:
            cutter = threading.Thread(target=cut)
            cutter.start()
            try:
                await auntil(lambda: len(journal.ends) > count // 4 or worker.ended, "it works on", 40)
            finally:
                over.set()
                cutter.join()
            await auntil(lambda: settled(bench), "all are settled", 40)
            assert not worker.ended
            assert bench.held(worker) == {}

    bench.run(scenario())
    assert set(journal.ends) == set(range(count))
    assert bench.places() == {}
    assert [number for number, runs in journal.runs.items() if runs > 1] == []


def settled(bench: Bench) -> bool:
    try:
        return bench.settled()
    except redis.ConnectionError:
        return False  # our own connection was cut as well


@pytest.mark.parametrize("script", ["claim", "complete"])
def test_a_lost_reply_neither_loses_a_task_nor_runs_it_twice(bench: Bench, script: str) -> None:
    journal = Journal()
    (work,) = journal.declare(bench)

    async def scenario() -> None:
        with CuttingProxy(bench.server.socket) as proxy:
            await bench.queue.aenqueue_many([work.call(n) for n in range(60)])  # type: ignore[attr-defined]
            async with bench.worker(slots=4, url=proxy.url) as worker:
                for cut in range(1, 6):
                    proxy.cut_after_request(sha(script).encode())
                    if not bench.client.exists(bench.keys.task):
                        await bench.queue.aenqueue_many(
                            [work.call(1000 * cut + n) for n in range(20)]  # type: ignore[attr-defined]
                        )
                    await auntil(lambda cut=cut: proxy.cuts == cut, "a reply was cut off", 20)  # type: ignore[misc]
                await bench.all_settled(30)
                assert bench.held(worker) == {}

    bench.run(scenario())
    assert set(journal.runs.values()) == {1}
    assert bench.places() == {}


def test_a_lost_claim_is_given_back_uncharged_with_the_next_fence(bench: Bench) -> None:
    fences: list[tuple[int, int]] = []

    @bench.queue.task(name="work")
    async def work() -> None:
        tokens = bench.client.hvals(bench.keys.claims(name[0]))
        counts, _ = parse_token(tokens[0])
        fences.append((counts.fence, counts.attempts))

    name: list[str] = []

    async def scenario() -> None:
        with CuttingProxy(bench.server.socket) as proxy:
            await work.aenqueue()
            proxy.cut_after_request(sha("claim").encode())
            async with bench.worker(slots=1, url=proxy.url) as worker:
                name.append(worker.name)
                await bench.all_settled(20)
            assert proxy.cuts == 1

    bench.run(scenario())
    assert fences == [(2, 0)]


def test_scripts_that_redis_forgot_are_loaded_again(bench: Bench) -> None:
    journal = Journal()
    (work,) = journal.declare(bench)

    async def scenario() -> None:
        async with bench.worker(slots=4):
            for round_ in range(3):
                bench.client.script_flush()
                await bench.queue.aenqueue_many([work.call(10 * round_ + n) for n in range(10)])  # type: ignore[attr-defined]
                await bench.all_settled(20)

    bench.run(scenario())
    assert sorted(journal.ends) == list(range(30))


def test_a_full_redis_does_not_stop_the_worker(bench: Bench) -> None:
    journal = Journal()
    (work,) = journal.declare(bench)

    async def scenario() -> None:
        await bench.queue.aenqueue_many([work.call(n) for n in range(200)])  # type: ignore[attr-defined]
        try:
            async with bench.worker(slots=4):
                await auntil(lambda: len(journal.ends) > 5, "it is busy", 20)
                bench.client.config_set("maxmemory", 1)
                await bench.all_settled(30)
        finally:
            bench.client.config_set("maxmemory", 0)

    bench.run(scenario())
    assert sorted(journal.ends) == list(range(200))


def test_a_worker_can_start_on_a_full_redis(bench: Bench) -> None:
    journal = Journal()
    (work,) = journal.declare(bench)

    async def scenario() -> None:
        await bench.queue.aenqueue_many([work.call(n) for n in range(20)])  # type: ignore[attr-defined]
        bench.client.config_set("maxmemory", 1)
        try:
            async with bench.worker(slots=4):
                await bench.all_settled(30)
        finally:
            bench.client.config_set("maxmemory", 0)

    bench.run(scenario())
    assert sorted(journal.ends) == list(range(20))
