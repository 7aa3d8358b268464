"""Schedules of an app that signs: what they fire is signed, and nobody without a key can have any fired."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.conftest import Start
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue
from tqd.store.keys import Keys

KEYS = Keys("tqd")
OLD, NEW = "old-signing-key-of-the-shop", "new-signing-key-of-the-shop"

APP = """
import os
from tqd import TaskQueue

tq = TaskQueue()

def write(line):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(line + "\\n")

@tq.every("1s", name="often", args=["tick"])
@tq.task(name="note", result_ttl=60)
async def note(line: str):
    write(line)
"""


def test_a_schedule_fires_signed_tasks_and_a_forged_one_fires_none(
    make: Start, redis_server: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(OLD)
    daemon = make(APP, TQD_SECURITY__SIGNING_KEYS_FILE=str(file))
    daemon.start("-w", "1")
    daemon.wrote("tick", 2)
    ran = daemon.tqd("cron", "run", "often", "--redis-url", redis_server.url)
    assert ran.returncode == 0, ran.stderr
    with TaskQueue(redis_server.url, signing_keys=[OLD]) as producer:
        producer.handle(ran.stdout.split()[0]).result(timeout=20)
        assert producer.dead.count() == 0

        file.write_text(f"{NEW}\n{OLD}\n")
        assert daemon.reload().returncode == 0
        daemon.wrote("tick", daemon.lines().count("tick") + 2)
        assert producer.dead.count() == 0, "the keeper has the new keys as well"

        (name,) = redis_server.client.hkeys(KEYS.cron)  # type: ignore[misc]
        app, _, signed = redis_server.client.hget(KEYS.cron, name).partition(b"\n")  # type: ignore[union-attr]
        forged = app + b"\n" + signed[26:].replace(b"tick", b"evil")
        redis_server.client.hset(KEYS.cron, "forged", forged)  # type: ignore[arg-type]
        redis_server.client.hset(KEYS.cron, "copied", app + b"\n" + signed)  # type: ignore[arg-type]
        redis_server.client.hset(KEYS.cron_apps, app, b"%d" % (time.time_ns() // 1_000_000))  # type: ignore[arg-type]
        until(lambda: daemon.output().count("a schedule cannot be used here") >= 2, "both are refused", 30)
        daemon.wrote("tick", daemon.lines().count("tick") + 2)
        assert "evil" not in daemon.lines() and producer.dead.count() == 0
    log = daemon.output()
    assert "schedule=forged" in log and "not signed" in log
    assert "schedule=copied" in log
    refused = daemon.tqd("cron", "run", "forged", "--redis-url", redis_server.url)
    assert refused.returncode == 1 and "is not to be trusted" in refused.stderr


def test_without_keys_in_the_daemons_file_a_signed_apps_schedules_are_refused_and_not_fired_in_vain(
    make: Start, redis_server: RedisServer
) -> None:
    daemon = make(APP.replace("TaskQueue()", f'TaskQueue(signing_keys=["{OLD}"])')).start("-w", "1")
    until(lambda: "set security.signing_keys_file" in daemon.output(), "it is said what to do", 20)
    assert not redis_server.client.exists(KEYS.dead)
