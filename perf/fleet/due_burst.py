"""Ten thousand tasks due in the same second, and a worker that is killed when half of them have begun.

They are due at one millisecond of Redis's clock. Whatever began in the killed worker and was not settled
runs again, which is its cause; nothing else may run twice, and nothing before its time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import psutil

from perf.figure import Figure, figure, greatest
from perf.fleet.account import NS, Entry, begun, ended, run_twice
from perf.fleet.journal import Journal
from perf.harness import Daemon, Plan, point_client_at, private_redis
from perf.tasks import BEGAN, told, tq
from tests.support.redis_server import RedisServer

WORKERS = 2
AHEAD_S = 3
TOLERANCE_NS = 2_000_000
"""Due times are whole ms, and the two clocks are read one after the other."""

DEADLINE_S = 60.0


def run(plan: Plan) -> list[Figure]:
    """Measure due_burst and due_burst_wrong."""
    rounds = []
    for _ in range(plan.pick(5, 1)):
        with (
            private_redis() as server, Journal() as journal,
            Daemon(server, workers=WORKERS, environ=journal.environ) as daemon,
        ):  # fmt: skip
            point_client_at(server)
            rounds.append(_burst(server, daemon, journal, plan.pick(10_000, 2_000)))
            tq.close()
    return [
        greatest("due_burst", [late_s for late_s, _, _ in rounds]),
        figure(
            "due_burst_wrong", [max(early + twice for _, early, twice in rounds)],
            early=sum(early for _, early, _ in rounds), twice=sum(twice for _, _, twice in rounds),
        ),
    ]  # fmt: skip


def _burst(server: RedisServer, daemon: Daemon, journal: Journal, count: int) -> tuple[float, int, int]:
    """Return after how many s the last began, how many began early, and how many twice without a cause."""
    now_s, due_ns = _redis_s(server), time.monotonic_ns()
    moment = datetime.fromtimestamp(int(now_s) + 1 + AHEAD_S, UTC)
    due_ns += round((moment.timestamp() - now_s) / NS)
    tasks = set(range(count))
    tq.enqueue_many([told.using(eta=moment).call(number, 0.0) for number in tasks])
    victim = psutil.Process(daemon.status()["workers"][0]["pid"])
    journal.until(lambda entries: len(begun(entries)) > count // 2, "half of them have begun", DEADLINE_S)
    victim.kill()
    journal.until(lambda entries: ended(entries) == tasks, "all are done", DEADLINE_S)
    entries = journal.entries
    last_ns = max(_firsts(entries).values())
    early = sum(at_ns < due_ns - TOLERANCE_NS for at_ns in _firsts(entries).values())
    again = {entry.number for entry in entries if entry.word == BEGAN and entry.pid == victim.pid}
    return (last_ns - due_ns) * NS, early, len(run_twice(entries) - again)


def _firsts(entries: list[Entry]) -> dict[int, int]:
    firsts: dict[int, int] = {}
    for entry in entries:
        if entry.word == BEGAN:
            firsts[entry.number] = min(entry.at_ns, firsts.get(entry.number, entry.at_ns))
    return firsts


def _redis_s(server: RedisServer) -> float:
    seconds, micros = server.client.time()  # type: ignore[misc]
    return float(seconds) + micros / 1e6
