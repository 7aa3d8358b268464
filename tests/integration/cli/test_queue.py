"""`tqd queue` as a user types it, against a real Redis and no daemon."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.test_dead_and_task import Shell
from tests.support.redis_server import RedisServer
from tqd import TaskQueue


@pytest.fixture
def shell(tmp_path: Path, redis_server: RedisServer) -> Shell:
    return Shell(tmp_path, redis_server.url)


@pytest.fixture
def tq(redis_server: RedisServer) -> TaskQueue:
    queue = TaskQueue(redis_server.url)
    queue.enqueue_many([queue.named("job").call() for _ in range(3)])
    queue.named("job").using(queue="mail", delay=60).enqueue()
    return queue


def test_queues_are_listed_those_of_the_configuration_first(shell: Shell, tq: TaskQueue) -> None:
    rows = {row["name"]: row for row in shell.json("queue", "ls")["queues"]}
    assert list(rows) == ["high_priority", "default", "low_priority", "mail"]
    assert (rows["default"]["ready"], rows["mail"]["scheduled"]) == (3, 1)
    assert "mail" in shell.tqd("queue", "ls")


def test_a_queue_is_paused_shown_and_goes_on(shell: Shell, tq: TaskQueue) -> None:
    assert "queue mail is paused" in shell.tqd("queue", "pause", "mail")
    assert shell.json("queue", "pause", "mail") == {"queue": "mail", "paused": True, "changed": False}
    assert shell.json("queue", "show", "mail")["paused"] is True
    shown = shell.tqd("queue", "show", "mail")
    assert "tqd queue resume" in shown and "not by the configuration" in shown
    assert "goes on" in shell.tqd("queue", "resume", "mail")
    assert not tq.queues.get("mail").paused


def test_a_queue_is_purged_by_state_and_a_dry_run_only_tells(shell: Shell, tq: TaskQueue) -> None:
    said = shell.tqd("queue", "purge", "default", "--dry-run")
    assert said == "3 ready and 0 scheduled tasks of queue default would be removed\n"
    assert shell.json("queue", "purge", "default", "--state", "scheduled")["ready"] == 0
    assert shell.json("queue", "purge", "default") == {
        "queue": "default", "ready": 3, "scheduled": 0, "dry_run": False,
    }  # fmt: skip
    assert tq.queues.get("default").ready == 0
    assert tq.queues.get("mail").scheduled == 1


@pytest.mark.parametrize(("words", "answer", "left"), [([], "n", 3), ([], "y", 0), (["--yes"], "", 0)])
def test_at_a_terminal_a_purge_asks_first(
    shell: Shell, tq: TaskQueue, words: list[str], answer: str, left: int
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "tqd", "queue", "purge", "default", *words, "-r", shell.url],
        env=shell.environ, cwd=shell.directory, stdin=theirs, capture_output=True, text=True, timeout=40,
        check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.returncode == (1 if left else 0)
    assert ("Go on?" in done.stdout) is (words == [])
    assert tq.queues.get("default").ready == left
