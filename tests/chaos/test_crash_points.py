"""A process is killed exactly at each boundary of a task's life; afterwards nothing is lost or done twice.

The journal of the tasks, outside Redis, decides. A second run needs a cause: the task was in the hands of
the process that died.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.chaos.account import Cause, in_hand
from tests.chaos.scene import Scene
from tests.support.daemon import ROOT, Daemon, alive
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue
from tqd.clock import monotonic
from tqd.system.crash import POINTS

DEADLINE_S = 30.0
GRACE_S = 8.0
"""Within it the workers of a dead master have drained, or were ended."""

KILLED_S = 1.0
"""A process whose signal is on its way may still begin something."""

FLAGS = ("-w", "2", "-C", "8")
LAST = 9_999
WORKING = {
    "before-claim": 3, "after-claim-sent": 2, "after-claim": 2, "after-bell": 1, "before-task": 5,
    "after-first-line": 5, "after-task": 5, "before-settle": 2, "after-settle-sent": 2,
    "after-settle-reply": 2,
}  # fmt: skip
"""Points that every worker passes while it works, and at which passing it dies."""

RECLAIMING = (
    "before-fence",
    "after-fence",
    "mid-reclaim",
    "after-reclaim",
    "before-worker-gone",
    "after-worker-gone",
)
STOPPING = ("before-release", "before-leave", "after-leave")
LEASING = ("before-renew", "after-renew")
PRODUCING = ("before-enqueue", "after-enqueue-sent", "after-enqueue-reply")
OTHERS = ("after-fork", "after-settle-culprit", "before-forget-node")


class Drill:
    """A scene with a producer, and what it has to account for at the end."""

    def __init__(self, server: RedisServer) -> None:
        self.scene = Scene(server)
        self.producer = TaskQueue(server.url)
        self.acknowledged: dict[int, bool] = {}
        self.causes: list[Cause] = []
        self._daemons: list[Daemon] = []

    def start(self, crash: str = "", **environ: str) -> Daemon:
        """Start a daemon in the directory of the last one, to crash there or not at all."""
        daemon = self._daemons[-1] if self._daemons else self.scene.daemon(**environ)
        if daemon not in self._daemons:
            self._daemons.append(daemon)
        daemon.environ.pop("TQD_CRASH", None)
        if crash:
            daemon.environ["TQD_CRASH"] = crash
        return daemon.start(*FLAGS)

    def enqueue(self, name: str, *arguments: object, fails: bool = False) -> None:
        number = len(self.acknowledged)
        self.producer.enqueue(name, number, *arguments)
        self.acknowledged[number] = fails

    def work(self, rounds: int = 6) -> None:
        """Enqueue some of everything."""
        for _ in range(rounds):
            for name in ("quick", "threaded", "valued", "retrying"):
                self.enqueue(name)
            self.enqueue("sleeping", 0.05)
            self.enqueue("failing", fails=True)

    def died(self, daemon: Daemon, point: str) -> tuple[int, float]:
        """Wait until a process has died at the point; returns its pid and when that was."""
        saying = re.compile(rf"^tqd: pid (\d+) ends at {point}:\d+, ([\d.]+) s$", re.M)
        until(
            lambda: saying.search(daemon.output()), f"somebody dies at {point}\n{daemon.output()}", DEADLINE_S
        )
        ((pid, at_s),) = saying.findall(daemon.output())
        until(lambda: not alive(int(pid)), f"{pid} is gone", DEADLINE_S)
        return int(pid), float(at_s)

    def settled(self) -> None:
        """Wait until all tasks have ended, then judge."""
        try:
            until(lambda: self.scene.living() == 0, "all tasks have ended", DEADLINE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.scene.verdict(self.acknowledged, self.causes)}") from None
        verdict = self.scene.verdict(self.acknowledged, self.causes)
        assert verdict.clean, verdict
        assert self.scene.findings() == []

    def close(self) -> None:
        self.producer.close()
        for daemon in self._daemons:
            daemon.__exit__(*sys.exc_info())
        self.scene.close()


@pytest.fixture
def drill(redis_server: RedisServer) -> Iterator[Drill]:
    drill = Drill(redis_server)
    try:
        yield drill
    finally:
        drill.close()


def kill(drill: Drill, pid: int) -> None:
    """Kill a worker from outside, and have that on record."""
    now = monotonic()
    os.kill(pid, signal.SIGKILL)
    drill.causes.append(Cause("killed", now, now + KILLED_S, {pid}))


def kill_all(drill: Drill, daemon: Daemon) -> None:
    """Kill every process of a daemon, the master first, so that nobody gives anything back."""
    pids = daemon.pids()
    for pid in pids:
        kill(drill, pid)
    assert daemon.process is not None
    daemon.process.wait()
    until(lambda: not any(alive(pid) for pid in pids), "all processes are gone", DEADLINE_S)


def goes_on(drill: Drill, daemon: Daemon, family: list[int], pid: int, point: str, at_s: float) -> None:
    """The daemon repairs itself, or is started again when its master died; then all is well."""
    assert daemon.process is not None
    if pid == daemon.process.pid:
        daemon.process.wait()
        drill.causes.append(Cause(f"orphaned at {point}", at_s, at_s + GRACE_S, {*family}))
        drill.start()
    else:
        drill.causes.append(Cause(point, at_s, at_s + KILLED_S, {pid}))
        until(lambda: daemon.ready, "the daemon is whole again", DEADLINE_S)
    drill.enqueue("quick")
    drill.settled()


def test_every_point_has_its_test() -> None:
    assert {*WORKING, *RECLAIMING, *STOPPING, *LEASING, *PRODUCING, *OTHERS} == set(POINTS)


@pytest.mark.parametrize("point", WORKING)
def test_a_worker_dies_at_work(drill: Drill, point: str) -> None:
    daemon = drill.start(f"{point}:{WORKING[point]}")
    family = daemon.pids()
    drill.work()
    pid, at_s = drill.died(daemon, point)
    assert pid in family
    drill.work(1)
    goes_on(drill, daemon, family, pid, point, at_s)


@pytest.mark.parametrize("point", [*RECLAIMING, "after-fork:4"])
def test_somebody_dies_while_a_dead_workers_tasks_are_taken_back(drill: Drill, point: str) -> None:
    daemon = drill.start(point)
    family = daemon.pids()
    for _ in range(12):
        drill.enqueue("sleeping", 1.0)
    until(lambda: len(drill.scene.began()) == 12, "all have begun", DEADLINE_S)
    victim = drill.scene.lines()[-1].pid
    assert in_hand(drill.scene.lines(), {victim}, monotonic())
    kill(drill, victim)
    name = point.partition(":")[0]
    pid, at_s = drill.died(daemon, name)
    assert pid in family and pid != victim
    goes_on(drill, daemon, family, pid, name, at_s)


def test_the_keeper_dies_between_the_culprit_and_its_neighbours(drill: Drill) -> None:
    daemon = drill.start("after-settle-culprit")
    family = daemon.pids()
    for _ in range(6):
        drill.enqueue("sleeping", 1.5)
    drill.enqueue("stuck")
    workers = set(daemon.workers().values())
    pid, at_s = drill.died(daemon, "after-settle-culprit")
    assert pid not in workers
    blocked = {line.pid for line in drill.scene.lines() if line.word == "raised"}
    drill.causes.append(Cause("its worker was blocked and ended", at_s - 2.0, at_s, blocked))
    goes_on(drill, daemon, family, pid, "after-settle-culprit", at_s)


@pytest.mark.parametrize("point", STOPPING)
def test_a_worker_dies_while_the_daemon_stops(drill: Drill, point: str) -> None:
    daemon = drill.start(point, TQD_WORKERS__SHUTDOWN_GRACE_PERIOD="1.1")
    drill.work(1)
    for _ in range(6):
        drill.enqueue("sleeping", 2.0)
    until(lambda: len(drill.scene.began()) == len(drill.acknowledged), "all have begun", DEADLINE_S)
    workers = set(daemon.workers().values())
    asked_s = monotonic()
    stopping = subprocess.Popen(
        [sys.executable, "-m", "tqd", "stop", "--runtime-dir", str(daemon.runtime)],
        env=daemon.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    pid, _ = drill.died(daemon, point)
    assert pid in workers
    assert stopping.wait(DEADLINE_S) == 0
    assert daemon.wait() == 0
    drill.causes.append(Cause("stopped", asked_s, monotonic(), workers))
    drill.start()
    drill.settled()


@pytest.mark.parametrize("point", LEASING)
def test_the_keeper_dies_at_the_lease(drill: Drill, point: str) -> None:
    daemon = drill.start(f"{point}:4", TQD_NODE__LEASE="3")
    family = daemon.pids()
    drill.work()
    for _ in range(6):
        drill.enqueue("sleeping", 4.0)  # longer than a lease: who had none would lose them
    workers = set(daemon.workers().values())
    pid, at_s = drill.died(daemon, point)
    assert pid not in workers
    goes_on(drill, daemon, family, pid, point, at_s)


def test_the_keeper_dies_before_it_forgets_a_dead_node(drill: Drill) -> None:
    daemon = drill.start()
    for _ in range(12):
        drill.enqueue("sleeping", 1.0)
    until(lambda: len(drill.scene.began()) == 12, "all have begun", DEADLINE_S)
    kill_all(drill, daemon)
    daemon = drill.start("before-forget-node")
    family = daemon.pids()
    pid, at_s = drill.died(daemon, "before-forget-node")
    goes_on(drill, daemon, family, pid, "before-forget-node", at_s)
    client, nodes = drill.scene.server.client, "{tqd:0}:nodes"
    until(lambda: client.zcard(nodes) == 1, f"one node is left of {client.zrange(nodes, 0, -1)}", DEADLINE_S)


PRODUCER = """
import asyncio, sys
from tqd import TaskQueue

