"""The wall clock of a host jumps by an hour, there and back: no task, no lease and no retry notices.

One of two daemons runs under libfaketime; Redis, the other daemon and the test do not. Times are taken
by the monotonic clock, which all processes of a host share.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.daemon import Daemon
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue
from tqd.store.keys import Keys

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR_S = 3600
LATE_S = 10.0
"""Generous, for two loaded cores, and far below an hour."""

APP = """
import asyncio, os, time
from tqd import Context, Retry, TaskQueue

tq = TaskQueue()

def write(*words):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(":".join(map(str, words)) + "\\n")

@tq.task(name="due", expires=600, deadline=600)
async def due(name: str, at: float):
    write(name, at, time.monotonic())

@tq.task(name="clock")
async def clock():
    write("clock", time.time(), time.monotonic())

@tq.task(name="long")
async def long(seconds: float):
    write("long", 0, time.monotonic())
    await asyncio.sleep(seconds)
    write("longdone", 0, time.monotonic())

@tq.task(name="again", max_retries=1, retry_delay=1.0)
async def again(ctx: Context, name: str):
    write(f"{name}.{ctx.attempt}", 0, time.monotonic())
    if ctx.attempt == 1:
        raise ValueError("once")

@tq.task(name="enqueues")
async def enqueues(name: str):
    await due.using(delay=1.0).aenqueue(name, time.monotonic() + 1.0)
"""


class Jumping:
    """A daemon whose wall clock is moved by `jump`, and nobody else's."""

    def __init__(self, daemon: Daemon, offset: Path) -> None:
        self.daemon = daemon
        self._offset = offset

    def jump(self, offset_s: int) -> None:
        """Set its clock so far from the true one; returns when a task there has seen it."""
        moved = self._offset.with_suffix(".new")
        moved.write_text(f"{offset_s:+d}")
        moved.replace(self._offset)


@pytest.fixture
def jumping(make: Start, tmp_path: Path) -> Iterator[Jumping]:
    if not LIBRARIES:
        pytest.skip("no libfaketime: apt-get install libfaketime")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    daemon = make(
        APP,
        LD_PRELOAD=str(LIBRARIES[0]),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        TQD_NODE__LEASE="3",
    )
    yield Jumping(daemon.start("-w", "2"), offset)


def rows(*daemons: Daemon) -> list[tuple[str, float, float]]:
    """Return what the tasks wrote: name, when it should have been, when it was."""
    lines = [line.split(":") for daemon in daemons for line in daemon.lines()]
    return [(name, float(at), float(was)) for name, at, was in lines]


def when(daemon: Daemon, name: str) -> float:
    (was,) = until(lambda: [row[2] for row in rows(daemon) if row[0] == name], f"{name} has run", 20)
    return was


@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_wall_clock_moves_no_task_and_no_lease(
    jumping: Jumping, make: Start, redis_server: RedisServer, hours: int
) -> None:
    other = make(APP, TQD_NODE__LEASE="3").start("-w", "1", "-q", "nobodys")
    daemon = jumping.daemon
    with TaskQueue(redis_server.url) as producer:
        due, again = producer.named("due"), producer.named("again")
        producer.enqueue("long", 6.0)
        again.enqueue("before")
        until(lambda: {"long", "before.1"} <= {row[0] for row in rows(daemon)}, "they run", 20)
        for name, delay_s in (("soon", 2.0), ("later", 5.0)):
            due.using(delay=delay_s).enqueue(name, time.monotonic() + delay_s)
        jumping.jump(hours * HOUR_S)
        until(lambda: jumped(daemon, producer, hours * HOUR_S), "the clock of the daemon has jumped", 20)
        producer.enqueue("enqueues", "inside")
        again.enqueue("after")
        due.using(delay=3.0).enqueue("meanwhile", time.monotonic() + 3.0)
        wanted = {"soon", "later", "inside", "meanwhile", "before.2", "after.2", "longdone"}
        until(lambda: wanted <= {row[0] for row in rows(daemon)}, "all have run", 40)
        jumping.jump(0)
        until(lambda: jumped(daemon, producer, 0), "the clock is right again", 20)
        due.using(delay=1.0).enqueue("back", time.monotonic() + 1.0)
        until(lambda: "back" in {row[0] for row in rows(daemon)}, "it has run", 20)
    on_time_and_once(daemon)
    leases = redis_server.client.zrange(Keys("tqd").nodes, 0, -1, withscores=True)
    now_ms = int(redis_server.client.time()[0]) * 1000  # type: ignore[index]
    assert len(leases) == 2 and all(now_ms - 1000 < end < now_ms + 5000 for _, end in leases)  # type: ignore[misc,operator,union-attr]
    for log in (daemon.output(), other.output()):
        assert (
            "taken for dead" not in log and "declared dead" not in log and "back in their queues" not in log
        )
    assert daemon.status()["totals"]["expired"] == daemon.status()["dead_letters"] == 0


def jumped(daemon: Daemon, producer: TaskQueue, offset_s: int) -> bool:
    """Ask a task what time it is."""
    before = len([row for row in rows(daemon) if row[0] == "clock"])
    producer.enqueue("clock")
    until(lambda: len([row for row in rows(daemon) if row[0] == "clock"]) > before, "the task has run", 20)
    shown = [row[1] for row in rows(daemon) if row[0] == "clock"][-1]
    return abs(shown - time.time() - offset_s) < 60


def on_time_and_once(daemon: Daemon) -> None:
    ran = [row for row in rows(daemon) if row[0] != "clock"]
    names = [name for name, _, _ in ran]
    assert len(names) == len(set(names)), "none ran twice"
    for name, at, was in ran:
        if at:
            assert at - 0.02 <= was <= at + LATE_S, name
    for name in ("before", "after"):
        assert 0.7 <= when(daemon, f"{name}.2") - when(daemon, f"{name}.1") <= 1.0 + LATE_S, name
