"""What the master watches: loops that are blocked, hard timeouts, tasks, age and memory of a worker."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon
from tests.support.engines import engines
from tests.support.memory_group import memory_group
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import CancelAnswer, TaskCancelled, TaskQueue

HUNG = "TQD_WORKERS__HUNG_AFTER"

BLOCKERS = """
import re

@tq.task(name="regex", max_retries=0)
async def regex():
    write("regex.started")
    re.match("(a+)+$", "a" * 64 + "b")

@tq.task(name="spins", max_retries=0)
async def spins():
    write("spins.started")
    while True: pass

@tq.task(name="dozes", max_retries=0)
async def dozes():
    write("dozes.started")
    time.sleep(600)
"""

STUBBORN = """
@tq.task(name="stubborn")
async def stubborn():
    write("stubborn.started")
    try:
        await asyncio.sleep(600)
    finally:
        time.sleep(600)
"""


def open_gate(daemon: Daemon) -> None:
    (daemon.directory / "journal.gate").touch()


@pytest.mark.parametrize(
    ("name", "line"), [("regex", "re.match"), ("spins", "while True"), ("dozes", "time.sleep")]
)
def test_a_task_that_blocks_its_loop_is_named_with_its_line_and_ended(
    make: Start, producer: TaskQueue, name: str, line: str
) -> None:
    app = APP + BLOCKERS
    daemon = make(app, **{HUNG: "2"}).start("-w", "1", "-C", "4")
    producer.enqueue("waits", "neighbour")
    daemon.wrote("neighbour.started")
    producer.enqueue(name)
    daemon.wrote("neighbour.started", times=2, deadline_s=30)
    open_gate(daemon)
    daemon.wrote("neighbour.done")
    output = daemon.output()
    number = next(
        n for n, text in enumerate(app.splitlines(), 1) if line in text and n > len(APP.splitlines())
    )
    (told,) = [text for text in output.splitlines() if "blocks its worker's loop" in text]
    assert f"name={name}" in told and f"shop.py:{number} in {name}" in told
    assert "worker hangs" in output and "SIGABRT" in output
    until(lambda: daemon.status()["dead_letters"] == 1, "the task that blocked is a dead letter", 20)
    assert daemon.lines().count(f"{name}.started") == 1


def test_a_stopped_worker_is_killed_and_its_tasks_run_elsewhere(make: Start, producer: TaskQueue) -> None:
    daemon = make(APP, **{HUNG: "1"}).start("-w", "1")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    os.kill(daemon.workers()["worker-1"], signal.SIGSTOP)
    daemon.wrote("t.started", times=2, deadline_s=30)
    open_gate(daemon)
    daemon.wrote("t.done")
    assert "SIGKILL" in daemon.output()


def test_a_stopped_keeper_is_replaced(make: Start) -> None:
    daemon = make(APP, **{HUNG: "1"}).start("-w", "1")
    victim = daemon.keeper
    assert victim is not None
    os.kill(victim, signal.SIGSTOP)
    until(lambda: daemon.keeper not in (None, victim) and daemon.ready, "another keeper is there", 30)


def test_a_hard_timeout_holds_although_the_loop_is_blocked(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1", "-C", "4")
    producer.enqueue("waits", "neighbour")
    daemon.wrote("neighbour.started")
    producer.enqueue("limited", "t", 600.0)
    daemon.wrote("t.started")
    daemon.wrote("neighbour.started", times=2, deadline_s=30)
    open_gate(daemon)
    daemon.wrote("neighbour.done")
    until(lambda: daemon.status()["dead_letters"] == 1, "it is a dead letter", 20)
    assert daemon.lines().count("t.started") == 1
    assert "ran longer than its hard_timeout of 1 s" in daemon.output()


def test_a_cancelled_task_that_blocks_the_loop_ends_as_cancelled_and_its_neighbour_goes_on(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make(APP + STUBBORN, TQD_TASKS__CANCEL_GRACE="0.5").start("-w", "1", "-C", "4")
    producer.enqueue("waits", "neighbour")
    daemon.wrote("neighbour.started")
    handle = producer.named("stubborn").using(result_ttl=60).enqueue()
    daemon.wrote("stubborn.started")
    assert handle.cancel("enough") is CancelAnswer.ASKED
    with pytest.raises(TaskCancelled, match="enough"):
        handle.result(timeout=30)
    daemon.wrote("neighbour.started", times=2, deadline_s=30)
    open_gate(daemon)
    daemon.wrote("neighbour.done")
    assert daemon.lines().count("stubborn.started") == 1
    assert daemon.status()["dead_letters"] == 0
    assert "went on for 0.5 s after it was cancelled" in daemon.output()


def test_a_task_within_its_hard_timeout_ends_nobody(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    before = daemon.workers()
    for number in range(20):
        producer.enqueue("limited", f"t{number}", 0.05)
    for number in range(20):
        daemon.wrote(f"t{number}.done")
    producer.enqueue("waits", "u")
    daemon.wrote("u.started")
    until(lambda: daemon.status()["workers"][0]["uptime_s"] > 4, "a while has passed", 20)
    assert daemon.workers() == before


def test_a_worker_is_recycled_after_its_tasks_without_a_gap(make: Start, producer: TaskQueue) -> None:
    daemon = make(APP, TQD_WORKERS__MAX_TASKS_PER_CHILD="50").start("-w", "1")
    first = daemon.workers()
    for number in range(60):
        producer.enqueue("note", f"t{number}")
    until(lambda: daemon.workers() and daemon.workers() != first, "another worker is there", 30)
    until(lambda: len(daemon.lines()) == 60, "all have run", 20)
    assert len(set(daemon.lines())) == 60
    assert "worker is recycled" in daemon.output()
    until(lambda: daemon.status()["totals"]["done"] == 60, "no count is lost with the worker", 20)


def test_a_worker_that_keeps_too_much_memory_is_recycled(make: Start, producer: TaskQueue) -> None:
    daemon = make(APP, TQD_WORKERS__MAX_RSS_MB="150").start("-w", "1")
    producer.enqueue("hogs", 200)
    until(lambda: (daemon.status()["workers"][0]["rss_bytes"] or 0) > 150 << 20, "it is large", 20)
    until(lambda: "worker is recycled" in daemon.output(), "it is replaced, after its first minute", 90)
    until(
        lambda: 0 < max((w["rss_bytes"] or 0 for w in daemon.status()["workers"]), default=0) < 150 << 20,
        "the new one is small",
        30,
    )


def test_a_late_loop_is_told_with_the_tasks_in_hand(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    producer.enqueue("blocks", "t", 1.2)
    daemon.wrote("t.done")
    until(lambda: "the loop was blocked" in daemon.output(), "the lag is told", 20)
    (line,) = [line for line in daemon.output().splitlines() if "the loop was blocked" in line]
    assert "lag_ms" in line


def test_the_master_answers_at_once_while_redis_hangs_and_work_goes_on_after_it(make: Start) -> None:
    with RedisServer(engines()[0].binary) as server:
        daemon = make(redis_url=server.url).start("-w", "2")
        with TaskQueue(server.url) as producer:
            producer.enqueue("note", "before")
            daemon.wrote("before")
            before = daemon.workers()
            server.pause()
            try:
                until(lambda: "redis has not answered" in problems(daemon), "it answers, and says it", 20)
            finally:
                server.resume()
            producer.enqueue("note", "after")
            daemon.wrote("after")
            assert daemon.workers() == before
            assert sorted(daemon.lines()) == ["after", "before"]


def problems(daemon: Daemon) -> str:
    return " ".join(daemon.ask(verb="status")["problems"])


def test_a_worker_killed_for_want_of_memory_is_named_and_replaced(make: Start, producer: TaskQueue) -> None:
    if psutil.swap_memory().total:
        pytest.skip("there is swap: nothing would be killed")
    with memory_group(220 << 20) as group:
        daemon = make(APP)
        daemon.prefix = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
        daemon.start("-w", "1")
        assert daemon.status()["memory"]["limit_bytes"] == 220 << 20
        first = daemon.workers()
        producer.named("hogs").using(max_retries=0).enqueue(800)
        until(lambda: "likely out of memory" in daemon.output(), "the kill is named", 30)
        assert "the kernel was out of memory" in daemon.output()
        until(lambda: daemon.workers() not in ({}, first), "another worker is there", 30)
        daemon.stop("--kill")


def test_the_master_has_one_thread(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    daemon.reload()
    tasks = os.listdir(f"/proc/{daemon.master}/task")
    assert len(tasks) == 1


def test_a_worker_that_dies_before_the_daemon_is_ready_is_exit_70(make: Start) -> None:
    daemon = make("import os\nos._exit(9)\n")
    started = daemon.tqd("start", *daemon.arguments("-w", "1"))
    assert started.returncode == 70
    assert "worker-1 exited with code 9 before it was ready" in started.stderr
