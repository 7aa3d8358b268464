"""Producers: every task is stored once, whatever happens to the connection."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.faults import CuttingProxy
from tests.support.links import KINDS, AnyProducer
from tests.support.places import places
from tests.support.redis_server import RedisServer
from tests.support.store_driver import envelope, identity
from tqd.errors import StoreFull, StoreMismatch, StoreUnavailable
from tqd.store import producer as producing
from tqd.store.calls import NewTask
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys

KEYS = Keys("test")


def task(number: int, queue: str = "default", due_ms: int = 0) -> NewTask:
    return NewTask(identity(number), queue, envelope(number), due_ms)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(redis_server.socket) as proxy:
        yield proxy


@pytest.fixture
def producer(kind: str, proxy: CuttingProxy) -> Iterator[AnyProducer]:
    producer = AnyProducer(kind, Endpoint(proxy.url), KEYS)
    yield producer
    producer.close()


def stored(server: RedisServer) -> dict[bytes, str]:
    return places(server.client, KEYS)


def test_one_call_stores_tasks_of_many_queues_at_many_times(
    producer: AnyProducer, redis_server: RedisServer
) -> None:
    producer.store(task(1), task(2, "b"), task(3, due_ms=5), task(4), task(5, "b", due_ms=5))
    assert stored(redis_server) == {
        identity(1): "ready:default",
        identity(2): "ready:b",
        identity(3): "due:default",
        identity(4): "ready:default",
        identity(5): "due:b",
    }


def test_a_lost_reply_stores_nothing_twice(
    producer: AnyProducer, proxy: CuttingProxy, redis_server: RedisServer
) -> None:
    producer.store(task(1))
    proxy.cut_after_request(envelope(2))
    producer.store(task(2), task(3, "b"), task(4, due_ms=5))
    producer.store(task(5))
    assert proxy.cuts == 1
    assert len(stored(redis_server)) == 5
    assert redis_server.client.llen(KEYS.ready("default")) == 3


def test_a_lost_reply_to_a_first_call_with_missing_scripts_stores_nothing_twice(
    producer: AnyProducer, proxy: CuttingProxy, redis_server: RedisServer
) -> None:
    redis_server.client.script_flush()
    proxy.cut_after_request(b"LOAD")
    producer.store(task(1), task(2, "b"), task(3, due_ms=5))
    assert proxy.cuts == 1
    assert len(stored(redis_server)) == 3


def test_one_missing_script_of_two_doubles_and_loses_nothing(
    producer: AnyProducer, redis_server: RedisServer
) -> None:
    redis_server.client.script_flush()
    producer.store(task(1))  # enqueue is loaded now, schedule is not
    producer.store(task(2, due_ms=5), task(3), task(4, "b", due_ms=5))
    assert len(stored(redis_server)) == 4


def test_a_killed_connection_is_not_noticed_by_the_caller(
    producer: AnyProducer, redis_server: RedisServer
) -> None:
    producer.store(task(1))
    redis_server.client.client_kill_filter(_type="normal", skipme=True)
    producer.store(task(2))
    assert len(stored(redis_server)) == 2


def test_nobody_answers_for_so_long_that_the_caller_is_told(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "PATIENCE_S", 0.3)
    producer = AnyProducer(kind, Endpoint("unix:///nowhere/redis.sock"), KEYS)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        producer.store(task(1))
    with pytest.raises(StoreUnavailable):
        producer.now_ms()
    assert 0.1 < time.monotonic() - began < 2
    producer.close()


def test_a_call_that_was_given_up_does_not_disturb_the_next(
    kind: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "PATIENCE_S", 0.1)
    producer = AnyProducer(kind, Endpoint(redis_server.url, 0.1, 0.1), KEYS)
    producer.store(task(1))
    redis_server.pause()
    try:
        with pytest.raises(StoreUnavailable):
            producer.store(task(2))
    finally:
        redis_server.resume()
    producer.store(task(3))
    producer.close()
    assert stored(redis_server).keys() >= {identity(1), identity(3)}


def test_a_refused_password_is_said_at_once(kind: str, redis_server: RedisServer) -> None:
    redis_server.client.config_set("requirepass", "x")
    producer = AnyProducer(kind, Endpoint(redis_server.url), KEYS)
    began = time.monotonic()
    try:
        with pytest.raises(StoreMismatch):
            producer.store(task(1))
    finally:
        redis_server.client.config_set("requirepass", "")
    assert time.monotonic() - began < 2
    producer.close()


def test_a_full_redis_is_said_and_the_next_call_is_stored(kind: str, every_engine: RedisServer) -> None:
    producer = AnyProducer(kind, Endpoint(every_engine.url), KEYS)
    every_engine.client.config_set("maxmemory", 1)
    try:
        refused = producer.store(task(1))
    finally:
        every_engine.client.config_set("maxmemory", 0)
    assert [type(error) for error in refused.values()] == [StoreFull]
    assert producer.store(task(2)) == {}
    producer.close()
    assert stored(every_engine) == {identity(2): "ready:default"}


def test_what_redis_refuses_is_said_by_task_and_the_rest_is_stored(
    producer: AnyProducer, redis_server: RedisServer
) -> None:
    redis_server.client.set(KEYS.ready("bad"), "garbage")
    refused = producer.store(task(1), task(2, "bad"), task(3))
    assert {one: type(error) for one, error in refused.items()} == {identity(2): StoreMismatch}
    assert stored(redis_server) == dict.fromkeys((identity(1), identity(3)), "ready:default")


def test_redis_time_is_asked_once_a_minute(producer: AnyProducer, redis_server: RedisServer) -> None:
    seconds, micros = redis_server.client.time()
    first, second = producer.now_ms(), producer.now_ms()
    assert 0 <= first - (seconds * 1000 + micros // 1000) < 1000
    assert first <= second
    calls = redis_server.client.info("commandstats")["cmdstat_time"]["calls"]
    producer.now_ms()
    assert redis_server.client.info("commandstats")["cmdstat_time"]["calls"] == calls
