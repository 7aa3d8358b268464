"""A daemon whose tasks say themselves what shall follow, as its operator and its producers see it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import APP, Start
from tests.support.redis_server import RedisServer
from tests.support.wait import until
from tqd import TaskCancelled, TaskFailed, TaskQueue, TaskState
from tqd.store.keys import Keys
from tqd.wire.records import FailureRecord

SIGNALS = (
    APP
    + """
from tqd import Context, Discard, Retry

@tq.task(name="later", max_retries=0, result_ttl=60)
async def later(line: str):
    write(line)
    with open(os.environ["JOURNAL"]) as file:
        if len(file.readlines()) < 3:
            raise Retry(0.05)
    return "at last"

@tq.task(name="obsolete", result_ttl=60)
def obsolete():
    raise Discard("the order is gone")

@tq.task(name="given_up", give_up_on=LookupError, result_ttl=60)
async def given_up():
    raise KeyError("never again")

@tq.task(name="leaves", max_retries=1, retry_delay=0, result_ttl=60)
async def leaves():
    async def inner():
        raise SystemExit("left")
    await asyncio.gather(inner())
"""
)


def test_a_tasks_own_word_is_kept_and_counted(make: Start, redis_server: RedisServer) -> None:
    daemon = make(SIGNALS)
    daemon.start("-w", "1")
    pids = daemon.pids()
    with TaskQueue(redis_server.url) as producer:
        assert producer.enqueue("later", "run").result(timeout=20) == "at last"
        assert daemon.lines() == ["run"] * 3
        gone = producer.enqueue("obsolete")
        with pytest.raises(TaskCancelled, match="the order is gone"):
            gone.result(timeout=20)
        assert gone.status() is TaskState.CANCELLED
        with pytest.raises(TaskFailed, match="never again"):
            producer.enqueue("given_up").result(timeout=20)
        left = producer.enqueue("leaves")
        with pytest.raises(TaskFailed, match="SystemExit: left"):
            left.result(timeout=20)
    record = redis_server.client.hget(Keys("tqd").failure, left.identity)  # type: ignore[arg-type]
    history = FailureRecord.decode(record).history  # type: ignore[arg-type]
    assert [(past.attempt, past.type) for past in history] == [(1, "SystemExit")]
    until(lambda: daemon.status()["totals"]["failed"] == 2, "the beats have told", 20)
    totals = daemon.status()["totals"]
    assert (totals["done"], totals["discarded"], totals["retried"]) == (1, 1, 3)
    assert daemon.pids() == pids, "nobody had to be replaced"
    assert "the order is gone" in daemon.output()
    assert daemon.stop().returncode == 0