async def several(queue):
    for number in range(20):
        print("asked", number, flush=True)
        await queue.aenqueue("quick", number)
        print("stored", number, flush=True)

queue = TaskQueue(sys.argv[1])
if sys.argv[2] == "async":
    asyncio.run(several(queue))
for number in range(20):
    print("asked", number, flush=True)
    queue.enqueue("quick", number)
    print("stored", number, flush=True)
"""


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("point", PRODUCING)
def test_a_producer_dies(drill: Drill, point: str, way: str) -> None:
    producer = subprocess.run(
        [sys.executable, "-c", PRODUCER, drill.scene.server.url, way],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TQD_CRASH": f"{point}:8"},
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert producer.returncode == -signal.SIGKILL, producer.stderr
    assert f"ends at {point}:8" in producer.stderr
    lines = producer.stdout.splitlines()
    stored = {int(line.split()[1]) for line in lines if line.startswith("stored")}
    assert (stored, lines[-1]) == (set(range(7)), "asked 7")
    until(lambda: drill.scene.living() >= 7, "Redis has read what was sent")
    drill.acknowledged = dict.fromkeys(stored, False)
    drill.start()
    drill.settled()
    # What was sent is stored although nobody was told; what was not sent is not.
    assert drill.scene.began() == stored | (set() if point == "before-enqueue" else {7})


def test_an_unknown_point_refuses_the_start(drill: Drill) -> None:
    daemon = drill.scene.daemon(TQD_CRASH="after-cliam:1")
    with daemon:
        told = daemon.tqd("start", *daemon.arguments())
    assert told.returncode == 78
    assert "did you mean 'after-claim'?" in told.stderr
