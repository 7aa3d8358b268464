"""How fast no-op tasks are drained by one and by two workers, next to the bare loop, and Redis's share.

Each repeat measures the bare loop (one link, two links), a daemon of one worker and a daemon of two, one
after the other on the same server; the daemons that have no turn are idle. Rates are taken between the
moments when 90 % and 10 % of the backlog are left.

The ceiling is the bare loop with one link: one worker with 100 slots and one claim in flight, as the
daemon's. The loop with two links is two such workers in one process, with 200 tasks in hand; it is noted
beside it (`of_2_links`). `cpu_bound_per_s` is what all cores could do at the measured CPU time per task.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from statistics import median

import psutil

from perf.backlog import drain, stage
from perf.bare import bare_drain
from perf.figure import Figure, figure, moment, paired, rate_per_s
from perf.harness import Daemon, Plan, cpu_s, private_redis
from tests.support.redis_server import RedisServer
from tqd.store.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """One drain: its rate, CPU per task in µs (store: Redis at the enqueue), Redis's share of its core."""

    per_s: float
    store_us: float
    redis_us: float
    worker_us: float
    redis_core: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One repeat. `bare_redis_us` is Redis's CPU per task in the loop with one link."""

    bare_1_per_s: float
    bare_2_per_s: float
    bare_redis_us: float
    one: Drained
    two: Drained


def run(plan: Plan) -> list[Figure]:
    """Measure drain_1, drain_2 and redis_cpu."""
    count = plan.pick(40_000, 20_000)
    with (
        private_redis() as server,
        Daemon(server, namespace="one") as first,
        Daemon(server, namespace="two", workers=2) as second,
    ):
        for daemon in (first, second):
            _drained(server, daemon, count // 4)  # warm: scripts loaded, code specialised
        return _figures([_round(server, first, second, count) for _ in range(plan.repeats)])


def _round(server: RedisServer, first: Daemon, second: Daemon, count: int) -> Round:
    keys = Keys("bare")
    stage(server, keys, count)
    before = cpu_s(server)
    bare_1 = bare_drain(server, keys, 1)
    bare_redis_us = (cpu_s(server) - before) / count * 1e6
    one = _drained(server, first, count)
    stage(server, keys, count)
    bare_2 = bare_drain(server, keys, 2)
    two = _drained(server, second, count)
    return Round(bare_1_per_s=bare_1, bare_2_per_s=bare_2, bare_redis_us=bare_redis_us, one=one, two=two)


def _drained(server: RedisServer, daemon: Daemon, count: int) -> Drained:
    """Stage `count` no-ops and drain them."""
    began = cpu_s(server)
    stage(server, daemon.keys, count)
    workers = daemon.worker_processes()
    stored, workers_before = cpu_s(server), _cpu_s(workers)
    curve = drain(server, daemon.keys)
    done, workers_after = cpu_s(server), _cpu_s(workers)
    return Drained(
        per_s=rate_per_s(curve, 0.9 * count, 0.1 * count),
        store_us=(stored - began) / count * 1e6,
        redis_us=(done - stored) / count * 1e6,
        worker_us=(workers_after - workers_before) / count * 1e6,
        redis_core=(done - stored) / (moment(curve, 0) - curve[0][0]),
    )


def _figures(rounds: list[Round]) -> list[Figure]:
    one, two = [r.one for r in rounds], [r.two for r in rounds]
    bare_1, bare_2 = [r.bare_1_per_s for r in rounds], [r.bare_2_per_s for r in rounds]
    rates, double = [d.per_s for d in one], [d.per_s for d in two]
    cpu_us = median(d.worker_us + d.redis_us for d in two)
    return [
        figure(
            "drain_1", paired(rates, bare_1), per_s=median(rates), bare_1_link_per_s=median(bare_1),
            bare_2_links_per_s=median(bare_2), of_2_links=median(paired(rates, bare_2)),
            worker_us=median(d.worker_us for d in one), redis_core=median(d.redis_core for d in one),
        ),
        figure(
            "drain_2", paired(double, rates), per_s=median(double),
            cpu_bound_per_s=len(os.sched_getaffinity(0)) / cpu_us * 1e6,
            worker_us=median(d.worker_us for d in two), redis_core=median(d.redis_core for d in two),
        ),
        figure(
            "redis_cpu", [d.store_us + d.redis_us for d in one], store_us=median(d.store_us for d in one),
            drain_us=median(d.redis_us for d in one), bare_drain_us=median(r.bare_redis_us for r in rounds),
        ),
    ]  # fmt: skip


def _cpu_s(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(t.user + t.system for t in times)
