"""Counters that reach the user, against a journal that tasks write: over a hundred workers, and kills."""

from __future__ import annotations

import os
import signal
from collections import Counter

from tests.e2e.conftest import Start
from tests.support.daemon import Daemon
from tests.support.wait import until
from tqd import TaskQueue

APP = """
import os
from tqd import Discard, TaskQueue

tq = TaskQueue()

def write(word):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(word + "\\n")

@tq.task(name="works")
async def works():
    write("works.done")

@tq.task(name="plain", queue="high_priority")
def plain():
    write("plain.done")

@tq.task(name="fails", max_retries=2, retry_delay=0)
async def fails():
    write("fails.tried")
    raise ValueError("on purpose")

@tq.task(name="drops")
async def drops():
    write("drops.discarded")
    raise Discard("no use")
"""

ROUND = {"works": 60, "plain": 20, "fails": 8, "drops": 5}
WORKERS = 100


def row(status: dict[str, object], name: str) -> dict[str, int]:
    rows = status["tasks"]
    assert isinstance(rows, list)
    (found,) = [one for one in rows if one["name"] == name] or [{}]
    return found  # type: ignore[no-any-return]


def test_counters_are_the_truth_after_a_hundred_workers_and_three_reloads(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(APP, TQD_WORKERS__MAX_TASKS_PER_CHILD="200", TQD_QUEUES__NAMES="high_priority,default")
    daemon.start("-w", "8", "-C", "4")
    rounds, seen = 0, set[int]()
    while len(seen) < WORKERS or rounds < 12:
        for name, count in ROUND.items():
            queue = "high_priority" if name == "plain" else "default"
            for _ in range(count):
                producer.named(name).using(queue=queue).enqueue()
        rounds += 1
        seen |= pids(daemon)
        # Most workers leave with tasks in hand and behind them, and new ones come.
        daemon.ask(verb="scale", workers=1)
        daemon.ask(verb="scale", workers=8)
        if rounds in (3, 6, 9):
            assert daemon.reload().returncode == 0
        until(lambda: len(pids(daemon)) == 8, "all workers are there", 30)
        seen |= pids(daemon)
    expected = {name: rounds * count for name, count in ROUND.items()}
    until(lambda: settled(daemon.ask(verb="status"), expected), "all is done", 60)
    status, wrote = daemon.ask(verb="status"), Counter(daemon.lines())
    assert wrote["fails.tried"] == 3 * expected["fails"]
    for name in ("works", "plain"):
        assert row(status, name)["done"] == wrote[f"{name}.done"] == expected[name]
    assert (row(status, "fails")["failed"], row(status, "fails")["retried"]) == (
        expected["fails"], 2 * expected["fails"],
    )  # fmt: skip
    assert row(status, "drops")["discarded"] == wrote["drops.discarded"] == expected["drops"]
    totals = status["totals"]
    assert (totals["done"], totals["failed"], totals["retried"], totals["discarded"]) == (
        expected["works"] + expected["plain"], expected["fails"], 2 * expected["fails"], expected["drops"],
    )  # fmt: skip
    assert [queue["arrived"] for queue in status["queues"]] == [
        expected["plain"], expected["works"] + 3 * expected["fails"] + expected["drops"],
    ]  # fmt: skip


def pids(daemon: Daemon) -> set[int]:
    return {one["pid"] for one in daemon.ask(verb="status")["workers"] if one["state"] == "ready"}


def settled(status: dict[str, object], expected: dict[str, int]) -> bool:
    ends = {
        name: sum(row(status, name).get(end, 0) for end in ("done", "failed", "discarded"))
        for name in expected
    }
    return all(ends[name] >= count for name, count in expected.items())


def test_a_killed_worker_takes_no_count_with_it_but_of_what_it_was_running(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(APP)
    daemon.start("-w", "1", "-C", "4")
    victims = set[int]()
    for round_ in range(1, 4):
        for _ in range(400):
            producer.named("works").enqueue()
        until(lambda n=round_: daemon.lines().count("works.done") >= 400 * n - 300, "some are done", 30)
        (victim,) = pids(daemon)
        os.kill(victim, signal.SIGKILL)
        victims.add(victim)
        until(lambda n=round_: daemon.lines().count("works.done") >= 400 * n, "all have been run", 30)
        until(lambda: bool(pids(daemon) - victims), "it is replaced", 30)
    until(lambda: daemon.ask(verb="status")["queues"][1]["claimed"] == 0, "all are settled", 30)
    wrote = daemon.lines().count("works.done")
    until(lambda: wrote == daemon.lines().count("works.done"), "nothing runs any more")
    counted = row(daemon.ask(verb="status"), "works")["done"]
    assert wrote - 4 * len(victims) <= counted <= wrote
