"""A task that kills its worker, among others: it is found and put aside, and nobody else pays for it."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskFailed, TaskQueue, TaskState

POISON = (
    APP
    + """
import ctypes, signal
from tqd import Context

NATIVE = ctypes.CDLL(None).kill  # looked up before anybody listens

KILLS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "group": lambda: os.killpg(os.getpgrp(), signal.SIGKILL),
    "raise": lambda: signal.raise_signal(signal.SIGKILL),
    "command": lambda: os.system(f"kill -9 {os.getpid()}"),
    "crash": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(0),
    "unseen": lambda: NATIVE(os.getpid(), int(signal.SIGKILL)),
}

@tq.task(name="poison", max_retries=3, result_ttl=60)
async def poison(way: str):
    write(f"poison.{way}.{os.getpid()}")
    await asyncio.sleep(0.02)
    KILLS[way]()

@tq.task(name="plain_poison", max_retries=3, result_ttl=60)
def plain_poison(way: str):
    write(f"poison.{way}.{os.getpid()}")
    KILLS[way]()

@tq.task(name="innocent")
async def innocent(ctx: Context, number: int, seconds: float = 0.02):
    await asyncio.sleep(seconds)
    write(f"{number}.attempt-{ctx.attempt}")
"""
)


def innocents(daemon: Daemon) -> set[str]:
    return {line for line in daemon.lines() if "attempt" in line}


def deaths(daemon: Daemon, way: str = "") -> int:
    return len({line for line in daemon.lines() if line.startswith(f"poison.{way}")})


def killed_one(daemon: Daemon) -> None:
    """Kill a worker, and wait until another is in its place."""
    seat, pid = sorted(daemon.workers().items())[0]
    os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.workers().get(seat, pid) != pid, "another worker", 20)


def suspected(daemon: Daemon) -> int:
    """Kill the worker from outside until its only task is a suspect, and the probe has it.

    Returns how often the task has begun: with four kills, or two quick ones.
    """
    times = 1
    daemon.wrote("t.started")
    while not daemon.status()["probe"]:
        killed_one(daemon)
        times += 1
        assert times <= 5, "four kills make a suspect"
        daemon.wrote("t.started", times)
    return times


@pytest.mark.parametrize(
    ("way", "cost"), [("kill", 2), ("group", 2), ("raise", 2), ("command", 2), ("crash", 3), ("exit", 2)]
)
def test_a_poison_task_among_200_others_costs_three_processes_at_most_and_nobody_an_attempt(
    make: Start, producer: TaskQueue, redis_server: RedisServer, way: str, cost: int
) -> None:
    daemon = make(POISON)
    daemon.start("-w", "2", "-C", "16")
    for number in range(100):
        producer.enqueue("innocent", number)
    poison = producer.enqueue("poison", way)
    for number in range(100, 200):
        producer.enqueue("innocent", number)
    with pytest.raises(TaskFailed, match="WorkerCrashed: the process that ran it alone"):
        poison.result(timeout=40)
    assert deaths(daemon) == cost
    until(lambda: len(innocents(daemon)) >= 200, "all others are done", 40)
    assert innocents(daemon) == {f"{number}.attempt-1" for number in range(200)}
    assert poison.status() is TaskState.DEAD and producer.dead.count() == 1
    shown = daemon.tqd("dead", "show", poison.id, "-r", redis_server.url, "--json")
    letter = json.loads(shown.stdout)
    assert (letter["reason"], letter["attempts"]) == ("killed its worker", 1)
    report = letter["errors"][0]["traceback"]
    assert f"{cost} workers died while they held this task" in report
    assert "task       poison" in report and "arguments  digest" in report and "Python 3." in report
    assert ("in string_at" in report) == (way == "crash"), "the last stack, where one is left"
    assert ("killed itself by SIGKILL" in report) == (way not in ("crash", "exit"))
    until(lambda: daemon.status()["suspects"] == 0, "no suspect is left", 20)
    assert daemon.status()["state"] == "running"
    assert daemon.stop().returncode == 0


def test_three_poison_tasks_of_different_kinds_among_300_others_hold_nobody_up(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(POISON)
    daemon.start("-w", "2", "-C", "16")
    kinds = {75: ("poison", "crash"), 150: ("plain_poison", "kill"), 225: ("poison", "exit")}
    for number in range(300):
        producer.enqueue("innocent", number)
        if number in kinds:
            producer.enqueue(*kinds[number])
    until(lambda: len(innocents(daemon)) >= 300 and producer.dead.count() == 3, "all have ended", 40)
    assert innocents(daemon) == {f"{number}.attempt-1" for number in range(300)}
    told = daemon.output()
    assert told.count("has killed its probe") == 3
    assert told.count("worker ended and is replaced") <= 6, "three processes for each at most"
    assert "crash loop" not in told


def test_a_kill_that_nobody_sees_is_found_out_after_two_more_of_the_task_alone(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(POISON)
    daemon.start("-w", "2", "-C", "4")
    for number in range(50):
        producer.enqueue("innocent", number)
    poison = producer.enqueue("poison", "unseen")
    for number in range(50, 100):
        producer.enqueue("innocent", number)
    with pytest.raises(TaskFailed, match=r"WorkerCrashed: the last \d processes that ran it alone"):
        poison.result(timeout=40)
    assert 4 <= deaths(daemon) <= 7, "four when kills follow each other within a second"
    until(lambda: len(innocents(daemon)) >= 100, "all others are done", 40)
    assert innocents(daemon) == {f"{number}.attempt-1" for number in range(100)}


def test_kills_from_outside_are_no_tasks_fault(make: Start, producer: TaskQueue) -> None:
    daemon = make(POISON)
    daemon.start("-w", "2", "-C", "4")
    for number in range(80):
        producer.enqueue("innocent", number, 0.2)
    for _ in range(6):
        killed_one(daemon)
    until(lambda: len(innocents(daemon)) >= 80, "all are done", 40)
    assert innocents(daemon) == {f"{number}.attempt-1" for number in range(80)}
    assert producer.dead.count() == 0


def test_a_poison_task_that_waits_does_not_keep_the_daemon_from_starting(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(POISON)
    poison = producer.enqueue("poison", "crash")
    producer.enqueue("innocent", 1)
    daemon.start("-w", "2", "-C", "4")
    with pytest.raises(TaskFailed, match="WorkerCrashed"):
        poison.result(timeout=40)
    daemon.wrote("1.attempt-1")
    assert deaths(daemon) <= 3


def test_a_suspect_that_is_innocent_outlives_a_killed_probe_and_finishes(
    make: Start, producer: TaskQueue
) -> None:
    """Somebody kills workers again and again, and the probe: that is no task's fault."""
    daemon = make()
    daemon.start("-w", "1", "-C", "1")
    task = producer.enqueue("waits", "t")
    begun = suspected(daemon)
    until(lambda: (daemon.status()["probe"] or {}).get("busy") == 1, "the probe has it", 20)
    assert "the probe (pid" in daemon.verb("status").stdout
    os.kill(daemon.status()["probe"]["pid"], signal.SIGKILL)
    daemon.wrote("t.started", begun + 1)
    (daemon.directory / "journal.gate").touch()
    daemon.wrote("t.done")
    until(lambda: task.status() is None, "it is done", 20)
    assert producer.dead.count() == 0
    until(lambda: "probe has left" in daemon.output(), "without suspects the probe leaves", 20)


def test_a_reload_and_a_stop_give_the_probes_task_back_and_make_no_culprit(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(TQD_WORKERS__SHUTDOWN_GRACE_PERIOD="1")
    daemon.start("-w", "1", "-C", "1")
    producer.enqueue("waits", "t")
    begun = suspected(daemon)
    before = daemon.status()["probe"]["pid"]
    assert daemon.reload().returncode == 0
    daemon.wrote("t.started", begun + 1)
    assert daemon.status()["probe"]["pid"] != before, "it runs in a probe with the new code"
    assert daemon.stop("--kill").returncode == 0
    daemon.start("-w", "1")
    daemon.wrote("t.started", begun + 2)
    (daemon.directory / "journal.gate").touch()
    daemon.wrote("t.done")
    assert producer.dead.count() == 0
