"""Queues of a real daemon: limits from its configuration, live, and a pause that everybody sees."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.conftest import Start
from tests.support.wait import until
from tqd import QueueFull, TaskQueue


def test_limits_bind_producers_and_workers_and_change_by_a_reload(make: Start, producer: TaskQueue) -> None:
    daemon = make()
    config = daemon.write("tqd.toml", "[queues.limits.default]\nconcurrency = 1\nmax_depth = 2\n")
    daemon.start("-w", "2", "-c", str(config))
    until(lambda: producer.queues.get("default").limit is not None, "the limits are published", 20)
    producer.enqueue("waits", "a")
    daemon.wrote("a.started")
    producer.enqueue("waits", "b")
    producer.enqueue("waits", "c")
    with pytest.raises(QueueFull):
        producer.enqueue("waits", "d")
    assert daemon.lines() == ["a.started"], "one runs at once"
    config.write_text("[queues.limits.default]\nconcurrency = 2\n")
    reloaded = daemon.reload("--serving")
    assert reloaded.returncode == 0 and "queues.limits" in reloaded.stdout, reloaded.stderr
    daemon.wrote("b.started")
    producer.enqueue("waits", "d")
    daemon.write("journal.gate", "")
    for line in "abcd":
        daemon.wrote(f"{line}.done")


def test_a_paused_queue_is_told_by_the_status_and_goes_on_at_once(make: Start, producer: TaskQueue) -> None:
    daemon = make()
    daemon.start("-w", "1")
    url = ("-r", daemon.redis_url)
    assert daemon.tqd("queue", "pause", "default", *url).returncode == 0
    producer.enqueue("note", "paused")
    producer.named("note").using(queue="high_priority").enqueue("other")
    daemon.wrote("other")

    def default() -> tuple[bool, int]:
        row = next(row for row in daemon.status()["queues"] if row["name"] == "default")
        return row["paused"], row["ready"]

    # A status waits 20 ms for new figures, and then shows the last ones.
    until(lambda: default() == (True, 1), "the status tells it", 20)
    until(lambda: "default (paused)" in daemon.verb("status").stdout, "it is shown", 20)
    assert daemon.lines() == ["other"]
    assert daemon.tqd("queue", "resume", "default", *url).returncode == 0
    daemon.wrote("paused")


def test_the_slot_of_a_key_comes_back_when_the_worker_is_killed_that_held_it(
    make: Start, producer: TaskQueue
) -> None:
    daemon = make()
    config = daemon.write("tqd.toml", "[queues.limits.default]\nkey_concurrency = 1\n")
    daemon.start("-w", "2", "-c", str(config))
    until(lambda: producer.queues.get("default").limit is not None, "the limits are published", 20)
    mine = producer.named("waits").using(limit_key="customer 42")
    mine.enqueue("a")
    daemon.wrote("a.started")
    held = mine.enqueue("b")
    until(lambda: producer.queues.get("default").held_by_keys == 1, "the second waits in its line", 20)
    url = ("-r", daemon.redis_url)
    assert "by the limits of key customer 42" in daemon.tqd("task", "show", held.id, *url).stdout
    assert "1 at once" in daemon.tqd("queue", "show", "default", *url).stdout

    def busy() -> list[int]:
        return [row["pid"] for row in daemon.status()["workers"] if row["busy"]]

    until(lambda: len(busy()) == 1, "a beat tells who runs it", 20)
    os.kill(busy()[0], signal.SIGKILL)
    until(lambda: len(daemon.lines()) == 2, "one of the two runs again, in the other worker or a new one", 20)
    daemon.write("journal.gate", "")
    daemon.wrote("a.done")
    daemon.wrote("b.done")
