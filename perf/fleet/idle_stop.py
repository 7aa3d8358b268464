"""From SIGTERM to the end of a daemon that has nothing to do."""

from __future__ import annotations

import time
from statistics import median

from perf.figure import Figure, greatest
from perf.harness import Daemon, Plan, private_redis

WORKERS = 2
SETTLE_S = 0.5


def run(plan: Plan) -> list[Figure]:
    """Measure idle_stop."""
    times_s = []
    with private_redis() as server:
        for _ in range(plan.pick(10, 3)):
            with Daemon(server, workers=WORKERS) as daemon:
                time.sleep(SETTLE_S)
                times_s.append(daemon.terminate())
    return [greatest("idle_stop", times_s, p50_s=median(times_s))]
