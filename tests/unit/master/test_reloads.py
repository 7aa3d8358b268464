"""Reloads from the outside: who is answered when and what, and which launches are kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet_world import World
from tests.unit.master.builders import config, launch
from tqd import keeper
from tqd.config.diff import Change, diff, effective
from tqd.config.setting import Reload
from tqd.config.table import BY_KEY
from tqd.errors import ConfigError
from tqd.master.events import Action, RollBegan, RollDone, RollRefused, RollServing, RollSwitched, Spawn
from tqd.master.launch import Launch
from tqd.master.reloads import FOR_THE_KEEPER, Reloads, progress

NO_CHANGE = ["no setting has changed"]


class Desk:
    """Reloads over a configuration that the test edits in `file`; `answers` by the name of who asked."""

    def __init__(self, **values: Any) -> None:
        self.file: dict[str, Any] = values
        self.first = launch(**values)
        self.reloads = Reloads(self.first, self.relaunch)
        self.answers: dict[str, list[dict[str, Any]]] = {}
        self.signing_keys: tuple[bytes, ...] = ()
        self.warnings: tuple[str, ...] = ()

    def relaunch(self, current: Launch) -> tuple[Launch, tuple[Change, ...]]:
        """Do what the command's builder does."""
        new = replace(config(**self.file), warnings=self.warnings)
        used = effective(current.config, new)
        again = replace(self.first, config=used, signing_keys=self.signing_keys)
        return again, diff(current.config, new)

    def ask(self, who: str, until: str = "drained", overlap: int | None = None) -> bool:
        """Prepare and wait; returns whether the keeper is touched."""
        _, keeper_too = self.reloads.prepare(overlap)
        told = self.answers.setdefault(who, [])
        self.reloads.wait(lambda answer: told.append(json.loads(json.dumps(answer))), until)
        return keeper_too

    def switch(self, generation: int, now: float = 0.0) -> str:
        """Let a generation take over, and the old one claim no more."""
        self.reloads.switched(generation)
        return self.reloads.serving(generation, now)

    def carry_out(self, actions: list[Action], now: float = 0.0) -> None:
        """Do with a fleet's actions what the master does."""
        for action in actions:
            match action:
                case RollBegan(generation):
                    self.reloads.began(generation)
                case RollSwitched(generation):
                    self.reloads.switched(generation)
                case RollServing(generation):
                    self.reloads.serving(generation, now)
                case RollDone(generation):
                    self.reloads.done(generation)
                case RollRefused(generation, reason):
                    self.reloads.refused(generation, reason, now)


def success(generation: int, changes: list[str], warnings: list[str]) -> dict[str, Any]:
    text = f"generation {generation} serves"
    return {"ok": True, "generation": generation, "text": text, "changes": changes, "warnings": warnings}


def test_settings_that_stand_elsewhere_are_told_with_the_reload() -> None:
    desk = Desk()
    desk.warnings = ("tqd.toml: it stands elsewhere",)
    desk.ask("a")
    desk.reloads.began(2)
    desk.switch(2)
    desk.reloads.done(2)
    assert desk.answers["a"] == [success(2, NO_CHANGE, ["tqd.toml: it stands elsewhere"])]


# -- who is answered when -------------------------------------------------------------------------


def test_some_wait_until_it_serves_and_some_until_the_old_ones_are_gone() -> None:
    desk = Desk()
    desk.ask("serving", "serving")
    desk.ask("drained", "drained")
    desk.reloads.began(2)
    desk.reloads.switched(2)
    assert desk.answers == {"serving": [], "drained": []}, "old workers may still claim"
    desk.reloads.serving(2, 5.0)
    assert desk.answers == {"serving": [success(2, NO_CHANGE, [])], "drained": []}
    desk.reloads.done(2)
    assert desk.answers["drained"] == [success(2, NO_CHANGE, [])]
    desk.reloads.give_up("the daemon is stopping")
    assert [len(answers) for answers in desk.answers.values()] == [1, 1], "nobody is answered twice"


def test_reloads_that_are_asked_for_before_it_begins_are_one() -> None:
    desk = Desk()
    for who in ("a", "b", "c"):
        desk.ask(who)
    desk.reloads.began(2)
    desk.switch(2)
    desk.reloads.done(2)
    assert desk.answers == {who: [success(2, NO_CHANGE, [])] for who in "abc"}


