"""Deaths and stops of real processes: what runs again, what is replaced, and that nothing stays behind."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon, alive, children
from tests.support.wait import until
from tqd import TaskQueue

GRACE = "TQD_WORKERS__SHUTDOWN_GRACE_PERIOD"


def open_gate(daemon: Daemon) -> None:
    """Let the tasks named `waits` end."""
    (daemon.directory / "journal.gate").touch()


def no_process_left(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)


# -- kill -9 --------------------------------------------------------------------------------------


def test_the_tasks_of_a_killed_worker_run_again_and_it_is_replaced(
    daemon: Daemon, producer: TaskQueue
) -> None:
    daemon.start("-w", "1", "-C", "4")
    for number in range(3):
        producer.enqueue("waits", f"t{number}")
    for number in range(3):
        daemon.wrote(f"t{number}.started")
    (victim,) = daemon.workers().values()
    os.kill(victim, signal.SIGKILL)
    for number in range(3):
        daemon.wrote(f"t{number}.started", times=2)
    open_gate(daemon)
    for number in range(3):
        daemon.wrote(f"t{number}.done")
    until(lambda: len(daemon.workers()) == 1, "the worker is replaced", 20)
    assert daemon.workers()["worker-1"] != victim
    until(lambda: daemon.status()["totals"]["reclaimed"] == 3, "the status tells of it", 20)
    assert all(daemon.lines().count(f"t{number}.done") == 1 for number in range(3))


def test_a_killed_keeper_is_replaced_and_its_successor_takes_claims_back(
    daemon: Daemon, producer: TaskQueue
) -> None:
    daemon.start("-w", "1")
    victim = daemon.keeper
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    until(lambda: daemon.status()["keeper"]["state"] == "ready", "a new keeper is ready", 20)
    assert daemon.keeper != victim
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    os.kill(daemon.workers()["worker-1"], signal.SIGKILL)
    daemon.wrote("t.started", times=2)
    open_gate(daemon)
    daemon.wrote("t.done")


def test_worker_and_keeper_killed_together_lose_nothing(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    keeper, worker = daemon.keeper, daemon.workers()["worker-1"]
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    daemon.wrote("t.started", times=2)
    open_gate(daemon)
    daemon.wrote("t.done")


@pytest.mark.parametrize("task", ["waits", "blocks"])
def test_nothing_outlives_a_killed_master_and_its_tasks_run_again(
    daemon: Daemon, producer: TaskQueue, task: str
) -> None:
    daemon.start("-w", "2", "-C", "1")
    arguments = ("t", 30.0) if task == "blocks" else ("t",)
    producer.enqueue(task, *arguments)
    daemon.wrote("t.started")
    pids = daemon.pids()
    assert len(pids) == 4
    os.kill(pids[0], signal.SIGKILL)
    daemon.wait()
    until(lambda: no_process_left(pids), f"none of {pids} lives", 5.0)
    open_gate(daemon)
    daemon.start("-w", "1")
    daemon.wrote("t.started", times=2)
    if task == "waits":
        daemon.wrote("t.done")


def test_nothing_outlives_a_master_killed_while_redis_is_down(make: Start) -> None:
    """The keeper cannot sign off then; it goes all the same, also one that has just been replaced."""
    from tests.support.engines import engines
    from tests.support.redis_server import RedisServer

    with RedisServer(engines()[0].binary) as server:
        daemon = make(redis_url=server.url)
        daemon.start("-w", "1")
        keeper = daemon.keeper
        server.kill()
        assert keeper is not None
        os.kill(keeper, signal.SIGKILL)
        until(lambda: daemon.keeper not in (None, keeper), "another keeper is there", 20)
        pids = daemon.pids()
        os.kill(pids[0], signal.SIGKILL)
        daemon.wait()
        until(lambda: no_process_left(pids), f"none of {pids} lives", 8.0)


# -- stops ----------------------------------------------------------------------------------------


def test_a_stop_waits_for_a_running_task_and_says_so(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    impatient = daemon.stop("--timeout", "2.5")
    assert impatient.returncode == 1
    assert "1 running task" in impatient.stdout
    open_gate(daemon)
    assert daemon.wait() == 0
    assert "t.done" in daemon.lines()
    assert daemon.lines().count("t.started") == 1


def test_a_second_sigterm_gives_the_task_back_sooner(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.environ[GRACE] = "600"
    daemon.start("-w", "1")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    master = daemon.master
    os.kill(master, signal.SIGTERM)
    until(lambda: daemon.status()["state"] == "stopping", "it is stopping", 10)
    os.kill(master, signal.SIGTERM)
    assert daemon.wait() == 0
    assert daemon.lines() == ["t.started", "t.cancelled"]
    open_gate(daemon)
    daemon.start("-w", "1")
    daemon.wrote("t.done")


def test_a_third_sigterm_kills_what_does_not_leave(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.environ[GRACE] = "600"
    daemon.start("-w", "1")
    producer.enqueue("blocks", "t", 120.0)
    daemon.wrote("t.started")
    pids = daemon.pids()
    began = time.monotonic()
    for count in range(1, 4):
        os.kill(pids[0], signal.SIGTERM)
        # Equal signals that wait to be delivered are one.
        until(lambda count=count: daemon.output().count("signal=SIGTERM") == count, "it was heard", 10)  # type: ignore[misc]
    assert daemon.wait() == 0
    assert time.monotonic() - began < 15
    until(lambda: no_process_left(pids), "nothing stays behind", 5)


def test_a_blocked_worker_is_killed_after_the_grace_time(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.environ[GRACE] = "0.5"
    daemon.start("-w", "1")
    producer.enqueue("blocks", "t", 120.0)
    daemon.wrote("t.started")
    stopped = daemon.stop()
    assert (stopped.returncode, daemon.wait()) == (0, 0)
    assert "worker-1" in daemon.output() and "was not gone in time" in daemon.output()


def test_ctrl_c_in_the_terminal_drains(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "2")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    os.killpg(daemon.master, signal.SIGINT)
    until(lambda: daemon.status()["state"] == "stopping", "it is stopping", 10)
    assert "t.cancelled" not in daemon.lines()
    open_gate(daemon)
    assert daemon.wait() == 0
    assert "t.done" in daemon.lines()


def test_a_stop_during_the_start_is_clean(make: Start) -> None:
    daemon = make("import time\ntime.sleep(2)\n" + APP)
    import subprocess
    import sys

    daemon.process = subprocess.Popen(
        [sys.executable, "-m", "tqd", "start", *daemon.arguments("-w", "2")],
        cwd=daemon.directory,
        env=daemon.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: len(children(daemon.process.pid)) == 2, "the workers are importing", 20)
    pids = [daemon.process.pid, *children(daemon.process.pid)]
    os.kill(daemon.process.pid, signal.SIGTERM)
    assert daemon.wait() == 0
    assert no_process_left(pids)


def test_a_worker_stopped_by_hand_is_replaced(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    victim = daemon.workers()["worker-1"]
    os.kill(victim, signal.SIGTERM)
    until(lambda: daemon.workers().get("worker-1") not in (None, victim), "another is ready", 20)
    producer.enqueue("note", "ran")
    daemon.wrote("ran")


# -- several, and embedded ------------------------------------------------------------------------


def test_several_daemons_share_a_redis(make: Start, producer: TaskQueue) -> None:
    one, two = make().start("-w", "1", "-C", "1"), make().start("-w", "1", "-C", "1")
    assert one.status()["master"]["node"] != two.status()["master"]["node"]
    for number in range(2):
        producer.enqueue("waits", f"t{number}")
    until(lambda: len(one.lines()) == len(two.lines()) == 1, "each has one", 20)
    os.kill(one.master, signal.SIGKILL)
    one.wait()
    # The living one is not touched by the death of the other; the dead one's task is run by it.
    open_gate(two)
    until(lambda: len([line for line in two.lines() if line.endswith(".done")]) == 2, "both done there", 40)
    assert two.status()["state"] == "running"


def test_an_embedded_redis_keeps_its_data_over_a_restart(make: Start) -> None:
    daemon = make(redis_url="")
    daemon.start("--embedded", "-w", "1")
    url = f"unix://{daemon.runtime}/redis.sock"
    with TaskQueue(url) as producer:
        producer.enqueue("note", "first")
        daemon.wrote("first")
        producer.named("note").using(delay=1).enqueue("later")
        pids = daemon.pids()
        assert len(pids) == 4
        assert daemon.stop().returncode == 0
        assert daemon.wait() == 0
        assert no_process_left(pids)
        daemon.start("--embedded", "-w", "1")
        daemon.wrote("later")
        assert daemon.lines() == ["first", "later"]


def test_an_embedded_redis_dies_with_a_killed_master_and_loses_nothing(make: Start) -> None:
    daemon = make(redis_url="")
    daemon.start("--embedded", "-w", "1")
    with TaskQueue(f"unix://{daemon.runtime}/redis.sock") as producer:
        producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    pids = daemon.pids()
    os.kill(pids[0], signal.SIGKILL)
    daemon.wait()
    until(lambda: no_process_left(pids), f"none of {pids} lives", 8)
    open_gate(daemon)
    daemon.start("--embedded", "-w", "1")
    daemon.wrote("t.done")
