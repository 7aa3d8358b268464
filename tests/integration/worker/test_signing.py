"""Signed tasks: what a worker with keys runs, and what it buries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.wait import auntil
from tests.support.worker import Bench
from tqd import TaskQueue, TaskState
from tqd.task.identity import task_id
from tqd.wire.seal import Seal, is_sealed

OLD, NEW = "old" * 8, "new" * 8


@pytest.fixture
def signed(bench: Bench) -> Bench:
    """A bench whose app has a signing key."""
    bench.queue = TaskQueue(bench.server.url, namespace="test", signing_keys=[OLD])
    return bench


def recorder(bench: Bench, seen: list[int], **options: Any) -> Any:
    @bench.queue.task(name="job", **options)
    async def job(number: int) -> int:
        seen.append(number)
        if options.get("max_retries") and len(seen) == 1:
            raise ValueError("once")
        return number

    return job


def put(bench: Bench, identity: bytes, envelope: bytes) -> None:
    bench.client.hset(bench.keys.task, identity, envelope)  # type: ignore[arg-type]
    bench.client.rpush(bench.keys.ready("default"), identity)
    bench.client.rpush(bench.keys.bell("default"), 1)


def stored(bench: Bench, identity: bytes) -> bytes:
    return bytes(bench.client.hget(bench.keys.task, identity) or b"")  # type: ignore[arg-type]


def test_a_signed_task_runs_is_retried_and_leaves_its_result(signed: Bench) -> None:
    seen: list[int] = []
    job = recorder(signed, seen, result_ttl=60, max_retries=1, retry_delay=0)

    async def scenario() -> None:
        handle = await job.aenqueue(7)
        assert is_sealed(stored(signed, handle.identity))
        assert await handle.status() is TaskState.READY
        async with signed.worker():
            assert await handle.result(timeout=15) == 7

    signed.run(scenario())
    assert seen == [7, 7]


def move(bench: Bench, identity: bytes) -> bytes:
    other = task_id(1, 0, b"otherone")
    put(bench, other, stored(bench, identity))
    bench.client.hdel(bench.keys.task, identity)  # type: ignore[arg-type]
    return other


def change(bench: Bench, identity: bytes) -> bytes:
    data = stored(bench, identity)
    put(bench, identity, data[:-1] + bytes((data[-1] ^ 1,)))
    return identity


def strip(bench: Bench, identity: bytes) -> bytes:
    put(bench, identity, stored(bench, identity)[26:])
    return identity


def forge(bench: Bench, identity: bytes) -> bytes:
    put(bench, identity, Seal([NEW]).seal(identity, stored(bench, identity)[26:]))
    return identity


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (move, "signature does not match"),
        (change, "signature does not match"),
        (forge, "signature does not match"),
        (strip, "unsigned"),
    ],
)
def test_what_is_not_signed_by_a_known_key_for_its_id_never_runs_and_is_buried_with_the_reason(
    signed: Bench, tamper: Callable[[Bench, bytes], bytes], reason: str
) -> None:
    seen: list[int] = []
    job = recorder(signed, seen)

    async def scenario() -> None:
        handle = await job.aenqueue(1)
        signed.client.delete(signed.keys.ready("default"))
        victim = tamper(signed, handle.identity)
        async with signed.worker() as worker:
            await auntil(lambda: signed.places().get(victim) == "dead", "it is a dead letter", 15)
            await job.aenqueue(2)
            await auntil(lambda: 2 in seen, "others run", 15)
            assert not worker.ended
        record = signed.failure(victim)
        assert (record.reason, record.errors[0][0]) == (reason, "Untrusted")
        letter = signed.queue.dead.get(victim.hex())
        assert letter is not None and (letter.name, letter.reason) == ("job", reason)

    signed.run(scenario())
    assert seen == [2]


def test_a_replay_signs_nothing_an_unsigned_task_stays_one(signed: Bench) -> None:
    seen: list[int] = []
    recorder(signed, seen)
    stranger = TaskQueue(signed.server.url, namespace="test")

    async def scenario() -> None:
        handle = await stranger.aenqueue("job", 1)
        await stranger.aclose()
        for _ in range(2):
            async with signed.worker():
                await auntil(lambda: signed.places().get(handle.identity) == "dead", "it is dead", 15)
            assert signed.failure(handle.identity).reason == "unsigned"
            await signed.queue.dead.areplay(handle.id)

    signed.run(scenario())
    assert seen == []


def test_keys_change_one_after_the_other_without_a_lost_task(signed: Bench) -> None:
    seen: list[int] = []
    job = recorder(signed, seen)
    newer = TaskQueue(signed.server.url, namespace="test", signing_keys=[NEW, OLD])
    newer.registry.add(job.handler)

    async def scenario() -> None:
        await job.aenqueue(1)
        await newer.aenqueue("job", 2)
        async with signed.worker(app=newer):
            await signed.all_settled()
        await newer.aclose()

    signed.run(scenario())
    assert sorted(seen) == [1, 2]


def test_a_worker_without_keys_runs_signed_tasks_so_that_producers_may_sign_first(signed: Bench) -> None:
    seen: list[int] = []
    job = recorder(signed, seen)
    keyless = TaskQueue(signed.server.url, namespace="test")

    async def scenario() -> None:
        await job.aenqueue(1)  # parked first: the worker does not know the name
        async with signed.worker(app=keyless):
            await auntil(lambda: signed.client.exists(signed.keys.parked("job")), "it is parked", 15)
        keyless.registry.add(job.handler)
        async with signed.worker(app=keyless):
            await signed.all_settled()

    signed.run(scenario())
    assert seen == [1]


def test_a_blocking_producer_signs_as_well(signed: Bench) -> None:
    job = recorder(signed, [])
    handles = [job.enqueue(1), *signed.queue.enqueue_many([job.call(2), job.call(3)])]
    assert all(is_sealed(stored(signed, handle.identity)) for handle in handles)
