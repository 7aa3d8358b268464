"""A hard timeout with a living loop: the attempt has failed at once, and its code ends or its worker does.

A blocked loop, and the end of the process, are in test_process.py.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench, Worker
from tqd import Context, Task
from tqd.client.task_class import UNCLAIMED
from tqd.clock import monotonic
from tqd.task.claim import parse_token
from tqd.wire.messages import HardDeadline
from tqd.worker.lifecycle import Ending

HARD_S = 0.3


def deadlines(worker: Worker) -> list[HardDeadline]:
    return [message for message in worker.channel.messages if isinstance(message, HardDeadline)]


def attempts(bench: Bench, identity: bytes) -> tuple[int, int]:
    """Return the charged attempts and the crashes on a task's record."""
    data = bench.client.hget(bench.keys.attempts, identity)
    assert isinstance(data, bytes)
    counts, _ = parse_token(data + b":x")
    return counts.attempts, counts.crashes


@pytest.fixture
def over() -> threading.Event:
    """Set when the scenario is over: ends what would otherwise go on for ever."""
    return threading.Event()


def play(bench: Bench, over: threading.Event, scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario whose tasks will not end by themselves."""

    async def played() -> None:
        try:
            await scenario
        finally:
            over.set()

    bench.run(played())


async def ignore_cancellation(over: threading.Event) -> None:
    while not over.is_set():
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            continue


def test_an_attempt_that_lets_itself_be_cancelled_costs_nobody_else_anything(bench: Bench) -> None:
    cancelled, calm = asyncio.Event(), asyncio.Event()

    @bench.queue.task(name="late", hard_timeout=HARD_S, max_retries=0, result_ttl=60)
    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    @bench.queue.task(name="neighbour")
    async def neighbour() -> None:
        await calm.wait()

    async def scenario() -> None:
        other = await neighbour.aenqueue()
        handle = await late.aenqueue()
        async with bench.worker() as worker:
            await asyncio.wait_for(cancelled.wait(), 10)
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
            failure = bench.failure(handle.identity)
            assert (failure.reason, failure.attempts) == ("timed out", 1)
            kind, message, _ = failure.errors[0]
            assert kind == "HardTimeout" and "hard_timeout of 0.3 s" in message
            await asyncio.sleep(0.8)  # longer than code that was cancelled may take
            assert not worker.ended
            assert bench.places()[other.identity].startswith("claims:")
            assert [one.task_id for one in deadlines(worker)] == [handle.identity, b""]
            calm.set()
            await bench.all_settled()

    bench.run(scenario())


def test_a_hard_timeout_is_retried_like_any_other_failure(bench: Bench) -> None:
    runs: list[float] = []

    @bench.queue.task(name="late", hard_timeout=HARD_S, max_retries=1, retry_delay=0.2)
    async def late() -> None:
        runs.append(monotonic())
        await asyncio.Event().wait()

    async def scenario() -> None:
        handle = await late.aenqueue()
        async with bench.worker() as worker:
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "both have failed", 10)
            assert bench.failure(handle.identity).attempts == 2
            assert not worker.ended

    bench.run(scenario())
    assert len(runs) == 2 and HARD_S <= runs[1] - runs[0] < 5.0


@pytest.mark.parametrize("form", ["coroutine", "plain function"])
def test_code_that_goes_on_ends_the_worker_and_everything_else_goes_back_at_no_cost(
    bench: Bench, over: threading.Event, form: str
) -> None:
    settled_before_end: list[str] = []

    @bench.queue.task(name="late", hard_timeout=HARD_S, max_retries=3, retry_delay=600)
    async def late() -> None:
        await ignore_cancellation(over)

    @bench.queue.task(name="late_plain", hard_timeout=HARD_S, max_retries=3, retry_delay=600)
    def late_plain() -> None:
        over.wait(30)

    @bench.queue.task(name="neighbour")
    async def neighbour() -> None:
        await asyncio.Event().wait()

    @bench.queue.task(name="ends")
    async def ends() -> None:
        await asyncio.sleep(HARD_S + 0.2)
        settled_before_end.append("ran")

    async def scenario() -> None:
        other, short = await neighbour.aenqueue(), await ends.aenqueue()
        handle = await (late if form == "coroutine" else late_plain).aenqueue()
        async with bench.worker() as worker:
            assert await worker.served() is Ending.OVERTIME
            places = bench.places()
            assert places[handle.identity] == "due:default", "it waits for its next attempt"
            assert places[other.identity] == "ready:default", "its neighbour is ready"
            assert short.identity not in places, "what had ended is settled"
            assert attempts(bench, handle.identity) == (1, 0)
            assert attempts(bench, other.identity) == (0, 0)
            assert bench.held(worker) == {}
            told = deadlines(worker)
            assert [one.task_id for one in told] == [handle.identity], "the master knows of it until the end"
            assert told[0].limit_s == HARD_S

    play(bench, over, scenario())
    assert settled_before_end == ["ran"]


def test_the_slot_of_code_that_goes_on_stays_taken(bench: Bench, over: threading.Event) -> None:
    running: list[int] = []
    most: list[int] = []

    @bench.queue.task(name="late", hard_timeout=HARD_S, max_retries=0)
    def late() -> None:
        running.append(1)
        time.sleep(HARD_S + 0.3)  # back before the worker must end
        running.pop()

    @bench.queue.task(name="quick")
    async def quick() -> None:
        most.append(len(running))

    async def scenario() -> None:
        await late.aenqueue()
        async with bench.worker(slots=1) as worker:
            await auntil(lambda: bool(running), "it runs", 10)
            await quick.aenqueue()
            await bench.all_settled()
            assert not worker.ended and worker.lifecycle.inflight.free == 1

    play(bench, over, scenario())
    assert most == [0], "it ran while the other one's slot was taken"


def test_a_thread_that_outlives_its_timeout_is_ended_at_its_hard_timeout(
    bench: Bench, over: threading.Event
) -> None:
    @bench.queue.task(name="late", timeout=0.1, hard_timeout=0.8, max_retries=0)
    def late() -> None:
        over.wait(30)

    async def scenario() -> None:
        handle = await late.aenqueue()
        async with bench.worker() as worker:
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it has timed out", 10)
            assert "its timeout of 0.1 s" in bench.failure(handle.identity).errors[0][1]
            assert await worker.served() is Ending.OVERTIME
            assert bench.failure(handle.identity).attempts == 1, "settled once"

    play(bench, over, scenario())


def test_a_coroutine_that_ignores_its_timeout_fails_at_its_hard_timeout(
    bench: Bench, over: threading.Event
) -> None:
    @bench.queue.task(name="late", timeout=0.1, hard_timeout=0.5, max_retries=0)
    async def late() -> None:
        await ignore_cancellation(over)

    async def scenario() -> None:
        handle = await late.aenqueue()
        async with bench.worker() as worker:
            assert await worker.served() is Ending.OVERTIME
            assert "hard_timeout of 0.5 s" in bench.failure(handle.identity).errors[0][1]

    play(bench, over, scenario())


def test_a_drain_with_much_time_left_is_hurried(bench: Bench, over: threading.Event) -> None:
    started = asyncio.Event()

    @bench.queue.task(name="late", hard_timeout=0.5, max_retries=3)
    async def late() -> None:
        started.set()
        await ignore_cancellation(over)

    @bench.queue.task(name="neighbour")
    async def neighbour() -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        other = await neighbour.aenqueue()
        await late.aenqueue()
        async with bench.worker() as worker:
            await asyncio.wait_for(started.wait(), 10)
            began = monotonic()
            assert await worker.drain(3600) is Ending.DRAINED, "the drain is why it ends"
            assert monotonic() - began < 20
            assert bench.places()[other.identity] == "ready:default"

    play(bench, over, scenario())


def test_an_end_after_the_hard_timeout_changes_nothing(bench: Bench, over: threading.Event) -> None:
    """Its next attempt is in hand already, in the same worker, when the first one's code ends."""
    runs: list[int] = []

    @bench.queue.task(name="late", hard_timeout=HARD_S, max_retries=3, retry_delay=0)
    async def late() -> None:
        number = len(runs)
        runs.append(number)
        if number == 0:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.wait_for(second.wait(), 10)
        elif number == 1:
            second.set()
            await asyncio.sleep(0.1)
            runs.append(99)

    second = asyncio.Event()

    async def scenario() -> None:
        await late.aenqueue()
        async with bench.worker() as worker:
            await bench.all_settled()
            assert worker.lifecycle.inflight.busy == 0 and worker.channel.messages
            assert runs == [0, 1, 99]
            assert worker.lifecycle._executor.tally.done == 1
            assert worker.lifecycle._executor.tally.superseded == 0

    play(bench, over, scenario())


def test_a_deadline_that_a_full_pipe_did_not_take_is_told_with_the_next_beat(bench: Bench) -> None:
    started = asyncio.Event()

    @bench.queue.task(name="long", hard_timeout=600)
    async def long() -> None:
        started.set()
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with bench.worker() as worker:
            worker.channel.full = True
            handle = await long.aenqueue()
            await asyncio.wait_for(started.wait(), 10)
            worker.channel.full = False
            await auntil(lambda: deadlines(worker), "it is told", 10)
            assert [one.task_id for one in deadlines(worker)] == [handle.identity]

    bench.run(scenario())


def test_a_task_that_was_claimed_again_is_told_with_its_new_token(bench: Bench) -> None:
    """Its id stood twice in the queue: one attempt, the newer claim."""
    started = asyncio.Event()

    @bench.queue.task(name="long", hard_timeout=600)
    async def long() -> None:
        started.set()
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with bench.worker() as worker:
            handle = await long.aenqueue()
            await asyncio.wait_for(started.wait(), 10)
            bench.client.rpush(bench.keys.ready("default"), handle.identity)
            bench.client.hset(bench.keys.attempts, handle.identity, b"1:0:0")
            bench.client.rpush(bench.keys.bell("default"), 1)
            await auntil(lambda: len(deadlines(worker)) == 2, "it is told again", 10)
            assert [one.token for one in deadlines(worker)] == [b"1:0:0:default", b"2:0:0:default"]

    bench.run(scenario())


def test_the_context_tells_the_nearer_of_both_deadlines(bench: Bench) -> None:
    told: dict[str, float | None] = {}

    @bench.queue.task(name="hard first", timeout=300, hard_timeout=60)
    async def hard_first(ctx: Context) -> None:
        told["hard first"] = ctx.deadline and ctx.deadline - monotonic()

    @bench.queue.task(name="soft first", timeout=60, hard_timeout=300)
    async def soft_first(ctx: Context) -> None:
        told["soft first"] = ctx.deadline and ctx.deadline - monotonic()

    @bench.queue.task(name="hard only", timeout=0, hard_timeout=60)
    async def hard_only(ctx: Context) -> None:
        told["hard only"] = ctx.deadline and ctx.deadline - monotonic()

    @bench.queue.task(name="none", timeout=0)
    async def none(ctx: Context) -> None:
        told["none"] = ctx.deadline

    async def scenario() -> None:
        for task in (hard_first, soft_first, hard_only, none):
            await task.aenqueue()
        async with bench.worker():
            await bench.all_settled()

    bench.run(scenario())
    assert told.pop("none") is None
    assert all(left_s is not None and 50 < left_s <= 60 for left_s in told.values()), told


def test_every_way_to_say_it_arrives(bench: Bench) -> None:
    class Report(Task, app=bench.queue, name="report", hard_timeout=50):
        async def execute(self) -> None: ...

    @bench.queue.task(name="function", hard_timeout=40)
    async def function() -> None: ...

    @bench.queue.task(name="plain")
    async def plain() -> None: ...

    async def scenario() -> list[float]:
        limits: list[float] = []
        calls: list[Any] = [
            Report(),
            Report().using(hard_timeout=51),
            function,
            function.using(hard_timeout=41),
        ]
        async with bench.worker() as worker:
            for call in (*calls, plain.using(hard_timeout=30), plain, function.using(hard_timeout=0)):
                await call.aenqueue()
                await bench.all_settled()
            limits += [one.limit_s for one in deadlines(worker) if one.task_id]
        return limits

    assert bench.run(scenario()) == [50.0, 51.0, 40.0, 41.0, 30.0]
    UNCLAIMED[:] = [cls for cls in UNCLAIMED if cls is not Report]
