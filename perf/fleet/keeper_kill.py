"""kill -9 of the keeper under load: until another one is ready, and that no task notices."""

from __future__ import annotations

import time
from statistics import median

import psutil

from perf.figure import Figure, figure, greatest, percentile
from perf.fleet.account import waits_ms
from perf.fleet.feeder import Feeder, settled
from perf.fleet.journal import Journal
from perf.harness import Daemon, Plan, point_client_at, private_redis
from tests.support.wait import until

WORKERS = 2
SETTLED_S = 1.5
"""How long a keeper has been ready when it is killed: from 1 s on that is no crash of its own."""

DEADLINE_S = 30.0


def run(plan: Plan) -> list[Figure]:
    """Measure keeper_kill and keeper_kill_tasks."""
    with (
        private_redis() as server, Journal() as journal,
        Daemon(server, workers=WORKERS, environ=journal.environ) as daemon,
    ):  # fmt: skip
        point_client_at(server)
        with Feeder() as feeder:
            times_s = [_kill(daemon) for _ in range(plan.pick(10, 3))]
        lost, twice = settled(feeder, journal, server, daemon.keys)
    waits = waits_ms(journal.entries, feeder.asked_ns)
    return [
        greatest("keeper_kill", times_s, p50_s=median(times_s)),
        figure(
            "keeper_kill_tasks", [lost + twice], tasks=len(feeder.asked_ns),
            wait_p99_ms=percentile(waits, 0.99), wait_most_ms=max(waits),
        ),
    ]  # fmt: skip


def _kill(daemon: Daemon) -> float:
    """Kill the keeper; returns after how many s the next one was ready."""
    time.sleep(SETTLED_S)
    keeper = psutil.Process(daemon.status()["keeper"]["pid"])
    began = time.monotonic()
    keeper.kill()
    until(lambda: _replaced(daemon, keeper.pid), "another keeper is ready", DEADLINE_S)
    return time.monotonic() - began


def _replaced(daemon: Daemon, pid: int) -> bool:
    keeper = daemon.status()["keeper"]
    return bool(keeper["state"] == "ready" and keeper["pid"] != pid)
