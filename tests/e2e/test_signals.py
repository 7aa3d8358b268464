"""Every signal of the real master, the verbs that mean the same, and the exit codes."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon, alive
from tests.support.wait import until
from tqd import TaskQueue

GRACE = "TQD_WORKERS__SHUTDOWN_GRACE_PERIOD"


def workers(daemon: Daemon) -> int:
    return len(daemon.workers())


def test_sigttin_and_sigttou_change_the_number_of_workers_by_one(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    daemon.signal(signal.SIGTTIN)
    until(lambda: workers(daemon) == 2, "two workers", 20)
    daemon.signal(signal.SIGTTOU)
    until(lambda: workers(daemon) == 1, "one worker", 20)


def test_scale_sets_the_number_and_changes_it(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    assert daemon.verb("scale", "3").returncode == 0
    until(lambda: workers(daemon) == 3, "three workers", 20)
    assert daemon.verb("scale", "-2").returncode == 0
    until(lambda: workers(daemon) == 1, "one worker", 20)
    for word in ("+99999", "-2"):
        refused = daemon.verb("scale", word)
        assert refused.returncode == 1 and f"{word} would make" in refused.stderr
    assert daemon.status()["target"] == 1


def test_a_worker_that_is_scaled_away_finishes_its_task(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "1")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    daemon.verb("scale", "0")
    until(lambda: daemon.status()["workers"][0]["state"] == "draining", "it drains", 20)
    (daemon.directory / "journal.gate").touch()
    daemon.wrote("t.done")
    until(lambda: daemon.status()["workers"] == [], "it has left", 20)
    producer.enqueue("note", "later")
    daemon.verb("scale", "+1")
    daemon.wrote("later")


@pytest.mark.parametrize("by", ["signal", "verb"])
def test_quiet_claims_nothing_and_lets_running_tasks_finish(
    daemon: Daemon, producer: TaskQueue, by: str
) -> None:
    daemon.start("-w", "1")
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    if by == "signal":
        daemon.signal(signal.SIGTSTP)
    else:
        assert daemon.verb("quiet").returncode == 0
    until(lambda: daemon.status()["state"] == "quiet", "it is to be quiet", 20)
    until(lambda: daemon.status()["workers"][0]["claiming"] is False, "its worker is", 20)
    producer.enqueue("note", "later")
    (daemon.directory / "journal.gate").touch()
    daemon.wrote("t.done")
    assert daemon.verb("scale", "2").returncode == 0
    until(lambda: workers(daemon) == 2, "another worker is there, quiet as well", 20)
    assert "later" not in daemon.lines()
    if by == "signal":
        daemon.signal(signal.SIGCONT)
    else:
        assert daemon.verb("resume").returncode == 0
    daemon.wrote("later")


def test_sigquit_gives_everything_back_at_once(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.environ[GRACE] = "600"
    daemon.start("-w", "1")
    producer.named("waits").using(max_retries=0).enqueue("t")
    daemon.wrote("t.started")
    daemon.signal(signal.SIGQUIT)
    assert daemon.wait() == 0
    (daemon.directory / "journal.gate").touch()
    daemon.start("-w", "1")
    daemon.wrote("t.done")


@pytest.mark.parametrize("how", ["--now", "--kill"])
def test_a_stop_in_a_hurry_loses_nothing(daemon: Daemon, producer: TaskQueue, how: str) -> None:
    daemon.environ[GRACE] = "600"
    daemon.start("-w", "1")
    producer.named("waits").using(max_retries=0).enqueue("t")
    daemon.wrote("t.started")
    pids = daemon.pids()
    assert daemon.stop(how).returncode == 0
    assert daemon.wait() == 0
    assert not any(alive(pid) for pid in pids)
    (daemon.directory / "journal.gate").touch()
    daemon.start("-w", "1")
    daemon.wrote("t.done")


def test_sigusr1_reopens_the_log_and_tells_all_stacks(daemon: Daemon, producer: TaskQueue) -> None:
    started = daemon.tqd("start", "-d", *daemon.arguments("-w", "1"))
    assert started.returncode == 0, started.stderr
    producer.enqueue("waits", "t")
    daemon.wrote("t.started")
    log = daemon.runtime / "tqd.log"
    log.rename(daemon.runtime / "tqd.log.1")
    daemon.signal(signal.SIGUSR1)
    until(lambda: log.exists() and log.read_text().count(" stacks ") >= 2, "worker and keeper told", 20)
    before = (daemon.runtime / "tqd.log.1").read_text()
    victim = daemon.workers()["worker-1"]
    producer.enqueue("fails")
    until(lambda: "on purpose" in log.read_text(), "the worker writes into the new file", 20)
    os.kill(victim, signal.SIGKILL)
    until(lambda: str(victim) in log.read_text(), "the master writes into the new file", 20)
    assert (daemon.runtime / "tqd.log.1").read_text() == before
    daemon.stop("--now")


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGWINCH, signal.SIGPIPE])
def test_other_signals_end_nobody(daemon: Daemon, number: signal.Signals) -> None:
    daemon.start("-w", "1")
    pids = daemon.pids()
    daemon.signal(number)
    assert daemon.verb("status").returncode == 0
    assert daemon.pids() == pids


@pytest.mark.parametrize(
    "number", [signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGUSR2]
)
def test_a_terminals_signals_do_not_reach_the_children(
    daemon: Daemon, producer: TaskQueue, number: signal.Signals
) -> None:
    daemon.start("-w", "1")
    for pid in (daemon.workers()["worker-1"], daemon.keeper or 0):
        os.kill(pid, number)
    producer.enqueue("note", "t")
    daemon.wrote("t")
    assert daemon.ready and daemon.status()["totals"]["reclaimed"] == 0


def test_the_control_socket_answers_every_verb_and_names_what_it_knows(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    assert daemon.ask(verb="status")["state"] == "running"
    assert daemon.ask(verb="why", count=5)["events"]
    assert daemon.ask(verb="quiet")["ok"] is True
    assert daemon.ask(verb="resume")["ok"] is True
    assert daemon.ask(verb="scale", workers=2) == {
        "ok": True, "was": 1, "workers": 2, "text": "1 → 2 workers",
    }  # fmt: skip
    assert "status, why, thresholds, stop, reload, scale, quiet, resume" in daemon.ask(verb="dance")["error"]
    assert daemon.ask(verb="stop", how="drain")["ok"] is True
    assert daemon.wait() == 0


def test_the_daemon_answers_in_words_why_it_did_what(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    os.kill(daemon.workers()["worker-1"], signal.SIGSEGV)
    until(lambda: "SIGSEGV" in daemon.verb("why").stdout, "the death is told", 20)
    events = json.loads(daemon.verb("why", "--json").stdout)
    assert "worker ended and is replaced" in json.dumps(events)


def test_a_second_start_is_refused_and_a_stale_pidfile_is_no_obstacle(daemon: Daemon) -> None:
    daemon.start("-w", "1")
    second = daemon.tqd("start", *daemon.arguments())
    assert second.returncode == 73 and str(daemon.master) in second.stderr
    os.kill(daemon.master, signal.SIGKILL)
    daemon.wait()
    daemon.start("-w", "1")
    assert daemon.ready


def test_a_crash_loop_is_said_and_ends_by_itself(make: Start, producer: TaskQueue) -> None:
    daemon = make(APP).start("-w", "1")
    daemon.write("shop.py", "import os\nif os.path.exists('broken'): os._exit(70)\n" + APP)
    daemon.reload()
    (daemon.directory / "broken").touch()
    os.kill(daemon.workers().popitem()[1], signal.SIGSEGV)
    until(lambda: daemon.status()["state"] == "crash-looping", "it is seen", 60)
    assert daemon.verb("status").returncode == 1
    (daemon.directory / "broken").unlink()
    producer.enqueue("note", "t")
    daemon.wrote("t", deadline_s=60)
    until(lambda: daemon.status()["state"] == "running", "it is over", 60)
