"""What a user sees of a running daemon, and how it is steered: status, top, why, worker ls, scale, quiet,
resume, reload, restart and the ways to stop, on the real command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon, alive
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue


def ask(daemon: Daemon, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    return daemon.tqd(verb, *words, "--runtime-dir", str(daemon.runtime))


def told(daemon: Daemon, verb: str, *words: str) -> dict[str, Any]:
    """Return what a verb says as JSON."""
    result = ask(daemon, verb, *words, "--json")
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def spawn(daemon: Daemon, verb: str, *words: str) -> subprocess.Popen[str]:
    """Start a verb, with its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "tqd", verb, *words, "--runtime-dir", str(daemon.runtime)],
        cwd=daemon.directory,
        env=daemon.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def open_gate(daemon: Daemon) -> None:
    """Let the tasks that wait go on."""
    daemon.journal.with_suffix(".gate").touch()


# -- looking --------------------------------------------------------------------------------------


def test_every_view_shows_the_daemon_that_runs(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "2", "-C", "5")
    producer.enqueue("waits", "w")
    daemon.wrote("w.started")
    until(lambda: sum(row["busy"] or 0 for row in daemon.status()["workers"]) == 1, "a beat has told", 20)
    status = ask(daemon, "status")
    assert status.returncode == 0, status.stdout
    assert "2 of 2 workers ready" in status.stdout and "generation 1" in status.stdout
    for view in (status.stdout, ask(daemon, "top").stdout):
        for words in ("worker-1", "worker-2", "1/5", "low_priority", "dead letters: 0"):
            assert words in view
    assert "waits" in ask(daemon, "worker", "ls").stdout
    assert told(daemon, "top")["master"]["pid"] == daemon.master
    rows = told(daemon, "worker", "ls")["workers"]
    assert {row["id"]: row["pid"] for row in rows} == daemon.workers()
    events = told(daemon, "why")["events"]
    assert events and all({"at", "level", "event", "fields"} <= one.keys() for one in events)
    event, *rest = ask(daemon, "why", "-n", "1").stdout.splitlines()
    assert event and rest == ["", "auto-scaling is off"]
    open_gate(daemon)


def test_a_view_needs_no_redis(make: Start, redis_server: RedisServer) -> None:
    daemon = make().start("-w", "1")
    until(lambda: daemon.status()["dead_letters"] is not None, "there is a sample", 20)
    redis_server.pause()
    try:
        until(lambda: (daemon.status()["keeper"]["redis_down_s"] or 0) > 0, "the keeper has noticed", 30)
        why = "Redis has not served for"
        until(lambda: why in ask(daemon, "top").stdout, "and it is told", 30)
        assert "has not served for" in ask(daemon, "status").stdout
    finally:
        redis_server.resume()
    until(lambda: daemon.status()["keeper"]["redis_down_s"] == 0, "it answers again", 30)


# -- steering -------------------------------------------------------------------------------------


