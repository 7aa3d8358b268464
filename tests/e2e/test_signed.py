"""Signing keys: the keeper signs what schedules fire, and new keys come with a reload."""

from __future__ import annotations

from tests.e2e.conftest import APP, Start
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue

TICKING = """
@tq.every("1s")
@tq.task(name="tick")
async def tick():
    write("tick")
"""


def test_schedules_fire_signed_tasks_also_after_the_keys_have_changed(
    make: Start, redis_server: RedisServer
) -> None:
    daemon = make(APP + TICKING)
    keys = daemon.write("keys", "first-key-of-many-letters\n")
    keys.chmod(0o600)
    daemon.write("tqd.toml", f'[security]\nsigning_keys_file = "{keys}"\n')
    daemon.start("-w", "1")
    daemon.wrote("tick", 2)
    keys.write_text("second-key-of-many-letters\n")
    reloaded = daemon.reload()
    assert reloaded.returncode == 0, reloaded.stderr
    already = daemon.lines().count("tick")
    daemon.wrote("tick", already + 2)
    with TaskQueue(redis_server.url) as producer:
        handle = producer.named("note").using(result_ttl=60).enqueue("unsigned")
        until(lambda: handle.status() == "dead", "an unsigned task is buried", 20)
        reasons = {letter.reason for letter in producer.dead.list()}
    assert "unsigned" in reasons and "unsigned" not in daemon.lines()


def test_an_app_with_schedules_and_keys_of_its_own_is_refused_with_the_reason(make: Start) -> None:
    daemon = make(APP.replace("TaskQueue()", 'TaskQueue(signing_keys=["sixteen letters!"])') + TICKING)
    refused = daemon.tqd("start", *daemon.arguments("-w", "1"))
    assert refused.returncode == 78 and "set security.signing_keys_file" in refused.stderr, refused
