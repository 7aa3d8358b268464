"""What a daemon costs that has nothing to do: commands sent to Redis, and private memory of a worker.

Two daemons, of one and of two workers, are idle side by side, each on a server of its own. The keeper's
commands are counted with the workers': the figure is the worse of the two daemons' commands per worker.
Redis counts the commands inside of scripts as well.
"""

from __future__ import annotations

import time

from perf.figure import Figure, figure
from perf.harness import Daemon, Plan, commands_total, private_redis
from tests.support.redis_server import RedisServer

SETTLE_S = 2.0


def run(plan: Plan) -> list[Figure]:
    """Measure idle_traffic and uss."""
    window_s = plan.pick(30.0, 10.0)
    with (
        private_redis() as one, private_redis() as two,
        Daemon(one) as first, Daemon(two, workers=2) as second,
    ):  # fmt: skip
        with_1, with_2 = _per_s((one, two), window_s)
        memory = [p.memory_full_info() for d in (first, second) for p in d.worker_processes()]
    traffic = figure(
        "idle_traffic", [max(with_1, with_2 / 2)], one_worker_per_s=with_1, two_workers_per_s=with_2,
        each_further_worker_per_s=with_2 - with_1,
    )  # fmt: skip
    uss = figure("uss", [m.uss / 1e6 for m in memory], rss_mb=max(m.rss for m in memory) / 1e6)
    return [traffic, uss]


def _per_s(servers: tuple[RedisServer, ...], window_s: float) -> list[float]:
    time.sleep(SETTLE_S)
    before = [commands_total(server) for server in servers]
    time.sleep(window_s)
    after = [commands_total(server) for server in servers]
    # The command that asked is counted in the answer to the next one.
    return [(later - earlier - 1) / window_s for earlier, later in zip(before, after, strict=True)]
