"""What others may have written under our keys: it stops no worker, and the other tasks still run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import msgpack
import pytest
import redis

from tests.support.wait import auntil
from tests.support.worker import NODE, Bench, Worker
from tqd import TaskQueue, queues
from tqd.store.keys import Keys
from tqd.task.identity import task_id
from tqd.worker import errands

Spoil = Callable[[redis.Redis, Keys], object]
HIGH, DEFAULT, LOW = queues.HIGH_PRIORITY, queues.DEFAULT, queues.LOW_PRIORITY


def some_id() -> bytes:
    return task_id(1, 0, os.urandom(8))


def store(client: redis.Redis, keys: Keys, envelope: bytes, queue: str = DEFAULT) -> bytes:
    """Put bytes where a task's envelope is expected."""
    identity = some_id()
    client.hset(keys.task, identity, envelope)  # type: ignore[arg-type]
    client.rpush(keys.ready(queue), identity)
    client.rpush(keys.bell(queue), 1)
    return identity


HARMLESS: dict[str, Spoil] = {
    "ready is a string": lambda c, k: c.set(k.ready(HIGH), "x"),
    "ready is a hash": lambda c, k: c.hset(k.ready(HIGH), "a", "b"),
    "due is a string": lambda c, k: c.set(k.due(HIGH), "x"),
    "due is a list": lambda c, k: c.rpush(k.due(HIGH), "x"),
    "dead is a string": lambda c, k: c.set(k.dead, "x"),
    "failure is a list": lambda c, k: c.rpush(k.failure, "x"),
    "bell is a string": lambda c, k: c.set(k.bell(HIGH), "x"),
    "bell has many tokens": lambda c, k: c.rpush(k.bell(HIGH), *range(1000)),
    "parked is a string": lambda c, k: c.set(k.parked("works"), "x"),
    "parked has garbage": lambda c, k: c.rpush(k.parked("works"), *(b"\xff%d" % n for n in range(250))),
    "lost has garbage": lambda c, k: c.sadd(k.lost, b"\xff\xfe", "x"),
    "nodes has garbage": lambda c, k: c.zadd(k.nodes, {b"\xff\xfe": 1, "x": float("inf")}),
    "workers has garbage": lambda c, k: c.sadd(k.workers(NODE), b"\xff\xfe", "a~b~c"),
    "garbage ids": lambda c, k: c.rpush(k.ready(DEFAULT), b"", b"x", b"\xff" * 5000, *range(2000)),
    "garbage due": lambda c, k: c.zadd(
        k.due(DEFAULT), {b"a": float("-inf"), b"b": 0, b"c": 1e300, b"d": float("inf"), b"e": 9e15}
    ),
    "an infinite due alone": lambda c, k: c.zadd(k.due(DEFAULT), {b"d": float("inf")}),
    "a huge due alone": lambda c, k: c.zadd(k.due(DEFAULT), {b"d": 9e18}),
    "results of other kinds": lambda c, k: c.rpush(k.result(some_id()), "x"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_garbage_in_a_key_stops_no_worker(bench: Bench, name: str) -> None:
    ran: list[int] = []

    @bench.queue.task(name="works")
    async def works(number: int) -> None:
        ran.append(number)

    @bench.queue.task(name="fails", max_retries=0)
    async def fails() -> None:
        raise ValueError

    async def scenario() -> None:
        HARMLESS[name](bench.client, bench.keys)
        async with bench.worker() as worker:
            await works.aenqueue(1)
            await fails.aenqueue()
            await works.using(queue=LOW).aenqueue(2)
            await works.using(delay=0.05).aenqueue(3)
            await auntil(lambda: sorted(ran) == [1, 2, 3], "the others run", 20)
            await works.aenqueue(4)
            await auntil(lambda: 4 in ran, "also later", 20)
            assert not worker.ended

    bench.run(scenario())


@pytest.mark.parametrize("key", ["task", "attempts", "claims", "workers"])
def test_garbage_in_a_key_that_every_task_needs_is_waited_out(bench: Bench, key: str) -> None:
    ran = asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.set()

    async def scenario() -> None:
        async with bench.worker() as worker:
            keys = bench.keys
            name = {
                "task": keys.task,
                "attempts": keys.attempts,
                "claims": keys.claims(worker.name),
                "workers": keys.workers(NODE),
            }[key]
            bench.client.delete(name)
            bench.client.set(name, "garbage")
            bench.client.rpush(keys.bell(DEFAULT), 1)
            await auntil(lambda: refusals(bench) > 0, "the worker meets it", 20)
            assert not worker.ended
            bench.client.delete(name)
            bench.client.sadd(keys.workers(NODE), worker.name)
            await works.aenqueue()
            await asyncio.wait_for(ran.wait(), 20)

    bench.run(scenario())


def refusals(bench: Bench) -> int:
    info = bench.client.info("errorstats")
    return int(info.get("errorstat_WRONGTYPE", {}).get("count", 0))


def test_settlements_that_redis_refuses_do_not_pile_up(bench: Bench) -> None:
    """A string where the dead letters belong: each bury is refused, again and again."""
    ran: list[int] = []

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.append(1)

    @bench.queue.task(name="fails", max_retries=0)
    async def fails() -> None:
        raise ValueError

    async def scenario() -> None:
        bench.client.set(bench.keys.dead, "garbage")
        handle = await fails.aenqueue()
        async with bench.worker(slots=8) as worker:
            for rounds in range(1, 4):
                await bench.queue.aenqueue_many([works.call() for _ in range(200)])
                await auntil(lambda rounds=rounds: len(ran) == 200 * rounds, "the others run", 20)  # type: ignore[misc]
            await auntil(lambda: len(bench.held(worker)) == 1, "all others are settled", 20)
            await auntil(lambda: waiting(worker) == 1, "only the refused settlement is kept", 20)
            bench.client.delete(bench.keys.dead)
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is buried at last", 20)

    bench.run(scenario())


def waiting(worker: Worker) -> int:
    return len(worker.lifecycle._settler)


@pytest.mark.parametrize(
    "counts",
    [
        b"",
        b"x",
        b"1:2",
        b"-1:-1:-1",
        b"1:" + b"9" * 30 + b":0",
        b"1:" + b"9" * 6000 + b":0",
        b"9" * 400 + b":0:0",
    ],
    ids=["empty", "word", "short", "negative", "huge attempts", "6000 digits", "huge fence"],
)
def test_garbage_counts_of_a_task_stop_no_worker(bench: Bench, counts: bytes) -> None:
    @bench.queue.task(name="fails", max_retries=1, retry_delay=0)
    async def fails() -> None:
        raise ValueError

    async def scenario() -> None:
        handle = await fails.aenqueue()
        bench.client.hset(bench.keys.attempts, handle.identity, counts)  # type: ignore[arg-type]
        async with bench.worker():
            await auntil(lambda: bench.places().get(handle.identity) == "dead", "it is a dead letter", 15)
        bench.failure(handle.identity)

    bench.run(scenario())


def nested(kind: str) -> bytes:
    if kind == "arrays":
        return b"\x91" * 1_000_000 + b"\xc0"
    if kind == "maps":
        return b"\x81\xa1a" * 300_000 + b"\xc0"
    return b"\x95\x01\xa5works" + b"\x91\xdd\x00\x0f\x00\x00" + b"\x91\x90" * 400_000


UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "noise": os.urandom(64),
    "a word": b"hello",
    "an array": msgpack.packb([]),
    "another version": msgpack.packb([99, "works", [], "default", 1]),
    "args of another kind": msgpack.packb([1, "works", "args", "default", 1]),
    "nested arrays": nested("arrays"),
    "nested maps": nested("maps"),
    "many arrays": nested("wide"),
    "a huge claim of size": b"\xdd\xff\xff\xff\xff",
    "2 MB": msgpack.packb([1, "works", ["x" * 2_000_000], "default", 1]),
    "a bad ext": msgpack.packb([1, "works", [msgpack.ExtType(120, b"x" * 100)], "default", 1]),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_bytes_are_buried_with_the_reason(bench: Bench, name: str) -> None:
    ran = asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        ran.set()

    async def scenario() -> None:
        identity = store(bench.client, bench.keys, UNREADABLE[name])
        async with bench.worker(slots=1):
            await works.aenqueue()
            await asyncio.wait_for(ran.wait(), 20)
            await auntil(lambda: bench.places().get(identity) == "dead", "it is a dead letter", 15)
        record = bench.failure(identity)
        assert record.reason == "unreadable" and record.errors[0][1]
        assert record.envelope == UNREADABLE[name]

    bench.run(scenario())


def test_a_task_whose_id_is_in_the_queue_twice_runs_once_at_a_time(bench: Bench) -> None:
    running: list[int] = []
    most: list[int] = []
    go_on = asyncio.Event()

    @bench.queue.task(name="works")
    async def works() -> None:
        running.append(1)
        most.append(len(running))
        await go_on.wait()
        running.pop()

    async def scenario() -> None:
        handle = await works.aenqueue()
        bench.client.rpush(bench.keys.ready(DEFAULT), handle.identity, handle.identity)
        async with bench.worker(slots=4):
            await auntil(lambda: len(running) >= 1 and not bench.ready(), "it is claimed", 15)
            bench.client.rpush(bench.keys.ready(DEFAULT), handle.identity)
            bench.client.rpush(bench.keys.bell(DEFAULT), 1)
            await auntil(lambda: not bench.ready(), "it is claimed again", 15)
            go_on.set()
            await bench.all_settled()
        assert bench.places() == {}

    bench.run(scenario())
    assert set(most) == {1}


# -- names that nobody knows ----------------------------------------------------------------------


def test_unknown_names_are_parked_and_released_by_a_worker_that_knows_them(bench: Bench) -> None:
    ran: list[tuple[str, int]] = []

    @bench.queue.task(name="old")
    async def old() -> None:
        ran.append(("old", 0))

    newer = TaskQueue(bench.server.url, namespace="test")

    @newer.task(name="new")
    async def new(number: int) -> None:
        ran.append(("new", number))

    async def scenario() -> None:
        for number in range(3):
            await new.using(queue=LOW if number else HIGH).aenqueue(number)
        await newer.aclose()
        async with bench.worker() as worker:
            await old.aenqueue()
            await auntil(lambda: len(set(bench.places().values())) == 1 and ran, "they are parked", 15)
            assert set(bench.places().values()) == {"parked:new"}
            assert not worker.ended
        async with bench.worker(app=newer):
            await auntil(lambda: len(ran) == 4, "they have run", 15)
            await bench.all_settled()

    bench.run(scenario())
    assert sorted(ran) == [("new", 0), ("new", 1), ("new", 2), ("old", 0)]
    assert bench.places() == {}


def test_what_older_code_parks_again_beside_newer_code_is_soon_run(bench: Bench) -> None:
    """As in a rolling deploy: both serve the queue, and each claims what it can get."""
    ran: list[int] = []
    newer = TaskQueue(bench.server.url, namespace="test")

    @newer.task(name="new")
    async def new(number: int) -> None:
        ran.append(number)

    async def scenario() -> None:
        async with bench.worker(slots=2):
            await newer.aenqueue_many([new.call(number) for number in range(60)])
            await auntil(lambda: set(bench.places().values()) == {"parked:new"}, "they are parked", 15)
            async with bench.worker(app=newer, slots=2):
                await auntil(lambda: len(ran) == 60, "they have run", 20)
                await bench.all_settled()
        await newer.aclose()

    bench.run(scenario())
    assert sorted(ran) == list(range(60))


def test_more_parked_tasks_than_one_round_moves_are_all_released(bench: Bench) -> None:
    ran: list[int] = []

    @bench.queue.task(name="later")
    async def later(number: int) -> None:
        ran.append(number)

    async def scenario() -> None:
        await bench.queue.aenqueue_many([later.call(n) for n in range(350)])
        ids = bench.ready()
        bench.client.delete(bench.keys.ready(DEFAULT))
        bench.client.rpush(bench.keys.parked("later"), *ids)
        async with bench.worker():
            await auntil(lambda: len(ran) == 350, "all have run", 20)
            await bench.all_settled()

    bench.run(scenario())
    assert errands.UNPARK_BATCH < 350
    assert sorted(ran) == list(range(350))


def test_a_name_of_a_megabyte_is_parked_like_any_other(bench: Bench) -> None:
    @bench.queue.task(name="works")
    async def works() -> None: ...

    async def scenario() -> None:
        name = "n" * 900_000
        identity = store(bench.client, bench.keys, msgpack.packb([1, name, [], "default", 1]))
        async with bench.worker():
            await auntil(lambda: bench.client.exists(bench.keys.parked(name)), "it is parked", 20)
        assert bench.client.lrange(bench.keys.parked(name), 0, -1) == [identity]

    bench.run(scenario())
