"""`tq.dead`: dead letters from an application, blocking and async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import CuttingProxy
from tests.support.hand_worker import HandWorker
from tests.support.redis_server import RedisServer
from tqd import DeadLetter, RegistrationError, StoreUnavailable, Swept, TaskQueue, TaskState
from tqd.client.handle import TaskHandle


@pytest.fixture(params=["blocking", "async"])
def dead(request: pytest.FixtureRequest) -> Any:
    """Calls a method of `tq.dead`, or its twin in an event loop of its own."""

    def call(tq: TaskQueue, method: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "blocking":
            return getattr(tq.dead, method)(*args, **kwargs)

        async def scenario() -> Any:
            async with tq:
                return await getattr(tq.dead, f"a{method}")(*args, **kwargs)

        return asyncio.run(scenario())

    return call


@pytest.fixture
def handles(tq: TaskQueue, worker: HandWorker) -> list[TaskHandle[Any]]:
    """Three dead letters: two of `pay`, one of `mail` on another queue."""
    handles = [tq.enqueue("pay", 1), tq.enqueue("pay", 2)]
    handles.append(tq.named("mail").using(queue="low_priority").enqueue(3))
    claims = worker.claim()
    for handle in handles:
        worker.bury(claims[handle.identity])
    return handles


def test_letters_are_counted_listed_and_looked_up(
    tq: TaskQueue, handles: list[TaskHandle[Any]], dead: Any
) -> None:
    assert dead(tq, "count") == 3
    letters = dead(tq, "list")
    assert {letter.id for letter in letters} == {handle.id for handle in handles}
    assert all(isinstance(letter, DeadLetter) for letter in letters)
    assert len(dead(tq, "list", name="pay")) == 2
    assert len(dead(tq, "list", limit=1)) == 1
    assert dead(tq, "list", older_than=timedelta(hours=1)) == []
    assert len(dead(tq, "list", newer_than=3600, error="ValueError", queue="low_priority")) == 1
    letter = dead(tq, "get", handles[2].id)
    assert (letter.name, letter.queue, letter.args, letter.attempts) == ("mail", "low_priority", [3], 1)
    assert dead(tq, "get", "0" * 32) is None


def test_a_letter_is_replayed_and_then_is_none(
    tq: TaskQueue, worker: HandWorker, handles: list[TaskHandle[Any]], dead: Any
) -> None:
    swept = dead(tq, "replay", handles[0].id)
    assert isinstance(swept, Swept)
    assert (swept.matched, swept.done, swept.by_name) == (1, 1, {"pay": 1})
    assert [handle.status() for handle in handles] == [TaskState.READY, TaskState.DEAD, TaskState.DEAD]
    assert dead(tq, "replay", [handles[0].id]).missing == [handles[0].id]
    assert list(worker.claim()) == [handles[0].identity]


def test_a_filter_or_everything_is_replayed_at_a_rate(
    tq: TaskQueue, handles: list[TaskHandle[Any]], dead: Any
) -> None:
    assert dead(tq, "replay", name="p*", dry_run=True).done == 2
    assert dead(tq, "replay", name="p*", rate=50, limit=1).done == 1
    assert dead(tq, "replay", everything=True, rate=50).done == 2
    assert [handle.status() for handle in handles] == [TaskState.READY] * 3


def test_letters_are_purged(tq: TaskQueue, handles: list[TaskHandle[Any]], dead: Any) -> None:
    assert dead(tq, "purge", [handles[0].id, handles[2].id], dry_run=True).done == 2
    assert dead(tq, "purge", [handles[0].id, handles[2].id]).done == 2
    assert [handle.status() for handle in handles] == [None, TaskState.DEAD, None]
    assert dead(tq, "purge", queue="default", limit=5).done == 1
    assert dead(tq, "count") == 0


@pytest.mark.parametrize("method", ["replay", "purge"])
def test_nothing_chosen_or_two_ways_at_once_is_refused(
    tq: TaskQueue, handles: list[TaskHandle[Any]], dead: Any, method: str
) -> None:
    for arguments in ({}, {"everything": True, "name": "pay"}, {"ids": handles[0].id, "everything": True}):
        with pytest.raises(ValueError, match="say which"):
            dead(tq, method, **arguments)
    with pytest.raises(ValueError, match="is not a task id"):
        dead(tq, method, "nonsense")
    assert dead(tq, "count") == 3


def test_what_is_no_rate_and_no_id_is_refused(tq: TaskQueue, dead: Any) -> None:
    with pytest.raises(RegistrationError, match="rate"):
        dead(tq, "replay", everything=True, rate=0)
    with pytest.raises(ValueError, match="is not a task id"):
        dead(tq, "get", "nonsense")


def test_a_redis_that_is_not_there_is_told_at_once(dead: Any) -> None:
    with pytest.raises(StoreUnavailable):
        dead(TaskQueue("unix:///nowhere/redis.sock"), "list")


def test_whoever_waits_after_a_replay_gets_the_new_result(
    tq: TaskQueue, worker: HandWorker, dead: Any
) -> None:
    handle = tq.named("pay").using(result_ttl=60).enqueue()
    worker.bury(worker.take(handle), ttl_ms=60_000)
    dead(tq, "replay", handle.id)
    worker.finish(worker.take(handle), 42)
    assert handle.result(timeout=10) == 42


# -- lost replies ---------------------------------------------------------------------------------


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(Path(redis_server.url.removeprefix("unix://"))) as proxy:
        yield proxy


def test_a_lost_reply_to_a_replay_doubles_and_loses_nothing(
    tq: TaskQueue, worker: HandWorker, handles: list[TaskHandle[Any]], dead: Any, proxy: CuttingProxy
) -> None:
    tq.dead.replay(handles[2].id)  # the script is loaded now
    proxy.cut_after_request(b"replay:" + handles[1].id.encode())
    swept = dead(TaskQueue(proxy.url), "replay", [handle.id for handle in handles])
    assert proxy.cuts == 1
    assert (swept.done, swept.skipped, swept.missing) == (2, [], [handles[2].id])
    assert [handle.status() for handle in handles] == [TaskState.READY] * 3
    assert set(worker.claim()) == {handle.identity for handle in handles}


def test_a_lost_reply_to_a_purge_removes_nothing_else(
    tq: TaskQueue, handles: list[TaskHandle[Any]], dead: Any, proxy: CuttingProxy
) -> None:
    tq.dead.purge(handles[2].id)
    proxy.cut_after_request(b":failure\r\n$16\r\n" + handles[0].identity + b"\r\n$13")
    swept = dead(TaskQueue(proxy.url), "purge", handles[0].id)
    assert (proxy.cuts, swept.matched, swept.done) == (1, 1, 0)
    assert swept.skipped == [(handles[0].id, "it was replayed or removed meanwhile")]
    assert [letter.id for letter in tq.dead.list()] == [handles[1].id]
