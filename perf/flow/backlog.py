"""Whether the rate falls with the backlog: the drain at a million waiting tasks by that at ten thousand.

Each repeat takes the rate of several drains of 10,000 and then of the first 100,000 of the large backlog,
by the same worker.
"""

from __future__ import annotations

from statistics import median

from perf.backlog import drain, stage
from perf.figure import Figure, figure, paired, rate_per_s
from perf.harness import Daemon, Plan, private_redis
from tests.support.redis_server import RedisServer

SMALL = 10_000
SMALL_DRAINS = 9


def run(plan: Plan) -> list[Figure]:
    """Measure backlog."""
    large = plan.pick(1_000_000, 100_000)
    rates = [_pair(large) for _ in range(plan.pick(min(3, plan.repeats), 2))]
    at_large, at_small = [pair[0] for pair in rates], [pair[1] for pair in rates]
    return [
        figure(
            "backlog", paired(at_large, at_small), large=large, per_s=median(at_large),
            small_per_s=median(at_small),
        )
    ]  # fmt: skip


def _pair(large: int) -> tuple[float, float]:
    with private_redis() as server, Daemon(server) as daemon:
        _small(server, daemon)
        at_small = median(_small(server, daemon) for _ in range(SMALL_DRAINS))
        stage(server, daemon.keys, large)
        left = large * 0.9
        at_large = rate_per_s(drain(server, daemon.keys, until_left=int(left)), large * 0.99, left)
    return at_large, at_small


def _small(server: RedisServer, daemon: Daemon) -> float:
    stage(server, daemon.keys, SMALL)
    return rate_per_s(drain(server, daemon.keys), 0.9 * SMALL, 0.1 * SMALL)