def test_a_reload_that_is_asked_for_during_one_waits_for_the_next() -> None:
    desk = Desk()
    desk.ask("early")
    desk.reloads.began(2)
    desk.ask("late", "serving")
    desk.switch(2)
    assert desk.answers["late"] == []
    desk.reloads.began(3)
    desk.switch(3)
    assert desk.answers == {"early": [], "late": [success(3, NO_CHANGE, [])]}
    desk.reloads.done(2)
    assert desk.answers["early"] == [success(2, NO_CHANGE, [])]


def test_a_refusal_is_told_to_those_who_waited_for_it_only() -> None:
    desk = Desk()
    desk.ask("early")
    desk.ask("early too", "serving")
    desk.reloads.began(2)
    desk.ask("late")
    desk.reloads.refused(2, "no such app", 7.0)
    refusal = {"ok": False, "error": "no such app"}
    assert desk.answers == {"early": [refusal], "early too": [refusal], "late": []}
    last = desk.reloads.last
    assert last is not None and (last.ok, last.text, last.at) == (False, "no such app", 7.0)
    desk.reloads.began(3)
    desk.switch(3, 8.0)
    desk.reloads.done(3)
    assert len(desk.answers["early"]) == 1
    assert desk.answers["late"] == [success(3, NO_CHANGE, [])]


def test_an_end_of_the_daemon_is_told_to_all() -> None:
    desk = Desk()
    desk.ask("early")
    desk.reloads.began(2)
    desk.ask("late", "serving")
    for _ in range(2):
        desk.reloads.give_up("the daemon is stopping")
    refusal = {"ok": False, "error": "the daemon is stopping"}
    assert desk.answers == {"early": [refusal], "late": [refusal]}


def test_with_the_fleet_everybody_is_answered_also_who_asked_during_a_reload_that_is_refused() -> None:
    desk, world = Desk(), World(1)
    world.start()
    world.all_ready()
    desk.ask("early")
    desk.carry_out(world.reload())
    desk.ask("late")
    desk.carry_out(world.reload())
    desk.carry_out(world.fail_to_boot("worker-2", 78, "no such app"))
    assert "no such app" in desk.answers["early"][0]["error"]
    assert desk.answers["late"] == []
    for _ in range(3):
        before = len(world.actions)
        world.all_ready()
        world.obey()
        desk.carry_out(world.actions[before:])
    assert [answer["ok"] for answer in desk.answers["late"]] == [True]


# -- what is answered -----------------------------------------------------------------------------


def test_changes_are_told_and_what_needs_a_restart_is_a_warning() -> None:
    desk = Desk(workers__max_age=100.0, node__lease=15.0)
    desk.file |= {"workers__max_age": 200.0, "node__lease": 20.0, "tasks__app": "shop:tq"}
    desk.ask("a", "serving")
    desk.reloads.began(2)
    said = desk.switch(2, 5.0)
    changes = [
        "taken over: workers.max_age: 100.0 → 200.0",
        "taken over by the new workers: tasks.app: '' → shop:tq",
    ]
    warnings = ["keeps node.lease = 15.0 until a restart; the new value is 20.0"]
    assert desk.answers["a"] == [success(2, changes, warnings)]
    assert said == f"generation 2 serves; {changes[0]}; {changes[1]}; {warnings[0]}"
    last = desk.reloads.last
    assert last is not None and (last.ok, last.text, last.at) == (True, said, 5.0)


def test_a_change_that_needs_a_restart_is_not_told_as_no_change() -> None:
    desk = Desk(node__lease=15.0)
    desk.file["node__lease"] = 20.0
    desk.ask("a", "serving")
    desk.reloads.began(2)
    desk.switch(2)
    warnings = ["keeps node.lease = 15.0 until a restart; the new value is 20.0"]
    assert desk.answers["a"] == [success(2, [], warnings)]


def test_what_needs_a_restart_stays_noted_until_the_file_says_otherwise() -> None:
    desk = Desk(node__lease=15.0)
    for generation, lease in ((2, 20.0), (3, 20.0), (4, 15.0)):
        desk.file["node__lease"] = lease
        desk.ask("a")
        noted = [change.key for change in desk.reloads.for_restart]
        assert noted == ([] if generation == 2 else ["node.lease"]), "nothing is noted before it serves"
        desk.reloads.began(generation)
        desk.switch(generation)
    assert desk.reloads.for_restart == ()
    assert desk.reloads.current.config.node.lease == 15.0


