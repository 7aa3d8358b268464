"""`tqd cron` as a user types it, against a real Redis and no daemon."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.test_dead_and_task import Shell
from tests.support.redis_server import RedisServer
from tqd import TaskQueue
from tqd.clock import wall_ms
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.cron_table import publish_call
from tqd.store.keys import Keys
from tqd.wire.envelope import decode_envelope

KEYS = Keys("tqd")
HOUR_MS = 3_600_000


@pytest.fixture
def shell(tmp_path: Path, redis_server: RedisServer) -> Shell:
    return Shell(tmp_path, redis_server.url)


@pytest.fixture
def published(redis_server: RedisServer) -> RedisServer:
    """Three schedules: two of `report`, one of `sweep`."""
    tq = TaskQueue(redis_server.url)

    @tq.every("1h", kwargs={"secret": "x"}, name="hourly")
    @tq.cron("30 3 * * *", tz="Europe/Vienna", name="nightly")
    @tq.task(name="report", queue="low_priority")
    async def report(secret: str = "") -> None: ...

    @tq.cron("0 0 29 2 *")
    @tq.task(name="sweep", unique=True)
    async def sweep() -> None: ...

    link, now_ms = SyncLink(Endpoint(redis_server.url)), wall_ms()
    link.call(publish_call(KEYS, "shop:tq", now_ms, now_ms, tq.registry.schedules()))
    link.close()
    return redis_server


def test_without_schedules_it_says_where_they_come_from(shell: Shell) -> None:
    assert "workers publish those of @tq.cron" in shell.tqd("cron", "ls")
    assert shell.json("cron", "ls")["schedules"] == []
    assert "no slots are coming" in shell.tqd("cron", "next")


def test_ls_tells_when_each_fires_next(shell: Shell, published: RedisServer) -> None:
    text = shell.tqd("cron", "ls")
    assert [
        word
        for word in ("hourly", "nightly", "sweep 0 0 29 2 *", "Europe/Vienna", "3 schedules")
        if word not in text
    ] == []
    assert "secret" not in text
    rows = {row["name"]: row for row in shell.json("cron", "ls")["schedules"]}
    hourly = rows["hourly"]
    assert (hourly["task"], hourly["queue"], hourly["app"]) == ("report", "low_priority", "shop:tq")
    assert hourly["next_ms"] % HOUR_MS == 0 and 0 < hourly["next_ms"] - wall_ms() <= HOUR_MS
    assert hourly["last_ms"] is None
    assert rows["nightly"]["next"][11:19] == "03:30:00"


def test_next_tells_the_coming_slots_of_one_or_of_all(shell: Shell, published: RedisServer) -> None:
    slots = shell.json("cron", "next", "hourly", "-n", "3")["slots"]
    assert [later["slot_ms"] - slot["slot_ms"] for slot, later in itertools.pairwise(slots)] == [HOUR_MS] * 2
    lines = shell.tqd("cron", "next", "sweep", "-n", "2").splitlines()
    assert [line[4:19] for line in lines] == ["-02-29 00:00:00"] * 2
    everything = shell.json("cron", "next", "-n", "100")["slots"]
    assert [slot["slot_ms"] for slot in everything] == sorted(slot["slot_ms"] for slot in everything)
    assert {slot["name"] for slot in everything} >= {"hourly", "nightly"}


def test_run_enqueues_the_task_now_outside_its_slots(shell: Shell, published: RedisServer) -> None:
    before = published.client.hgetall(KEYS.cron_last)
    answer = shell.json("cron", "run", "hourly")
    client = published.client
    envelope = decode_envelope(client.hget(KEYS.task, bytes.fromhex(answer["id"])))  # type: ignore[arg-type]
    assert (envelope.name, envelope.kwargs, envelope.headers) == ("report", {"secret": "x"}, {})
    assert client.lrange(KEYS.ready("low_priority"), 0, -1) == [bytes.fromhex(answer["id"])]
    assert client.hgetall(KEYS.cron_last) == before
    assert "sweep on default" in shell.tqd("cron", "run", "sweep")  # its task's name will do
    assert "holds the schedule's unique key already" in shell.tqd("cron", "run", "sweep")
    assert shell.json("cron", "run", "sweep")["duplicate"] is True


def test_run_says_when_the_queue_is_full(shell: Shell, published: RedisServer) -> None:
    for queue in ("default", "low_priority"):
        published.client.hset(KEYS.limits, queue, "1:0:0:0")
    for name in ("hourly", "sweep"):
        shell.tqd("cron", "run", name)
        published.client.delete(KEYS.unique)
        assert "is full: 1 tasks wait, limit 1" in shell.tqd("cron", "run", name, code=1)


@pytest.mark.parametrize("action", ["next", "run"])
def test_a_name_that_means_none_or_several_is_refused(
    shell: Shell, published: RedisServer, action: str
) -> None:
    assert 'did you mean "hourly"?' in shell.tqd("cron", action, "hourli", code=1)
    assert "tqd cron ls lists them" in shell.tqd("cron", action, "zzz", code=1)
    assert 'report has 2 schedules: name one of "hourly", "nightly"' in shell.tqd(
        "cron", action, "report", code=1
    )
    assert published.client.exists(KEYS.task) == 0


def test_a_schedule_that_cannot_be_read_is_shown_with_what_is_wrong(
    shell: Shell, published: RedisServer
) -> None:
    published.client.hset(KEYS.cron, "broken", b"garbage")
    assert "no app is named" in shell.tqd("cron", "ls")
    rows: list[dict[str, Any]] = shell.json("cron", "ls")["schedules"]
    assert [row["problem"] for row in rows if row["name"] == "broken"] == ["schedule: no app is named"]
    assert "cannot be read" in shell.tqd("cron", "run", "broken", code=1)


def test_without_redis_it_says_so(shell: Shell) -> None:
    assert "cannot be reached" in shell.tqd("cron", "ls", url="unix:///nowhere.sock", code=69)


def test_the_audit_knows_the_keys_of_schedules(shell: Shell, published: RedisServer) -> None:
    shell.tqd("cron", "run", "hourly")
    assert "another type" not in shell.tqd("doctor", "--audit", code=1)  # it has no append-only file
    published.client.delete(KEYS.cron_last)
    published.client.set(KEYS.cron_last, "garbage")
    text = shell.tqd("doctor", "--audit", code=1)
    assert "another type" in text and "cron:last" in text


def test_an_app_without_cron_expressions_does_not_load_their_reader(shell: Shell) -> None:
    program = (
        "import sys, tqd.keeper.main, tqd.worker.main; from tqd import TaskQueue; tq = TaskQueue(); "
        "tq.task(lambda: None); tq.every('1h')(lambda: None); print('cronsim' in sys.modules); "
        "tq.cron('* * * * *')(lambda: None); print('cronsim' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=shell.environ,
        capture_output=True,
        text=True,
        timeout=40,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]
