"""A worker that stops: what runs may finish, the rest goes back as if nothing had been."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.engines import engines
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil
from tests.support.worker import NODE, Bench, Worker
from tqd import queues
from tqd.task.claim import parse_token
from tqd.worker.lifecycle import SETTLE_S, Ending


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server of its own, to be paused."""
    with RedisServer(engines()[0].binary) as server:
        yield server


def counts(bench: Bench, identity: bytes) -> tuple[int, int, int]:
    """Return what Redis remembers of a task: fence, attempts, crashes."""
    data = bench.client.hget(bench.keys.attempts, identity)  # type: ignore[arg-type]
    if data is None:
        return 0, 0, 0
    remembered, _ = parse_token(bytes(data) + b":x")  # type: ignore[arg-type]
    return remembered.fence, remembered.attempts, remembered.crashes


def gone(bench: Bench, worker: Worker) -> bool:
    """Say whether nothing is left of a worker in Redis."""
    keys = bench.keys
    return not bench.held(worker) and not bench.client.sismember(keys.workers(NODE), worker.name)


def test_a_running_task_finishes_in_the_grace_time(bench: Bench) -> None:
    started, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        started.set()
        await go_on.wait()
        ended.set()

    async def scenario() -> None:
        await works.aenqueue()
        async with bench.worker(slots=1) as worker:
            await asyncio.wait_for(started.wait(), 10)
            later = await works.aenqueue()
            stopping = asyncio.create_task(worker.drain(30))
            await asyncio.sleep(0)
            go_on.set()
            assert await stopping is Ending.DRAINED
            assert ended.is_set()
            assert bench.places() == {later.identity: "ready:default"}
            assert counts(bench, later.identity) == (0, 0, 0)
            assert gone(bench, worker)

    bench.run(scenario())


def test_what_does_not_finish_is_cancelled_and_given_back_uncharged_to_the_head(bench: Bench) -> None:
    started = asyncio.Event()
    cleaned: list[int] = []
    fences: list[int] = []

    @bench.queue.task(name="endless")
    async def endless(number: int) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(number)

    async def scenario() -> None:
        handles = [await endless.aenqueue(number) for number in range(4)]
        ids = [handle.identity for handle in handles]
        async with bench.worker(slots=2) as worker:
            await auntil(lambda: len(bench.held(worker)) == 2, "two are running", 10)
            await asyncio.wait_for(started.wait(), 10)
            assert await worker.drain(0.5) is Ending.DRAINED
            assert bench.ready() == ids, "given back to the head, in their order"
            fences.extend(counts(bench, one)[0] for one in ids)
            assert [counts(bench, one)[1:] for one in ids] == [(0, 0)] * 4
            assert gone(bench, worker)
        async with bench.worker(slots=1) as second:
            await auntil(lambda: len(bench.held(second)) == 1, "the next one has it", 10)
            assert parse_token(bench.held(second)[ids[0]])[0].fence == 2

    bench.run(scenario())
    assert fences == [1, 1, 0, 0]
    assert sorted(cleaned[:2]) == [0, 1]


@pytest.mark.parametrize("grace_s", [0.0, 0.4])
def test_a_task_that_ignores_its_cancellation_is_given_back(bench: Bench, grace_s: float) -> None:
    started = asyncio.Event()
    over = asyncio.Event()

    @bench.queue.task(name="stubborn")
    async def stubborn() -> None:
        started.set()
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    async def scenario() -> None:
        handle = await stubborn.aenqueue()
        async with bench.worker(slots=1) as worker:
            await asyncio.wait_for(started.wait(), 10)
            began = time.monotonic()
            assert await worker.drain(grace_s) is Ending.DRAINED
            assert time.monotonic() - began < grace_s + 10
            assert bench.places() == {handle.identity: "ready:default"}
            assert counts(bench, handle.identity) == (1, 0, 0)
            over.set()

    bench.run(scenario())


def test_a_plain_function_that_goes_on_is_given_back(bench: Bench) -> None:
    started, go_on = threading.Event(), threading.Event()

    @bench.queue.task(name="blocks")
    def blocks() -> None:
        started.set()
        go_on.wait(30)

    async def scenario() -> None:
        handle = await blocks.aenqueue()
        async with bench.worker(slots=1) as worker:
            await auntil(started.is_set, "it runs", 10)
            assert await worker.drain(0.2) is Ending.DRAINED
            assert bench.places() == {handle.identity: "ready:default"}
            assert counts(bench, handle.identity) == (1, 0, 0)

    try:
        bench.run(scenario())
    finally:
        go_on.set()


def test_a_second_drain_can_only_be_sooner(bench: Bench) -> None:
    started = asyncio.Event()

    @bench.queue.task(name="endless")
    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    async def scenario() -> None:
        await endless.aenqueue()
        async with bench.worker(slots=1) as worker:
            await asyncio.wait_for(started.wait(), 10)
            began = time.monotonic()
            worker.lifecycle.drain(3600)
            worker.lifecycle.drain(0.1)
            worker.lifecycle.drain(3600)
            await worker.served()
            assert time.monotonic() - began < 20

    bench.run(scenario())


