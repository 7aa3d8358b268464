"""Cancelling what runs: at the next await, in a thread that listens, else by the end of the process."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import CancelAnswer, Context, Retry, TaskCancelled, TaskState
from tqd.task.cancelling import CancelMark
from tqd.worker.lifecycle import Ending


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqd.worker.cancelling.ROUND_S", 0.05)


@pytest.fixture
def over() -> threading.Event:
    """Set when the scenario is over: ends what would otherwise go on for ever."""
    return threading.Event()


async def started(bench: Bench, handle: Any) -> None:
    """Wait until the task runs, as far as Redis knows."""
    await auntil(lambda: bench.places().get(handle.identity, "").startswith("claims:"), "it is claimed")


def mark(bench: Bench, identity: bytes, reason: str = "why") -> None:
    """Leave a mark as `cancel` does for what it cannot take out of its place."""
    bench.client.hset(bench.keys.cancels, identity, CancelMark(asked_ms=1, reason=reason).encode())  # type: ignore[arg-type]


def test_what_awaits_is_cancelled_there_and_cleans_up(bench: Bench) -> None:
    journal: list[str] = []

    @bench.queue.task(name="job", result_ttl=60)
    async def job() -> None:
        try:
            journal.append("started")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.2)
            journal.append("cleaned up")

    async def scenario() -> None:
        async with bench.worker() as worker:
            handle = await job.aenqueue()
            await auntil(lambda: journal == ["started"], "it runs")
            assert await handle.cancel("enough") is CancelAnswer.ASKED
            with pytest.raises(TaskCancelled, match="enough"):
                await handle.result(timeout=10)
            assert journal == ["started", "cleaned up"]
            assert await handle.status() is TaskState.CANCELLED
            assert bench.places() == {} and not worker.ended

    bench.run(scenario())


@pytest.mark.parametrize("ending", ["error", "retry", "group"])
def test_whatever_it_raises_then_it_is_cancelled_and_not_retried(bench: Bench, ending: str) -> None:
    runs: list[int] = []

    @bench.queue.task(name="job", max_retries=5, retry_delay=0)
    async def job() -> None:
        runs.append(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ending == "retry":
                raise Retry(0) from None
            raise (
                ValueError("broken") if ending == "error" else BaseExceptionGroup("x", [KeyError()])
            ) from None

    async def scenario() -> None:
        async with bench.worker():
            handle = await job.aenqueue()
            await auntil(lambda: runs, "it runs")
            await handle.cancel()
            await bench.all_settled()
            assert await handle.status() is TaskState.CANCELLED

    bench.run(scenario())
    assert len(runs) == 1


def test_what_ends_well_before_it_notices_is_done(bench: Bench) -> None:
    asked = asyncio.Event()

    @bench.queue.task(name="job", result_ttl=60)
    async def job() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            asked.set()
        return 42

    async def scenario() -> None:
        async with bench.worker():
            handle = await job.aenqueue()
            await started(bench, handle)
            await handle.cancel()
            assert await handle.result(timeout=10) == 42
            assert asked.is_set()
            assert not bench.client.exists(bench.keys.cancels)

    bench.run(scenario())


@pytest.mark.parametrize("listens", ["raises", "returns"])
def test_a_thread_sees_that_it_is_cancelled(bench: Bench, over: threading.Event, listens: str) -> None:
    @bench.queue.task(name="job", result_ttl=60, max_retries=5)
    def job(context: Context) -> str:
        while not context.cancelled:
            over.wait(0.01)
        if listens == "raises":
            raise InterruptedError("stopped half-way")
        return "finished early"

    async def scenario() -> None:
        async with bench.worker() as worker:
            handle = await job.aenqueue()
            await started(bench, handle)
            await handle.cancel("enough")
            if listens == "returns":
                assert await handle.result(timeout=10) == "finished early"
            else:
                with pytest.raises(TaskCancelled, match="enough"):
                    await handle.result(timeout=10)
            await auntil(lambda: worker.lifecycle.inflight.busy == 0, "its slot is free")
            assert not worker.ended

    bench.run(scenario())


@pytest.mark.parametrize("form", ["coroutine", "plain function"])
def test_code_that_does_not_listen_ends_with_its_process_and_the_others_go_back_at_no_cost(
    bench: Bench, over: threading.Event, form: str
) -> None:
    @bench.queue.task(name="deaf", result_ttl=60)
    async def deaf() -> None:
        while not over.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                continue

    @bench.queue.task(name="deaf_plain", result_ttl=60)
    def deaf_plain() -> None:
        over.wait(30)

    @bench.queue.task(name="neighbour")
    async def neighbour() -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        try:
            async with bench.worker(tasks={"cancel_grace": 0.3}) as worker:
                other = await neighbour.aenqueue()
                handle: Any = await (deaf if form == "coroutine" else deaf_plain).aenqueue()
                await started(bench, handle)
                await handle.cancel("enough")
                assert await worker.served() is Ending.OVERTIME
                with pytest.raises(TaskCancelled, match="enough"):
                    await handle.result(timeout=5)
                assert bench.places() == {other.identity: "ready:default"}
                assert bench.client.hget(bench.keys.attempts, other.identity) == b"1:0:0"
        finally:
            over.set()

    bench.run(scenario())


def test_what_is_claimed_with_a_mark_never_runs_and_its_neighbours_do(bench: Bench) -> None:
    runs: list[int] = []

    @bench.queue.task(name="job", unique=True)
    async def job(number: int) -> None:
        runs.append(number)

    async def scenario() -> None:
        handles = [await job.aenqueue(number) for number in range(6)]
        stranger = await bench.queue.aenqueue("nobody knows it")
        for handle in (handles[1], handles[4], stranger):
            mark(bench, handle.identity)
        async with bench.worker(slots=8):
            await bench.all_settled()
        assert [await h.status() for h in (handles[1], handles[4], stranger)] == [TaskState.CANCELLED] * 3
        assert sorted(runs) == [0, 2, 3, 5]
        assert not bench.client.exists(bench.keys.cancels, bench.keys.unique, bench.keys.keyed)

    bench.run(scenario())


def test_bytes_that_cannot_be_read_can_be_cancelled(bench: Bench) -> None:
    async def scenario() -> None:
        handle = await bench.queue.aenqueue("job")
        bench.client.hset(bench.keys.task, handle.identity, b"garbage")  # type: ignore[arg-type]
        assert await handle.cancel() is CancelAnswer.ASKED
        async with bench.worker():
            await bench.all_settled()
        assert (await handle.status(), bench.places()) == (TaskState.CANCELLED, {})

    bench.run(scenario())


def test_a_worker_that_stops_before_it_notices_leaves_it_to_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    monkeypatch.setattr("tqd.worker.cancelling.ROUND_S", 600.0)

    @bench.queue.task(name="job")
    async def job() -> None:
        runs.append(1)
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with bench.worker() as worker:
            handle = await job.aenqueue()
            await auntil(lambda: runs, "it runs")
            await handle.cancel()
            await worker.drain(0.0)
            assert bench.places() == {handle.identity: "ready:default"}
        async with bench.worker():
            await bench.all_settled()
            assert await handle.status() is TaskState.CANCELLED

    bench.run(scenario())
    assert len(runs) == 1


def test_a_cancelled_task_that_is_given_back_while_it_cleans_up_is_cancelled_all_the_same(
    bench: Bench,
) -> None:
    cleaning = asyncio.Event()

    @bench.queue.task(name="job")
    async def job() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await asyncio.Event().wait()

    async def scenario() -> None:
        async with bench.worker() as worker:
            handle = await job.aenqueue()
            await started(bench, handle)
            await handle.cancel()
            await asyncio.wait_for(cleaning.wait(), 10)
            await worker.drain(0.2)
            assert (await handle.status(), bench.places()) == (TaskState.CANCELLED, {})

    bench.run(scenario())
