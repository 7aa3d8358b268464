"""What type checkers must see: read by mypy in test_typing.py, never run."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from tqd import (
    AsyncTaskHandle,
    Call,
    CancelAnswer,
    Context,
    Task,
    TaskHandle,
    TaskQueue,
    TaskState,
    queues,
)

tq = TaskQueue()


@tq.task
async def mail(to: str, *, subject: str = "") -> int:
    return 1


@tq.task(queue=queues.HIGH_PRIORITY, max_retries=3, timeout=timedelta(seconds=30), result_ttl=60)
async def mail_with_options(to: str, *, subject: str = "") -> int:
    return 1


@tq.task
def thumbnail(path: str, size: int = 100) -> bytes:
    return b""


@tq.task(name="thumbnail", retry_on=(OSError, ValueError), give_up_on=KeyError)
def thumbnail_with_options(path: str, size: int = 100) -> bytes:
    return b""


@tq.task
async def with_context(ctx: Context, number: int) -> float:
    return 1.0


@tq.task(timeout=5)
def with_context_and_options(ctx: Context, number: int) -> float:
    return 1.0


class Report(Task, app=tq, queue="low_priority"):
    day: datetime
    pages: int = 1

    async def execute(self) -> None: ...


@tq.cron("*/5 * * * *", tz="Europe/Vienna", catch_up="once")
@tq.every(timedelta(hours=1), args=["a"])
@tq.task
async def scheduled(to: str = "") -> int:
    return 1


@tq.every(30, kwargs={"size": 2})
def scheduled_function(size: int = 1) -> bytes:
    return b""


@tq.every("1h", kwargs={"day": datetime(2026, 1, 1)})
class Scheduled(Task, app=tq):
    day: datetime


# A schedule changes nothing of what it is put above.
assert_type(scheduled.enqueue("a"), TaskHandle[int])
assert_type(scheduled_function(3), bytes)
assert_type(Scheduled(day=datetime(2026, 1, 1)).day, datetime)

# A plain call runs the function and gives what the function gives.
running = assert_type(mail("a", subject="b"), Coroutine[Any, Any, int])
running = assert_type(mail_with_options("a"), Coroutine[Any, Any, int])
assert_type(thumbnail("a", 5), bytes)
assert_type(thumbnail_with_options("a", size=5), bytes)

# Enqueuing takes the function's arguments; the handle knows its result.
assert_type(mail.enqueue("a", subject="b"), TaskHandle[int])
assert_type(mail_with_options.enqueue("a"), TaskHandle[int])
assert_type(thumbnail.enqueue("a", 5), TaskHandle[bytes])
assert_type(thumbnail_with_options.enqueue("a", size=5), TaskHandle[bytes])
assert_type(mail.enqueue("a").result(timeout=5), int)
assert_type(mail.enqueue("a").status(), TaskState | None)
assert_type(mail.enqueue("a").cancel("why"), CancelAnswer)
assert_type(mail.using(unique=True, unique_scope="until_started").enqueue("a").duplicate, bool)
assert_type(tq.cancel([mail.enqueue("a"), "0" * 32]), list[CancelAnswer])

# The context comes from the worker.
assert_type(with_context.enqueue(5), TaskHandle[float])
assert_type(with_context_and_options.enqueue(number=5), TaskHandle[float])

# Options are put on before the arguments.
later = datetime.now(UTC)
assert_type(mail.using(delay=5, queue="q", headers={"a": "b"}).enqueue("a"), TaskHandle[int])
assert_type(thumbnail.using(eta=later, timeout=timedelta(1)).enqueue("a"), TaskHandle[bytes])
assert_type(with_context.using(max_retries=0).enqueue(5), TaskHandle[float])
assert_type(mail.using(expires=60, deadline=later).enqueue("a"), TaskHandle[int])

# Calls are values.
assert_type(mail.call("a", subject="b"), Call[int])
assert_type(mail.using(delay=5).call("a"), Call[int])
tq.enqueue_many([mail.call(to) for to in "abc"])
tq.enqueue_many([mail.call("a"), thumbnail.call("b"), Report(later)])

# By name, and as a class.
assert_type(tq.enqueue("elsewhere", 1, flag=True), TaskHandle[Any])
assert_type(tq.named("elsewhere").enqueue(1, flag=True), TaskHandle[Any])
assert_type(Report(later, pages=5).enqueue(), TaskHandle[Any])
assert_type(Report(day=later).using(delay=5).enqueue(), TaskHandle[Any])
assert_type(tq.enqueue(Report(later)), TaskHandle[Any])


async def asynchronously() -> None:
    handle = await mail.aenqueue("a", subject="b")
    assert_type(handle, AsyncTaskHandle[int])
    assert_type(await handle.result(timeout=5), int)
    assert_type(await handle.status(), TaskState | None)
    assert_type(await handle.cancel(), CancelAnswer)
    assert_type(await handle.aresult(), int)
    assert_type(await thumbnail.aenqueue("a", 5), AsyncTaskHandle[bytes])
    assert_type(await with_context.aenqueue(5), AsyncTaskHandle[float])
    assert_type(await mail.using(delay=5).aenqueue("a"), AsyncTaskHandle[int])
    assert_type(await tq.aenqueue_many([mail.call("a")]), list[AsyncTaskHandle[Any]])
    assert_type(await Report(later).aenqueue(), AsyncTaskHandle[Any])
    assert_type(await mail("a"), int)
