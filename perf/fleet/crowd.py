"""What 32 idle workers cost: the master's share of a core, and each worker's share of memory.

Nobody asks the daemon for anything meanwhile. PSS divides what processes share among them.
"""

from __future__ import annotations

import time

import psutil

from perf.figure import Figure, figure
from perf.harness import Daemon, Plan, private_redis

WORKERS = 32
WINDOWS = 5


def run(plan: Plan) -> list[Figure]:
    """Measure master_cpu and pss."""
    with private_redis() as server, Daemon(server, workers=WORKERS) as daemon:
        master = daemon.process
        workers = daemon.worker_processes()
        time.sleep(plan.pick(5.0, 3.0))
        before = [_cpu_s(worker) for worker in workers]
        window_s = plan.pick(6.0, 4.0)
        shares = [_share(master, window_s) for _ in range(WINDOWS)]
        used_s = sum(_cpu_s(worker) for worker in workers) - sum(before)
        memory = [worker.memory_full_info() for worker in workers]
        own = master.memory_full_info()
    each = used_s / WORKERS / (WINDOWS * window_s) * 100
    pss_mb = [m.pss / 1e6 for m in memory]
    return [
        figure("master_cpu", shares, mean=sum(shares) / WINDOWS, each_worker=each),
        figure("pss", pss_mb, all_mb=sum(pss_mb), master_mb=own.pss / 1e6),
    ]


def _share(process: psutil.Process, window_s: float) -> float:
    """Return the share of a core that a process uses in a while, in %."""
    began, before = time.monotonic(), _cpu_s(process)
    time.sleep(window_s)
    return (_cpu_s(process) - before) / (time.monotonic() - began) * 100


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
