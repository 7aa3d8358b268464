"""A quiet worker claims nothing, finishes what it has, and takes nobody's token with it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench, Worker
from tqd.worker.lifecycle import Ending


def waiting_at_the_bell(bench: Bench) -> int:
    rows = bench.client.client_list()
    return sum(1 for row in rows if row["cmd"] == "blpop" and "b" in row["flags"])


async def asleep(worker: Worker) -> None:
    """Wait until a worker has nothing more to say to Redis."""
    consumer = worker.lifecycle._consumer
    await auntil(lambda: not consumer._awake.is_set() and not consumer._unstarted, "it sleeps", 10)
    await asyncio.sleep(0.05)


def test_a_quiet_worker_finishes_what_runs_and_claims_nothing_until_it_may(bench: Bench) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    ran: list[int] = []

    @bench.queue.task(name="works")
    async def works(number: int) -> None:
        started.set()
        await go_on.wait()
        ran.append(number)

    async def scenario() -> None:
        first = await works.aenqueue(1)
        async with bench.worker(slots=4) as worker:
            await asyncio.wait_for(started.wait(), 10)
            worker.lifecycle.set_quiet(True)
            worker.lifecycle.set_quiet(True)
            later = await works.aenqueue(2)
            go_on.set()
            await auntil(lambda: first.identity not in bench.places(), "the first is settled", 10)
            await asleep(worker)
            assert bench.places() == {later.identity: "ready:default"}
            await auntil(lambda: worker.channel.last.claiming is False, "the beat says so", 10)
            worker.lifecycle.set_quiet(False)
            worker.lifecycle.set_quiet(False)
            await bench.all_settled()
            await auntil(lambda: worker.channel.last.claiming is True, "the beat says so", 10)

    bench.run(scenario())
    assert ran == [1, 2]


def test_an_idle_worker_that_falls_quiet_leaves_the_bell_and_comes_back(bench: Bench) -> None:
    ran = asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.set()

    async def scenario() -> None:
        async with bench.worker() as worker:
            for _ in range(3):
                ran.clear()
                await auntil(lambda: waiting_at_the_bell(bench) == 1, "it waits at the bell", 10)
                worker.lifecycle.set_quiet(True)
                await auntil(lambda: waiting_at_the_bell(bench) == 0, "it has left", 10)
                await works.aenqueue()
                assert not ran.is_set()
                worker.lifecycle.set_quiet(False)
                await asyncio.wait_for(ran.wait(), 10)

    bench.run(scenario())


@pytest.mark.parametrize("enqueue_first", [True, False])
def test_the_token_of_a_worker_that_falls_quiet_wakes_another_one(bench: Bench, enqueue_first: bool) -> None:
    ran = asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.set()

    async def scenario() -> None:
        async with bench.worker() as leaving:
            await auntil(lambda: waiting_at_the_bell(bench) == 1, "the first is idle", 10)
            async with bench.worker():
                for _ in range(10):
                    ran.clear()
                    await auntil(lambda: waiting_at_the_bell(bench) == 2, "both are idle", 10)
                    # The first has waited for longest at times: the enqueue wakes the one that leaves.
                    if enqueue_first:
                        await works.aenqueue()
                        leaving.lifecycle.set_quiet(True)
                    else:
                        leaving.lifecycle.set_quiet(True)
                        await works.aenqueue()
                    await asyncio.wait_for(ran.wait(), 5)
                    leaving.lifecycle.set_quiet(False)

    bench.run(scenario())


def test_a_quiet_worker_does_not_keep_scheduled_tasks_from_others(bench: Bench) -> None:
    """Only the one that falls quiet has a timer for the next due time when the other comes."""
    ran = asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.set()

    async def scenario() -> None:
        await works.using(delay=1.5).aenqueue()
        async with bench.worker() as leaving:
            await auntil(lambda: leaving.lifecycle._consumer._timer is not None, "it knows the time", 10)
            leaving.lifecycle.set_quiet(True)
            async with bench.worker() as other:
                consumer = other.lifecycle._consumer
                await auntil(lambda: consumer._timer is not None, "so does the other", 10)
                assert consumer._timer is not None
                consumer._timer.cancel()
                await asyncio.wait_for(ran.wait(), 10)

    bench.run(scenario())


def test_a_worker_may_be_quiet_before_it_begins(bench: Bench) -> None:
    @bench.queue.task(name="works")
    async def works() -> None: ...

    async def scenario() -> None:
        handle = await works.aenqueue()
        async with bench.worker(quiet=True) as worker:
            await auntil(lambda: any(worker.channel.messages), "it beats", 10)
            assert worker.channel.last.claiming is False
            await asleep(worker)
            assert bench.places() == {handle.identity: "ready:default"}
            worker.lifecycle.set_quiet(False)
            await bench.all_settled()

    bench.run(scenario())


def test_a_quiet_worker_drains_and_a_draining_one_does_not_wake(bench: Bench) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        started.set()
        await go_on.wait()

    async def scenario() -> None:
        await works.aenqueue()
        async with bench.worker(slots=2) as worker:
            await asyncio.wait_for(started.wait(), 10)
            worker.lifecycle.set_quiet(True)
            later = await works.aenqueue()
            worker.lifecycle.drain(30)
            worker.lifecycle.set_quiet(False)
            await asyncio.sleep(0.1)
            assert worker.channel.last.claiming is False
            go_on.set()
            assert await worker.served() is Ending.DRAINED
            assert bench.places() == {later.identity: "ready:default"}

    bench.run(scenario())


def test_falling_quiet_in_the_middle_of_much_work_loses_nothing(bench: Bench) -> None:
    ran: list[int] = []

    @bench.queue.task(name="works")
    async def works(number: int) -> None:
        ran.append(number)
        await asyncio.sleep(0)

    async def scenario() -> None:
        await bench.queue.aenqueue_many([works.call(number) for number in range(2000)])
        async with bench.worker(slots=16) as worker:
            for part in range(1, 6):
                await auntil(lambda part=part: len(ran) > part * 200, "it is busy", 10)  # type: ignore[misc]
                worker.lifecycle.set_quiet(True)
                await auntil(lambda: worker.lifecycle.inflight.busy == 0, "what it had is done", 10)
                await asleep(worker)
                seen = len(ran)
                await asyncio.sleep(0.05)
                assert len(ran) == seen
                worker.lifecycle.set_quiet(False)
            await bench.all_settled()

    bench.run(scenario())
    assert sorted(ran) == list(range(2000))
