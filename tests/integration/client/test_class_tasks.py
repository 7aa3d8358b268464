"""The class form: fields are the arguments, `execute` is the work."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.hand_worker import HandWorker, envelopes
from tqd import Context, RegistrationError, Task, TaskQueue
from tqd.client.task_class import OWNERS, UNCLAIMED
from tqd.task.model import TaskOptions

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]


@pytest.fixture(autouse=True)
def _nothing_declared_before() -> Iterator[None]:
    owners, unclaimed = list(OWNERS), list(UNCLAIMED)
    OWNERS.clear()
    UNCLAIMED.clear()
    yield
    OWNERS[:], UNCLAIMED[:] = owners, unclaimed


@pytest.fixture
def tq(_nothing_declared_before: None, redis_url: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url) as queue:
        yield queue


def test_a_field_or_the_call_says_the_limit_key(tq: TaskQueue, worker: HandWorker) -> None:
    class Report(Task, app=tq, limit_by="customer"):
        customer: str
        pages: int = 1

        async def execute(self) -> None: ...

    Report(customer="acme").enqueue()
    Report(customer="acme").using(limit_key="other").enqueue()
    assert sorted(task.limit_key for task in envelopes(worker)) == ["acme", "other"]
    with pytest.raises(RegistrationError, match=r"limit_by is 'client'.* one of customer"):

        class Wrong(Task, app=tq, limit_by="client"):
            customer: str


def test_a_class_with_its_queue_enqueues_its_fields(tq: TaskQueue, worker: HandWorker) -> None:
    class Report(Task, app=tq, name="report", queue="low_priority", max_retries=5):
        day: date
        pages: int = 1

        async def execute(self) -> int:
            return self.pages

    handle = Report(day=date(2030, 1, 2)).enqueue()
    assert (handle.name, handle.queue) == ("report", "low_priority")
    (envelope,) = envelopes(worker)
    handler = tq.registry.get("report")
    assert handler is not None and handler.asynchronous and handler.options.max_retries == 5
    args, kwargs = handler.signature.decode(envelope.args, envelope.kwargs)
    assert kwargs == {"day": date(2030, 1, 2), "pages": 1}
    assert asyncio.run(handler.function(*args, **kwargs)) == 1


def test_a_class_gets_the_context_that_execute_wants(tq: TaskQueue) -> None:
    class Job(Task, app=tq, name="job"):
        number: int

        async def execute(self, *, ctx: Context) -> tuple[int, str]:
            return self.number, ctx.id

    handler = tq.registry.get("job")
    assert handler is not None
    args, kwargs = handler.signature.decode([], {"number": 3})
    handler.inject(CONTEXT, args, kwargs)
    assert asyncio.run(handler.function(*args, **kwargs)) == (3, "abc")


CONTEXT = Context(id="abc", name="job", queue="default", attempt=1, fence=1, enqueued_ms=0, deadline=None)


def test_a_class_without_its_queue_belongs_to_the_only_one(tq: TaskQueue, worker: HandWorker) -> None:
    class Job(Task, name="job"):
        number: int

        def execute(self) -> int:
            return self.number

    Job(1).enqueue()
    asyncio.run(_aenqueue(tq, Job(2)))
    tq.enqueue(Job(3))
    assert [e.kwargs for e in envelopes(worker)] == [{"number": 1}, {"number": 2}, {"number": 3}]
    tq.adopt_class_tasks()
    handler = tq.registry.get("job")
    assert handler is not None and not handler.asynchronous
    assert handler.function(number=4) == 4


async def _aenqueue(tq: TaskQueue, task: Any) -> None:
    async with tq:
        await task.aenqueue()


def test_a_class_without_its_queue_is_refused_when_there_are_two(tq: TaskQueue) -> None:
    class Job(Task):
        def execute(self) -> None: ...

    second = TaskQueue()
    with pytest.raises(RegistrationError, match=r"names no queue, and this process has 2"):
        Job().enqueue()
    del second
    gc.collect()
    Job().enqueue()


def test_options_of_one_enqueue_are_put_on_with_using(tq: TaskQueue, worker: HandWorker) -> None:
    class Job(Task, app=tq, name="job"):
        def execute(self) -> None: ...

    Job().using(queue="high_priority", timeout=3).enqueue()
    asyncio.run(_aenqueue(tq, Job().using(timeout=4)))
    sent = [(e.queue, e.options) for e in envelopes(worker)]
    assert sent == [("high_priority", TaskOptions(queue="high_priority", timeout_s=3.0)),
                    ("default", TaskOptions(timeout_s=4.0))]  # fmt: skip


def test_class_tasks_and_calls_go_together_into_enqueue_many(tq: TaskQueue, worker: HandWorker) -> None:
    class Job(Task, app=tq, name="job"):
        number: int

        def execute(self) -> None: ...

    tq.enqueue_many([Job(1), Job(2).call(), Job(3).using(timeout=1).call(), tq.named("other").call(4)])
    assert [e.name for e in envelopes(worker)] == ["job", "job", "job", "other"]


def test_a_field_that_cannot_travel_is_refused_with_its_path(tq: TaskQueue) -> None:
    class Job(Task, app=tq):
        things: Any

        def execute(self) -> None: ...

    with pytest.raises(TypeError, match=r'kwargs\["things"\]\[0\]'):
        Job([object()]).enqueue()


def test_annotations_that_only_type_checkers_know_are_plain(tq: TaskQueue, worker: HandWorker) -> None:
    class Job(Task, app=tq, name="job"):
        day: date
        other: Unknown

        def execute(self) -> Unknown: ...

    Job(date(2030, 1, 1), 5).enqueue()
    (envelope,) = envelopes(worker)
    handler = tq.registry.get("job")
    assert handler is not None
    assert handler.signature.decode([], envelope.kwargs)[1] == {"day": date(2030, 1, 1), "other": 5}


def test_a_class_without_execute_says_so_when_it_is_run() -> None:
    class Lazy(Task):
        pass

    with pytest.raises(NotImplementedError, match="Lazy has no execute method"):
        Lazy().execute()
