"""A daemon that stood still for longer than its lease, and then goes on: it may change nothing any more."""

from __future__ import annotations

import os
import signal

from tests.e2e.conftest import APP, Start
from tests.support.wait import until
from tqd import TaskQueue

HELD = (
    APP
    + """
from tqd import Context

@tq.task(name="held", result_ttl=60)
async def held(ctx: Context):
    write(f"started.{ctx.fence}")
    while not os.path.exists(gate):
        await asyncio.sleep(0.01)
    return ctx.fence
"""
)


def test_who_stood_still_longer_than_its_lease_settles_nothing_and_serves_on(
    make: Start, producer: TaskQueue
) -> None:
    one, two = (make(HELD, TQD_NODE__LEASE="3") for _ in range(2))
    one.start("-w", "1", "-C", "4")
    tasks = [producer.enqueue("held") for _ in range(3)]
    one.wrote("started.1", times=3)
    two.start("-w", "1", "-C", "4")
    stopped = one.pids()
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        two.wrote("started.2", times=3, deadline_s=40)
        (two.directory / "journal.gate").touch()
        assert [task.result(timeout=20) for task in tasks] == [2, 2, 2], "run elsewhere, by a higher fence"
        (one.directory / "journal.gate").touch()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    until(lambda: one.status().get("totals", {}).get("superseded") == 3, "it is told so", 20)
    assert [task.result(timeout=20) for task in tasks] == [2, 2, 2], "and changes nothing"
    assert one.lines() == ["started.1"] * 3 and two.lines() == ["started.2"] * 3
    assert producer.dead.count() == 0
    assert two.status()["totals"]["superseded"] == 0
    assert two.stop().returncode == 0
    producer.enqueue("note", "again")
    one.wrote("again")
    until(lambda: one.ready, "it is healthy again", 20)
    assert one.stop().returncode == 0
