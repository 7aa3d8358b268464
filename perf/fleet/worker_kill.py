"""kill -9 of a worker whose slots are full: until all that it had in hand has begun again elsewhere.

All slots of both workers are taken, so the tasks wait for the new worker: the figure is the time of its
start as well. Each round has tasks of its own, and kills the worker that has lived longest.
"""

from __future__ import annotations

import time
from statistics import median

import psutil

from perf.figure import Figure, percentile, sampled
from perf.fleet.account import NS, begun, begun_elsewhere, ended, held
from perf.fleet.journal import Journal
from perf.harness import SLOTS, Daemon, Plan, point_client_at, private_redis
from perf.tasks import told, tq
from tests.support.wait import until

WORKERS = 2
TASKS = WORKERS * SLOTS
NAP_S = 1.0
SETTLED_S = 1.5
"""The age of a worker from which on its death by SIGKILL is no crash of its own, with a margin."""

DEADLINE_S = 30.0


def run(plan: Plan) -> list[Figure]:
    """Measure worker_kill."""
    with (
        private_redis() as server, Journal() as journal,
        Daemon(server, workers=WORKERS, environ=journal.environ) as daemon,
    ):  # fmt: skip
        point_client_at(server)
        rounds = [_kill(daemon, journal) for _ in range(plan.pick(50, 10))]
        tq.close()
    times_s = [time_s for time_s, _ in rounds]
    return [
        sampled(
            "worker_kill", times_s, 0.99, p50_s=percentile(times_s, 0.5), kills=len(rounds),
            tasks_in_hand=median(count for _, count in rounds),
        )
    ]  # fmt: skip


def _kill(daemon: Daemon, journal: Journal) -> tuple[float, int]:
    """Fill all slots, kill a worker; returns after how many s its tasks had begun again, and their number."""
    worker = until(lambda: _oldest(daemon), "a worker is old enough to be killed", DEADLINE_S)
    assert worker is not None
    journal.forget()
    tasks = set(range(TASKS))
    tq.enqueue_many([told.call(number, NAP_S) for number in tasks])
    journal.until(lambda entries: begun(entries) == tasks, "all tasks have begun", DEADLINE_S)
    in_hand = held(journal.entries, worker.pid)
    killed_ns = time.monotonic_ns()
    worker.kill()
    journal.until(
        lambda entries: in_hand <= begun_elsewhere(entries, in_hand, worker.pid).keys(),
        "the killed worker's tasks have begun again", DEADLINE_S,
    )  # fmt: skip
    again_ns = begun_elsewhere(journal.entries, in_hand, worker.pid).values()
    journal.until(lambda entries: ended(entries) == tasks, "all tasks are done", DEADLINE_S)
    return (max(again_ns) - killed_ns) * NS, len(in_hand)


def _oldest(daemon: Daemon) -> psutil.Process | None:
    """Return the worker that has lived longest, once all are ready and it has settled."""
    workers = daemon.status()["workers"]
    oldest = max(workers, key=lambda worker: worker["uptime_s"] or 0.0)
    ready = all(worker["state"] == "ready" for worker in workers)
    return psutil.Process(oldest["pid"]) if ready and oldest["uptime_s"] >= SETTLED_S else None
