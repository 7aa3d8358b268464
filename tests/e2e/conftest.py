"""An app with tasks that write into a journal, and daemons that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from tests.support.daemon import Daemon
from tests.support.redis_server import RedisServer
from tqd import TaskQueue

APP = """
import asyncio, os, time
from tqd import TaskQueue

tq = TaskQueue()
gate = os.environ["JOURNAL"] + ".gate"

def write(line):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(line + "\\n")

@tq.task(name="note")
async def note(line: str):
    write(line)

@tq.task(name="plain", queue="high_priority")
def plain(line: str):
    write(line)

@tq.task(name="fails", max_retries=0)
async def fails():
    raise ValueError("on purpose")

@tq.task(name="waits")
async def waits(line: str):
    write(line + ".started")
    try:
        while not os.path.exists(gate):
            await asyncio.sleep(0.01)
        write(line + ".done")
    except asyncio.CancelledError:
        write(line + ".cancelled")
        raise

@tq.task(name="limited", hard_timeout=1.0, max_retries=0)
async def limited(line: str, seconds: float):
    write(line + ".started")
    time.sleep(seconds)
    write(line + ".done")

@tq.task(name="hogs")
async def hogs(megabytes: int):
    hogs.kept = getattr(hogs, "kept", []) + [b"x" * (megabytes << 20)]

@tq.task(name="exits")
async def exits(code: int):
    os._exit(code)

@tq.task(name="blocks")
async def blocks(line: str, seconds: float):
    write(line + ".started")
    time.sleep(seconds)
    write(line + ".done")
"""


class Start(Protocol):
    def __call__(self, app: str = APP, redis_url: str | None = None, **environ: str) -> Daemon: ...


@pytest.fixture
def make(redis_server: RedisServer) -> Iterator[Start]:
    """Return a maker of daemons; all of them end with the test."""
    with ExitStack() as stack:

        def make(app: str = APP, redis_url: str | None = None, **environ: str) -> Daemon:
            url = redis_server.url if redis_url is None else redis_url
            return stack.enter_context(Daemon(url, app, **environ))

        yield make


@pytest.fixture
def daemon(make: Start) -> Daemon:
    """A daemon that is not started yet."""
    return make()


@pytest.fixture
def producer(redis_server: RedisServer) -> Iterator[TaskQueue]:
    """Somebody who enqueues by name."""
    with TaskQueue(redis_server.url) as queue:
        yield queue
