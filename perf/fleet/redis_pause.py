"""A Redis that answers nothing for ten seconds: whether the master does, and how soon tasks go on.

Redis is stopped under load and with a backlog, so that there is something to go on with at once.
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
"""Of the backlog; the load's numbers are below it."""

DEADLINE_S = 30.0


def run(plan: Plan) -> list[Figure]:
    """Measure redis_pause_status, redis_pause_resume and redis_pause_tasks."""
    with (
        private_redis() as server, Journal() as journal,
        Daemon(server, workers=WORKERS, environ=journal.environ) as daemon,
    ):  # fmt: skip
        point_client_at(server)
        with Feeder() as feeder:
            time.sleep(LOAD_S)
            resume_s, answers_ms = _pause(server, daemon, journal, feeder, plan.pick(10.0, 3.0))
            time.sleep(LOAD_S)
        lost, twice = settled(feeder, journal, server, daemon.keys)
    return [
        greatest(
            "redis_pause_status", answers_ms, p50_ms=percentile(answers_ms, 0.5),
            p99_ms=percentile(answers_ms, 0.99), answers=len(answers_ms),
        ),
        figure("redis_pause_resume", [resume_s]),
        figure("redis_pause_tasks", [lost + twice], lost=lost, twice=twice, tasks=len(feeder.asked_ns)),
    ]  # fmt: skip


def _pause(
    server: RedisServer, daemon: Daemon, journal: Journal, feeder: Feeder, pause_s: float
) -> tuple[float, list[float]]:
    """Stop Redis for a while; returns after how many s tasks went on, and what `status` took meanwhile."""
    numbers = range(FIRST_NUMBER, FIRST_NUMBER + BACKLOG)
    asked_ns = time.monotonic_ns()
    tq.enqueue_many([told.call(number, BACKLOG_NAP_S) for number in numbers])
    feeder.asked_ns |= dict.fromkeys(numbers, asked_ns)
    server.pause()
    try:
        with Watch(daemon) as watch:
            time.sleep(pause_s)
    finally:
        resumed_ns = time.monotonic_ns()
        server.resume()
    journal.until(lambda entries: bool(first_after(entries, resumed_ns)), "tasks go on", DEADLINE_S)
    again_ns = first_after(journal.entries, resumed_ns)
    assert again_ns is not None
    return (again_ns - resumed_ns) * NS, watch.answers_ms
