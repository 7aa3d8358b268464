"""Unique tasks as a producer sees them: the handles of duplicates, and what of each call arrives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.hand_worker import HandWorker, envelopes
from tests.support.redis_server import RedisServer
from tqd import RegistrationError, Task, TaskQueue, TaskState
from tqd.store.keys import Keys


def test_a_duplicate_is_the_handle_of_the_first(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task(unique=True)
    def job(a: int, b: int = 0) -> None: ...

    first, again, other = job.enqueue(1, 2), job.enqueue(1, b=2), job.enqueue(1)
    assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)
    assert (again == first, other == first) == (True, False)
    assert not again.replaced
    assert again.status() is TaskState.READY
    assert len(envelopes(worker)) == 2


def test_a_key_belongs_to_the_name_of_its_task(tq: TaskQueue) -> None:
    @tq.task(name="one")
    def one() -> None: ...

    @tq.task(name="two")
    def two() -> None: ...

    assert [job.using(unique="k").enqueue().duplicate for job in (one, two, one)] == [False, False, True]
    assert not one.using(unique=True).enqueue().duplicate, "a given key is none that was derived"


def test_ordinary_tasks_are_never_duplicates(tq: TaskQueue) -> None:
    @tq.task
    def job() -> None: ...

    assert [job.enqueue().duplicate for _ in range(2)] == [False, False]


def test_a_call_may_say_that_it_is_not_unique(tq: TaskQueue) -> None:
    @tq.task(unique="k")
    def job() -> None: ...

    job.enqueue()
    assert not job.using(unique=False).enqueue().duplicate
    assert job.using(unique="k", queue="mail").enqueue().duplicate


def test_the_key_is_free_when_the_task_has_ended(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task(unique=True, result_ttl=60)
    def job() -> None: ...

    first = job.enqueue()
    worker.finish(worker.take(first), None)
    assert not job.enqueue().duplicate


def test_until_started_frees_it_at_the_first_claim(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task(unique=True, unique_scope="until_started")
    def job() -> None: ...

    first = job.enqueue()
    assert job.enqueue() == first
    worker.claim()
    assert job.enqueue() != first


def test_the_newest_replaces_what_waits(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task(unique="k", unique_replace=True)
    def job(text: str) -> None: ...

    job.using(delay=3600).enqueue("first")
    last = job.enqueue("last")
    assert (last.duplicate, last.replaced) == (True, True)
    (envelope,) = envelopes(worker)
    assert envelope.args == ["last"]
    late = job.enqueue("too late")
    assert (late.duplicate, late.replaced) == (True, False)


def test_many_at_once_may_hold_both(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task
    def job(n: int) -> None: ...

    calls = [job.using(unique=n % 2 == 0).call(n % 4) for n in range(8)]
    handles = tq.enqueue_many(calls)
    assert [handle.duplicate for handle in handles] == [False] * 4 + [True, False, True, False]
    assert handles[4] == handles[0] and handles[5] != handles[1]
    assert len(worker.claim()) == 6


def test_class_tasks_are_unique_by_their_fields(tq: TaskQueue) -> None:
    class Report(Task, app=tq, unique=True):
        day: str

        def execute(self) -> None: ...

    assert [Report(day=day).enqueue().duplicate for day in ("mo", "tu", "mo")] == [False, False, True]
    assert Report(day="we").using(unique="k").enqueue() == Report(day="th").using(unique="k").enqueue()


def test_concurrent_calls_of_many_producers_store_one(redis_server: RedisServer, tq: TaskQueue) -> None:
    @tq.task(unique=True)
    async def job(n: int) -> None: ...

    async def scenario() -> list[Any]:
        async with tq:
            ours = [job.aenqueue(n % 3) for n in range(30)]
            return await asyncio.gather(*ours, *(asyncio.to_thread(job.enqueue, n % 3) for n in range(30)))

    handles = asyncio.run(scenario())
    assert sum(not handle.duplicate for handle in handles) == 3
    assert len({handle.id for handle in handles}) == 3
    assert redis_server.client.hlen(Keys(tq.namespace).task) == 3


@pytest.mark.parametrize(
    "wrong",
    [{"unique": ""}, {"unique": 5}, {"unique": "x" * 201}, {"unique_scope": "ever"}, {"unique_replace": 1}],
)
def test_what_cannot_be_is_refused_where_it_is_written(tq: TaskQueue, wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(RegistrationError, match=f"^{name} is "):
        tq.task(**wrong)(print)