def test_a_refused_configuration_is_not_noted() -> None:
    desk = Desk(node__lease=15.0)
    desk.file["node__lease"] = 20.0
    desk.ask("a")
    desk.reloads.began(2)
    desk.reloads.refused(2, "no such app", 0.0)
    assert desk.reloads.for_restart == ()
    assert desk.reloads.current is desk.first


def test_changes_are_told_against_what_serves_when_the_reload_begins() -> None:
    desk = Desk(workers__max_age=100.0)
    desk.file["workers__max_age"] = 200.0
    desk.ask("early", "serving")
    desk.reloads.began(2)
    desk.file["workers__hung_after"] = 40.0
    desk.ask("late", "serving")
    desk.switch(2)
    desk.reloads.began(3)
    desk.switch(3)
    (answer,) = desk.answers["late"]
    assert answer["changes"] == ["taken over: workers.hung_after: 30.0 → 40.0"]


# -- the keeper -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("queues__names", ["other"]),
        ("workers__orphan_grace_period", 1.0),
        ("dead_letters__max_count", 7),
        ("dead_letters__max_age", 7.0),
        ("scheduler__enabled", False),
        ("scheduler__tick_interval", 2.0),
        ("scheduler__max_tasks_per_tick", 7),
        ("tasks__app", "a:b"),
        ("logging__level", "error"),
        ("logging__format", "json"),
    ],
)
def test_the_keeper_is_touched_by_what_it_is_started_from(key: str, value: object) -> None:
    desk = Desk()
    desk.file[key] = value
    assert desk.ask("a") is True


@pytest.mark.parametrize(
    ("key", "value"), [("workers__max_age", 7.0), ("tasks__modules", ["a"]), ("node__lease", 20.0)]
)
def test_the_keeper_is_left_alone_by_other_changes(key: str, value: object) -> None:
    desk = Desk()
    assert desk.ask("a") is False
    desk.file[key] = value
    assert desk.ask("a") is False


def test_the_keeper_is_touched_by_new_signing_keys_in_the_same_file() -> None:
    desk = Desk()
    desk.signing_keys = (b"n" * 16,)
    assert desk.ask("a") is True


def test_the_keeper_is_touched_when_a_change_that_is_on_its_way_is_taken_back() -> None:
    desk = Desk(queues__names=["a"])
    desk.file["queues__names"] = ["b"]
    assert desk.ask("early") is True
    desk.reloads.began(2)
    desk.file["queues__names"] = ["a"]
    assert desk.ask("late") is True


def test_all_that_the_keeper_reads_is_known_or_needs_a_restart() -> None:
    folder = Path(str(keeper.__file__)).parent
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    read = {f"{section}.{name}" for section, name in re.findall(r"config\.([a-z_]+)\.([a-z_]+)", source)}
    assert {"queues.names", "dead_letters.max_count", "node.lease"} <= read
    changeable = {key for key in read if BY_KEY[key].reload is not Reload.RESTART}
    assert changeable <= set(FOR_THE_KEEPER)


# -- launches -------------------------------------------------------------------------------------


def test_the_room_in_memory_becomes_part_of_the_plan() -> None:
    desk = Desk()
    prepared, _ = desk.reloads.prepare(3)
    assert prepared.plan.overlap == 3
    desk.reloads.began(2)
    assert desk.reloads.launch(2) is prepared
    assert desk.reloads.launch(1).plan.overlap is None


def test_a_wrong_configuration_changes_nothing() -> None:
    desk = Desk()
    desk.ask("a", overlap=1)
    desk.file["workers__hung_after"] = "soon"
    with pytest.raises(ConfigError):
        desk.reloads.prepare(2)
    desk.reloads.refused(0, "wrong", 3.0)
    assert desk.answers == {"a": []}
    assert desk.reloads.last is not None and desk.reloads.last.text == "wrong"
    desk.reloads.began(2)
    assert desk.reloads.launch(2).plan.overlap == 1


