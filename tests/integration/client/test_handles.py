"""Handles: where a task is, and what its handler returned."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.support.hand_worker import HandWorker
from tests.support.redis_server import RedisServer
from tests.support.wait import auntil, until
from tqd import NoResult, ResultTimeout, StoreUnavailable, TaskFailed, TaskQueue, TaskState
from tqd.client.handle import TaskHandle
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys

PARKED = TaskState.PARKED


def both_states(tq: TaskQueue, handle: TaskHandle[Any]) -> TaskState | None:
    """Ask blocking and async; the answers must agree."""

    async def scenario() -> TaskState | None:
        async with tq:
            return await handle.astatus()

    state = handle.status()
    assert asyncio.run(scenario()) == state
    return state


def subscribers(server: RedisServer, handle: TaskHandle[Any]) -> int:
    channel = Keys("tqd").result(handle.identity)
    return int(server.client.pubsub_numsub(channel)[0][1])


# -- status --------------------------------------------------------------------------------------


def test_a_task_is_ready_then_claimed_then_gone(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.enqueue("job")
    assert both_states(tq, handle) is TaskState.READY
    claim = worker.take(handle)
    assert both_states(tq, handle) is TaskState.CLAIMED
    worker.finish(claim, None, ttl_ms=1)
    until(lambda: handle.status() is None, "the result's time is over")


def test_a_task_with_a_result_is_done(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.enqueue("job")
    worker.finish(worker.take(handle), 42)
    assert both_states(tq, handle) is TaskState.DONE


def test_a_delayed_and_a_retried_task_are_scheduled(tq: TaskQueue, worker: HandWorker) -> None:
    delayed = tq.named("job").using(delay=60).enqueue()
    retried = tq.enqueue("job")
    worker.retry(worker.take(retried))
    assert both_states(tq, delayed) is both_states(tq, retried) is TaskState.SCHEDULED


def test_a_buried_task_is_dead_with_and_without_a_result(tq: TaskQueue, worker: HandWorker) -> None:
    silent, asked = tq.enqueue("job"), tq.enqueue("job")
    claims = worker.claim()
    worker.bury(claims[silent.identity])
    worker.bury(claims[asked.identity], ttl_ms=60_000)
    assert both_states(tq, silent) is both_states(tq, asked) is TaskState.DEAD


def test_a_parked_task_is_parked(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.enqueue("unknown")
    worker.park(worker.take(handle))
    assert both_states(tq, handle) is PARKED


def test_a_task_that_never_was_has_no_state(tq: TaskQueue) -> None:
    assert both_states(tq, tq.handle("00" * 16)) is None


def test_a_task_with_unreadable_bytes_still_has_a_state(tq: TaskQueue, redis_server: RedisServer) -> None:
    handle = tq.enqueue("job")
    redis_server.client.hset(Keys("tqd").task, handle.identity, b"\xff\xff")
    assert both_states(tq, handle) is TaskState.READY


def test_a_handle_is_made_from_an_id(tq: TaskQueue) -> None:
    handle = tq.enqueue("job")
    again = tq.handle(handle.id)
    assert again == handle and hash(again) == hash(handle)
    assert again.status() is TaskState.READY
    with pytest.raises(ValueError, match="is not a task id"):
        tq.handle("nonsense")


def test_a_cancelled_look_leaves_no_answer_for_the_next(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> TaskState | None:
        async with tq:
            gone = tq.handle("00" * 16)
            handle = await tq.aenqueue("job")
            assert await gone.astatus() is None
            redis_server.pause()
            look = asyncio.create_task(gone.astatus())
            await asyncio.sleep(0)
            look.cancel()
            await asyncio.gather(look, return_exceptions=True)
            redis_server.resume()
            return await handle.astatus()

    assert asyncio.run(scenario()) is TaskState.READY


# -- results -------------------------------------------------------------------------------------


def test_a_result_that_is_there_is_returned_at_once(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.enqueue("job")
    worker.finish(worker.take(handle), {"a": [1, None]})

    async def scenario() -> Any:
        async with tq:
            return await handle.aresult(timeout=5)

    assert handle.result(timeout=5) == asyncio.run(scenario()) == {"a": [1, None]}
    assert handle.result() == {"a": [1, None]}, "as often as one likes"


def test_a_result_of_none_is_a_result(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.enqueue("job")
    worker.finish(worker.take(handle), None)
    assert handle.result(timeout=5) is None


def test_a_blocking_waiter_gets_the_result_when_it_comes(
    tq: TaskQueue, worker: HandWorker, redis_server: RedisServer
) -> None:
    handle = tq.enqueue("job")
    claim = worker.take(handle)
    got: list[Any] = []
    waiter = threading.Thread(target=lambda: got.append(handle.result(timeout=10)))
    waiter.start()
    until(lambda: subscribers(redis_server, handle), "the waiter listens")
    worker.finish(claim, 42)
    waiter.join(10)
    assert got == [42]


def test_a_waiter_without_a_limit_outlasts_the_command_timeout(
    tq: TaskQueue, worker: HandWorker, redis_server: RedisServer
) -> None:
    tq.bind(Endpoint(redis_server.url, 5.0, 0.05), "tqd")
    handle = tq.enqueue("job")
    tq.bind(Endpoint(redis_server.url), "tqd")
    claim = worker.take(handle)
    got: list[Any] = []
    waiter = threading.Thread(target=lambda: got.append(handle.result()))
    waiter.start()
    until(lambda: subscribers(redis_server, handle), "the waiter listens")
    waiter.join(0.2)
    assert waiter.is_alive(), "it goes on waiting"
    worker.finish(claim, 42)
    waiter.join(10)
    assert got == [42]


def test_async_waiters_of_one_loop_share_a_connection(
    tq: TaskQueue, worker: HandWorker, redis_server: RedisServer
) -> None:
    async def scenario() -> list[int]:
        async with tq:
            handles = await tq.aenqueue_many(tq.named("job").call(n) for n in range(20))
            claims = await asyncio.to_thread(worker.claim)
            waiting = [asyncio.create_task(handle.aresult(timeout=10)) for handle in (*handles, handles[0])]
            channels = redis_server.client.pubsub_channels
            await auntil(lambda: len(channels()) == 20, "all listen")
            listeners = [c for c in redis_server.client.client_list() if int(c["sub"]) > 0]
            assert len(listeners) == 1
            for number, handle in enumerate(handles):
                await asyncio.to_thread(worker.finish, claims[handle.identity], number)
            results = await asyncio.gather(*waiting)
            await auntil(lambda: not channels(), "nobody listens any more")
            return results

    assert asyncio.run(scenario()) == [*range(20), 0]


def test_a_result_arrives_as_annotated(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task(name="job", result_ttl=60)
    def job() -> tuple[date, ...]: ...  # type: ignore[empty-body]

    handle = job.enqueue()
    handler = tq.registry.get("job")
    assert handler is not None
    worker.finish(worker.take(handle), handler.signature.encode_result((date(2030, 1, 1),)))
    assert handle.result(timeout=5) == (date(2030, 1, 1),)
    assert tq.handle(handle.id, "job").result(timeout=5) == (date(2030, 1, 1),)


def test_a_task_that_keeps_no_result_is_not_waited_for(tq: TaskQueue) -> None:
    @tq.task(name="silent")
    def silent() -> None: ...

    with pytest.raises(NoResult, match="keeps no result"):
        silent.enqueue().result()
    with pytest.raises(ResultTimeout):
        silent.using(result_ttl=5).enqueue().result(timeout=0.01)


def test_a_dead_task_raises_what_killed_it(tq: TaskQueue, worker: HandWorker) -> None:
    handle = tq.enqueue("job")
    worker.bury(worker.take(handle), ttl_ms=60_000, message="no luck")
    with pytest.raises(TaskFailed, match=f"task {handle.id} failed: ValueError: no luck") as failed:
        handle.result(timeout=5)
    assert (failed.value.error_type, failed.value.error_message) == ("ValueError", "no luck")


Wait = Callable[[TaskQueue, TaskHandle[Any], float], Any]


def wait_blocking(tq: TaskQueue, handle: TaskHandle[Any], timeout: float) -> Any:
    return handle.result(timeout=timeout)


def wait_async(tq: TaskQueue, handle: TaskHandle[Any], timeout: float) -> Any:
    async def scenario() -> Any:
        async with tq:
            return await handle.aresult(timeout=timeout)

    return asyncio.run(scenario())


@pytest.fixture(params=[wait_blocking, wait_async], ids=["blocking", "async"])
def wait(request: pytest.FixtureRequest) -> Wait:
    return request.param  # type: ignore[no-any-return]


def test_a_result_that_does_not_come_in_time_says_where_the_task_is(tq: TaskQueue, wait: Wait) -> None:
    handle = tq.enqueue("job")
    with pytest.raises(ResultTimeout, match=f"task {handle.id} is ready after 0.05 s"):
        wait(tq, handle, 0.05)


def test_no_time_at_all_is_a_look(tq: TaskQueue, worker: HandWorker, wait: Wait) -> None:
    handle = tq.enqueue("job")
    with pytest.raises(ResultTimeout):
        wait(tq, handle, 0)


def test_a_task_that_kept_nothing_says_what_to_do(tq: TaskQueue, worker: HandWorker, wait: Wait) -> None:
    with pytest.raises(NoResult, match="result_ttl=…"):
        wait(tq, tq.handle("00" * 16), 0.05)
    handle = tq.enqueue("job")
    worker.bury(worker.take(handle))
    with pytest.raises(NoResult, match="dead letter"):
        wait(tq, handle, 0.05)


def test_a_cancelled_waiter_does_not_disturb_the_others(
    tq: TaskQueue, worker: HandWorker, redis_server: RedisServer
) -> None:
    async def scenario() -> Any:
        async with tq:
            one, two = await tq.aenqueue("job"), await tq.aenqueue("job")
            claims = await asyncio.to_thread(worker.claim)
            waiting = [asyncio.create_task(h.aresult(timeout=10)) for h in (one, one, two)]
            await auntil(lambda: len(redis_server.client.pubsub_channels()) == 2, "all listen")
            waiting[0].cancel()
            await asyncio.gather(waiting[0], return_exceptions=True)
            await asyncio.to_thread(worker.finish, claims[one.identity], 1)
            await asyncio.to_thread(worker.finish, claims[two.identity], 2)
            return await asyncio.gather(*waiting[1:])

    assert asyncio.run(scenario()) == [1, 2]


def test_a_cut_connection_is_opened_again_for_a_waiter_with_a_limit(
    tq: TaskQueue, worker: HandWorker, redis_server: RedisServer
) -> None:
    async def scenario() -> Any:
        async with tq:
            handle = await tq.aenqueue("job")
            claim = await asyncio.to_thread(worker.take, handle)
            waiting = asyncio.create_task(handle.aresult(timeout=10))
            await auntil(lambda: redis_server.client.pubsub_channels(), "it listens")
            redis_server.client.client_kill_filter(_type="pubsub")
            await asyncio.to_thread(worker.finish, claim, 42)
            return await waiting

    assert asyncio.run(scenario()) == 42


def test_closing_the_queue_ends_its_waiters(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> None:
        handle = await tq.aenqueue("job")
        waiting = asyncio.create_task(handle.aresult())
        await auntil(lambda: redis_server.client.pubsub_channels(), "it listens")
        await tq.aclose()
        with pytest.raises(StoreUnavailable, match="was closed"):
            await waiting

    asyncio.run(scenario())


# -- handles of aenqueue -------------------------------------------------------------------------


def test_inside_a_loop_an_async_handle_is_awaited(tq: TaskQueue, worker: HandWorker) -> None:
    async def scenario() -> tuple[Any, Any]:
        async with tq:
            handle = await tq.aenqueue("job")
            await asyncio.to_thread(lambda: worker.finish(worker.take(handle), 42))
            return await handle.result(timeout=5), await handle.status()

    assert asyncio.run(scenario()) == (42, TaskState.DONE)


def test_outside_a_loop_an_async_handle_blocks(tq: TaskQueue, worker: HandWorker) -> None:
    async def scenario() -> Any:
        async with tq:
            return await tq.aenqueue("job")

    handle = asyncio.run(scenario())
    assert handle.status() is TaskState.READY
    worker.finish(worker.take(handle), 42)
    assert handle.result(timeout=5) == 42