@pytest.mark.parametrize("grace_s", [0.0, 5.0])
@pytest.mark.parametrize("round_", range(5))
def test_a_busy_worker_leaves_nothing_behind(bench: Bench, grace_s: float, round_: int) -> None:
    """Claims on their way when the drain comes are given back too, uncharged."""
    ran: list[int] = []

    @bench.queue.task(name="works")
    async def works(number: int) -> None:
        ran.append(number)
        await asyncio.sleep(0)

    @bench.queue.task(name="plain")
    def plain(number: int) -> None:
        ran.append(number)

    async def scenario() -> None:
        calls = [(works if n % 4 else plain).call(n) for n in range(3000)]
        handles = await bench.queue.aenqueue_many(calls)
        async with bench.worker(slots=8) as worker:
            await auntil(lambda: len(ran) > 50 + 37 * round_, "it is busy", 10)
            assert await worker.drain(grace_s) is Ending.DRAINED
            assert gone(bench, worker)
            left = bench.places()
            assert set(left.values()) <= {"ready:default"}
            assert {counts(bench, handle.identity)[1:] for handle in handles} == {(0, 0)}
        async with bench.worker(slots=64):
            await bench.all_settled(30)

    bench.run(scenario())
    assert set(ran) == set(range(3000))
    assert len(ran) - 3000 <= 8 + 8, "only what was running then runs again"


def test_an_idle_worker_leaves_without_a_token_in_its_pocket(bench: Bench) -> None:
    ran = asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.set()

    async def scenario() -> None:
        for _ in range(10):
            ran.clear()
            async with bench.worker(slots=1) as leaving:
                await auntil(lambda: waiting_at_the_bell(bench) == 1, "the first is idle", 10)
                # The enqueue wakes the one that is about to leave.
                leaving.lifecycle.drain(1.0)
                await works.aenqueue()
                async with bench.worker(slots=1):
                    await asyncio.wait_for(ran.wait(), 10)

    bench.run(scenario())


def test_what_a_late_reply_brings_to_a_worker_that_has_given_all_back_goes_back_too(
    own_server: RedisServer,
) -> None:
    """Redis hangs while a claim is on its way, and answers when the grace time is over."""
    bench = Bench(own_server)
    ran: list[int] = []

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.append(1)

    async def scenario() -> None:
        handles = [await works.aenqueue() for _ in range(3)]
        async with bench.worker(quiet=True) as worker:
            await auntil(lambda: worker.channel.messages, "it is up", 10)
            executor = worker.lifecycle._executor
            own_server.pause()
            try:
                worker.lifecycle.set_quiet(False)
                await asyncio.sleep(0.1)  # the claim is sent
                stopping = asyncio.create_task(worker.drain(0.0))
                await auntil(lambda: executor._lanes._pool._shutdown, "all was given back", 10)
            finally:
                own_server.resume()
            assert await stopping is Ending.DRAINED
            assert set(bench.ready()) == {handle.identity for handle in handles}
            assert [counts(bench, handle.identity)[1:] for handle in handles] == [(0, 0)] * 3
            assert gone(bench, worker)

    bench.run(scenario())
    assert ran == []


def test_a_stop_is_in_time_although_redis_hangs(own_server: RedisServer) -> None:
    """What runs is cancelled in its grace time, and a hastier stop is heard."""
    bench = Bench(own_server)
    started, cleaned = asyncio.Event(), asyncio.Event()

    @bench.queue.task(name="endless")
    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def scenario() -> None:
        await endless.aenqueue()
        async with bench.worker() as worker:
            await asyncio.wait_for(started.wait(), 10)
            await auntil(lambda: waiting_at_the_bell(bench) == 1, "it is idle but for that", 10)
            own_server.pause()
            try:
                worker.lifecycle.drain(3600.0)
                await asyncio.sleep(0.1)
                worker.lifecycle.drain(0.2)
                await asyncio.wait_for(cleaned.wait(), 3.0)  # less than Redis may take to answer
                await worker.served()
            finally:
                own_server.resume()

    bench.run(scenario())


def test_what_is_decided_is_settled_when_redis_is_back_within_the_grace_time(own_server: RedisServer) -> None:
    bench = Bench(own_server)
    started, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        started.set()
        await go_on.wait()
        ended.set()

    async def scenario() -> None:
        await works.aenqueue()
        async with bench.worker(redis={"command_timeout": 1.0}) as worker:
            await asyncio.wait_for(started.wait(), 10)
            own_server.pause()
            try:
                stopping = asyncio.create_task(worker.drain(60.0))
                go_on.set()
                await asyncio.wait_for(ended.wait(), 10)
                await asyncio.sleep(SETTLE_S + 1.5)
                assert not worker.ended, "there is time left to settle it"
            finally:
                own_server.resume()
            assert await stopping is Ending.DRAINED
            assert bench.places() == {}

    bench.run(scenario())


def test_a_drain_before_the_first_exchange_ends_at_once(bench: Bench) -> None:
    @bench.queue.task(name="works")
    async def works() -> None: ...

    async def scenario() -> None:
        async with bench.worker() as worker:
            assert await worker.drain(30) is Ending.DRAINED
            assert gone(bench, worker)

    bench.run(scenario())


def test_a_fenced_worker_says_so_and_settles_nothing(bench: Bench) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    @bench.queue.task(name="works", queue=queues.DEFAULT)
    async def works() -> None:
        started.set()
        await go_on.wait()

    async def scenario() -> None:
        handle = await works.aenqueue()
        async with bench.worker(slots=2) as worker:
            await asyncio.wait_for(started.wait(), 10)
            # What a keeper does: fence, then reclaim (here into the hands of another).
            bench.client.srem(bench.keys.workers(NODE), worker.name)
            bench.client.delete(bench.keys.claims(worker.name))
            bench.client.hset(bench.keys.claims("another"), handle.identity, b"2:0:1:default")  # type: ignore[arg-type]
            await works.aenqueue()
            assert await worker.served() is Ending.FENCED
            assert bench.places()[handle.identity] == "claims:another"

    bench.run(scenario())


def waiting_at_the_bell(bench: Bench) -> int:
    return sum(1 for row in bench.client.client_list() if row["cmd"] == "blpop")