def test_a_launch_is_kept_as_long_as_its_children_may_be_started() -> None:
    desk = Desk()
    for generation in (2, 3):
        desk.ask("a")
        desk.reloads.began(generation)
        assert desk.reloads.current is desk.reloads.launch(generation - 1)
        desk.reloads.switched(generation)
        assert desk.reloads.current is desk.reloads.launch(generation)
        desk.reloads.serving(generation, 0.0)
    assert desk.reloads.launch(1) is desk.first
    desk.reloads.done(2)
    with pytest.raises(KeyError):
        desk.reloads.launch(1)
    desk.reloads.done(3)
    with pytest.raises(KeyError):
        desk.reloads.launch(2)
    assert desk.reloads.launch(3) is desk.reloads.current


def test_the_launch_of_a_refused_generation_is_dropped() -> None:
    desk = Desk()
    desk.ask("a")
    desk.reloads.began(2)
    desk.reloads.refused(2, "no such app", 0.0)
    with pytest.raises(KeyError):
        desk.reloads.launch(2)
    assert desk.reloads.launch(1) is desk.first


@pytest.mark.parametrize("seat", ["redis", "keeper", "worker-2"])
def test_whoever_dies_after_reloads_is_started_from_a_launch_that_is_kept(seat: str) -> None:
    desk, world = Desk(), World(1, embedded=True)
    world.start()
    world.all_ready()
    desk.ask("a")
    desk.carry_out(world.reload())
    before = len(world.actions)
    world.all_ready()
    world.obey()
    desk.carry_out(world.actions[before:])
    assert world.rolls == {2: ["began", "switched", "serving", "done"]}
    (spawn,) = [action for action in world.die(seat) if isinstance(action, Spawn)]
    assert desk.reloads.launch(spawn.generation) is desk.reloads.current


# -- progress -------------------------------------------------------------------------------------


def running(workers: int = 2) -> World:
    world = World(workers)
    world.start()
    world.all_ready()
    return world


def test_progress_from_the_wait_to_the_last_old_worker() -> None:
    world = running()
    assert progress(world.fleet, 0).startswith("waiting for the last reload, or for room")
    world.reload()
    assert progress(world.fleet, 2) == "generation 2: worker-3 imports the app"
    world.ready("worker-3")
    assert progress(world.fleet, 2) == "generation 2: 1 of 2 workers ready"
    world.beat("worker-1", busy=3)
    world.beat("worker-2", busy=2)
    world.ready("worker-4")
    left = "generation 2 serves; {} leaving with {} tasks in hand"
    assert progress(world.fleet, 2) == left.format("2 old workers are", 5)
    world.die("worker-1", 0)
    assert progress(world.fleet, 2) == left.format("1 old worker is", 2)
    world.reload()
    world.ready("worker-1")
    assert world.workers(3), "a later reload has begun; its workers are no old ones"
    assert progress(world.fleet, 2) == left.format("1 old worker is", 2)


def test_progress_without_workers_counts_the_canary() -> None:
    world = running(0)
    world.reload()
    world.resize(2)
    world.ready("worker-1")
    assert progress(world.fleet, 2) == "generation 2: 1 of 2 workers ready"


def test_progress_where_the_canary_waits_for_room() -> None:
    world = running()
    plan = replace(world.plan, overlap=1)
    world.fleet.wanted.plan = plan
    world.reload(plan)
    world.ready("worker-3")
    assert world.workers(2) == ["worker-3"]
    assert progress(world.fleet, 2) == "generation 2: 1 of 2 workers ready"


def test_progress_is_told_once_per_change_to_each_who_waits() -> None:
    desk, world = Desk(), running()
    desk.ask("early", "serving")
    world.reload()
    desk.reloads.began(2)
    desk.ask("late")
    for _ in range(2):
        desk.reloads.tell_progress(world.fleet)
    imports = {"progress": "generation 2: worker-3 imports the app"}
    waits = {"progress": progress(world.fleet, 0)}
    assert desk.answers == {"early": [imports], "late": [waits]}
    world.ready("worker-3")
    desk.reloads.tell_progress(world.fleet)
    assert desk.answers == {
        "early": [imports, {"progress": "generation 2: 1 of 2 workers ready"}],
        "late": [waits],
    }
    desk.switch(2)
    desk.reloads.tell_progress(world.fleet)
    assert [answer.get("ok") for answer in desk.answers["early"]] == [None, None, True]
