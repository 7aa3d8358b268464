"""Concurrent `aenqueue` calls share round trips, and each returns when its own task is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.places import places
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil
from tqd import StoreMismatch, TaskQueue, Unserialisable
from tqd.store.calls import MAX_BATCH
from tqd.store.keys import Keys

KEYS = Keys("tqd")


def scripts_called(server: RedisServer) -> int:
    return int(server.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


def test_a_hundred_concurrent_calls_are_a_few_round_trips(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> int:
        async with tq:
            await tq.aenqueue("warm")
            before = scripts_called(redis_server)
            handles = await asyncio.gather(*(tq.aenqueue("job", n) for n in range(100)))
            assert len({handle.id for handle in handles}) == 100
            return scripts_called(redis_server) - before

    assert asyncio.run(scenario()) <= 3
    assert len(places(redis_server.client, KEYS)) == 101


def test_calls_for_many_queues_and_times_share_round_trips(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> int:
        async with tq:
            await tq.aenqueue("warm")
            before = scripts_called(redis_server)
            jobs = [
                tq.named("job").using(queue=f"q{n % 4}", delay=60 if n % 3 else None).aenqueue(n)
                for n in range(100)
            ]
            await asyncio.gather(*jobs)
            return scripts_called(redis_server) - before

    assert asyncio.run(scenario()) <= 2 * 8
    assert len(places(redis_server.client, KEYS)) == 101


def test_a_burst_beyond_one_batch_is_stored_in_order(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> list[bytes]:
        async with tq:
            jobs = (tq.aenqueue("job", n) for n in range(2 * MAX_BATCH + 5))
            return [handle.identity for handle in await asyncio.gather(*jobs)]

    sent = asyncio.run(scenario())
    assert list(places(redis_server.client, KEYS)) == sent


def test_a_call_returns_only_when_its_task_is_stored(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def store(number: int) -> None:
        handle = await tq.aenqueue("job", number)
        assert redis_server.client.hexists(KEYS.task, handle.identity)

    async def scenario() -> None:
        async with tq:
            await asyncio.gather(*(store(n) for n in range(50)))

    asyncio.run(scenario())


def test_cancelled_callers_do_not_break_the_others(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> list[Any]:
        async with tq:
            await tq.aenqueue("warm")
            redis_server.pause()
            calls = [asyncio.create_task(tq.aenqueue("job", n)) for n in range(20)]
            await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            redis_server.resume()
            await asyncio.wait(calls)
            await tq.aenqueue("after")
            assert [call.cancelled() for call in calls] == [True, False] * 10
            return [call.result().identity for call in calls[1::2]]

    kept = asyncio.run(scenario())
    assert set(kept) <= set(places(redis_server.client, KEYS))


def test_a_caller_cancelled_before_its_batch_left_leaves_the_sender_alive(
    tq: TaskQueue, redis_server: RedisServer
) -> None:
    async def scenario() -> None:
        async with tq:
            call = asyncio.create_task(tq.aenqueue("job"))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await asyncio.wait_for(tq.aenqueue("job"), 5)

    asyncio.run(scenario())


def test_a_call_that_cannot_travel_fails_alone(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> list[Any]:
        async with tq:
            jobs = [tq.aenqueue("job", object() if n == 5 else n) for n in range(10)]
            return list(await asyncio.gather(*jobs, return_exceptions=True))

    results = asyncio.run(scenario())
    assert [type(result) is Unserialisable for result in results] == [n == 5 for n in range(10)]
    assert len(places(redis_server.client, KEYS)) == 9


def test_a_queue_that_redis_refuses_fails_only_its_own_callers(
    tq: TaskQueue, redis_server: RedisServer
) -> None:
    redis_server.client.set(KEYS.ready("bad"), "garbage")

    async def scenario() -> list[Any]:
        async with tq:
            jobs = [tq.named("job").using(queue="bad" if n == 5 else "good").aenqueue(n) for n in range(10)]
            return list(await asyncio.gather(*jobs, return_exceptions=True))

    results = asyncio.run(scenario())
    assert isinstance(results[5], StoreMismatch)
    assert [isinstance(result, Exception) for result in results] == [n == 5 for n in range(10)]
    assert len(places(redis_server.client, KEYS)) == 9


def test_many_calls_of_which_redis_refuses_some_raise(tq: TaskQueue, redis_server: RedisServer) -> None:
    redis_server.client.set(KEYS.ready("bad"), "garbage")
    calls = [tq.named("job").using(queue=queue).call() for queue in ("good", "bad")]
    with pytest.raises(StoreMismatch):
        tq.enqueue_many(calls)

    async def scenario() -> None:
        async with tq:
            with pytest.raises(StoreMismatch):
                await tq.aenqueue_many(calls)

    asyncio.run(scenario())


def test_closing_sends_what_waits(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        calls = [asyncio.create_task(tq.aenqueue("job", n)) for n in range(5)]
        await auntil(lambda: tq._senders, "the calls have begun")
        await tq.aclose()
        assert all(call.done() for call in calls) or await asyncio.wait(calls, timeout=5)
        assert len(places(redis_server.client, KEYS)) == 5

    asyncio.run(scenario())
