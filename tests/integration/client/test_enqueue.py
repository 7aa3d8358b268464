"""What producers send, blocking and async, and what of it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.hand_worker import HandWorker, envelopes
from tests.support.places import places
from tests.support.redis_server import RedisServer
from tqd import Call, Context, RegistrationError, TaskQueue, TaskState, Unserialisable, queues
from tqd.client.task_function import Bound
from tqd.store.keys import Keys
from tqd.task.model import NO_OPTIONS, TaskOptions

Send = Callable[..., Any]


def blocking(task: Bound[..., Any], *args: Any, **kwargs: Any) -> Any:
    return task.enqueue(*args, **kwargs)


def in_a_loop(task: Bound[..., Any], *args: Any, **kwargs: Any) -> Any:
    async def scenario() -> Any:
        async with task._owner:  # type: ignore[attr-defined]
            return await task.aenqueue(*args, **kwargs)

    return asyncio.run(scenario())


@pytest.fixture(params=[blocking, in_a_loop], ids=["blocking", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Enqueue, blocking or async: what arrives is the same."""
    return request.param  # type: ignore[no-any-return]


def where(tq: TaskQueue, server: RedisServer) -> list[str]:
    return sorted(places(server.client, Keys(tq.namespace)).values())


def test_a_task_arrives_with_its_name_and_arguments(tq: TaskQueue, worker: HandWorker, send: Send) -> None:
    @tq.task(name="mail")
    async def mail(to: str, *, subject: str = "") -> None: ...

    handle = send(mail, "a@b.c", subject="hi")
    (envelope,) = envelopes(worker)
    assert (envelope.name, envelope.args, envelope.kwargs) == ("mail", ["a@b.c"], {"subject": "hi"})
    assert (envelope.queue, envelope.options, envelope.headers) == ("default", NO_OPTIONS, {})
    assert (handle.name, handle.queue, len(handle.id)) == ("mail", "default", 32)


def test_the_declared_queue_is_used_unless_the_call_names_one(
    tq: TaskQueue, redis_server: RedisServer, send: Send
) -> None:
    @tq.task(queue=queues.HIGH_PRIORITY)
    def job() -> None: ...

    assert send(job).queue == "high_priority"
    assert send(job.using(queue="low_priority")).queue == "low_priority"
    assert where(tq, redis_server) == ["ready:high_priority", "ready:low_priority"]


def test_only_the_options_of_the_call_travel(tq: TaskQueue, worker: HandWorker, send: Send) -> None:
    @tq.task(max_retries=9, timeout=5)
    def job() -> None: ...

    send(job.using(timeout=timedelta(seconds=2), result_ttl=60, headers={"trace": "1"}))
    (envelope,) = envelopes(worker)
    assert envelope.options == TaskOptions(timeout_s=2.0, result_ttl_s=60.0)
    assert envelope.headers == {"trace": "1"}


def test_a_delay_counts_from_now_on_the_clock_of_redis(
    tq: TaskQueue, redis_server: RedisServer, send: Send
) -> None:
    handle = send(tq.named("job").using(delay=timedelta(minutes=1)))
    seconds, micros = redis_server.client.time()
    due_ms = redis_server.client.zscore(Keys("tqd").due("default"), handle.identity)
    assert due_ms is not None
    assert abs(due_ms - (seconds * 1000 + micros / 1000 + 60_000)) < 2000
    assert where(tq, redis_server) == ["due:default"]


def test_an_eta_is_a_time_with_a_zone(tq: TaskQueue, redis_server: RedisServer, send: Send) -> None:
    eta = datetime(2040, 1, 1, 12, tzinfo=UTC)
    handle = send(tq.named("job").using(eta=eta))
    due_ms = redis_server.client.zscore(Keys("tqd").due("default"), handle.identity)
    assert due_ms == eta.timestamp() * 1000


def test_an_eta_in_the_past_is_due_at_once(tq: TaskQueue, worker: HandWorker, send: Send) -> None:
    handle = send(tq.named("job").using(eta=datetime(1960, 1, 1, tzinfo=UTC)))
    assert worker.take(handle)


def test_no_delay_is_ready_at_once(tq: TaskQueue, redis_server: RedisServer, send: Send) -> None:
    send(tq.named("job").using(delay=0))
    assert where(tq, redis_server) == ["ready:default"]


def test_a_task_is_known_by_name_without_its_code(tq: TaskQueue, worker: HandWorker) -> None:
    tq.enqueue("elsewhere.job", 1, flag=True)
    tq.named("elsewhere.job").using(queue="high_priority").enqueue(2)

    async def scenario() -> None:
        async with tq:
            await tq.aenqueue("elsewhere.job", 3)

    asyncio.run(scenario())
    sent = [(e.name, e.queue, e.args, e.kwargs) for e in envelopes(worker)]
    assert sent == [
        ("elsewhere.job", "high_priority", [2], {}),
        ("elsewhere.job", "default", [1], {"flag": True}),
        ("elsewhere.job", "default", [3], {}),
    ]


def test_a_declared_task_enqueued_by_its_name_is_checked_as_declared(tq: TaskQueue) -> None:
    @tq.task(name="job", queue="low_priority")
    def job(number: int) -> None: ...

    assert tq.enqueue("job", 1).queue == "low_priority"
    with pytest.raises(TypeError, match="job"):
        tq.enqueue("job", 1, 2)


