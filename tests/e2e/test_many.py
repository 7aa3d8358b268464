"""Many workers at a time: the master goes on to hear and to answer, and blames nobody for its own delays."""

from __future__ import annotations

import os
import signal
import time

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon
from tests.support.wait import until


def test_while_forty_workers_are_started_every_verb_is_answered_and_nobody_is_killed(make: Start) -> None:
    daemon = make(APP + "\ntime.sleep(0.3)\n").start("-w", "1")
    assert daemon.ask(verb="scale", change=40)["workers"] == 41
    answers: list[float] = []

    def all_ready() -> bool:
        began = time.monotonic()
        rows = daemon.ask(verb="status")["workers"]
        answers.append(time.monotonic() - began)
        assert sum(row["state"] == "starting" for row in rows) <= max(8, 2 * (os.cpu_count() or 1))
        return sum(row["state"] == "ready" for row in rows) == 41

    until(all_ready, "all are ready", 60)
    assert max(answers) < 5.0, answers
    assert "killed" not in daemon.output() and "hangs" not in daemon.output()


def test_a_daemon_that_stood_still_takes_none_of_its_children_for_hanging(make: Start) -> None:
    daemon = make(TQD_WORKERS__HUNG_AFTER="3").start("-w", "2")
    pids = everybody(daemon)
    for number, pause_s in ((signal.SIGSTOP, 4.5), (signal.SIGCONT, 0.0)):
        for pid in pids:
            os.kill(pid, number)
        time.sleep(pause_s)
    until(lambda: "the master was away" in daemon.output(), "it has noticed", 20)
    time.sleep(1.5)
    assert "hangs" not in daemon.output() and everybody(daemon) == pids


def everybody(daemon: Daemon) -> list[int]:
    status = daemon.status()
    return [row["pid"] for row in (status["master"], status["keeper"], *status["workers"])]
