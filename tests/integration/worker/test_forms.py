"""What handlers may look like, and what comes back from them."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import Context, Task, TaskFailed, TaskState
from tqd.errors import TaskError


@dataclass
class Picky:
    """A value whose constructor is user code that may raise anything."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise {-1: ValueError, -2: SystemExit, -3: KeyboardInterrupt}[self.number]("not this one")


@dataclass
class Torn:
    """A value that cannot be read back: a field raises."""

    number: int = field(default=1)

    def __getattribute__(self, name: str) -> Any:
        if name == "number":
            raise RuntimeError("torn")
        return super().__getattribute__(name)


def test_results_arrive_as_annotated(bench: Bench) -> None:
    @bench.queue.task(name="double", result_ttl=60)
    async def double(value: Picky) -> Picky:
        return Picky(value.number * 2)

    async def scenario() -> None:
        async with bench.worker():
            handle = await double.aenqueue(Picky(21))
            assert await handle.aresult(15) == Picky(42)
            assert await handle.astatus() is TaskState.DONE

    bench.run(scenario())


def test_a_plain_function_around_a_coroutine_is_done_when_that_is(bench: Bench) -> None:
    """As a decorator makes it that knows nothing of coroutines; so does a class whose execute is wrapped."""
    ran: list[str] = []

    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @bench.queue.task(name="double", result_ttl=60)
    @logged
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        ran.append("double")
        return number * 2

    @bench.queue.task(name="fails", result_ttl=60, max_retries=0)
    @logged
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("told")

    @bench.queue.task(name="hangs", result_ttl=60, max_retries=0, timeout=0.2)
    @logged
    async def hangs() -> None:
        await asyncio.sleep(60)

    async def scenario() -> None:
        async with bench.worker(slots=2):
            handle = await double.aenqueue(21)
            assert await handle.aresult(15) == 42
            with pytest.raises(TaskFailed, match="ValueError: told"):
                await (await fails.aenqueue()).aresult(15)
            with pytest.raises(TaskFailed, match="TimeoutError"):
                await (await hangs.aenqueue()).aresult(15)
            await bench.all_settled()

    bench.run(scenario())
    assert ran == ["double"]


def test_whoever_waits_for_a_failing_task_is_told(bench: Bench) -> None:
    @bench.queue.task(name="fails", result_ttl=60, max_retries=0)
    def fails() -> None:
        raise ValueError("told")

    async def scenario() -> None:
        async with bench.worker():
            handle = await fails.aenqueue()
            with pytest.raises(TaskFailed, match="ValueError: told"):
                await handle.aresult(15)

    bench.run(scenario())


@pytest.mark.parametrize("value", [object(), {1, 2}, Torn()], ids=["object", "set", "torn"])
def test_a_result_that_cannot_travel_leaves_the_task_done(bench: Bench, value: object) -> None:
    @bench.queue.task(name="odd", result_ttl=60, max_retries=0)
    async def odd() -> Any:
        return value

    async def scenario() -> None:
        async with bench.worker(slots=1) as worker:
            handle = await odd.aenqueue()
            with pytest.raises(TaskError):
                await handle.aresult(15)
            assert await handle.astatus() is TaskState.DONE
            await bench.all_settled()
            assert worker.lifecycle.inflight.busy == 0

    bench.run(scenario())


def test_a_result_of_an_annotated_class_that_raises_leaves_the_task_done(bench: Bench) -> None:
    @bench.queue.task(name="odd", result_ttl=60, max_retries=0)
    async def odd() -> Torn:
        return Torn()

    async def scenario() -> None:
        async with bench.worker(slots=1):
            handle = await odd.aenqueue()
            with pytest.raises(TaskError):
                await handle.aresult(15)
            await bench.all_settled()

    bench.run(scenario())


@pytest.mark.parametrize("number", [-1, -2, -3], ids=["ValueError", "SystemExit", "KeyboardInterrupt"])
def test_an_argument_whose_constructor_raises_is_a_dead_letter(bench: Bench, number: int) -> None:
    @bench.queue.task(name="takes", max_retries=0)
    async def takes(value: Picky) -> None: ...

    async def scenario() -> None:
        handle = await bench.queue.aenqueue("takes-elsewhere")
        bench.client.delete(bench.keys.ready("default"))
        envelope = bench.client.hget(bench.keys.task, handle.identity)
        bench.client.delete(bench.keys.task)
        assert isinstance(envelope, bytes)
        good = await takes.aenqueue(Picky(1))
        stored = bench.client.hget(bench.keys.task, good.identity)  # type: ignore[arg-type]
        assert isinstance(stored, bytes)
        # msgpack: the 1 of the field becomes a negative fixint.
        poisoned = stored.replace(b"number\x01", b"number" + bytes([256 + number]))
        assert poisoned != stored
        bench.client.hset(bench.keys.task, good.identity, poisoned)  # type: ignore[arg-type]
        async with bench.worker(slots=1):
            await auntil(lambda: bench.places().get(good.identity) == "dead", "it is a dead letter", 15)

    bench.run(scenario())


