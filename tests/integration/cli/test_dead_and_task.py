"""`tqd dead` and `tqd task` as a user types them, against a real Redis and no daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.hand_worker import HandWorker
from tests.support.redis_server import RedisServer
from tqd import TaskQueue, TaskState

ROOT = Path(__file__).parents[3]
_CLEARED = ("TQD_", "REDIS_", "NO_COLOR", "COLUMNS")


class Shell:
    """Runs verbs in a directory of its own."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_CLEARED)}
        self.environ = kept | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}

    def tqd(self, *words: str, code: int = 0, url: str | None = None) -> str:
        """Run a verb to its end, check its exit code, and return what it wrote."""
        done = subprocess.run(
            [sys.executable, "-m", "tqd", *words, "-r", self.url if url is None else url],
            env=self.environ, cwd=self.directory, capture_output=True, text=True, timeout=40, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        answer = json.loads(self.tqd(*words, "--json", code=code))
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def shell(tmp_path: Path, redis_server: RedisServer) -> Shell:
    return Shell(tmp_path, redis_server.url)


@pytest.fixture
def tq(redis_server: RedisServer) -> TaskQueue:
    return TaskQueue(redis_server.url)


@pytest.fixture
def ids(tq: TaskQueue) -> list[str]:
    """Dead letters: pay, pay, mail (on low_priority)."""
    worker = HandWorker(tq)
    handles = [tq.enqueue("pay", "secret", to="me"), tq.enqueue("pay")]
    handles.append(tq.named("mail").using(queue="low_priority").enqueue())
    claims = worker.claim()
    for handle in handles:
        worker.bury(claims[handle.identity], message="two\nlines")
    return [handle.id for handle in handles]


# -- dead -----------------------------------------------------------------------------------------


def test_letters_are_listed_and_filtered(shell: Shell, ids: list[str]) -> None:
    text = shell.tqd("dead", "ls")
    assert all(one in text for one in ids) and "3 of 3 dead letters" in text
    assert "ValueError: two\\nlines" in text
    found = shell.json("dead", "ls", "-t", "p*", "-e", "ValueError", "--newer-than", "1h", "-n", "1")
    assert (found["total"], found["more"], [row["name"] for row in found["dead_letters"]]) == (
        3,
        True,
        ["pay"],
    )
    assert "no dead letter of 3 matches queue nope" in shell.tqd("dead", "ls", "-q", "nope")


def test_nothing_dead_is_said_plainly(shell: Shell) -> None:
    assert "no dead letters" in shell.tqd("dead", "ls")
    assert "nothing to replay: there are no dead letters" in shell.tqd("dead", "replay", "--all")


def test_a_letter_shows_its_arguments_only_when_asked(shell: Shell, ids: list[str]) -> None:
    text = shell.tqd("dead", "show", ids[0])
    assert "secret" not in text and "1 by position and to" in text
    assert "secret" in shell.tqd("dead", "show", ids[0], "--args")
    hidden = shell.json("dead", "show", ids[0])
    assert hidden["arguments"] == {"positional": 1, "keywords": ["to"]}
    shown = shell.json("dead", "show", ids[0], "--args")
    assert shown["arguments"]["kwargs"] == {"to": "'me'"}
    assert shown["errors"][0]["message"] == "two\nlines"


def test_one_many_and_all_are_replayed(shell: Shell, tq: TaskQueue, ids: list[str]) -> None:
    assert "2 dead letters would be replayed" in shell.tqd("dead", "replay", "-t", "pay", "--dry-run")
    assert tq.dead.count() == 3
    assert "1 dead letter replayed" in shell.tqd("dead", "replay", ids[0])
    assert tq.handle(ids[0]).status() is TaskState.READY
    swept = shell.json("dead", "replay", "--all", "--rate", "100/s")
    assert (swept["done"], swept["by_name"], swept["missing"]) == (2, {"pay": 1, "mail": 1}, [])
    assert "nothing to replay" in shell.tqd("dead", "replay", "-t", "pay")
    text = shell.tqd("dead", "replay", ids[0], code=1)
    assert "nothing to replay" in text and f"{ids[0]} is no dead letter" in text


def test_letters_are_purged(shell: Shell, tq: TaskQueue, ids: list[str]) -> None:
    assert "would be purged" in shell.tqd("dead", "purge", "--all", "--dry-run")
    assert shell.json("dead", "purge", "-q", "low_priority")["done"] == 1
    assert "2 dead letters purged" in shell.tqd("dead", "purge", "--all", "--limit", "5")
    assert tq.dead.count() == 0


@pytest.mark.parametrize("action", ["replay", "purge"])
def test_nothing_is_swept_that_was_not_chosen(
    shell: Shell, tq: TaskQueue, ids: list[str], action: str
) -> None:
    assert "say which dead letters" in shell.tqd("dead", action, code=64)
    assert "say which dead letters" in shell.tqd("dead", action, "--all", "-t", "pay", code=64)
    assert "is not a task id" in shell.tqd("dead", action, "nonsense", code=64)
    assert tq.dead.count() == 3


def test_an_id_without_a_letter_says_where_to_look(shell: Shell) -> None:
    text = shell.tqd("dead", "show", "0" * 32, code=1)
    assert "is no dead letter" in text and "tqd task show" in text


# -- task -----------------------------------------------------------------------------------------


def test_a_task_is_shown_with_place_and_history(shell: Shell, tq: TaskQueue, ids: list[str]) -> None:
    tq.dead.replay(ids[0])
    text = shell.tqd("task", "show", ids[0])
    assert "is ready" in text and "ready:default, number 1" in text and "replayed" in text
    assert "secret" not in text and "secret" in shell.tqd("task", "show", ids[0], "--args")
    facts = shell.json("task", "show", ids[0])
    assert (facts["state"], facts["place"], facts["replays"]) == ("ready", "ready:default", 1)
    facts = shell.json("task", "show", ids[1])
    assert (facts["state"], facts["errors"][0]["type"]) == ("dead", "ValueError")


def test_a_result_that_is_kept_is_shown(shell: Shell, tq: TaskQueue) -> None:
    handle, worker = tq.enqueue("sum"), HandWorker(tq)
    worker.finish(worker.take(handle), {"total": 42})
    assert "{'total': 42}" in shell.tqd("task", "show", handle.id)
    facts = shell.json("task", "show", handle.id)
    assert (facts["state"], facts["result"]["value"]) == ("done", "{'total': 42}")


def test_tasks_are_listed_by_queue_and_state(shell: Shell, tq: TaskQueue, ids: list[str]) -> None:
    assert "no tasks run, wait or are parked" in shell.tqd("task", "ls")
    for _ in range(3):
        tq.enqueue("pay")
    tq.named("later").using(delay=60, queue="low_priority").enqueue()
    assert "4 tasks" in shell.tqd("task", "ls")
    listed = shell.json("task", "ls", "--state", "ready", "-n", "2")
    assert (len(listed["tasks"]), listed["more"]) == (2, True)
    (row,) = shell.json("task", "ls", "-q", "low_priority")["tasks"]
    assert (row["name"], row["state"], row["place"]) == ("later", "scheduled", "due:low_priority")
    dead = shell.json("task", "ls", "--state", "dead")["tasks"]
    assert sorted(row["id"] for row in dead) == sorted(ids)
    assert "no claimed tasks" in shell.tqd("task", "ls", "--state", "claimed")


def test_tasks_are_cancelled_by_their_ids(shell: Shell, tq: TaskQueue, ids: list[str]) -> None:
    runs, waits = tq.enqueue("pay"), tq.named("pay").using(delay=60, unique="order 17").enqueue()
    facts = shell.json("task", "show", waits.id)
    assert (facts["unique"], facts["cancel_requested_ms"]) == ("order 17", None)
    HandWorker(tq).take(runs)
    text = shell.tqd("task", "cancel", runs.id, waits.id, "--reason", "the shop\x1b is closed")
    assert f"{runs.id} is asked to end" in text and f"{waits.id} is cancelled" in text
    assert waits.status() is TaskState.CANCELLED
    text = shell.tqd("task", "show", waits.id)
    assert "is cancelled" in text and "the shop" in text
    text = shell.tqd("task", "show", runs.id)
    assert "is claimed" in text and "requested" in text and "the shop" in text and "\x1b" not in text
    facts = shell.json("task", "show", runs.id)
    assert facts["cancel_reason"] == "the shop\x1b is closed" and facts["cancel_requested_ms"] > 0
    answers = shell.json("task", "cancel", waits.id, ids[0], "0" * 32, code=1)["tasks"]
    assert [row["answer"] for row in answers] == ["cancelled", "over", "unknown"]
    assert "had ended before" in shell.tqd("task", "cancel", ids[0], code=1)
    assert "is not a task id" in shell.tqd("task", "cancel", "xyz", code=64)


def test_ids_that_are_none_or_nobodys_are_told_apart(shell: Shell) -> None:
    assert "is not a task id: an id is 32" in shell.tqd("task", "show", "xyz", code=64)
    assert "there is no trace of" in shell.tqd("task", "show", "0" * 32, code=1)


# -- the way to Redis -----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("dead", "ls"), ("dead", "replay", "--all"), ("task", "ls")])
def test_a_redis_that_is_down_is_exit_code_69(shell: Shell, words: tuple[str, ...]) -> None:
    assert "cannot be reached" in shell.tqd(*words, code=69, url="unix:///nowhere/redis.sock")


def test_the_file_says_where_redis_is_and_what_the_namespace_is(shell: Shell, tq: TaskQueue) -> None:
    other = TaskQueue(shell.url, namespace="other")
    handle = other.enqueue("pay")
    assert "no trace" in shell.tqd("task", "show", handle.id, code=1)
    assert "is ready" in shell.tqd("task", "show", handle.id, "--namespace", "other")
    shell.directory.joinpath("x.toml").write_text(f'[redis]\nurl = "{shell.url}"\nnamespace = "other"\n')
    done = subprocess.run(
        [sys.executable, "-m", "tqd", "task", "show", handle.id, "-c", "x.toml"],
        env=shell.environ, cwd=shell.directory, capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert "is ready" in done.stdout, done.stderr


def test_a_broken_configuration_is_exit_code_78(shell: Shell) -> None:
    text = shell.tqd("dead", "ls", "--namespace", "no such", code=78)
    assert "redis.namespace = 'no such': must be" in text
