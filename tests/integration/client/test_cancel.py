"""Cancelling as a producer asks for it: by handle, by id, one and many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.hand_worker import HandWorker
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil
from tqd import CancelAnswer, NoResult, TaskCancelled, TaskQueue, TaskState
from tqd.store.keys import Keys
from tqd.task.settle import Dismiss

CANCELLED, ASKED, OVER, UNKNOWN = CancelAnswer


def test_what_waits_is_cancelled_and_says_so(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.named("job").using(result_ttl=60).enqueue()
    assert handle.cancel("the order is gone") is CANCELLED
    assert handle.status() is TaskState.CANCELLED
    with pytest.raises(TaskCancelled, match="the order is gone"):
        handle.result(timeout=5)
    assert worker.claim() == {}
    assert handle.cancel() is CANCELLED


def test_a_scheduled_and_a_parked_task_are_cancelled(tq: TaskQueue, worker: HandWorker) -> None:
    parked = tq.enqueue("job")
    worker.park(worker.take(parked))
    later = tq.named("job").using(delay=60).enqueue()
    assert tq.cancel([parked, later.id]) == [CANCELLED, CANCELLED]
    assert [parked.status(), later.status()] == [TaskState.CANCELLED] * 2
    with pytest.raises(NoResult):
        tq.named("job").using(result_ttl=0).enqueue().result()


def test_what_runs_is_asked_and_is_claimed_until_it_has_ended(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.named("job").using(result_ttl=60).enqueue()
    claim = worker.take(handle)
    assert handle.cancel("stop") is ASKED
    assert handle.status() is TaskState.CLAIMED
    worker.settle(Dismiss(claim.task_id, claim.token, "stop", 60_000))
    assert (handle.status(), handle.cancel()) == (TaskState.CANCELLED, CANCELLED)


def test_what_has_ended_cannot_be_cancelled(tq: TaskQueue, worker: HandWorker) -> None:
    done, dead = tq.enqueue("job"), tq.enqueue("job")
    claims = worker.claim()
    worker.finish(claims[done.identity], 42)
    worker.bury(claims[dead.identity])
    assert tq.cancel((done, dead, tq.handle("0" * 32))) == [OVER, OVER, UNKNOWN]
    with pytest.raises(ValueError, match="is not a task id"):
        tq.cancel("nonsense")


def test_many_are_cancelled_in_order(tq: TaskQueue, redis_server: RedisServer, worker: HandWorker) -> None:
    handles = tq.enqueue_many([tq.named("job").call(n) for n in range(250)])
    assert tq.cancel(handles[::2]) == [CANCELLED] * 125
    assert set(worker.claim()) == {handle.identity for handle in handles[1::2]}
    assert redis_server.client.hlen(Keys(tq.namespace).cancels) == 0
    assert tq.cancel([]) == []


def test_whoever_waits_for_the_result_is_told_at_once(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with tq:
            handle: Any = await tq.named("job").using(result_ttl=60).aenqueue()
            waiting = asyncio.create_task(handle.result(timeout=20))
            channel = Keys(tq.namespace).result(handle.identity)
            await auntil(lambda: redis_server.client.pubsub_numsub(channel)[0][1], "somebody waits")
            assert await handle.cancel("changed my mind") is CANCELLED
            with pytest.raises(TaskCancelled, match="changed my mind"):
                await waiting
            assert await tq.acancel(handle) == [CANCELLED]
            assert await handle.acancel() is CANCELLED

    asyncio.run(scenario())