def test_workers_are_scaled_to_a_number_and_by_a_number(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    for word, number in (("+2", 3), ("-1", 2), ("1", 1)):
        result = ask(daemon, "scale", word)
        assert result.returncode == 0, result.stderr
        until(lambda number=number: len(daemon.workers()) == number, f"there are {number} workers", 30)
    refused = ask(daemon, "scale", "999999")
    assert refused.returncode == 1 and "1024" in refused.stderr


def test_a_quiet_daemon_claims_nothing_until_it_is_resumed(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    assert ask(daemon, "quiet").returncode == 0
    until(lambda: daemon.status()["state"] == "quiet", "it says so", 20)
    producer.enqueue("note", "later")
    until(
        lambda: [q["ready"] for q in daemon.status()["queues"] if q["name"] == "default"] == [1],
        "it waits",
        20,
    )
    assert daemon.lines() == []
    assert ask(daemon, "resume").returncode == 0
    daemon.wrote("later")


def test_a_reload_shows_its_progress_and_puts_new_code_to_work(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "2")
    before = daemon.workers()
    daemon.write(
        "shop.py",
        APP.replace(
            'write(line)\n\n@tq.task(name="plain"', "write('new.' + line)\n\n@tq.task(name=\"plain\""
        ),
    )
    result = ask(daemon, "reload", "--wait")
    assert result.returncode == 0, result.stderr
    assert "generation 2: " in result.stdout and "generation 2 serves" in result.stdout
    assert set(daemon.workers().values()).isdisjoint(before.values())
    assert not [pid for pid in before.values() if alive(pid)]
    producer.enqueue("note", "x")
    daemon.wrote("new.x")
    assert "generation 2" in ask(daemon, "status").stdout


def test_a_refused_reload_says_why_and_changes_nothing(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    before = daemon.workers()
    daemon.write("shop.py", "def build():\n    return 1 / 0\nbuild()\n")
    result = ask(daemon, "reload")
    assert result.returncode == 1 and "ZeroDivisionError" in result.stderr and "in build" in result.stderr
    assert daemon.workers() == before
    assert "ZeroDivisionError" in ask(daemon, "status").stdout, "the next one who looks is told, too"
    assert "refused" in ask(daemon, "why").stdout
    daemon.write("shop.py", APP)
    daemon.write("tqd.toml", "[workers]\ninital_count = 2\n")
    refused = told(daemon, "reload")
    assert refused["ok"] is False and "initial_count" in refused["error"]


def test_reload_returns_early_when_the_new_generation_serves(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    producer.enqueue("waits", "w")
    daemon.wrote("w.started")
    patient = ask(daemon, "reload", "--timeout", "3")
    assert patient.returncode == 1 and "the reload goes on" in patient.stderr
    assert ask(daemon, "reload", "--serving").returncode == 0
    assert "w.done" not in daemon.lines(), "the old worker still has its task"
    open_gate(daemon)
    daemon.wrote("w.done")


# -- the ways to stop -----------------------------------------------------------------------------


def test_stop_names_the_tasks_it_waits_for_and_may_be_left(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    producer.enqueue("waits", "w")
    daemon.wrote("w.started")
    until(lambda: daemon.status()["workers"][0]["busy"] == 1, "a beat has told", 20)
    client = spawn(daemon, "stop")
    assert client.stdout is not None
    assert "1 running task in 1 worker (waits)" in client.stdout.readline()
    client.send_signal(signal.SIGINT)
    _, words = client.communicate(timeout=20)
    assert client.returncode == 130 and "goes on stopping" in words
    again = daemon.stop("--timeout", "0.2")
    assert again.returncode == 1 and "still stopping" in again.stdout
    open_gate(daemon)
    assert daemon.stop().returncode == 0 and daemon.wait() == 0
    assert "w.done" in daemon.lines(), "the second stop has not cut it short"


def test_stop_now_gives_the_tasks_back(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    handle = producer.enqueue("waits", "w")
    daemon.wrote("w.started")
    stopped = daemon.stop("--now")
    assert stopped.returncode == 0, stopped.stderr
    daemon.wait()
    assert handle.status() == "ready"


def test_stop_kill_ends_a_daemon_whose_master_hangs(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    pids = daemon.pids()
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    stopped = daemon.stop("--kill")
    assert stopped.returncode == 0 and "SIGKILL is sent" in stopped.stdout
    assert daemon.wait() == -signal.SIGKILL
    until(lambda: not [pid for pid in pids if alive(pid)], "no process is left", 20)


def test_stop_kill_ends_a_daemon_that_answers(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    producer.enqueue("blocks", "b", 60.0)
    daemon.wrote("b.started")
    pids = daemon.pids()
    assert daemon.stop("--kill").returncode == 0
    until(lambda: not [pid for pid in pids if alive(pid)], "no process is left", 20)


# -- restart --------------------------------------------------------------------------------------


def test_a_restart_is_a_new_daemon_with_the_flags_it_is_given(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    before = daemon.master
    restarted = daemon.tqd("restart", *daemon.arguments("-w", "2"))
    assert restarted.returncode == 0, restarted.stderr
    assert "has stopped" in restarted.stdout and "is ready" in restarted.stdout
    assert daemon.wait() == 0
    assert daemon.master != before and len(daemon.workers()) == 2
    producer.enqueue("note", "n")
    daemon.wrote("n")
    assert daemon.stop().returncode == 0


@pytest.mark.parametrize("broken", ["app", "configuration"])
def test_a_restart_that_would_fail_leaves_the_daemon_alone(daemon: Daemon, broken: str) -> None:
    daemon.start("-w", "1")
    before = daemon.master
    if broken == "app":
        daemon.write("shop.py", "1 / 0\n")
    else:
        daemon.write("tqd.toml", "[workers]\ninital_count = 2\n")
    refused = daemon.tqd("restart", *daemon.arguments())
    assert refused.returncode == 78
    assert "goes on as it is" in refused.stderr
    assert daemon.master == before


def test_a_restart_of_nobody_is_a_start(daemon: Daemon) -> None:
    started = daemon.tqd("restart", *daemon.arguments("-w", "1"))
    assert started.returncode == 0 and "was not running" in started.stdout
    assert daemon.status()["state"] == "running"
    assert daemon.stop().returncode == 0
