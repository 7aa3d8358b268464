"""`tq.queues` and full queues, from an application, blocking and async."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.hand_worker import HandWorker
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil
from tqd import AdmissionError, QueueFull, TaskCancelled, TaskQueue
from tqd.store import calls
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.keys import Keys
from tqd.task.queue_limit import QueueLimit

KEYS = Keys("tqd")


@pytest.fixture(params=["blocking", "async"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Calls a method of `tq.queues`, or its twin in an event loop of its own."""

    def call(tq: TaskQueue, method: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "blocking":
            return getattr(tq.queues, method)(*args, **kwargs)

        async def scenario() -> Any:
            async with tq:
                return await getattr(tq.queues, f"a{method}")(*args, **kwargs)

        return asyncio.run(scenario())

    return call


def limit(server: RedisServer, **rules: Any) -> None:
    link = SyncLink(Endpoint(server.url))
    limits = [QueueLimit(queue="default", **rules)]
    link.call(calls.limit(KEYS, "here", limits, take_over=True))
    link.close()


def test_queues_are_looked_at_paused_and_purged(tq: TaskQueue, worker: HandWorker, ask: Any) -> None:
    tq.enqueue("job")
    tq.named("job").using(delay=60, queue="later").enqueue()
    assert [view.name for view in ask(tq, "list")] == ["default", "later"]
    assert (ask(tq, "pause", "default"), ask(tq, "pause", "default")) == (True, False)
    assert ask(tq, "get", "default").paused
    assert worker.claim() == {}
    assert ask(tq, "resume", "default")
    assert ask(tq, "purge", "later", state="ready").scheduled == 0
    assert ask(tq, "purge", "later", dry_run=True).scheduled == 1
    assert ask(tq, "purge", "later").scheduled == 1
    assert len(worker.claim()) == 1


def test_what_is_no_queue_or_no_state_is_refused(tq: TaskQueue, ask: Any) -> None:
    for method in ("get", "pause", "resume", "purge"):
        with pytest.raises(ValueError, match="is no queue name"):
            ask(tq, method, "a:b")
    with pytest.raises(ValueError, match="cannot be purged"):
        ask(tq, "purge", "a", state="claimed")


def test_a_result_that_is_waited_for_or_asked_for_later_says_that_it_was_purged(tq: TaskQueue) -> None:
    async def scenario() -> None:
        async with tq:
            handle = await tq.named("job").using(result_ttl=60).aenqueue()
            waiter = asyncio.ensure_future(handle.result(timeout=20))
            await auntil(lambda: tq._sender().feed._waiters != {}, "it waits")
            await tq.queues.apurge("default")
            with pytest.raises(TaskCancelled, match="purged from queue default"):
                await waiter
            with pytest.raises(TaskCancelled):
                await handle.result(timeout=5)

    asyncio.run(scenario())


# -- full queues ---------------------------------------------------------------------------------


def test_a_full_queue_says_how_full_and_when_to_come_again(
    tq: TaskQueue, redis_server: RedisServer, worker: HandWorker
) -> None:
    limit(redis_server, max_depth=3)
    tq.enqueue_many([tq.named("job").call() for _ in range(3)])
    with pytest.raises(
        QueueFull, match=r'queue "default" is full: 3 tasks wait, limit 3; retry later, or'
    ) as one:
        tq.enqueue("job")
    error = one.value
    assert isinstance(error, AdmissionError)
    assert (error.queue, error.depth, error.limit, error.retry_after) == ("default", 3, 3, None)
    worker.claim()
    tq.enqueue_many([tq.named("job").call() for _ in range(3)])
    with pytest.raises(QueueFull, match="retry in about") as other:
        tq.enqueue("job")
    assert other.value.retry_after is not None and 0 < other.value.retry_after < 60
    with pytest.raises(QueueFull) as never:
        tq.enqueue_many([tq.named("job").call() for _ in range(4)])
    assert never.value.retry_after is None, "so many never fit"


def test_many_are_stored_all_or_none(tq: TaskQueue, redis_server: RedisServer) -> None:
    limit(redis_server, max_depth=5)
    tq.enqueue_many([tq.named("job").call() for _ in range(3)])
    with pytest.raises(QueueFull):
        tq.enqueue_many([tq.named("job").call() for _ in range(3)])
    assert tq.queues.get("default").ready == 3


def test_concurrent_calls_fail_only_when_there_is_no_room_for_them(
    tq: TaskQueue, redis_server: RedisServer
) -> None:
    limit(redis_server, max_depth=10)

    async def scenario() -> list[Any]:
        async with tq:
            jobs = [
                tq.named("job").using(queue=q).aenqueue() for q in ("default", "other") for _ in range(20)
            ]
            return list(await asyncio.gather(*jobs, return_exceptions=True))

    answers = asyncio.run(scenario())
    refused = [isinstance(answer, QueueFull) for answer in answers]
    assert refused == [False] * 10 + [True] * 10 + [False] * 20
    assert {view.name: view.ready for view in tq.queues.list()} == {"default": 10, "other": 20}


def test_a_producer_goes_on_after_a_full_queue(tq: TaskQueue, redis_server: RedisServer) -> None:
    limit(redis_server, max_depth=1)
    tq.enqueue("job")
    for _ in range(3):
        with pytest.raises(QueueFull):
            tq.enqueue("job")
    tq.queues.purge("default")
    tq.enqueue("job")
    assert tq.queues.get("default").ready == 1
