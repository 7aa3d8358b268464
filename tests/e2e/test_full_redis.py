"""A Redis whose memory is full: producers are told, and the daemon works on what is there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Start
from tests.support.engines import Engine
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import StoreFull, TaskQueue
from tqd.store.keys import Keys

KEYS = Keys("tqd")
TASKS = 300

APP = """
import asyncio, os
from tqd import Context, TaskQueue

tq = TaskQueue()

def write(line):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(line + "\\n")

@tq.task(name="note", retry_delay=0.1)
async def note(ctx: Context, line: str, padding: str):
    if ctx.attempt == 1 and int(line) % 10 == 0:
        raise ValueError("once")
    await asyncio.sleep(0.02)
    write(line)
"""


@pytest.fixture
def server(engine: Engine) -> Iterator[RedisServer]:
    """A server of its own on each engine, which stays full to the end of the test."""
    with RedisServer(engine.binary) as server:
        yield server


def test_producers_are_told_and_workers_drain_while_the_keeper_holds_its_lease(
    make: Start, server: RedisServer
) -> None:
    daemon = make(APP, server.url, TQD_NODE__LEASE="3").start("-w", "2", "-C", "4")
    assert daemon.verb("quiet").returncode == 0
    with TaskQueue(server.url) as producer:
        note = producer.named("note")
        producer.enqueue_many([note.call(str(n), "x" * 1000) for n in range(TASKS)])
        server.client.config_set("maxmemory", "100kb")
        with pytest.raises(StoreFull, match="raise maxmemory, or let consumers catch up"):
            note.enqueue("refused", "x")
        before = lease(server)
        assert daemon.verb("resume").returncode == 0
        until(lambda: len(daemon.lines()) > 40, "they work", 30)
        victim = daemon.status()["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        until(
            lambda: len(set(daemon.lines())) == TASKS, "all have run, failures and the dead worker's too", 60
        )
        until(lambda: lease(server) > before, "the lease is renewed", 20)
        with pytest.raises(StoreFull):
            note.enqueue("refused", "x")
        server.client.config_set("maxmemory", 0)
        note.enqueue("1001", "x")
        until(lambda: "1001" in daemon.lines(), "producers go on as well", 20)
    assert "refused" not in daemon.lines()
    assert daemon.stop().returncode == 0


def lease(server: RedisServer) -> float:
    (row,) = server.client.zrange(KEYS.nodes, 0, -1, withscores=True)
    return float(row[1])  # type: ignore[index]
