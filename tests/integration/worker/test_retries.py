"""What a task's declaration and its handler say about retries, and what is kept of failed attempts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

import tqd
from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import Context, Discard, Retry, Task, TaskCancelled, TaskState
from tqd.task.budget import FEWEST_FAILURES

PLAIN = pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])


def declare(bench: Bench, plain: bool, work: Callable[[Context], Any], **options: Any) -> Any:
    """Declare the task `job`, as a coroutine or as a plain function, that does this work."""
    if plain:

        @bench.queue.task(name="job", **options)
        def job(ctx: Context) -> Any:
            return work(ctx)

        return job

    @bench.queue.task(name="job", **options)
    async def ajob(ctx: Context) -> Any:
        return work(ctx)

    return ajob


def raising(errors: list[BaseException], seen: list[int]) -> Callable[[Context], str]:
    """Return work that raises one error after the other, and then ends well; `seen` gets its attempts."""

    def work(ctx: Context) -> str:
        seen.append(ctx.attempt)
        if len(seen) <= len(errors):
            raise errors[len(seen) - 1]
        return "done"

    return work


@PLAIN
def test_an_error_that_is_given_up_on_is_a_dead_letter_at_once(bench: Bench, plain: bool) -> None:
    seen: list[int] = []
    work = raising([ConnectionResetError("gone")] * 9, seen)
    job = declare(bench, plain, work, retry_on=ConnectionError, give_up_on=[ConnectionResetError])

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
        record = bench.failure(handle.identity)
        assert (record.reason, record.attempts, record.history) == ("raised", 1, ())

    bench.run(scenario())
    assert seen == [1]


@PLAIN
def test_only_errors_that_are_retried_on_are_tried_again(bench: Bench, plain: bool) -> None:
    seen: list[int] = []
    work = raising([ConnectionResetError("gone"), ValueError("no"), ValueError("never")], seen)
    job = declare(bench, plain, work, retry_on=(ConnectionError,), retry_delay=0)

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
        assert bench.failure(handle.identity).attempts == 2

    bench.run(scenario())
    assert seen == [1, 2]


@pytest.mark.parametrize("limit", ["timeout", "hard_timeout"])
def test_a_time_limit_counts_as_a_timeout_error(bench: Bench, limit: str) -> None:
    limits: dict[str, Any] = {limit: 0.1}

    @bench.queue.task(name="late", give_up_on=TimeoutError, **limits)
    async def late() -> None:
        await asyncio.sleep(60)

    async def scenario() -> None:
        handle = await late.aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 15)
        record = bench.failure(handle.identity)
        assert (record.reason, record.attempts) == ("timed out", 1)

    bench.run(scenario())


def test_class_tasks_have_rules_as_well(bench: Bench) -> None:
    class Job(Task, app=bench.queue, give_up_on=ValueError):
        async def execute(self) -> None:
            raise ValueError("no")

    async def scenario() -> None:
        handle = await Job().aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
        assert bench.failure(handle.identity).attempts == 1

    bench.run(scenario())


@PLAIN
def test_a_retry_that_is_asked_for_costs_no_attempt(bench: Bench, plain: bool) -> None:
    seen: list[int] = []
    job = declare(bench, plain, raising([Retry(0)] * 5, seen), max_retries=0, result_ttl=60)

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker() as worker:
            assert await handle.result(timeout=20) == "done"
            await auntil(lambda: worker.channel.last.retried == 5, "the retries are counted", 10)
        assert not bench.client.exists(bench.keys.errors)

    bench.run(scenario())
    assert seen == [1] * 6


def test_a_retry_comes_after_the_delay_that_was_asked_for(bench: Bench) -> None:
    job = declare(bench, False, raising([Retry(3600, reason="not open yet")], []))

    async def scenario() -> float:
        handle = await job.aenqueue()
        async with bench.worker() as worker:
            place = "due:default"
            await auntil(lambda: bench.places().get(handle.identity) == place, "it is scheduled", 10)
            due_ms = bench.client.zscore(bench.keys.due("default"), handle.identity)
            assert isinstance(due_ms, float)
            return due_ms - worker.store.now_ms()

    assert 3_540_000 < bench.run(scenario()) <= 3_600_000


def test_a_retry_that_spends_ends_as_a_dead_letter(bench: Bench) -> None:
    seen: list[int] = []
    job = declare(bench, False, raising([Retry(0, spend=True)] * 9, seen), max_retries=2)

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
        record = bench.failure(handle.identity)
        assert (record.attempts, record.errors[0][0]) == (3, "tqd.errors.Retry")

    bench.run(scenario())
    assert seen == [1, 2, 3]


def test_retries_for_nothing_end_and_are_said(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    job = declare(bench, False, raising([Retry(0)] * 9, seen), max_retries=0)

    async def scenario() -> None:
        handle = await job.aenqueue()
        bench.client.hset(bench.keys.attempts, handle.identity, b"998:0:0")
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)

    bench.run(scenario())
    assert len(seen) == 2, "at its 999th claim for nothing, at its 1000th no more"
    assert caplog.messages.count("a task asks to be run again and again") == 1


@PLAIN
def test_a_discarded_task_ends_as_cancelled_and_its_reason_is_told(bench: Bench, plain: bool) -> None:
    seen: list[int] = []
    job = declare(bench, plain, raising([Discard("the order is gone")], seen), result_ttl=60)

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker() as worker:
            with pytest.raises(TaskCancelled, match="the order is gone") as caught:
                await handle.result(timeout=10)
            assert caught.value.reason == "the order is gone"
            assert await handle.status() is TaskState.CANCELLED
            assert bench.places() == {}
            await auntil(lambda: worker.channel.last.discarded == 1, "it is counted", 10)
            beat = worker.channel.last
            assert (beat.failed, beat.retried, beat.done) == (0, 0, 0)

    bench.run(scenario())
    assert seen == [1]


def test_a_discarded_task_without_a_result_leaves_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    job = declare(bench, False, raising([ValueError("no"), Discard("obsolete")], []), retry_delay=0)

    async def scenario() -> None:
        await job.aenqueue()
        async with bench.worker():
            await bench.all_settled()
        kept = [bench.keys.task, bench.keys.attempts, bench.keys.errors, bench.keys.dead, bench.keys.failure]
        assert not bench.client.exists(*kept)

    with caplog.at_level(logging.INFO, logger="tqd"):
        bench.run(scenario())
    (record,) = [r for r in caplog.records if r.getMessage() == "task was discarded by its handler"]
    assert "obsolete" in str(record.__dict__)


@PLAIN
def test_a_dead_letter_has_the_errors_of_all_its_attempts(bench: Bench, plain: bool) -> None:
    errors = [ValueError("first"), SystemExit("second"), KeyError("third"), OSError("last")]
    job = declare(bench, plain, raising(list(errors), []), retry_delay=0)

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 10)
        record = bench.failure(handle.identity)
        assert (record.attempts, record.errors[0][:2]) == (4, ("OSError", "last"))
        assert [(past.attempt, past.type, past.message) for past in record.history] == [
            (3, "KeyError", "'third'"), (2, "SystemExit", "second"), (1, "ValueError", "first"),
        ]  # fmt: skip
        assert all(past.place.endswith(" in work") for past in record.history)
        assert not bench.client.exists(bench.keys.errors)

    bench.run(scenario())


def test_when_all_attempts_of_a_name_fail_its_retries_wait_longer_and_none_is_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Context) -> None:
        raise ConnectionError("down")

    job = declare(bench, False, fail, retry_delay=3600, max_retry_delay=3600)
    count = 2 * FEWEST_FAILURES

    async def scenario() -> list[float]:
        for _ in range(count):
            await job.aenqueue()
        async with bench.worker() as worker:
            due = bench.keys.due("default")
            await auntil(lambda: bench.client.zcard(due) == count, "all are scheduled", 20)
            now_ms = worker.store.now_ms()
            rows: Any = bench.client.zrange(due, 0, -1, withscores=True)
            return [(ms - now_ms) / 1000 for _, ms in rows]

    delays_s = bench.run(scenario())
    usual = [delay_s for delay_s in delays_s if delay_s <= 3600]
    assert len(usual) == FEWEST_FAILURES - 1
    assert all(7.4 * 3600 < delay_s <= 36_000 for delay_s in delays_s[len(usual) :])
    assert caplog.messages.count("most attempts of a task fail: its retries wait longer") == 1


def test_a_call_in_the_callers_own_process_just_raises_the_signal(bench: Bench) -> None:
    @bench.queue.task(name="signals")
    def signals() -> None:
        raise tqd.Discard("here and now")

    with pytest.raises(tqd.Discard, match="here and now"):
        signals()


def test_retries_that_are_asked_for_cost_none_after_a_replay(bench: Bench) -> None:
    seen: list[int] = []
    errors: list[BaseException] = [ValueError("no"), Retry(0.01), Retry(0.01)]
    job = declare(bench, False, raising(errors, seen), max_retries=0)

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it has failed for good", 15)
            await bench.queue.dead.areplay(handle.id)
            await bench.all_settled()
        assert bench.places() == {}, "done, and no dead letter"

    bench.run(scenario())
    assert len(seen) == 4
