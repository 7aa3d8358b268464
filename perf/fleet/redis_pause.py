"""A Redis that answers nothing for ten seconds: whether the master does, and how soon tasks go on.

Redis is stopped under load and with a backlog, so that there is something to go on with at once. The
pauses differ, as it depends on the moment how near a broken connection is to its next try.
"""

from __future__ import annotations

import time

from perf.figure import Figure, figure, greatest, percentile
from perf.fleet.account import NS, first_after
from perf.fleet.feeder import Feeder, settled
from perf.fleet.journal import Journal
from perf.fleet.watch import Watch
from perf.harness import Daemon, Plan, point_client_at, private_redis
from perf.tasks import told, tq
from tests.support.redis_server import RedisServer

WORKERS = 2
LOAD_S = 1.0
BACKLOG = 4000
BACKLOG_NAP_S = 0.05
FIRST_NUMBER = 1_000_000
"""Of the first backlog; the load's numbers are below it."""

DEADLINE_S = 30.0


def run(plan: Plan) -> list[Figure]:
    """Measure redis_pause_status, redis_pause_resume and redis_pause_tasks."""
    pauses_s = plan.pick((10.0, 10.5, 11.0), (3.0,))
    with (
        private_redis() as server, Journal() as journal,
        Daemon(server, workers=WORKERS, environ=journal.environ) as daemon,
    ):  # fmt: skip
        point_client_at(server)
        with Feeder() as feeder:
            watches, times_s = [Watch(daemon) for _ in pauses_s], []
            for number, (watch, pause_s) in enumerate(zip(watches, pauses_s, strict=True), 1):
                time.sleep(LOAD_S)
                _store_backlog(feeder, number * FIRST_NUMBER)
                times_s.append(_pause(server, watch, journal, pause_s))
            time.sleep(LOAD_S)
        lost, twice = settled(feeder, journal, server, daemon.keys)
    answers = [answer for watch in watches for answer in watch.answers]
    answers_ms = [took_ms for took_ms, _ in answers]
    return [
        greatest(
            "redis_pause_status", answers_ms, p50_ms=percentile(answers_ms, 0.5),
            p99_ms=percentile(answers_ms, 0.99), answers=len(answers), waited_for_core_ms=max(answers)[1],
        ),
        greatest("redis_pause_resume", times_s),
        figure("redis_pause_tasks", [lost + twice], lost=lost, twice=twice, tasks=len(feeder.asked_ns)),
    ]  # fmt: skip


def _store_backlog(feeder: Feeder, first: int) -> None:
    numbers = range(first, first + BACKLOG)
    asked_ns = time.monotonic_ns()
    tq.enqueue_many([told.call(number, BACKLOG_NAP_S) for number in numbers])
    feeder.asked_ns |= dict.fromkeys(numbers, asked_ns)


def _pause(server: RedisServer, watch: Watch, journal: Journal, pause_s: float) -> float:
    """Stop Redis for a while and ask for the status all the time; returns after how many s tasks went on."""
    server.pause()
    try:
        with watch:
            time.sleep(pause_s)
    finally:
        resumed_ns = time.monotonic_ns()
        server.resume()
    journal.until(lambda entries: bool(first_after(entries, resumed_ns)), "tasks go on", DEADLINE_S)
    again_ns = first_after(journal.entries, resumed_ns)
    assert again_ns is not None
    return (again_ns - resumed_ns) * NS
