"""A task that SIGKILLs its own process, among two hundred others: what it costs until it is found.

The journal has an entry of every attempt that began, also of the poison's, each of which is the death of a
process. In the entries of these tasks the attempt's number stands where others have their fence: 1 for a
task that was never charged an attempt.
"""

from __future__ import annotations

import time

from perf.figure import Figure, figure, greatest
from perf.fleet.account import Entry, ended
from perf.fleet.journal import Journal
from perf.harness import Daemon, Plan, point_client_at, private_redis
from perf.tasks import poison, tq, tried

WORKERS = 2
NEIGHBOURS = 200
POISON = -1
NAP_S = 0.02
DEADLINE_S = 60.0


def run(plan: Plan) -> list[Figure]:
    """Measure poison_deaths, poison_neighbours and poison_time.

    Each round has a daemon of its own, so that none begins with the probe that the last one has left.
    """
    rounds = []
    with private_redis() as server, Journal() as journal:
        point_client_at(server)
        for number in range(1, plan.pick(10, 2) + 1):
            with Daemon(server, workers=WORKERS, environ=journal.environ) as daemon:
                rounds.append(_poisoned(journal, daemon, number))
        tq.close()
    return [
        greatest("poison_deaths", [deaths for deaths, _, _ in rounds]),
        figure("poison_neighbours", [max(wronged for _, wronged, _ in rounds)]),
        greatest("poison_time", [took_s for _, _, took_s in rounds]),
    ]


def _poisoned(journal: Journal, daemon: Daemon, dead: int) -> tuple[int, int, float]:
    """Return how many processes died, how many neighbours were charged, and after how many s all had ended.

    `dead` is the number of dead letters when the poison is one.
    """
    journal.forget()
    neighbours = set(range(NEIGHBOURS))
    calls = [tried.call(number, NAP_S) for number in neighbours]
    calls.insert(NEIGHBOURS // 2, poison.call(POISON, NAP_S))
    began = time.monotonic()
    tq.enqueue_many(calls)
    journal.until(
        lambda entries: neighbours <= ended(entries) and tq.dead.count() == dead,
        "the poison is a dead letter and all others are done", DEADLINE_S,
    )  # fmt: skip
    took_s = time.monotonic() - began
    assert daemon.process.is_running(), "the daemon serves on"
    return _deaths(journal.entries), len(_charged(journal.entries)), took_s


def _deaths(entries: list[Entry]) -> int:
    return len({entry.pid for entry in entries if entry.number == POISON})


def _charged(entries: list[Entry]) -> set[int]:
    return {entry.number for entry in entries if entry.number != POISON and entry.fence != 1}
