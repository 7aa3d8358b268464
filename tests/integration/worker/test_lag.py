"""A loop that was blocked: the beat carries it, and the log names the tasks."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench, Worker
from tqd.wire.messages import Beat

WARNING = "the loop was blocked"


def lags(worker: Worker) -> list[float]:
    return [message.lag_ms for message in worker.channel.messages if isinstance(message, Beat)]


def warnings(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """Return the fields of each warning of a blocked loop."""
    return [record.tqd_fields for record in caplog.records if WARNING in record.getMessage()]  # type: ignore[attr-defined]


def test_a_task_that_blocks_the_loop_is_named_although_it_has_ended(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    @bench.queue.task(name="blocks")
    async def blocks() -> None:
        time.sleep(1.2)

    @bench.queue.task(name="bystander")
    async def bystander() -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        for _ in range(3):
            await bystander.aenqueue()
        async with bench.worker(slots=8) as worker:
            await auntil(lambda: worker.lifecycle.inflight.busy == 3, "the bystanders run", 10)
            await blocks.aenqueue()
            await auntil(lambda: max(lags(worker)) > 700, "the lag is told", 10)
            assert max(lags(worker)) < 10_000
            (fields,) = warnings(caplog)
            assert fields["tasks"] == "bystander ×3, blocks ×1"
            assert 700 < fields["lag_ms"] < 10_000 and fields["left_out"] == 0  # type: ignore[operator]
            beats = len(lags(worker))
            await auntil(lambda: len(lags(worker)) >= beats + 2, "two more beats", 10)
            assert lags(worker)[-1] < 700, "it is the longest since the last beat, not of all times"

    bench.run(scenario())


def test_the_second_warning_within_ten_seconds_is_left_out(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    ended: list[int] = []

    @bench.queue.task(name="blocks")
    async def blocks() -> None:
        time.sleep(0.9)
        ended.append(1)

    async def scenario() -> None:
        async with bench.worker() as worker:
            for number in (1, 2):
                await blocks.aenqueue()
                await auntil(lambda number=number: len(ended) == number, "it ran", 10)  # type: ignore[misc]
                await auntil(lambda: worker.lifecycle._pulse._lag_s < 0.4, "that is told", 10)
            assert len(warnings(caplog)) == 1
            assert worker.lifecycle._pulse._report._left_out == 1

    bench.run(scenario())


def test_a_busy_worker_that_never_blocks_says_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    @bench.queue.task(name="works")
    async def works() -> None:
        await asyncio.sleep(0.8)

    async def scenario() -> None:
        await bench.queue.aenqueue_many([works.call() for _ in range(20)])
        async with bench.worker(slots=10) as worker:
            await bench.all_settled()
            assert len(lags(worker)) >= 2

    bench.run(scenario())
    assert all(fields["lag_ms"] > 500 for fields in warnings(caplog)), "only what the machine itself did"  # type: ignore[operator]


def test_the_beat_names_what_is_in_hand(bench: Bench) -> None:
    @bench.queue.task(name="often")
    async def often() -> None:
        await asyncio.Event().wait()

    @bench.queue.task(name="x" * 300)
    async def seldom() -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        for task in (often, seldom, often):
            await task.aenqueue()
        async with bench.worker(slots=8) as worker:
            await auntil(lambda: len(lags(worker)) > 0 and worker.channel.last.busy == 3, "they run", 10)
            assert worker.channel.last.names == [["often", 2], ["x" * 100, 1]]
            assert worker.channel.last.claiming is True

    bench.run(scenario())
