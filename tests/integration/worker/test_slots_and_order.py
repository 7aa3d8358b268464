"""How many attempts run at a time, and which task comes first."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import queues

PRIORITIES = (queues.HIGH_PRIORITY, queues.DEFAULT, queues.LOW_PRIORITY)


class Gauge:
    """Counts who is inside, and the most there ever were; also from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = 0
        self.most = 0
        self.passed = 0

    def __enter__(self) -> Gauge:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.inside -= 1
            self.passed += 1


@pytest.mark.parametrize("slots", [1, 3])
def test_a_worker_never_runs_or_holds_more_tasks_than_it_has_slots(bench: Bench, slots: int) -> None:
    gauge = Gauge()
    held: list[int] = []

    @bench.queue.task(name="async")
    async def work() -> None:
        with gauge:
            await asyncio.sleep(0.001)

    @bench.queue.task(name="plain")
    def plain() -> None:
        with gauge:
            pass

    async def scenario() -> None:
        calls = [task.call() for _ in range(100) for task in (work, plain)]
        await bench.queue.aenqueue_many(calls)
        async with bench.worker(slots) as worker:
            while gauge.passed < len(calls):
                held.append(len(bench.held(worker)))
                await asyncio.sleep(0)
            await bench.all_settled()
            assert worker.lifecycle.inflight.busy == 0

    bench.run(scenario())
    assert 0 < gauge.most <= slots
    # Redis may not know yet that the last batch is over: those slots are taken by the next claim.
    assert max(held) <= 2 * slots


def test_plain_functions_run_side_by_side_up_to_the_slots(bench: Bench) -> None:
    together = threading.Barrier(3)
    names: set[str] = set()

    @bench.queue.task(name="meet")
    def meet() -> None:
        names.add(threading.current_thread().name)
        together.wait(20)

    async def scenario() -> None:
        await bench.queue.aenqueue_many([meet.call() for _ in range(30)])
        async with bench.worker(slots=3):
            await bench.all_settled()

    bench.run(scenario())
    assert bench.places() == {}, "a thread waited in vain for the two others"
    assert len(names) == 3


def test_high_comes_before_default_before_low(bench: Bench) -> None:
    order: list[str] = []

    @bench.queue.task(name="note")
    async def note(queue: str) -> None:
        order.append(queue)

    async def scenario() -> None:
        for queue in reversed(PRIORITIES):
            await bench.queue.aenqueue_many([note.using(queue=queue).call(queue) for _ in range(5)])
        async with bench.worker(slots=1):
            await auntil(lambda: len(order) == 15, "all have run", 15)

    bench.run(scenario())
    assert order == [queue for queue in PRIORITIES for _ in range(5)]


def test_what_comes_later_into_a_higher_queue_comes_first(bench: Bench) -> None:
    order: list[str] = []
    first_runs, go_on = asyncio.Event(), asyncio.Event()

    @bench.queue.task(name="note")
    async def note(queue: str) -> None:
        order.append(queue)
        if len(order) == 1:
            first_runs.set()
            await go_on.wait()

    async def scenario() -> None:
        low = note.using(queue=queues.LOW_PRIORITY)
        await bench.queue.aenqueue_many([low.call("low") for _ in range(3)])
        async with bench.worker(slots=1):
            await asyncio.wait_for(first_runs.wait(), 10)
            await note.using(queue=queues.HIGH_PRIORITY).aenqueue("high")
            go_on.set()
            await auntil(lambda: len(order) == 4, "all have run", 15)

    bench.run(scenario())
    assert order == ["low", "high", "low", "low"]


def test_no_queue_starves_behind_one_that_never_ends(bench: Bench) -> None:
    low_ran = asyncio.Event()

    @bench.queue.task(name="endless")
    async def endless() -> None:
        if not low_ran.is_set():
            await endless.using(queue=queues.HIGH_PRIORITY).aenqueue()

    @bench.queue.task(name="low", queue=queues.LOW_PRIORITY)
    async def low() -> None:
        low_ran.set()

    async def scenario() -> None:
        high = endless.using(queue=queues.HIGH_PRIORITY)
        await bench.queue.aenqueue_many([high.call() for _ in range(50)])
        await low.aenqueue()
        async with bench.worker(slots=4, queues={"starvation_after": 0.2}):
            await asyncio.wait_for(low_ran.wait(), 20)
            await bench.all_settled()

    bench.run(scenario())


def test_an_idle_worker_is_woken_by_an_enqueue(bench: Bench) -> None:
    ran = asyncio.Event()

    @bench.queue.task(name="work", queue=queues.LOW_PRIORITY)
    async def work() -> None:
        ran.set()

    async def scenario() -> None:
        async with bench.worker():
            for _ in range(20):
                ran.clear()
                await auntil(lambda: waiting_at_the_bell(bench) == 1, "the worker is idle", 15)
                await work.aenqueue()
                await asyncio.wait_for(ran.wait(), 5)

    bench.run(scenario())


def waiting_at_the_bell(bench: Bench) -> int:
    return sum(1 for row in bench.client.client_list() if row["cmd"] == "blpop")