def test_class_tasks_run_with_their_fields(bench: Bench) -> None:
    seen: list[object] = []

    class Report(Task, app=bench.queue, name="report"):
        day: str
        pages: int = 1

        async def execute(self) -> None:
            seen.append((self.day, self.pages))

    class PlainReport(Task, app=bench.queue, name="plain-report"):
        day: str

        def execute(self) -> None:
            seen.append(self.day)

    async def scenario() -> None:
        await Report(day="monday", pages=2).aenqueue()
        await PlainReport(day="tuesday").aenqueue()
        async with bench.worker():
            await bench.all_settled()

    bench.run(scenario())
    assert sorted(map(repr, seen)) == ["'tuesday'", "('monday', 2)"]


def test_a_context_is_given_to_the_parameter_that_asks_for_it(bench: Bench) -> None:
    seen: list[Context] = []

    @bench.queue.task(name="asks", max_retries=2, retry_delay=0, timeout=30)
    async def asks(number: int, ctx: Context) -> None:
        seen.append(ctx)
        if ctx.attempt == 1:
            raise ValueError

    @bench.queue.task(name="asks-plainly")
    def asks_plainly(ctx: Context, number: int) -> None:
        seen.append(ctx)

    async def scenario() -> None:
        handle = await asks.aenqueue(1)  # type: ignore[call-arg]
        async with bench.worker():
            await bench.all_settled()
            await asks_plainly.aenqueue(number=2)
            await bench.all_settled()
        first, second, third = seen
        assert (first.id, first.name, first.queue) == (handle.id, "asks", "default")
        assert [(c.attempt, c.fence) for c in seen] == [(1, 1), (2, 2), (1, 1)]
        assert first.enqueued_ms == second.enqueued_ms > 0
        assert first.deadline is not None and third.name == "asks-plainly"

    bench.run(scenario())


def test_each_attempt_has_a_context_of_its_own(bench: Bench) -> None:
    import contextvars

    mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark", default=0)
    seen: list[int] = []

    @bench.queue.task(name="marks")
    async def marks() -> None:
        seen.append(mark.get())
        mark.set(1)

    @bench.queue.task(name="marks-plainly")
    def marks_plainly() -> None:
        seen.append(mark.get())
        mark.set(2)

    async def scenario() -> None:
        for _ in range(3):
            await marks.aenqueue()
            await marks_plainly.aenqueue()
        async with bench.worker(slots=1):
            await bench.all_settled()

    bench.run(scenario())
    assert seen == [0] * 6


def test_tasks_enqueue_tasks(bench: Bench) -> None:
    done = asyncio.Event()

    @bench.queue.task(name="child")
    async def child(depth: int) -> None:
        if depth == 0:
            done.set()
        else:
            await child.aenqueue(depth - 1)

    @bench.queue.task(name="parent")
    def parent() -> None:
        bench.queue.enqueue("child", 3)

    async def scenario() -> None:
        await parent.aenqueue()
        async with bench.worker():
            await asyncio.wait_for(done.wait(), 15)
            await bench.all_settled()

    bench.run(scenario())


def test_the_beat_tells_what_was_done(bench: Bench) -> None:
    @bench.queue.task(name="works")
    async def works() -> None: ...

    @bench.queue.task(name="fails", max_retries=1, retry_delay=0)
    async def fails() -> None:
        raise ValueError

    async def scenario() -> None:
        for _ in range(3):
            await works.aenqueue()
        await fails.aenqueue()
        async with bench.worker(slots=2) as worker:
            await bench.all_settled()
            await worker.drain(1)
        beat = worker.channel.last
        assert (beat.slots, beat.busy) == (2, 0)
        assert (beat.done, beat.failed, beat.retried, beat.released) == (3, 1, 1, 0)
        assert beat.rss_bytes > 0
        assert 0.0 < beat.busy_slot_s < beat.slot_s

    bench.run(scenario())
