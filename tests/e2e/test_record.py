"""`tqd record` on a live daemon: what it writes is what ran, and `tqd simulate` reads it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon
from tests.support.engines import engines
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskQueue
from tqd.simulate.trace import read
from tqd.store.keys import Keys

NAP = """
@tq.task(name="nap")
async def nap(seconds: float):
    await asyncio.sleep(seconds)
    write("napped")
"""


def recorder(daemon: Daemon, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tqd", "record", "trace.csv", "-r", daemon.redis_url, *more],
        cwd=daemon.directory,
        env=daemon.environ,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_ran_is_a_trace(make: Start, producer: TaskQueue, redis_server: RedisServer) -> None:
    daemon = make(APP + NAP).start("-w", "2")
    keys = Keys("tqd")
    with recorder(daemon, "--for", "60", "--most", "20") as process:
        try:
            until(lambda: redis_server.client.exists(keys.tracing), "it records", 20)
            deadline = time.monotonic() + 40
            while process.poll() is None and time.monotonic() < deadline:
                producer.named("nap").enqueue(0.2)
                count = len(daemon.lines())
                until(lambda count=count: len(daemon.lines()) > count, "it ran", 20)  # type: ignore[misc]
            assert process.wait(20) == 0
        finally:
            process.kill()
    rows = list(read((daemon.directory / "trace.csv").read_text().splitlines(keepends=True)))
    assert len(rows) == 20
    assert all(row.name == "nap" and row.queue == "default" and 0.19 < row.run_s < 5 for row in rows)
    assert all(row.arrival_s < later.arrival_s for row, later in pairwise(rows))
    assert "20 tasks" in daemon.tqd("simulate", "trace.csv").stdout
    assert "is there already" in daemon.tqd("record", "trace.csv", "-r", daemon.redis_url).stderr
    until(lambda: not redis_server.client.exists(keys.tracing, keys.trace), "nothing is left", 20)


def test_a_recording_of_nothing_says_why_and_leaves_no_file(make: Start, redis_server: RedisServer) -> None:
    daemon = make()
    keys = Keys("tqd")
    with recorder(daemon, "--for", "600") as process:
        try:
            until(lambda: redis_server.client.exists(keys.tracing), "it records", 20)
            redis_server.client.delete(keys.tracing)  # as when the recorder was paused
            until(lambda: redis_server.client.exists(keys.tracing), "it goes on", 20)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = process.stderr.read()
            assert process.wait(20) == 1
        finally:
            process.kill()
    assert "nothing was recorded, and trace.csv is not written: no worker has told" in said
    assert not (daemon.directory / "trace.csv").exists()
    assert not redis_server.client.exists(keys.tracing)


def test_one_records_at_a_time(make: Start, redis_server: RedisServer) -> None:
    daemon = make()
    redis_server.client.set(Keys("tqd").tracing, "another", ex=60)
    refused = daemon.tqd("record", "trace.csv", "-r", daemon.redis_url)
    assert refused.returncode == 1
    assert "somebody else records here" in refused.stderr
    assert not (daemon.directory / "trace.csv").exists()


def test_without_redis_no_file_is_left(make: Start) -> None:
    daemon = make()
    assert daemon.tqd("record", "trace.csv", "-r", "redis://127.0.0.1:1").returncode == 69
    assert not (daemon.directory / "trace.csv").exists()


def hand_over(server: RedisServer, *names: str) -> None:
    """Tell what a worker would of tasks that have ended."""
    rows = [[1_000 * place, 200_000, "default", name] for place, name in enumerate(names)]
    server.client.rpush(Keys("tqd").trace, json.dumps([0, rows]))


def recorded(daemon: Daemon) -> list[str]:
    return [row.name for row in read((daemon.directory / "trace.csv").read_text().splitlines(keepends=True))]


def begun(process: subprocess.Popen[str], server: RedisServer) -> bytes:
    """Wait until it records and has fetched what there is; returns who does."""
    keys = Keys("tqd")
    until(lambda: server.client.exists(keys.tracing), "it records", 20)
    hand_over(server, "first")
    until(lambda: not server.client.exists(keys.trace), "it has fetched", 20)
    return bytes(server.client.get(keys.tracing))


def test_a_recording_that_was_gone_goes_on_and_tells_the_gap(make: Start, redis_server: RedisServer) -> None:
    daemon, keys = make(), Keys("tqd")
    with recorder(daemon, "--for", "15") as process:
        who = begun(process, redis_server)
        redis_server.client.delete(keys.tracing)
        until(lambda: redis_server.client.get(keys.tracing) == who, "it has begun anew", 20)
        hand_over(redis_server, "second")
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "was interrupted" in said and "2 tasks were recorded in trace.csv; it has gaps" in said
    assert sorted(recorded(daemon)) == ["first", "second"]


def test_a_recording_that_another_has_taken_over_ends_and_leaves_that_alone(
    make: Start, redis_server: RedisServer
) -> None:
    daemon, keys = make(), Keys("tqd")
    with recorder(daemon, "--for", "60") as process:
        begun(process, redis_server)
        redis_server.client.set(keys.tracing, "another", ex=60)
        hand_over(redis_server, "theirs")
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1 tasks were recorded in trace.csv; it is cut short" in said and "somebody else" in said
    assert recorded(daemon) == ["first"]
    assert redis_server.client.get(keys.tracing) == b"another"
    assert redis_server.client.llen(keys.trace) == 1


@pytest.mark.parametrize("some", [True, False])
def test_when_redis_goes_away_what_was_recorded_is_written(make: Start, some: bool) -> None:
    with RedisServer(engines()[0].binary) as server:
        daemon = make(redis_url=server.url)
        with recorder(daemon, "--for", "60") as process:
            if some:
                begun(process, server)
            else:
                until(lambda: server.client.exists(Keys("tqd").tracing), "it records", 20)
            server.kill()
            _, said = process.communicate(timeout=60)
    assert process.returncode == 69
    assert ("cut short" if some else "nothing was recorded") in said
    assert (daemon.directory / "trace.csv").exists() is some
    if some:
        assert recorded(daemon) == ["first"]
