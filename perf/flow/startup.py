"""How long `tqd start` takes until its first task is done; the task is there before."""

from __future__ import annotations

import time

from perf.figure import Figure, figure
from perf.harness import Daemon, Plan, point_client_at, private_redis
from perf.tasks import arguments, noop, tq
from tests.support.redis_server import RedisServer
from tests.support.wait import until


def run(plan: Plan) -> list[Figure]:
    """Measure startup."""
    with private_redis() as server:
        point_client_at(server)
        return [figure("startup", [_start(server) for _ in range(plan.repeats)])]


def _start(server: RedisServer) -> float:
    noop.enqueue(*arguments(0))
    tq.close()
    daemon = Daemon(server)
    try:
        began = time.monotonic()
        daemon.spawn()
        until(lambda: server.client.hlen(daemon.keys.task) == 0, "the first task is done", 20.0)
        return time.monotonic() - began
    finally:
        daemon.stop()
