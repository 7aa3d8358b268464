"""Ten thousand tasks that are due at the same moment, and a worker that is killed among them."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from tests.e2e.conftest import Start
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue

TASKS = 10_000
AHEAD_S = 4
LATE_S = 20.0
"""Generous, for two loaded cores; what is promised, 3 s, perf/ measures."""

APP = """
import os, time
from tqd import Context, TaskQueue

tq = TaskQueue()
journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@tq.task(name="warm")
async def warm(number: int):
    pass

@tq.task(name="due")
async def due(ctx: Context, number: int):
    os.write(journal, b"%d:%d:%d:%d\\n" % (number, time.time_ns() // 1_000_000, os.getpid(), ctx.fence))
"""


class Begun(NamedTuple):
    """One attempt that has begun; `at_ms` by the clock that Redis has as well: it is on this host."""

    number: int
    at_ms: int
    pid: int
    fence: int


def test_all_begin_soon_after_their_time_none_before_it_and_none_twice_without_a_death(
    make: Start, redis_server: RedisServer
) -> None:
    daemon = make(APP).start("-w", "2", "-C", "100")
    with TaskQueue(redis_server.url) as producer:
        due, warm = producer.named("due"), producer.named("warm")
        asked_ms = now_ms(redis_server)
        producer.enqueue_many([warm.using(delay=0.001).call(number) for number in range(TASKS // 20)])
        store_ms = 20 * (now_ms(redis_server) - asked_ms)
        ahead_s = AHEAD_S + round(2 * store_ms / 1000)  # a busy machine needs more time to store them all
        moment = datetime.fromtimestamp(now_ms(redis_server) // 1000 + ahead_s, UTC)
        due_ms = round(moment.timestamp() * 1000)
        producer.enqueue_many([due.using(eta=moment).call(number) for number in range(TASKS)])
    assert now_ms(redis_server) < due_ms, "all are stored in time, for the same millisecond"
    victim = daemon.status()["workers"][0]["pid"]
    half = TASKS // 2 * len("1234:1234567890123:12345:1")
    until(lambda: daemon.journal.exists() and daemon.journal.stat().st_size > half, "half have begun", 90)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len({one.number for one in begun(daemon.lines())}) == TASKS, "all have begun", 60)
    until(lambda: not redis_server.client.exists("{tqd:0}:task"), "all are done", 60)
    attempts = begun(daemon.lines())
    late_s = (max(one.at_ms for one in attempts) - due_ms) / 1000
    print(f"the last of {TASKS} began {late_s:.3f} s after their time, {len(attempts) - TASKS} began again")
    assert min(one.at_ms for one in attempts) >= due_ms, "none before its time"
    assert late_s < LATE_S
    assert without_cause(attempts, victim) == []


def without_cause(attempts: list[Begun], victim: int) -> list[Begun]:
    """Return attempts that followed another one, which was not of the killed worker."""
    by_number: dict[int, list[Begun]] = defaultdict(list)
    for one in attempts:
        by_number[one.number].append(one)
    return [
        later
        for tries in by_number.values()
        for earlier, later in pairwise(tries)
        if earlier.pid != victim or later.fence <= earlier.fence
    ]


def begun(lines: list[str]) -> list[Begun]:
    return [Begun(*map(int, line.split(":"))) for line in lines if line.count(":") == 3]


def now_ms(server: RedisServer) -> int:
    seconds, micros = server.client.time()  # type: ignore[misc]
    return int(seconds * 1000 + micros // 1000)
