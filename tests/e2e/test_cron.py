"""Schedules of real daemons: each slot once, over deaths, reloads and two daemons of one app."""

from __future__ import annotations

import json
import os
import signal
from itertools import pairwise

from tests.e2e.conftest import APP, Start
from tests.support.daemon import Daemon
from tests.support.wait import until

EVERY_SECOND = """
from tqd import Context

@tq.every("1s", name="ticks")
@tq.task(name="tick")
async def tick(ctx: Context):
    write("slot:%d:%s" % (ctx.slot.timestamp(), os.environ.get("WHO", "")))
"""


def slots(*daemons: Daemon) -> list[int]:
    """Return the slots that ran, in order, as often as they ran."""
    lines = [line for daemon in daemons for line in daemon.lines() if line.startswith("slot:")]
    return sorted(int(line.split(":")[1]) for line in lines)


def each_once(found: list[int]) -> bool:
    return all(later - slot == 1 for slot, later in pairwise(found))


def test_two_daemons_fire_each_slot_once_while_one_of_them_is_killed(make: Start) -> None:
    one, two = make(APP + EVERY_SECOND, WHO="one"), make(APP + EVERY_SECOND, WHO="two")
    one.start("-w", "1")
    two.start("-w", "1")
    until(lambda: len(slots(one, two)) >= 4, "slots are fired", 30)
    pids = one.pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    one.wait()
    before = len(slots(one, two))
    until(lambda: len(slots(one, two)) >= before + 6, "the other one goes on", 30)
    stopped = two.stop()
    assert stopped.returncode == 0
    ran = slots(one, two)
    # What the killed one had claimed in its last moment would be run again by the other one, later.
    assert each_once(ran) and len(ran) >= 10, ran


def test_a_killed_keeper_loses_no_slot(make: Start) -> None:
    daemon = make(APP + EVERY_SECOND)
    daemon.start("-w", "1")
    for _ in range(2):
        before = len(slots(daemon))
        until(lambda before=before: len(slots(daemon)) >= before + 2, "slots are fired", 20)  # type: ignore[misc]
        keeper = daemon.keeper
        assert keeper is not None
        os.kill(keeper, signal.SIGKILL)
    before = len(slots(daemon))
    until(lambda: len(slots(daemon)) >= before + 2, "slots are fired", 20)
    assert each_once(slots(daemon)), slots(daemon)


def test_a_reload_brings_changed_schedules_into_service(make: Start) -> None:
    # Nobody asks for changes in this time: the keeper is told of them.
    daemon = make(APP + EVERY_SECOND, TQD_SCHEDULER__TICK_INTERVAL="3600")
    daemon.start("-w", "1")
    until(lambda: slots(daemon), "the old schedule fires", 20)
    daemon.write("shop.py", APP + EVERY_SECOND.replace('"tick"', '"tock"').replace("ticks", "tocks"))
    assert daemon.reload("--serving").returncode == 0
    url = ("-r", daemon.redis_url)

    def names() -> list[str]:
        return [
            row["name"] for row in json.loads(daemon.tqd("cron", "ls", "--json", *url).stdout)["schedules"]
        ]

    until(lambda: names() == ["tocks"], "the new code's schedules are there, the old one's are gone", 20)
    count = len(slots(daemon))
    until(lambda: len(slots(daemon)) >= count + 2, "the new schedule fires", 20)


def test_a_daemon_whose_scheduler_is_off_fires_nothing(make: Start) -> None:
    daemon = make(APP + EVERY_SECOND, TQD_SCHEDULER_ENABLED="false")
    daemon.start("-w", "1")
    url = ("-r", daemon.redis_url)
    until(lambda: "ticks" in daemon.tqd("cron", "ls", *url).stdout, "it is published all the same", 20)
    other = make(APP + EVERY_SECOND)
    assert slots(daemon) == []
    other.start("-w", "0", "-s")
    until(lambda: len(slots(daemon)) >= 2, "a daemon of the same app fires for it", 20)
