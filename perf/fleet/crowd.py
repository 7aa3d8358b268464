"""What 32 idle workers cost: the master's share of a core, and each worker's share of memory.

Nobody asks the daemon for anything meanwhile. PSS divides what processes share among them.
"""

from __future__ import annotations

import time
from statistics import median

from perf.figure import Figure, figure
from perf.harness import Daemon, Plan, core_s, private_redis

WORKERS = 32
WINDOWS = 5


def run(plan: Plan) -> list[Figure]:
    """Measure master_cpu and pss."""
    with private_redis() as server, Daemon(server, workers=WORKERS) as daemon:
        master, workers = daemon.process, daemon.worker_processes()
        time.sleep(plan.pick(5.0, 3.0))
        shares = _shares(master.pid, [worker.pid for worker in workers], plan.pick(6.0, 4.0))
        memory = [worker.memory_full_info() for worker in workers]
        master_mb = master.memory_full_info().pss / 1e6
    own = [share for share, _ in shares]
    pss_mb = [m.pss / 1e6 for m in memory]
    uss_mb = median(m.uss for m in memory) / 1e6
    return [
        # Of all windows together, as a beat more or less in one of them counts for something.
        Figure(
            name="master_cpu", value=sum(own) / WINDOWS, readings=tuple(own),
            notes={"each_worker": sum(share for _, share in shares) / WINDOWS / WORKERS},
        ),
        figure("pss", pss_mb, uss_mb=uss_mb, master_mb=master_mb, all_mb=sum(pss_mb) + master_mb),
    ]  # fmt: skip


def _shares(master: int, workers: list[int], window_s: float) -> list[tuple[float, float]]:
    """Return the shares of a core that the master and all workers use in each window, in %."""
    found = []
    for _ in range(WINDOWS):
        began, own_s, their_s = time.monotonic(), _cpu_s([master]), _cpu_s(workers)
        time.sleep(window_s)
        percent = 100 / (time.monotonic() - began)
        found.append(((_cpu_s([master]) - own_s) * percent, (_cpu_s(workers) - their_s) * percent))
    return found


def _cpu_s(pids: list[int]) -> float:
    return sum(core_s(pid)[0] for pid in pids)
