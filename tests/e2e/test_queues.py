"""Queues of a real daemon: limits from its configuration, live, and a pause that everybody sees."""

from __future__ import annotations

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
    rows = {row["name"]: row for row in daemon.status()["queues"]}
    assert (rows["default"]["paused"], rows["default"]["ready"]) == (True, 1)
    assert "default (paused)" in daemon.verb("status").stdout
    assert daemon.lines() == ["other"]
    assert daemon.tqd("queue", "resume", "default", *url).returncode == 0
    daemon.wrote("paused")
