"""Tasks that expire, and tasks with a deadline, by Redis's clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import Context, Retry, TaskExpired, TaskFailed, TaskQueue, TaskState
from tqd.task.identity import task_id
from tqd.wire.envelope import decode_envelope, encode_envelope

PLAIN = pytest.mark.parametrize("plain", [False, True], ids=["coroutine", "thread"])


def recorder(bench: Bench, seen: list[int], **options: Any) -> Any:
    @bench.queue.task(name="job", **options)
    async def job(number: int = 1) -> int:
        seen.append(number)
        return number

    return job


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "by call"])
def test_a_task_that_is_claimed_after_it_expired_never_runs_and_whoever_waits_is_told(
    bench: Bench, declared: bool
) -> None:
    seen: list[int] = []
    job = recorder(bench, seen, result_ttl=60, **({"expires": 0.05} if declared else {}))
    late = job if declared else job.using(expires=timedelta(seconds=0.05))

    async def scenario() -> None:
        handle = await late.aenqueue(1)
        await asyncio.sleep(0.1)
        async with bench.worker() as worker:
            with pytest.raises(TaskExpired, match="had not begun when it expired") as caught:
                await handle.result(timeout=10)
            assert caught.value.task_id == handle.id
            assert await handle.status() is TaskState.EXPIRED
            assert bench.places() == {}
            await auntil(lambda: worker.channel.last.expired == 1, "it is counted", 10)
            beat = worker.channel.last
            assert (beat.failed, beat.retried, beat.done, beat.discarded) == (0, 0, 0, 0)

    bench.run(scenario())
    assert seen == []


def test_expired_tasks_leave_nothing_behind_and_one_line_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []
    job = recorder(bench, seen, expires=60)

    async def scenario() -> None:
        await bench.queue.aenqueue_many(
            [job.using(expires=datetime(2020, 1, 1, tzinfo=UTC)).call(n) for n in range(50)]
            + [job.call(n) for n in (1, 2)]
            + [job.using(expires=0).call(3)]
        )
        async with bench.worker():
            await bench.all_settled()
        kept = [bench.keys.task, bench.keys.attempts, bench.keys.errors, bench.keys.dead, bench.keys.failure]
        assert not bench.client.exists(*kept)

    with caplog.at_level(logging.INFO, logger="tqd"):
        bench.run(scenario())
    assert sorted(seen) == [1, 2, 3]
    told = [r.__dict__ for r in caplog.records if r.getMessage() == "tasks have expired and never run"]
    assert "50" in str(told) and len(told) <= 3


def test_a_delayed_task_expires_after_its_due_time_also_when_enqueued_by_name(bench: Bench) -> None:
    seen: list[int] = []
    recorder(bench, seen, expires=0.4)
    producer = TaskQueue(bench.server.url, namespace="test")

    async def scenario() -> None:
        job = producer.named("job")
        async with bench.worker():
            await job.using(delay=0.5).aenqueue(1)
            await job.using(eta=datetime.now(UTC) + timedelta(seconds=0.5)).aenqueue(2)
            await auntil(lambda: sorted(seen) == [1, 2], "both run, 0.5 s after their enqueue", 15)
        await producer.aclose()

    bench.run(scenario())


def test_the_time_of_the_first_enqueue_is_redis_own_however_wrong_this_hosts_clock_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    job = recorder(bench, seen, expires=600)
    monkeypatch.setattr("tqd.clock.wall_ms", lambda: (int(time.time()) - 7200) * 1000)

    async def scenario() -> None:
        for number in (1, 2):
            queue = TaskQueue(bench.server.url, namespace="test")
            queue.registry.add(job.handler)
            if number == 1:
                await queue.aenqueue("job", number)
                await queue.aclose()
            else:
                await asyncio.to_thread(queue.enqueue, "job", number)
                queue.close()
        async with bench.worker():
            await bench.all_settled()

    bench.run(scenario())
    assert sorted(seen) == [1, 2]


@PLAIN
def test_an_attempt_that_runs_at_the_deadline_is_ended_and_is_the_last(bench: Bench, plain: bool) -> None:
    begun: list[float | None] = []

    if plain:

        @bench.queue.task(name="job", deadline=0.4, result_ttl=60, retry_delay=0)
        def blocking(ctx: Context) -> None:
            begun.append(ctx.deadline)
            time.sleep(1.0)

        job: Any = blocking
    else:

        @bench.queue.task(name="job", deadline=0.4, result_ttl=60, retry_delay=0)
        async def sleeping(ctx: Context) -> None:
            begun.append(ctx.deadline)
            await asyncio.sleep(30)

        job = sleeping

    async def scenario() -> None:
        async with bench.worker():
            handle = await job.aenqueue()
            with pytest.raises(TaskFailed, match="still running at the task's deadline") as caught:
                await handle.result(timeout=15)
            assert caught.value.error_type == "DeadlineExceeded"
        record = bench.failure(handle.identity)
        assert (record.reason, record.attempts) == ("deadline", 1)

    bench.run(scenario())
    assert len(begun) == 1 and begun[0] is not None, "the handler is told its deadline"


def test_the_shorter_of_timeout_and_deadline_ends_an_attempt(bench: Bench) -> None:
    attempts: list[int] = []

    @bench.queue.task(name="job", timeout=0.2, deadline=30, retry_delay=0, max_retries=1)
    async def job() -> None:
        attempts.append(1)
        await asyncio.sleep(30)

    async def scenario() -> None:
        async with bench.worker():
            handle = await job.aenqueue()
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is dead", 15)
        assert bench.failure(handle.identity).reason == "timed out"

    bench.run(scenario())
    assert len(attempts) == 2


@pytest.mark.parametrize(
    "raises", [lambda: ValueError("no"), lambda: Retry(60)], ids=["a failure", "an asked retry"]
)
def test_a_retry_that_would_be_due_after_the_deadline_is_not_tried(
    bench: Bench, raises: Callable[[], Exception]
) -> None:
    @bench.queue.task(name="job", deadline=20, retry_delay=60)
    async def job() -> None:
        raise raises()

    async def scenario() -> None:
        async with bench.worker():
            handle = await job.aenqueue()
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is dead at once", 15)
        record = bench.failure(handle.identity)
        assert (record.reason, record.attempts) == ("deadline", 1)
        assert record.errors[0][0] in ("ValueError", "tqd.errors.Retry"), "the failure itself is kept"

    bench.run(scenario())


def test_no_attempt_begins_after_the_deadline(bench: Bench) -> None:
    seen: list[int] = []
    job = recorder(bench, seen, deadline=0.05)

    async def scenario() -> None:
        handle = await job.aenqueue(1)
        await asyncio.sleep(0.1)
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is dead", 15)
        record = bench.failure(handle.identity)
        assert (record.reason, record.attempts, record.errors[0][0]) == ("deadline", 0, "DeadlineExceeded")

    bench.run(scenario())
    assert seen == []


def test_a_replayed_task_has_all_its_time_again(bench: Bench) -> None:
    seen: list[int] = []

    @bench.queue.task(name="job", deadline=5, max_retries=0, expires=5)
    async def job() -> None:
        seen.append(1)
        if len(seen) == 1:
            raise ValueError

    async def scenario() -> None:
        handle = await job.aenqueue()
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is dead", 15)
            record = bench.failure(handle.identity)
            bench.client.hset(bench.keys.failure, handle.identity, aged(record).encode())  # type: ignore[arg-type]
            await bench.queue.dead.areplay(handle.id)
            await auntil(lambda: len(seen) == 2, "it runs again", 15)

    bench.run(scenario())


def aged(record: Any) -> Any:
    """Return a record whose task was enqueued an hour before it was."""
    task = decode_envelope(record.envelope)
    envelope = encode_envelope(
        task.name, task.args, task.kwargs, task.queue, task.enqueued_ms - 3_600_000, task.options
    )
    return replace(record, envelope=envelope)


def test_a_hostile_clock_in_an_envelope_stops_no_worker(bench: Bench) -> None:
    seen: list[int] = []
    job = recorder(bench, seen)

    async def scenario() -> None:
        for clock in (1e308, 2**63, 0.0, 1, -1, "x", None):
            envelope = msgpack.packb([1, "job", [9], "default", 2**62, {}, [None] * 7 + [clock] * 3])
            identity = task_id(1, 0, b"%08d" % (hash(str(clock)) % 10**8))
            bench.client.hset(bench.keys.task, identity, envelope)  # type: ignore[arg-type]
            bench.client.rpush(bench.keys.ready("default"), identity)
        await job.aenqueue(1)
        async with bench.worker() as worker:
            await auntil(lambda: 1 in seen, "the others run", 15)
            await bench.all_settled()
            assert not worker.ended

    bench.run(scenario())
