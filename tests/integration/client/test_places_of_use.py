"""One queue serves many threads, many event loops, and forks; and it outlives its Redis's troubles."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from tests.support.faults import CuttingProxy
from tests.support.places import places
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import StoreFull, StoreUnavailable, TaskQueue, TaskState
from tqd.store import producer as producing
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys

KEYS = Keys("tqd")


def stored(server: RedisServer) -> int:
    return len(places(server.client, KEYS))


def clients(server: RedisServer) -> int:
    return len(server.client.client_list()) - 1


# -- loops ---------------------------------------------------------------------------------------


def test_loops_one_after_the_other_leave_no_connections_behind(
    tq: TaskQueue, redis_server: RedisServer
) -> None:
    async def scenario() -> None:
        handle = await tq.aenqueue("job")
        assert await handle.astatus() is TaskState.READY

    for _ in range(20):
        asyncio.run(scenario())
    assert len(tq._senders) <= 1
    gc.collect()
    until(lambda: clients(redis_server) <= 2, "the connections of ended loops are closed")
    assert stored(redis_server) == 20


def test_two_kinds_of_loops_and_no_loop_take_turns(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with tq:
            await tq.aenqueue("job")

    for _ in range(3):
        asyncio.run(scenario())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scenario())
        tq.enqueue("job")
    assert stored(redis_server) == 9


def test_loops_in_several_threads_at_once(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with tq:
            await asyncio.gather(*(tq.aenqueue("job", n) for n in range(50)))

    run_in_threads(4, lambda: asyncio.run(scenario()))
    assert stored(redis_server) == 200


def test_a_closed_queue_can_be_used_again(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        for _ in range(3):
            handle = await tq.aenqueue("job")
            await handle.astatus()
            await tq.aclose()
            await tq.aclose()

    asyncio.run(scenario())
    for _ in range(3):
        tq.enqueue("job")
        tq.close()
        tq.close()
    assert stored(redis_server) == 6
    until(lambda: clients(redis_server) == 0, "every connection is closed")


# -- threads -------------------------------------------------------------------------------------


def run_in_threads(count: int, work: Callable[[], Any]) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let threads take turns as often as can be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_threads_store_each_task_once_under_an_id_of_its_own(
    tq: TaskQueue, redis_server: RedisServer, hasty: None
) -> None:
    identities: list[bytes] = []
    run_in_threads(
        4, lambda: identities.extend(h.identity for h in [tq.enqueue("job", n) for n in range(200)])
    )
    assert {len(identity) for identity in identities} == {16}
    assert len(set(identities)) == stored(redis_server) == 800


def test_threads_reuse_connections(tq: TaskQueue, redis_server: RedisServer) -> None:
    run_in_threads(4, lambda: [tq.enqueue("job") for _ in range(50)])
    assert clients(redis_server) <= 4


# -- forks ---------------------------------------------------------------------------------------


def in_a_fork(work: Callable[[], object]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_fork_uses_connections_of_its_own(tq: TaskQueue, redis_server: RedisServer) -> None:
    tq.enqueue("before")
    for _ in range(3):
        in_a_fork(lambda: [tq.enqueue("child", n) for n in range(5)])
        tq.enqueue("parent")
    assert stored(redis_server) == 1 + 3 * 6


def test_a_fork_may_run_loops_when_its_parent_did(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with tq:
            await tq.aenqueue("job")

    async def careless() -> None:
        await tq.aenqueue("job")

    asyncio.run(careless())
    in_a_fork(lambda: asyncio.run(scenario()))
    asyncio.run(scenario())
    assert stored(redis_server) == 3


# -- troubles ------------------------------------------------------------------------------------


def test_nobody_there_is_said_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "PATIENCE_S", 0.2)
    tq = TaskQueue("unix:///nowhere/redis.sock")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"/nowhere/redis\.sock"):
        tq.enqueue("job")
    with pytest.raises(StoreUnavailable):
        tq.named("job").using(delay=1).enqueue()

    async def scenario() -> list[Any]:
        async with tq:
            jobs = (tq.aenqueue("job", n) for n in range(10))
            return list(await asyncio.gather(*jobs, return_exceptions=True))

    assert {type(result) for result in asyncio.run(scenario())} == {StoreUnavailable}
    assert time.monotonic() - began < 3
    with pytest.raises(StoreUnavailable):
        tq.handle("00" * 16).status()
    with pytest.raises(StoreUnavailable):
        tq.handle("00" * 16).result(timeout=0.1)


def test_a_frozen_redis_is_said_in_bounded_time_and_found_again(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "PATIENCE_S", 0.2)
    tq = TaskQueue()
    tq.bind(Endpoint(redis_server.url, 0.1, 0.1), "tqd")

    async def scenario() -> None:
        async with tq:
            await tq.aenqueue("job")
            redis_server.pause()
            with pytest.raises(StoreUnavailable):
                await tq.aenqueue("job")
            redis_server.resume()
            await tq.aenqueue("job")

    began = time.monotonic()
    asyncio.run(scenario())
    assert time.monotonic() - began < 3
    assert stored(redis_server) in (2, 3)


def test_a_restart_is_not_noticed_by_producers(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with tq:
            await tq.aenqueue("job")
            redis_server.restart()  # in this thread: the server dies with the thread that started it
            await tq.aenqueue("job")

    asyncio.run(scenario())
    tq.enqueue("job")
    redis_server.restart()
    tq.enqueue("job")
    assert stored(redis_server) == 1


def test_a_reply_that_is_cut_off_doubles_nothing(redis_server: RedisServer) -> None:
    async def scenario(tq: TaskQueue) -> None:
        async with tq:
            await tq.aenqueue("job", "warm")
            proxy.cut_after_request(b"marked")
            await asyncio.gather(*(tq.aenqueue("job", "marked") for _ in range(20)))

    with CuttingProxy(redis_server.socket) as proxy, TaskQueue(proxy.url) as tq:
        asyncio.run(scenario(tq))
        tq.enqueue("job", "warm")
        proxy.cut_after_request(b"marked")
        tq.enqueue_many([tq.named("job").call("marked") for _ in range(20)])
    assert proxy.cuts == 2
    assert stored(redis_server) == 42


def test_a_full_redis_is_said_and_the_queue_goes_on(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with tq:
            await tq.aenqueue("job")

    redis_server.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            tq.enqueue("job")
        with pytest.raises(StoreFull):
            asyncio.run(scenario())
    finally:
        redis_server.client.config_set("maxmemory", 0)
    tq.enqueue("job")
    asyncio.run(scenario())
    assert stored(redis_server) == 2
