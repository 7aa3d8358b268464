"""The picture of the daemon: null for what is not known, and problems in words."""

from __future__ import annotations

import json
from typing import Any

from tests.support.fleet_world import World
from tests.unit.master.builders import beat
from tqd.master.crew import Depths, Member, Totals
from tqd.master.status import HUNG_AFTER_S, Identity, picture
from tqd.system.fork import Child
from tqd.wire.messages import KeeperBeat, Sampled

WHO = Identity(
    pid=7,
    node="n",
    version="0",
    runtime_dir="/run/tqd",
    app="shop:tq",
    redis_url="redis://h",
    queues=("default",),
)


class Scene:
    """A fleet, its members, and a look at it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.crew: dict[str, Member] = {}
        self.totals = Totals()
        self.depths = Depths()
        for seat, process in world.processes.items():
            self.crew[seat] = Member(seat, Child(process.pid, -1, -1, -1), f"name-of-{seat}", world.now)

    def look(self, after_s: float = 0.0) -> dict[str, Any]:
        now = self.world.now + after_s
        return picture(WHO, self.world.fleet, self.crew, self.totals, self.depths, 990.0, now)

    def beats(self, seat: str, **fields: Any) -> None:
        self.crew[seat].beat, self.crew[seat].beat_at = beat(**fields), self.world.now


def running(workers: int = 2) -> Scene:
    world = World(workers)
    world.start()
    world.all_ready()
    return Scene(world)


def test_what_is_not_known_is_null() -> None:
    world = World(1)
    world.start()
    status = Scene(world).look()
    (worker,) = status["workers"]
    unknown = ("slots", "busy", "done", "failed", "retried", "rss_bytes", "lag_ms", "oldest_s", "beat_s_ago")
    assert {key: worker[key] for key in unknown} == dict.fromkeys(unknown)
    assert (worker["pid"], worker["state"]) == (world.processes["worker-1"].pid, "starting")
    assert (status["keeper"]["pid"], status["keeper"]["state"]) == (None, "empty")
    assert (status["queues"], status["dead_letters"], status["sampled_s_ago"]) == ([], None, None)
    assert status["totals"]["run_p50_s"] is None
    assert status["state"] == "starting"


def test_a_running_daemon_is_shown_with_its_figures() -> None:
    scene = running()
    for seat in ("worker-1", "worker-2"):
        scene.beats(seat, busy=2, done=9, oldest_s=1.5)
    scene.crew["keeper"].keeper_beat = KeeperBeat(1, 2000)
    scene.depths.sample, scene.depths.at = Sampled([[3, 4]], 5), scene.world.now - 2
    status = scene.look(1.0)
    assert (status["state"], status["problems"]) == ("running", [])
    assert status["master"]["pid"] == 7 and status["master"]["uptime_s"] == 11.0
    assert [row["busy"] for row in status["workers"]] == [2, 2]
    assert status["queues"] == [{"name": "default", "ready": 3, "scheduled": 4}]
    assert (status["dead_letters"], status["sampled_s_ago"]) == (5, 3.0)
    assert status["keeper"]["rss_bytes"] == 2000


def test_the_picture_is_plain_data() -> None:
    assert json.loads(json.dumps(running().look()))["state"] == "running"


def test_a_seat_that_waits_to_be_filled_is_a_problem() -> None:
    scene = running(1)
    for _ in range(2):
        scene.world.die("worker-1")
        if "worker-1" in scene.world.processes:
            scene.world.ready("worker-1")
    del scene.crew["worker-1"]
    status = scene.look()
    assert status["state"] == "degraded"
    (problem,) = status["problems"]
    assert "worker-1" in problem and "2 failures" in problem
    assert status["workers"][0]["pid"] is None


def test_a_missing_keeper_is_a_problem() -> None:
    scene = running()
    scene.world.die("keeper")
    status = scene.look()
    assert status["state"] == "degraded"
    assert any("keeper" in problem for problem in status["problems"])


def test_a_worker_without_a_beat_is_a_problem_after_a_while() -> None:
    scene = running(1)
    scene.beats("worker-1")
    assert scene.look(HUNG_AFTER_S - 0.5)["problems"] == []
    (problem,) = scene.look(HUNG_AFTER_S + 1)["problems"]
    assert "worker-1 has not answered for 6 s" in problem


def test_a_stopping_daemon_has_no_problems() -> None:
    scene = running(1)
    scene.world.stop()
    status = scene.look(100)
    assert (status["state"], status["problems"]) == ("stopping", [])
    assert status["workers"][0]["state"] == "draining"
