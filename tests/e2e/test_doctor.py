"""`tqd doctor` beside a daemon that works: nothing is out of place, whatever moves meanwhile."""

from __future__ import annotations

import json

from tests.e2e.conftest import Start
from tests.support.daemon import Daemon
from tests.support.wait import until
from tqd import TaskQueue


def test_an_audit_beside_a_busy_daemon_finds_nothing(daemon: Daemon, producer: TaskQueue) -> None:
    daemon.start("-w", "2", "-C", "4")
    note, fails = producer.named("note"), producer.named("fails")
    for round_ in range(4):
        producer.enqueue_many([note.call(f"{round_}.{n}") for n in range(300)])
        producer.enqueue_many([fails.call() for _ in range(50)])
        producer.enqueue_many([producer.named("unknown").call() for _ in range(10)])
        told = daemon.tqd("doctor", *daemon.arguments("--repair", "--json"))
        assert json.loads(told.stdout)["audit"]["findings"] == [], told.stdout
    until(lambda: len(daemon.lines()) == 1200, "all have run, each once", 30)
    until(lambda: daemon.status()["dead_letters"] == 200, "all others have failed", 20)
    told = daemon.tqd("doctor", *daemon.arguments("--audit", "--json"))
    audit = json.loads(told.stdout)["audit"]
    assert audit == {"tasks": 240, "unread": [], "unchecked": 0, "findings": []}


def test_the_embedded_redis_of_a_daemon_is_found_by_its_directory(make: Start) -> None:
    daemon = make(redis_url="")
    assert daemon.tqd("doctor", *daemon.arguments("--embedded")).returncode == 69
    daemon.start("--embedded", "-w", "1")
    told = daemon.tqd("doctor", *daemon.arguments("--embedded", "--audit"))
    assert told.returncode == 0, told.stdout + told.stderr
    assert "all is well" in told.stdout