def test_many_calls_keep_their_order_and_their_options(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task(name="job")
    async def job(number: int) -> None: ...

    calls = [job.call(n) for n in range(2500)] + [job.using(queue="low_priority").call(2500)]
    handles = tq.enqueue_many(calls)
    assert len({handle.id for handle in handles}) == 2501
    assert handles[-1].queue == "low_priority"
    claimed = [claim for _ in range(3) for claim in worker.claim()]
    assert claimed == [handle.identity for handle in handles]


def test_many_calls_are_sent_async(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> list[Any]:
        async with tq:
            return await tq.aenqueue_many(tq.named("job").call(n) for n in range(2500))

    handles = asyncio.run(scenario())
    assert list(places(redis_server.client, Keys("tqd"))) == [handle.identity for handle in handles]


def test_no_calls_are_no_tasks(tq: TaskQueue, redis_server: RedisServer) -> None:
    async def scenario() -> list[Any]:
        async with tq:
            return await tq.aenqueue_many([])

    assert tq.enqueue_many([]) == []
    assert asyncio.run(scenario()) == []
    assert where(tq, redis_server) == []


def test_a_call_is_a_value_that_can_be_enqueued_later(tq: TaskQueue, worker: HandWorker) -> None:
    call: Call[Any] = tq.named("job").call(1)
    tq.enqueue(call)
    tq.enqueue(call)
    assert len(worker.claim()) == 2
    with pytest.raises(TypeError, match="arguments come with a task's name only"):
        tq.enqueue(call, 1)


# -- what cannot be sent -------------------------------------------------------------------------


def test_an_argument_that_cannot_travel_is_refused_with_its_path(
    tq: TaskQueue, redis_server: RedisServer, send: Send
) -> None:
    @tq.task
    def job(number: int, options: Any) -> None: ...

    with pytest.raises(Unserialisable, match=r'args\[1\]\["when"\]\[0\]'):
        send(job, 1, {"when": [object()]})
    with pytest.raises(Unserialisable, match=r'kwargs\["options"\]'):
        send(job, 1, options=lambda: None)
    assert where(tq, redis_server) == []


def test_arguments_that_do_not_fit_are_refused(tq: TaskQueue, send: Send) -> None:
    @tq.task
    def job(number: int) -> None: ...

    for wrong in ((), (1, 2)):
        with pytest.raises(TypeError, match="job"):
            send(job, *wrong)
    with pytest.raises(TypeError, match="number"):
        send(job, nmber=1)


def test_the_context_is_not_an_argument_of_the_producer(tq: TaskQueue, worker: HandWorker) -> None:
    @tq.task(name="job")
    def job(ctx: Context, number: int) -> None: ...

    job.enqueue(5)
    (envelope,) = envelopes(worker)
    assert (envelope.args, envelope.kwargs) == ([5], {})
    with pytest.raises(TypeError, match="from the worker"):
        job.enqueue(5, ctx=None)  # type: ignore[call-arg]


def test_one_bad_call_of_many_stores_none(tq: TaskQueue, redis_server: RedisServer) -> None:
    with pytest.raises(Unserialisable):
        tq.enqueue_many([tq.named("job").call(1), tq.named("job").call(object())])
    assert where(tq, redis_server) == []


def test_a_payload_beyond_the_limit_is_refused_with_its_size(redis_url: str) -> None:
    with TaskQueue(redis_url, max_payload_bytes=1000) as tq, pytest.raises(Unserialisable, match="job"):
        tq.enqueue("job", "x" * 1000)


@pytest.mark.parametrize("headers", [{"a": 1}, {1: "a"}, ["a"], {"a": None}])
def test_headers_are_texts(tq: TaskQueue, headers: Any) -> None:
    with pytest.raises(RegistrationError, match="headers"):
        tq.named("job").using(headers=headers)


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_a_name_that_no_worker_could_have_is_refused(
    tq: TaskQueue, redis_server: RedisServer, name: str
) -> None:
    with pytest.raises((RegistrationError, Unserialisable)):
        tq.enqueue(name)
    with pytest.raises((RegistrationError, Unserialisable)):
        tq.named(name).enqueue()
    assert where(tq, redis_server) == []


# -- the daemon's settings -----------------------------------------------------------------------


def test_a_queue_is_made_from_the_configuration(redis_url: str, redis_server: RedisServer) -> None:
    environ = {"TQD_REDIS__URL": redis_url, "TQD_REDIS__NAMESPACE": "shop"}
    with TaskQueue.from_config(environ=environ) as tq:
        tq.enqueue("job")
        assert tq.namespace == "shop"
        assert where(tq, redis_server) == ["ready:default"]
        assert places(redis_server.client, Keys("tqd")) == {}


def test_namespaces_share_a_redis_unseen_by_each_other(redis_url: str) -> None:
    with TaskQueue(redis_url, namespace="a") as one, TaskQueue(redis_url, namespace="b") as other:
        handle = one.enqueue("job")
        assert one.handle(handle.id).status() is TaskState.READY
        assert other.handle(handle.id).status() is None


# -- calling without the queue -------------------------------------------------------------------


def test_a_plain_call_just_runs_the_function(tq: TaskQueue, redis_server: RedisServer) -> None:
    @tq.task
    def double(number: int) -> int:
        """Twice."""
        return 2 * number

    @tq.task()
    async def halve(number: int) -> float:
        return number / 2

    assert double(4) == 8
    assert asyncio.run(halve(4)) == 2.0
    assert (double.__name__, double.__doc__) == ("double", "Twice.")
    assert where(tq, redis_server) == []
