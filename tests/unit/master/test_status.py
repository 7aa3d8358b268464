"""The picture of the daemon: null for what is not known, problems in words, and the line for systemd."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.fleet_world import World
from tests.unit.master.builders import beat, config, keeper_beat, launch
from tqd.config.diff import diff
from tqd.master.crew import Depths, Member, Totals
from tqd.master.events import HardLimitSet
from tqd.master.fleet import Phase
from tqd.master.plan import Limits
from tqd.master.reloads import LastReload, Reloads
from tqd.master.status import REDIS_DOWN_S, SILENT_AFTER_S, Identity, Sight, picture, state, summary
from tqd.master.telemetry import Telemetry
from tqd.metrics.histogram import Histogram
from tqd.metrics.ledger import Entry
from tqd.system.fork import Child
from tqd.system.memory import MemoryState
from tqd.wire.messages import Sampled

WHO = Identity(
    pid=7,
    node="n",
    version="0.1",
    runtime_dir="/run/tqd",
    app="shop:tq",
    redis_url="redis://h",
)
MEMORY = MemoryState(
    limit_bytes=100, used_bytes=40, origin="cgroup v2 /tqd", pressure_some_avg10=1.5, free_bytes=60
)
NO_MEMORY = MemoryState(limit_bytes=None, used_bytes=None, origin="unknown", pressure_some_avg10=None)
CRASH = 70


class Scene:
    """A fleet, its members, and a look at it."""

    def __init__(self, world: World, queues: tuple[str, ...] = ("default",)) -> None:
        self.world = world
        self.crew: dict[str, Member] = {}
        self.totals = Totals()
        self.telemetry = Telemetry(self.totals, world.now)
        self.depths = Depths(queues)
        self.reloads = Reloads(launch(), lambda current: (current, ()))
        self.memory = MEMORY
        self.events: list[dict[str, object]] = []
        self.meet()

    def meet(self) -> None:
        """Let the crew be those who live now."""
        for seat in set(self.crew) - set(self.world.processes):
            del self.crew[seat]
        for seat, process in self.world.processes.items():
            child = Child(process.pid, -1, -1, -1, -1)
            self.crew.setdefault(seat, Member(seat, child, f"name-of-{seat}", self.world.now))

    def look(self, after_s: float = 0.0) -> dict[str, Any]:
        sight = Sight(
            self.world.fleet,
            self.crew,
            self.totals,
            self.depths,
            self.reloads,
            self.memory,
            self.events,
            77,
            self.telemetry,
            {"mode": "off"},
        )
        now = self.world.now + after_s
        return json.loads(json.dumps(picture(WHO, sight, 990.0, now)))  # type: ignore[no-any-return]

    def line(self) -> str:
        return summary(self.world.fleet, self.crew, self.totals, self.reloads)

    def beats(self, seat: str, **fields: Any) -> None:
        self.crew[seat].beat, self.crew[seat].beat_at = beat(**fields), self.world.now


def running(workers: int = 2, **plan: Any) -> Scene:
    world = World(workers, **plan)
    world.start()
    world.all_ready()
    return Scene(world)


def crash_looping() -> Scene:
    scene = running(2)
    world = scene.world
    while not world.fleet.breaker.open:
        world.die("worker-1", CRASH)
        world.all_ready()
        while "worker-1" not in world.processes and not world.fleet.breaker.open:
            world.pass_time(1.0)
            world.all_ready()
    scene.meet()
    return scene


# -- what is known and what is not ----------------------------------------------------------------


def test_what_is_not_known_is_null() -> None:
    world = World(1)
    world.start()
    scene = Scene(world)
    scene.memory = NO_MEMORY
    status = scene.look()
    (worker,) = status["workers"]
    unknown = (
        "slots", "busy", "done", "failed", "retried", "rate_per_s", "rss_bytes", "pss_bytes", "lag_ms",
        "oldest_s", "beat_s_ago",
    )  # fmt: skip
    assert {key: worker[key] for key in unknown} == dict.fromkeys(unknown)
    assert (worker["pid"], worker["state"]) == (world.processes["worker-1"].pid, "starting")
    assert (worker["failures"], worker["names"], worker["uptime_s"]) == (0, [], 0.0)
    nobody = {"pid": None, "state": "empty", "rss_bytes": None, "beat_s_ago": None, "redis_down_s": None}
    assert status["keeper"] == nobody
    assert (status["queues"], status["dead_letters"], status["sampled_s_ago"]) == ([], None, None)
    assert {status["totals"][key] for key in ("run_p50_s", "run_p95_s", "rate_per_s")} == {None}
    assert (status["reload"], status["last_reload"]) == (None, None)
    memory = {
        "limit_bytes": None,
        "used_bytes": None,
        "headroom_bytes": None,
        "origin": "unknown",
        "pressure_some_avg10": None,
    }
    assert status["memory"] == memory


def test_a_worker_is_shown_with_its_figures() -> None:
    scene = running()
    scene.crew["worker-2"].since -= 100
    scene.crew["worker-2"].pss_bytes = 600
    scene.beats(
        "worker-2", busy=2, done=9, failed=1, retried=3, oldest_s=1.5, lag_ms=0.25, names=[["shop.mail", 2]]
    )
    for after_s, done in ((-1.9, 2), (0.0, 9)):
        scene.crew["worker-2"].rate.add(scene.world.now + after_s, done)
    assert scene.look(1.26)["workers"][1] == {
        "id": "worker-2", "pid": scene.world.processes["worker-2"].pid, "state": "ready", "generation": 1,
        "claiming": True, "slots": 4, "busy": 2, "done": 9, "failed": 1, "retried": 3, "rate_per_s": 3.68,
        "rss_bytes": 1000, "pss_bytes": 600, "lag_ms": 0.25, "oldest_s": 1.5, "uptime_s": 101.3,
        "beat_s_ago": 1.3, "failures": 0, "names": [["shop.mail", 2]],
    }  # fmt: skip


def test_the_daemon_is_shown_with_its_figures() -> None:
    scene = running()
    scene.crew["keeper"].keeper_beat = keeper_beat(rss_bytes=2000, redis_down_s=0.5)
    scene.events = [{"event": "worker ready"}]
    status = scene.look(1.26)
    assert (status["state"], status["healthy"]) == ("running", True)
    assert (status["problems"], status["notes"]) == ([], [])
    assert status["master"] == {
        "pid": 7, "uptime_s": 11.3, "node": "n", "version": "0.1", "runtime_dir": "/run/tqd",
        "app": "shop:tq", "redis_url": "redis://h", "rss_bytes": 77,
    }  # fmt: skip
    assert (status["target"], status["generation"], status["events"]) == (2, 1, [{"event": "worker ready"}])
    assert status["memory"] == {
        "limit_bytes": 100, "used_bytes": 40, "headroom_bytes": 60, "origin": "cgroup v2 /tqd",
        "pressure_some_avg10": 1.5,
    }  # fmt: skip
    assert status["keeper"] == {
        "pid": scene.world.processes["keeper"].pid, "state": "ready", "rss_bytes": 2000, "beat_s_ago": 1.3,
        "redis_down_s": 0.5,
    }  # fmt: skip


def test_totals_are_shown() -> None:
    scene = running()
    runs = Histogram()
    for duration_s in (*[0.1] * 10, *[3.0] * 9, 100.0):
        runs.add(duration_s)
    entry = Entry("mail", "default")
    entry.done, entry.counters, entry.runs = 3, [1, 2, 0, 8, 7, 4, 6], runs.take()
    scene.totals.enter(entry)
    scene.totals.superseded = 5
    scene.totals.advance_keeper(None, keeper_beat(6))
    for now, done in ((0.0, 0), (3.0, 1)):
        scene.totals.rate.add(now, done)
    totals = scene.look()["totals"]
    assert 0.08 < totals.pop("run_p50_s") < 0.13
    assert 2.5 < totals.pop("run_p95_s") < 3.6
    assert totals == {
        "done": 3, "failed": 1, "retried": 2, "released": 4, "superseded": 5, "reclaimed": 6,
        "discarded": 7, "expired": 6, "timed_out": 8, "rate_per_s": 0.33,
    }  # fmt: skip


# -- the queues -----------------------------------------------------------------------------------


def test_queues_are_named_in_the_order_of_the_configuration() -> None:
    scene = running()
    scene.depths.names = ("high", "default", "low")
    rows = [[3, 4, 1, 2500, 0, 9], [0, -1, -1, -1, -1, -1], [1, 0, 0, 0, 1, 0]]
    scene.depths.sample, scene.depths.at = Sampled(rows, 5), scene.world.now - 2
    status = scene.look(1.23456)
    figures = ("arrived", "arrivals_per_s", "rate_per_s", "error_rate", "run_p95_s", "wait_p95_s")
    assert [{key: row.pop(key) for key in figures} for row in status["queues"]] == [
        dict.fromkeys(figures) | {"arrived": arrived} for arrived in (9, None, 0)
    ]
    assert status["queues"] == [
        {"name": "high", "ready": 3, "scheduled": 4, "claimed": 1, "oldest_s": 2.5, "paused": False},
        {
            "name": "default", "ready": 0, "scheduled": None, "claimed": None, "oldest_s": None,
            "paused": None,
        },
        {"name": "low", "ready": 1, "scheduled": 0, "claimed": 0, "oldest_s": 0.0, "paused": True},
    ]  # fmt: skip
    assert (status["dead_letters"], status["sampled_s_ago"]) == (5, 3.235)


@pytest.mark.parametrize("rows", [[], [[1, 2, 3, 4, 0, 0]] * 2])
def test_figures_of_another_number_of_queues_are_not_shown(rows: list[list[int]]) -> None:
    scene = running()
    scene.depths.sample, scene.depths.at = Sampled(rows, 5), scene.world.now
    status = scene.look()
    assert (status["queues"], status["dead_letters"]) == ([], 5)


# -- the state in one word ------------------------------------------------------------------------


def test_a_daemon_that_starts() -> None:
    world = World(1)
    world.start()
    status = Scene(world).look(100)
    assert (status["state"], status["healthy"], status["problems"]) == ("starting", False, [])


def test_a_stopping_daemon_has_no_problems_and_is_not_healthy() -> None:
    scene = running(1)
    scene.beats("worker-1")
    scene.world.stop()
    status = scene.look(100)
    assert (status["state"], status["healthy"], status["problems"]) == ("stopping", False, [])
    assert status["workers"][0]["state"] == "draining"


def test_a_quiet_daemon_is_well() -> None:
    scene = running(1)
    scene.world.quiet(True)
    status = scene.look()
    assert (status["state"], status["healthy"]) == ("quiet", True)


def test_a_reload_is_shown_before_quietness_and_is_no_problem() -> None:
    scene = running(2)
    scene.world.quiet(True)
    scene.world.reload()
    status = scene.look()
    assert (status["state"], status["healthy"], status["problems"]) == ("reloading", True, [])
    assert status["reload"] == "generation 2: worker-3 imports the app"
    assert (status["generation"], len(status["workers"])) == (1, 3)
    scene.world.all_ready()
    status = scene.look()
    assert (status["state"], status["reload"], status["generation"]) == ("quiet", None, 2)


def test_a_problem_is_shown_before_a_reload() -> None:
    scene = running(1)
    scene.world.reload()
    scene.world.die("keeper")
    assert scene.look()["state"] == "degraded"


def test_a_crash_loop_is_shown_before_any_other_problem() -> None:
    status = crash_looping().look()
    assert (status["state"], status["healthy"]) == ("crash-looping", False)
    assert status["problems"][0].startswith("the workers crash again and again")
    assert any("worker-1 is empty after" in problem for problem in status["problems"][1:])


def test_the_state_of_a_daemon_that_has_ended() -> None:
    world = World(0)
    world.fleet.phase = Phase.STOPPED
    assert state(world.fleet, []) == "stopped"


# -- problems -------------------------------------------------------------------------------------


def test_a_seat_that_waits_to_be_filled_is_a_problem() -> None:
    scene = running(1)
    for _ in range(2):
        scene.world.die("worker-1", CRASH)
        if "worker-1" in scene.world.processes:
            scene.world.ready("worker-1")
    scene.meet()
    status = scene.look()
    assert (status["state"], status["problems"]) == ("degraded", ["worker-1 is empty after 2 failures"])
    (worker,) = status["workers"]
    assert (worker["pid"], worker["state"], worker["uptime_s"]) == (None, "empty", None)
    assert worker["failures"] == 2


def test_a_worker_that_is_added_is_awaited() -> None:
    scene = running(1)
    scene.world.resize(2)
    assert scene.look()["problems"] == ["worker-2 is starting"]


@pytest.mark.parametrize("seat", ["keeper", "redis"])
@pytest.mark.parametrize("reloads", [0, 1])
def test_a_missing_keeper_or_redis_is_a_problem_in_each_generation(seat: str, reloads: int) -> None:
    scene = running(embedded=True)
    for _ in range(reloads):
        scene.world.reload()
        scene.world.all_ready()
        scene.world.obey()
    for _ in range(2):
        scene.world.die(seat, CRASH)
        if seat in scene.world.processes:
            scene.world.ready(seat)
    assert scene.look()["problems"] == [f"{seat} is empty after 2 failures"]


def test_who_leaves_or_replaces_another_is_no_problem() -> None:
    scene = running(2, limits=Limits(max_tasks=10))
    scene.world.beat("worker-1", done=10)
    assert scene.world.fleet.seats["worker-1"].replaced_by == "worker-3"
    assert scene.look()["problems"] == []
    scene.world.ready("worker-3")
    assert [row["state"] for row in scene.look()["workers"]] == ["draining", "ready", "ready"]
    assert scene.look()["problems"] == []


def test_a_worker_without_a_beat_is_a_problem_after_a_while() -> None:
    scene = running(1)
    scene.beats("worker-1")
    assert scene.look(SILENT_AFTER_S)["problems"] == []
    silent = ["worker-1 has not answered for 6 s: a task may block its loop"]
    assert scene.look(SILENT_AFTER_S + 1)["problems"] == silent


def test_a_worker_that_hangs_is_a_problem_with_its_reason() -> None:
    scene = running(1)
    scene.world.feed(HardLimitSet("worker-1", scene.world.now + 1.0, 'task "slow" ran too long'))
    scene.world.processes["worker-1"].silent = True
    scene.world.pass_time(3.0)
    status = scene.look()
    assert status["workers"][0]["state"] == "hung"
    assert status["problems"] == ['worker-1 hangs: task "slow" ran too long']


@pytest.mark.parametrize(("down_s", "problems"), [
    (REDIS_DOWN_S - 0.1, []),
    (REDIS_DOWN_S,
     ["redis has not answered, or has taken no writes, for 2 s: tasks wait, and nothing is lost"]),
])  # fmt: skip
def test_a_redis_that_does_not_answer_is_a_problem(down_s: float, problems: list[str]) -> None:
    scene = running(1)
    scene.crew["keeper"].keeper_beat = keeper_beat(redis_down_s=down_s)
    assert scene.look()["problems"] == problems


# -- reloads --------------------------------------------------------------------------------------


def test_what_needs_a_restart_is_a_note() -> None:
    scene = running(1)
    scene.reloads.for_restart = diff(config(node__lease=15.0), config(node__lease=20.0))
    status = scene.look()
    assert status["notes"] == ["keeps node.lease = 15.0 until a restart; the new value is 20.0"]
    assert status["healthy"] is True


def test_how_the_last_reload_ended_is_shown() -> None:
    scene = running(1)
    scene.reloads.last = LastReload(ok=False, text="no such app", at=scene.world.now - 12)
    assert scene.look(0.34)["last_reload"] == {"ok": False, "text": "no such app", "s_ago": 12.3}


# -- the line for systemd -------------------------------------------------------------------------


def test_the_line_counts_workers_slots_and_tasks() -> None:
    scene = running(3)
    scene.beats("worker-1", busy=3)
    scene.beats("worker-2", busy=1, slots=6)
    scene.totals.done = 1234567
    assert scene.line() == "3 of 3 workers ready, 4 of 10 slots busy, 1,234,567 tasks done"
    scene.world.resize(4)
    assert scene.line().startswith("3 of 4 workers ready")


def test_the_line_says_what_is_special() -> None:
    scene = running(1)
    plain = scene.line()
    scene.world.quiet(True)
    assert scene.line() == f"quiet; {plain}"
    scene.reloads.last = LastReload(ok=False, text="Traceback:\n  in build\n  No such app \n", at=0.0)
    assert scene.line() == f"quiet; {plain}; the last reload was refused: No such app"
    scene.reloads.last = LastReload(ok=True, text="generation 2 serves", at=0.0)
    assert scene.line() == f"quiet; {plain}"
    assert crash_looping().line().startswith("crash-looping; ")


def test_the_line_of_a_stop_says_what_is_waited_for() -> None:
    scene = running(2)
    scene.beats("worker-1", busy=3)
    scene.world.quiet(True)
    scene.world.stop()
    assert scene.line() == "draining: 3 tasks in 2 workers"


# -- suspects and the probe -----------------------------------------------------------------------


def test_without_suspects_there_is_no_probe_and_nothing_is_said() -> None:
    look = running(1).look()
    assert (look["probe"], look["suspects"], look["healthy"]) == (None, 0, True)


def test_a_probe_is_shown_apart_from_the_workers_and_is_no_problem() -> None:
    scene = running(1)
    scene.world.suspects(3)
    scene.meet()
    look = scene.look()
    assert (look["probe"]["id"], look["probe"]["state"], look["suspects"]) == ("probe", "starting", 3)
    assert [row["id"] for row in look["workers"]] == ["worker-1"]
    assert look["healthy"]
    scene.world.ready("probe")
    scene.beats("probe", names=[["shop.pay", 1]])
    look = scene.look()
    assert look["probe"]["names"] == [["shop.pay", 1]] and look["probes"] == [look["probe"]]


def test_a_probe_that_cannot_start_is_a_problem_while_suspects_wait() -> None:
    scene = running(1)
    for _ in range(3):
        scene.world.suspects(3)
        scene.world.pass_time(3.0)
        scene.world.fail_to_boot("probe")
    scene.world.suspects(3)
    scene.meet()
    assert scene.look()["problems"] == ["probe is empty after 3 failures"]
