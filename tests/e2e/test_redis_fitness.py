"""A start on a Redis with which something is wrong: it says so, and refuses where nothing could work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Start
from tests.support.engines import engines
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server of its own, with the options of the test's parameter."""
    with RedisServer(engines()[0].binary, *request.param) as server:
        yield server


@pytest.mark.parametrize(
    "server", [("--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lru")], indirect=True
)
def test_eviction_and_a_missing_append_only_file_are_named_at_the_start_and_nothing_is_refused(
    make: Start, server: RedisServer
) -> None:
    daemon = make(redis_url=server.url).start("-w", "1")
    with TaskQueue(server.url) as producer:
        producer.enqueue("note", "works")
    until(lambda: daemon.lines() == ["works"], "a task runs", 20)
    log = daemon.output()
    assert "ERROR redis: maxmemory-policy is allkeys-lru" in log
    assert "throws away queues, claims and payloads" in log
    assert "WARN  redis: the append-only file is off" in log and "set appendonly yes" in log


@pytest.mark.parametrize("server", [("--rename-command", "LPOS", "")], indirect=True)
def test_a_redis_without_a_command_that_is_needed_refuses_the_start(make: Start, server: RedisServer) -> None:
    daemon = make(redis_url=server.url)
    told = daemon.tqd("start", *daemon.arguments("-w", "1"))
    assert told.returncode == 78, told.stderr
    assert "tqd: this Redis cannot be used: this server does not have LPOS" in told.stderr
    assert "use Redis 6.2 or newer" in told.stderr


@pytest.mark.parametrize("server", [("--replicaof", "127.0.0.1 1")], indirect=True)
def test_a_replica_is_named_at_the_start(make: Start, server: RedisServer) -> None:
    daemon = make(redis_url=server.url, TQD_WORKERS__BOOT_TIMEOUT="8")
    told = daemon.tqd("start", *daemon.arguments("-w", "1"))
    assert told.returncode == 69, told.stderr
    assert "read only replica" in told.stderr and "point redis.url at the master" in told.stderr
