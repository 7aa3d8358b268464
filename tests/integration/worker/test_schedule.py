"""Delayed tasks start at their time, whoever has to be woken for it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import TaskState

LATE_S = 1.0
"""Generous: the tests share two loaded cores. What the promise of 50 ms costs, perf/ measures."""


def test_a_delayed_task_that_reaches_an_idle_worker_starts_on_time(bench: Bench) -> None:
    ran: list[float] = []

    @bench.queue.task(name="later")
    async def later() -> None:
        ran.append(time.monotonic())

    async def scenario() -> None:
        async with bench.worker():
            await auntil(lambda: idle(bench) == 1, "the worker is idle", 15)
            for delay_s in (0.3, 0.001, 0.15):
                ran.clear()
                due = time.monotonic() + delay_s
                handle = await later.using(delay=delay_s).aenqueue()
                assert await handle.astatus() in (TaskState.SCHEDULED, None) or delay_s < 0.01
                await auntil(lambda: bool(ran), "it runs", 10)
                assert due - 0.01 <= ran[0] <= due + LATE_S

    bench.run(scenario())


def test_an_earlier_task_is_not_held_up_by_one_that_is_due_later(bench: Bench) -> None:
    ran: list[tuple[str, float]] = []

    @bench.queue.task(name="later")
    async def later(name: str) -> None:
        ran.append((name, time.monotonic()))

    async def scenario() -> None:
        async with bench.worker():
            await later.using(delay=0.8).aenqueue("second")
            await auntil(lambda: idle(bench) == 1, "the worker waits for it", 15)
            due = time.monotonic() + 0.2
            await later.using(delay=0.2).aenqueue("first")
            await auntil(lambda: len(ran) == 2, "both ran", 15)
            assert [name for name, _ in ran] == ["first", "second"]
            assert due - 0.01 <= ran[0][1] <= due + LATE_S

    bench.run(scenario())


def test_what_was_due_before_the_worker_came_runs_at_once(bench: Bench) -> None:
    ran = asyncio.Event()

    @bench.queue.task(name="later")
    async def later() -> None:
        ran.set()

    async def scenario() -> None:
        handle = await later.using(eta=datetime.now(UTC) - timedelta(hours=1)).aenqueue()
        assert await handle.astatus() is TaskState.SCHEDULED
        async with bench.worker():
            await asyncio.wait_for(ran.wait(), 10)

    bench.run(scenario())


def test_a_delayed_task_that_reaches_a_full_worker_is_taken_by_another(bench: Bench) -> None:
    go_on = asyncio.Event()
    inside: list[str] = []
    ran: list[float] = []

    @bench.queue.task(name="blocks")
    async def blocks() -> None:
        inside.append("blocks")
        await go_on.wait()

    @bench.queue.task(name="later")
    async def later() -> None:
        ran.append(time.monotonic())

    async def scenario() -> None:
        async with bench.worker(slots=1):
            # The first worker alone knows the due time; it is full when the time has come.
            handle = await later.using(delay=0.6).aenqueue()
            await auntil(lambda: bench.places().get(handle.identity) == "due:default", "it waits", 5)
            await blocks.aenqueue()
            await auntil(lambda: inside, "the first worker is full", 10)
            async with bench.worker(slots=1):
                try:
                    await auntil(lambda: bool(ran), "the second worker takes it", 15)
                finally:
                    go_on.set()

    bench.run(scenario())


def test_many_delayed_tasks_all_run_and_none_early(bench: Bench) -> None:
    early: list[float] = []
    ran: list[int] = []

    @bench.queue.task(name="later")
    async def later(number: int, due: float) -> None:
        ran.append(number)
        if time.monotonic() < due - 0.01:
            early.append(due)

    async def scenario() -> None:
        now = time.monotonic()
        delays = [(number * 7919 % 1000) / 1000 for number in range(600)]
        calls = [later.using(delay=delay).call(n, now + delay) for n, delay in enumerate(delays)]
        async with bench.worker(slots=16):
            await bench.queue.aenqueue_many(calls)
            await bench.all_settled(30)

    bench.run(scenario())
    assert sorted(ran) == list(range(600))
    assert early == []


def idle(bench: Bench) -> int:
    return sum(1 for row in bench.client.client_list() if row["cmd"] == "blpop")
