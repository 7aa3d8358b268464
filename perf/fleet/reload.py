"""Reloads one after the other under load: whether anybody can tell that there were any.

Each reload is asked for on the control socket and the next one follows when the old workers are gone.
Meanwhile tasks of 0 to 50 ms come at an even rate, and `status` is asked every 10 ms. What was lost and
what ran twice is told by the tasks' own journal; a gap between the generations, in which nobody claims,
would show in how long tasks wait for their first line.
"""

from __future__ import annotations

import time
from statistics import median

from perf.figure import Figure, figure, sampled
from perf.fleet.account import waits_ms
from perf.fleet.feeder import Feeder, settled
from perf.fleet.journal import Journal
from perf.fleet.watch import Watch
from perf.harness import Daemon, Plan, point_client_at, private_redis

WORKERS = 3
RELOAD_S = 30.0


def run(plan: Plan) -> list[Figure]:
    """Measure all figures of `reload`."""
    with (
        private_redis() as server, Journal() as journal,
        Daemon(server, workers=WORKERS, environ=journal.environ) as daemon,
    ):  # fmt: skip
        point_client_at(server)
        with Feeder() as feeder, Watch(daemon) as watch:
            times_s, refused = _reload(daemon, plan.pick(200, 20))
        lost, twice = settled(feeder, journal, server, daemon.keys)
    waits = waits_ms(journal.entries, feeder.asked_ns)
    return [
        figure("reload_lost", [lost], tasks=len(feeder.asked_ns)),
        figure("reload_twice", [twice]),
        figure("reload_ready", [min(watch.ready) / WORKERS], looks=len(watch.ready), workers=WORKERS),
        figure("reload_refused", [refused], reloads=len(times_s)),
        sampled("reload_time", times_s, 0.99, p50_s=median(times_s), most_s=max(times_s)),
        sampled("reload_wait", waits, 0.99, p50_ms=median(waits), most_ms=max(waits)),
        figure("reload_load", [feeder.acknowledged_per_s]),
    ]  # fmt: skip


def _reload(daemon: Daemon, count: int) -> tuple[list[float], int]:
    """Reload so many times; returns the s from one reload to the next, and how many were refused."""
    times_s, refused = [], 0
    for _ in range(count):
        began = time.monotonic()
        answer = daemon.ask(RELOAD_S, verb="reload", until="drained")
        refused += not answer.get("ok")
        times_s.append(time.monotonic() - began)
    return times_s, refused
