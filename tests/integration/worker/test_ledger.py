"""What a worker counts, by task name and queue, against what its tasks did."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import Context, Discard, Retry
from tqd.metrics.ledger import NO_HANDLER
from tqd.metrics.measures import Measures


def outcomes(one: Measures) -> tuple[int, ...]:
    return (
        one.done,
        one.failed,
        one.retried,
        one.asked,
        one.timed_out,
        one.discarded,
        one.released,
        one.expired,
    )


def test_attempts_are_counted_by_outcome_under_their_task_s_name(bench: Bench) -> None:
    tries: list[int] = []

    @bench.queue.task(name="works")
    async def works() -> None: ...

    @bench.queue.task(name="keeps", result_ttl=60)
    def keeps() -> int:
        return 1

    @bench.queue.task(name="fails", max_retries=2, retry_delay=0)
    async def fails() -> None:
        raise ValueError

    @bench.queue.task(name="asks")
    async def asks() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise Retry(0)

    @bench.queue.task(name="drops")
    async def drops() -> None:
        raise Discard("no use")

    @bench.queue.task(name="hangs", timeout=0.05, max_retries=0)
    async def hangs() -> None:
        await asyncio.sleep(60)

    @bench.queue.task(name="late", expires=0.001)
    async def late() -> None: ...

    async def scenario() -> None:
        for task, count in ((works, 7), (keeps, 2), (fails, 1), (asks, 1), (drops, 3), (hangs, 2)):
            for _ in range(count):
                await task.aenqueue()
        await late.aenqueue()
        await asyncio.sleep(0.01)
        async with bench.worker(slots=4) as worker:
            await bench.all_settled()
        found = {name: outcomes(one) for (name, queue), one in worker.counted().items()}
        assert found == {
            "works": (7, 0, 0, 0, 0, 0, 0, 0),
            "keeps": (2, 0, 0, 0, 0, 0, 0, 0),
            "fails": (0, 1, 2, 0, 0, 0, 0, 0),
            "asks": (1, 0, 2, 2, 0, 0, 0, 0),
            "drops": (0, 0, 0, 0, 0, 3, 0, 0),
            "hangs": (0, 2, 0, 0, 2, 0, 0, 0),
            "late": (0, 0, 0, 0, 0, 0, 0, 1),
        }

    bench.run(scenario())


def test_a_name_in_two_queues_is_counted_in_each(bench: Bench) -> None:
    @bench.queue.task(name="works")
    async def works() -> None: ...

    async def scenario() -> None:
        for n in range(20):
            await works.using(queue="high_priority" if n % 4 == 0 else "default").aenqueue()
        async with bench.worker(slots=4) as worker:
            await bench.all_settled()
        assert {key: one.done for key, one in worker.counted().items()} == {
            ("works", "high_priority"): 5, ("works", "default"): 15,
        }  # fmt: skip

    bench.run(scenario())


def test_what_has_no_handler_takes_no_page_of_its_own(bench: Bench) -> None:
    async def scenario() -> None:
        for n in range(20):
            await bench.queue.named(f"nobody-{n}").aenqueue()
        async with bench.worker() as worker:
            await auntil(lambda: not bench.ready(), "all are claimed")
        assert {name for name, _ in worker.counted()} <= {NO_HANDLER}

    bench.run(scenario())


def test_run_times_and_waits_are_measured(bench: Bench) -> None:
    @bench.queue.task(name="sleeps")
    async def sleeps() -> None:
        await asyncio.sleep(0.2)

    async def scenario() -> None:
        for _ in range(3):
            await sleeps.aenqueue()
        async with bench.worker(slots=1) as worker:
            await bench.all_settled()
            beat = worker.channel
        (one,) = worker.counted().values()
        assert one.ran == sum(one.waits.counts.values()) == 3
        assert 0.55 < one.run_s < 5.0
        median, longest = one.waits.quantile_s(0.5), one.waits.quantile_s(1.0)
        assert median is not None and longest is not None
        assert 0.15 < median < 2.0 and longest > median, "they were run one after the other"
        assert beat.last.busy_slot_s == pytest.approx(one.run_s)

    bench.run(scenario())


def test_the_wait_of_a_delayed_task_begins_when_it_is_due(bench: Bench) -> None:
    @bench.queue.task(name="works")
    async def works() -> None: ...

    async def scenario() -> None:
        async with bench.worker() as worker:
            await works.using(delay=1.0).aenqueue()
            await bench.all_settled()
        (one,) = worker.counted().values()
        longest = one.waits.quantile_s(1.0)
        assert longest is not None and longest < 0.9

    bench.run(scenario())


def test_waits_are_counted_of_first_claims_and_of_those_only(bench: Bench) -> None:
    @bench.queue.task(name="fails", max_retries=2, retry_delay=0)
    async def fails() -> None:
        raise ValueError

    @bench.queue.task(name="one", unique=True)
    async def one() -> None: ...

    async def scenario() -> None:
        await fails.aenqueue()
        await one.aenqueue()
        async with bench.worker() as worker:
            await bench.all_settled()
        waits = {name: sum(found.waits.counts.values()) for (name, _), found in worker.counted().items()}
        assert waits == {"fails": 1, "one": 1}

    bench.run(scenario())


def test_the_slot_of_a_thread_that_goes_on_is_busy_until_it_returns(bench: Bench) -> None:
    release = asyncio.Event()

    @bench.queue.task(name="stuck", timeout=0.05, max_retries=0)
    def stuck(ctx: Context) -> None:
        while not release.is_set():
            time.sleep(0.01)

    async def scenario() -> None:
        await stuck.aenqueue()
        async with bench.worker(slots=2) as worker:
            await bench.all_settled()
            inflight = worker.lifecycle.inflight
            await auntil(lambda: inflight.strays == 1, "the thread goes on")
            before = inflight.busy_s(asyncio.get_running_loop().time())
            await asyncio.sleep(0.3)
            assert inflight.busy_s(asyncio.get_running_loop().time()) - before > 0.25
            release.set()
            await auntil(lambda: inflight.strays == 0, "the thread has returned")
            ended = inflight.busy_s(asyncio.get_running_loop().time())
            await asyncio.sleep(0.05)
            assert inflight.busy_s(asyncio.get_running_loop().time()) == pytest.approx(ended, abs=1e-6)

    bench.run(scenario())
