"""What strangers write straight into Redis: the daemon goes on, with the same processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue
from tqd.store.keys import Keys

KEYS = Keys("tqd")
GARBAGE = (b"", b"\x00" * 16, b"\xff" * 16, b"short", b"x" * 1000, b"\xff\xfe", b"a:b:c")
SCORES = (0.0, float("inf"), float("-inf"), 1e300, -5.0, 2.0**63, 1.5)
Attack = Callable[[RedisServer], object]


def ids_in_queues(redis: RedisServer) -> None:
    redis.client.rpush(KEYS.ready("default"), *GARBAGE)
    redis.client.zadd(KEYS.due("default"), dict(zip(GARBAGE, SCORES, strict=True)))
    redis.client.rpush(KEYS.parked("note"), *GARBAGE)


def payloads(redis: RedisServer) -> None:
    for one, payload in zip(GARBAGE, (b"", b"\xc1", b"\x95\x01\xa1x\x90\xa1y\x01") * 3, strict=False):
        redis.client.hset(KEYS.task, one, payload)  # type: ignore[call-overload]
    redis.client.rpush(KEYS.ready("default"), *GARBAGE)


def counts(redis: RedisServer) -> None:
    payloads(redis)
    for one, count in zip(GARBAGE, (b"garbage", b"9" * 30 + b":1:1", b"1:1") * 3, strict=False):
        redis.client.hset(KEYS.attempts, one, count)  # type: ignore[call-overload]


def workers_and_nodes(redis: RedisServer) -> None:
    for one in GARBAGE:
        redis.client.hset(KEYS.claims("ghost"), one, b"no token")  # type: ignore[call-overload]
    redis.client.sadd(KEYS.lost, "ghost", *GARBAGE)
    redis.client.zadd(KEYS.nodes, {"ghost": 1, b"\xff\xfe": 1, "": 1})
    redis.client.sadd(KEYS.workers("ghost"), "w:1", b"\xff\xff")
    (mine,) = redis.client.scan_iter(KEYS.workers("*").replace("{", "\\{") + "~*")
    redis.client.sadd(mine, "x", b"\xff\x00")


def dead_letters(redis: RedisServer) -> None:
    for one, score in zip(GARBAGE, SCORES, strict=True):
        redis.client.zadd(KEYS.dead, {one: score})
        redis.client.hset(KEYS.failure, one, b"garbage")  # type: ignore[call-overload]


def bells(redis: RedisServer) -> None:
    redis.client.rpush(KEYS.bell("default"), *GARBAGE)


def keys_of_another_kind(redis: RedisServer) -> None:
    for key in (KEYS.ready("low_priority"), KEYS.due("low_priority"), KEYS.bell("low_priority"), KEYS.lost):
        redis.client.delete(key)
        redis.client.set(key, "a string")


def nothing_left(redis: RedisServer) -> None:
    redis.client.flushall()


ATTACKS: list[Attack] = [
    ids_in_queues, payloads, counts, workers_and_nodes, dead_letters, bells, keys_of_another_kind,
    nothing_left,
]  # fmt: skip


def test_garbage_in_redis_stops_nobody(make: Start, producer: TaskQueue, redis_server: RedisServer) -> None:
    daemon = make(APP)
    daemon.start("-w", "2")
    before = daemon.workers()
    for attack in ATTACKS:
        attack(redis_server)
        lines = [f"{attack.__name__}.{number}" for number in range(10)]
        handles = [producer.named("note").using(result_ttl=60).enqueue(line) for line in lines]
        for handle in handles:
            handle.result(timeout=20)
        assert handles[0].status() == "done"
        assert producer.enqueue("never known").status() in ("ready", "claimed", "parked")
    if daemon.workers() != before:
        # Without their right to claim, which was flushed, workers leave, and others take their place.
        assert "was declared dead while it lived" in daemon.output()
    until(lambda: len(daemon.workers()) == 2, "two workers serve", 30)


@pytest.mark.parametrize("verb", [("task", "ls"), ("dead", "ls"), ("doctor", "--audit", "--repair")])
def test_the_verbs_show_what_they_can(redis_server: RedisServer, make: Start, verb: tuple[str, ...]) -> None:
    daemon = make(APP)
    for attack in (ids_in_queues, counts, dead_letters, bells):
        attack(redis_server)
    shown = daemon.tqd(*verb, "-r", redis_server.url)
    assert shown.returncode in (0, 1) and "Traceback" not in shown.stdout + shown.stderr, shown
    assert max(map(len, shown.stdout.splitlines())) < 1000
