"""`tqd record` on a live daemon: what it writes is what ran, and `tqd simulate` reads it."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon
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
