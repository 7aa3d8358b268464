"""Reloads: the canary, the rest, the switch, and every way in which they can be refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.fleet_world import World
from tqd.master.events import Action, AskToDrain, RollDone, RollRefused, RollServing, RollSwitched, Spawn
from tqd.master.fleet import Phase
from tqd.master.rollout import FORGIVEN_KILLS, LAST_CLAIM_S


def running(workers: int = 2, **plan: object) -> World:
    world = World(workers, **plan)  # type: ignore[arg-type]
    world.start()
    world.all_ready()
    return world


def spawned(actions: list[Action]) -> list[str]:
    return [action.seat for action in actions if isinstance(action, Spawn)]


def asked(actions: list[Action]) -> list[str]:
    return [action.seat for action in actions if isinstance(action, AskToDrain)]


def refusals(world: World) -> list[str]:
    return [action.reason for action in world.actions if isinstance(action, RollRefused)]


def test_a_canary_first_then_the_rest_then_the_old_ones_drain() -> None:
    world = running(workers=3, grace_s=7.0)
    assert spawned(world.reload()) == ["worker-4"]
    actions = world.ready("worker-4")
    assert spawned(actions) == ["worker-5", "worker-6"] and asked(actions) == []
    assert asked(world.ready("worker-5")) == []
    actions = world.ready("worker-6")
    assert RollSwitched(2) in actions
    assert asked(actions) == ["worker-1", "worker-2", "worker-3"]
    assert [a.grace_s for a in actions if isinstance(a, AskToDrain)] == [7.0] * 3
    assert world.die("worker-1", 0) and world.die("worker-2", 0)
    assert RollDone(2) in world.die("worker-3", 0)
    assert sorted(world.workers()) == ["worker-4", "worker-5", "worker-6"]


def test_some_of_a_new_generation_are_on_their_way_at_a_time_beside_old_ones_that_start() -> None:
    world = running(workers=4, starts=2)
    for seat in ("worker-1", "worker-2"):
        world.die(seat)
    world.reload()
    assert spawned(world.ready("worker-5")) == ["worker-6", "worker-7"]
    assert spawned(world.ready("worker-7")) == ["worker-8"]
    assert spawned(world.ready("worker-8")) == []
    assert RollSwitched(2) in world.ready("worker-6")


def test_the_new_generation_takes_the_lowest_free_names_in_turn() -> None:
    world = running(workers=1)
    for number in (2, 1, 2):
        assert spawned(world.reload()) == [f"worker-{number}"]
        world.all_ready()
        world.obey()


def test_the_keeper_is_replaced_when_it_is_touched_and_by_the_new_generation() -> None:
    world = running(workers=1)
    world.reload(keeper=True)
    assert asked(world.ready("worker-2")) == ["worker-1", "keeper"]
    actions = world.die("keeper", 0)
    (spawn,) = [action for action in actions if isinstance(action, Spawn)]
    assert (spawn.seat, spawn.generation) == ("keeper", 2)


def test_a_keeper_that_dies_later_is_started_by_the_new_generation() -> None:
    world = running(workers=1)
    world.reload()
    world.all_ready()
    (spawn,) = [action for action in world.die("keeper") if isinstance(action, Spawn)]
    assert spawn.generation == 2


@pytest.mark.parametrize("how", ["canary", "second", "dies ready", "late"])
def test_whatever_fails_the_old_generation_is_untouched(how: str) -> None:
    world = running(workers=2)
    world.reload()
    if how == "late":
        world.pass_time(61)
        world.obey()
    elif how == "canary":
        world.fail_to_boot("worker-3", 78, "SyntaxError: invalid syntax")
    elif how == "second":
        world.ready("worker-3")
        world.fail_to_boot("worker-4", 78, "SyntaxError: invalid syntax")
    else:
        world.ready("worker-3")
        world.die("worker-3", 70)
    (reason,) = refusals(world)
    assert {"canary": "SyntaxError", "second": "SyntaxError", "late": "not ready in time"}.get(
        how, ""
    ) in reason
    world.obey()
    assert world.workers() == ["worker-1", "worker-2"]
    assert not any(world.processes[seat].asked for seat in world.workers())
    assert world.fleet.wanted.generation == 1 and world.fleet.phase is Phase.RUNNING
    assert spawned(world.pass_time(120)) == []


def test_after_a_refusal_another_reload_works() -> None:
    world = running(workers=1)
    world.reload()
    world.fail_to_boot("worker-2")
    world.reload()
    world.all_ready()
    world.obey()
    assert world.fleet.wanted.generation == 3
    assert world.workers(3) == world.workers()


def test_a_new_worker_that_has_claimed_gives_back_when_its_generation_is_refused() -> None:
    world = running(workers=2)
    world.reload()
    world.ready("worker-3")
    actions = world.fail_to_boot("worker-4")
    assert asked(actions) == ["worker-3"]


def test_a_stop_in_the_middle_of_a_reload_stops_both_generations() -> None:
    world = running(workers=2)
    world.reload()
    world.ready("worker-3")
    world.stop()
    assert refusals(world) == ["the daemon is stopping"]
    world.obey()
    assert world.finish is not None and world.finish.code == 0


def test_a_reload_while_the_old_ones_drain_waits_for_room_and_comes() -> None:
    world = running(workers=2)
    world.reload()
    world.all_ready()
    assert spawned(world.reload()) == []
    world.pass_time(1)
    assert spawned(world.die("worker-1", 0)) == ["worker-1"]
    world.all_ready()
    world.obey()
    world.all_ready()
    world.obey()
    assert len(world.workers(3)) == 2 == len(world.workers())


def test_reloads_that_are_asked_for_during_one_are_one_more() -> None:
    world = running(workers=1)
    for _ in range(5):
        world.reload()
    for _ in range(5):
        world.all_ready()
        world.obey()
    assert world.fleet.wanted.generation == 3
    assert world.rolls == {g: ["began", "switched", "serving", "done"] for g in (2, 3)}


def test_a_reload_during_the_start_follows_it() -> None:
    world = World(1)
    world.start()
    assert spawned(world.reload()) == []
    assert "worker-2" in spawned(world.ready("worker-1", "keeper"))


def test_a_changed_number_of_workers_is_taken_over() -> None:
    world = running(workers=2)
    world.reload(replace(world.plan, workers=1))
    world.all_ready()
    world.obey()
    assert len(world.workers()) == 1
    world.reload(replace(world.plan, workers=3))
    world.all_ready()
    world.all_ready()
    world.obey()
    assert len(world.workers()) == 3


def test_a_number_set_by_hand_outlives_a_reload_that_does_not_change_it() -> None:
    world = running(workers=2)
    world.resize(3)
    world.all_ready()
    world.reload()
    world.all_ready()
    world.all_ready()
    world.obey()
    assert len(world.workers()) == 3


def test_a_resize_during_a_reload_counts_for_the_new_generation() -> None:
    world = running(workers=2)
    world.reload()
    world.resize(3)
    world.all_ready()
    world.all_ready()
    world.obey()
    assert len(world.workers(2)) == 3 == len(world.workers())


def test_a_crash_of_an_old_worker_during_a_reload_is_made_good() -> None:
    world = running(workers=2)
    world.reload()
    world.pass_time(2)
    assert spawned(world.die("worker-1", -9, oom=False)) == ["worker-1"]


def test_a_changed_prefix_names_the_new_workers() -> None:
    world = running(workers=1)
    assert spawned(world.reload(replace(world.plan, prefix="shop"))) == ["shop-1"]


def test_without_workers_a_canary_still_tries_the_app() -> None:
    world = running(workers=0)
    assert spawned(world.reload()) == ["worker-1"]
    assert asked(world.ready("worker-1")) == ["worker-1"]
    world.obey()
    assert world.workers() == []


def test_where_memory_has_no_room_for_all_the_old_ones_go_in_batches() -> None:
    world = running(workers=4)
    plan = replace(world.plan, overlap=2)
    world.fleet.wanted.plan = plan
    assert spawned(world.reload(plan)) == ["worker-5"]
    assert spawned(world.ready("worker-5")) == ["worker-6"]
    gone = asked(world.ready("worker-6"))
    assert len(gone) == 2
    for seat in gone:
        world.die(seat, 0)
    assert len(world.workers(2)) == 4
    world.all_ready()
    world.obey()
    assert len(world.workers(2)) == 4 == len(world.workers())


def test_a_reload_half_way_through_tries_a_failing_worker_again() -> None:
    world = running(workers=2)
    plan = replace(world.plan, overlap=1)
    world.fleet.wanted.plan = plan
    world.reload(plan)
    world.ready("worker-3")
    world.obey()
    (new,) = [seat for seat, process in world.processes.items() if not process.ready]
    world.fail_to_boot(new)
    assert refusals(world) == []
    world.pass_time(31)
    world.all_ready()
    world.obey()
    assert len(world.workers(2)) == 2 == len(world.workers())


def test_a_reload_that_waits_comes_after_the_refused_one() -> None:
    world = running(workers=1)
    world.reload()
    world.reload()
    world.fail_to_boot("worker-2")
    world.obey()
    world.all_ready()
    world.obey()
    assert world.fleet.wanted.generation == 3


def test_the_new_generation_serves_when_no_old_worker_claims_any_more() -> None:
    world = running(workers=2)
    world.beats()
    world.reload()
    world.ready("worker-3")
    actions = world.ready("worker-4")
    assert RollSwitched(2) in actions and RollServing(2) not in actions
    assert RollServing(2) not in world.beat("worker-1", claiming=False)
    assert RollServing(2) in world.beat("worker-2", claiming=False)


def test_an_old_worker_that_says_nothing_does_not_hold_up_the_word() -> None:
    world = running(workers=1)
    world.beats()
    world.processes["worker-1"].silent = True
    world.reload()
    world.ready("worker-2")
    assert RollServing(2) not in world.pass_time(LAST_CLAIM_S - 0.1)
    assert RollServing(2) in world.pass_time(0.2)


def test_a_new_worker_claims_nothing_before_its_generation_serves() -> None:
    world = running(workers=2)
    world.reload()
    assert world.processes["worker-3"].quiet
    world.ready("worker-3")
    world.quiet(True)
    world.quiet(False)
    assert world.processes["worker-3"].quiet and not world.processes["worker-1"].quiet
    world.ready("worker-4")
    assert not world.processes["worker-3"].quiet and not world.processes["worker-4"].quiet


def test_a_quiet_daemon_stays_quiet_over_a_reload() -> None:
    world = running(workers=1)
    world.quiet(True)
    world.reload()
    world.all_ready()
    assert world.processes["worker-2"].quiet


def test_what_a_worker_said_before_it_was_asked_to_leave_does_not_count() -> None:
    world = running(workers=1)
    for _ in range(2):
        world.beats()
        world.reload()
        (new,) = [seat for seat, process in world.processes.items() if not process.ready]
        (old,) = [seat for seat in world.workers() if seat != new]
        world.beat(new)  # it claims nothing yet, and says so
        assert RollServing(world.fleet.wanted.generation + 1) not in world.ready(new)
        assert RollServing(world.fleet.wanted.generation) in world.beat(old, claiming=False)
        world.obey()


def test_a_new_worker_that_somebody_kills_is_started_again_a_few_times() -> None:
    world = running(workers=1)
    world.reload()
    for _ in range(FORGIVEN_KILLS):
        assert spawned(world.die("worker-2", -9, oom=False)) == ["worker-2"]
    world.die("worker-2", -9, oom=False)
    assert "SIGKILL" in refusals(world)[0]


def test_a_new_worker_that_the_kernel_kills_for_its_memory_refuses_the_roll() -> None:
    world = running(workers=1)
    world.reload()
    world.die("worker-2", -9, oom=True)
    assert "out of memory" in refusals(world)[0]
