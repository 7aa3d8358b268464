"""The servers that the other tests rely on."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import pytest
import redis

from tests.support.engines import Engine
from tests.support.redis_server import RedisServer


@pytest.fixture
def durable(engine: Engine) -> Iterator[RedisServer]:
    with RedisServer(engine.binary, appendonly=True) as server:
        yield server


def test_every_engine_answers_on_a_private_socket(every_engine: RedisServer) -> None:
    assert every_engine.client.ping()
    assert stat.S_IMODE(every_engine.directory.stat().st_mode) == 0o700
    assert every_engine.client.config_get("port") in ({"port": "0"}, {b"port": b"0"})


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_finds_the_server_empty(redis_server: RedisServer, time: str) -> None:
    assert redis_server.client.dbsize() == 0
    redis_server.client.set(time, 1)


def test_data_outlives_a_crash_with_an_append_only_file(durable: RedisServer) -> None:
    durable.client.set("kept", "yes")
    durable.kill()
    durable.start()
    assert durable.client.get("kept") == b"yes"
    durable.restart()
    assert durable.client.get("kept") == b"yes"


def test_a_paused_server_answers_nothing_until_it_is_resumed(redis_server: RedisServer) -> None:
    impatient = redis.Redis.from_url(redis_server.url, socket_timeout=0.05, retry=None)
    impatient.ping()
    redis_server.pause()
    try:
        with pytest.raises(redis.TimeoutError):
            impatient.ping()
    finally:
        redis_server.resume()
        impatient.close()
    assert redis_server.client.ping()


def test_a_stopped_server_is_running_again_for_the_next_test(redis_server: RedisServer) -> None:
    redis_server.stop()
    redis_server.stop()
    assert not redis_server.running
    redis_server.flush()
    assert redis_server.running


def test_a_server_that_cannot_start_says_why(engine: Engine) -> None:
    with pytest.raises(RuntimeError, match="does not answer"), RedisServer(engine.binary, "--no-such", "1"):
        pass
