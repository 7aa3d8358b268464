"""The fleet's decisions: who is started when, what a death means, and how a stop ends."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import World
from tqd.master.events import (
    Action,
    AnnounceReady,
    AskToDrain,
    BecameReady,
    Finish,
    Kill,
    Note,
    Spawn,
    Terminate,
    Tick,
)
from tqd.master.fleet import (
    BOOT_LIMIT_S,
    FAST_GRACE_S,
    HEALTHY_AFTER_S,
    JITTER,
    KEEPER_LIMIT_S,
    KILL_MARGIN_S,
    LONGEST_PAUSE_S,
    REDIS_LIMIT_S,
    Phase,
    death,
    pause_s,
)
from tqd.system import exits


def spawned(actions: list[Action]) -> list[str]:
    return [action.seat for action in actions if isinstance(action, Spawn)]


def asked(actions: list[Action]) -> list[tuple[str, float]]:
    return [(action.seat, action.grace_s) for action in actions if isinstance(action, AskToDrain)]


def killed(actions: list[Action]) -> list[str]:
    return [action.seat for action in actions if isinstance(action, Kill)]


def running(**plan: object) -> World:
    """Return a world in which everything is up."""
    world = World(**plan)  # type: ignore[arg-type]
    world.start()
    world.all_ready()
    assert world.fleet.phase is Phase.RUNNING
    return world


# -- the start ------------------------------------------------------------------------------------


def test_redis_comes_first_then_the_workers_and_the_keeper_with_the_first_ready_one() -> None:
    world = World(workers=3, embedded=True)
    assert spawned(world.start()) == ["redis", "worker-1", "worker-2", "worker-3"]
    assert spawned(world.ready("worker-2")) == ["keeper"]
    assert spawned(world.ready("worker-1", "worker-3")) == []


def test_readiness_is_announced_once_when_all_are_ready() -> None:
    world = World(workers=2)
    world.start()
    world.ready("worker-1", "keeper")
    assert world.announced == 0
    assert AnnounceReady() in world.ready("worker-2")
    world.die("worker-1")
    world.ready("worker-1")
    assert world.announced == 1


def test_a_second_ready_of_a_child_changes_nothing() -> None:
    world = running()
    assert world.feed(BecameReady("worker-1")) == []


def test_without_workers_the_keeper_is_started_at_once() -> None:
    world = World(workers=0)
    assert spawned(world.start()) == ["keeper"]
    assert AnnounceReady() in world.ready("keeper")


@pytest.mark.parametrize("seat", ["worker-1", "worker-2"])
def test_a_boot_failure_ends_everything_with_the_childs_code_and_text(seat: str) -> None:
    world = World(workers=2, embedded=True)
    world.start()
    actions = world.fail_to_boot(seat, 78, "no module named shop")
    other = {"worker-1": "worker-2", "worker-2": "worker-1"}[seat]
    assert asked(actions) == [(other, FAST_GRACE_S)]
    world.obey()
    assert world.finish == Finish(78, "no module named shop")


def test_a_child_that_dies_without_a_word_during_the_start_is_named() -> None:
    world = World(workers=1)
    world.start()
    world.die("worker-1", -11)
    assert world.finish is not None and world.finish.code == exits.INTERNAL
    assert "worker-1 was killed by SIGSEGV before it was ready" in world.finish.text


def test_an_embedded_redis_that_dies_during_the_start_is_unavailable() -> None:
    world = World(workers=1, embedded=True)
    world.start()
    world.die("redis", 1)
    world.obey()
    assert world.finish is not None and world.finish.code == exits.UNAVAILABLE
    assert "redis exited with code 1" in world.finish.text


def test_the_first_failure_is_the_one_that_is_told() -> None:
    world = World(workers=2)
    world.start()
    world.fail_to_boot("worker-1", 78, "the first")
    world.fail_to_boot("worker-2", 70, "the second")
    assert world.finish == Finish(78, "the first")


def test_a_child_that_does_not_become_ready_is_killed() -> None:
    world = World(workers=1)
    world.start()
    assert killed(world.pass_time(BOOT_LIMIT_S - 1)) == []
    assert killed(world.pass_time(1.5)) == ["worker-1"]
    world.obey()
    assert world.finish is not None and world.finish.code == exits.INTERNAL


# -- deaths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seat", ["worker-1", "keeper", "redis"])
@pytest.mark.parametrize("code", [-9, 0, 1, 70, exits.FENCED])
def test_a_later_death_is_answered_by_a_new_process_at_once(seat: str, code: int) -> None:
    world = running(embedded=True)
    assert spawned(world.die(seat, code)) == [seat]
    assert world.finish is None


def test_a_seat_that_keeps_dying_is_filled_after_growing_pauses() -> None:
    world = running(workers=1)
    waits = []
    for _ in range(12):
        died_at = world.now
        actions = world.die("worker-1")
        while "worker-1" not in world.processes:
            due = world.fleet.next_deadline()
            assert due is not None
            actions = world.pass_time(due - world.now)
            assert spawned(actions) == ["worker-1"]
        waits.append(world.now - died_at)
        world.ready("worker-1")
    assert waits[0] == 0.0
    for wait, full in zip(waits[1:], (0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30), strict=True):
        assert full * (1 - JITTER) <= wait <= full * (1 + JITTER)


@pytest.mark.parametrize("code", [0, 1])
def test_a_worker_that_ends_at_once_again_and_again_is_not_replaced_in_a_hot_loop(code: int) -> None:
    world = running(workers=1)
    world.die("worker-1", code)
    world.ready("worker-1")
    assert spawned(world.die("worker-1", code)) == []
    assert spawned(world.pass_time(1)) == ["worker-1"]


def test_a_minute_of_health_forgets_earlier_failures() -> None:
    world = running(workers=1)
    for _ in range(4):
        world.die("worker-1")
        world.pass_time(10)
        world.ready("worker-1")
    world.pass_time(HEALTHY_AFTER_S)
    assert spawned(world.die("worker-1")) == ["worker-1"]
    assert world.fleet.seats["worker-1"].failures == 1


def test_the_reason_of_a_later_boot_failure_is_noted_and_tried_again() -> None:
    world = running(workers=1)
    world.die("worker-1")
    actions = world.fail_to_boot("worker-1", 78, "typo")
    (note,) = [action for action in actions if isinstance(action, Note)]
    assert (note.level, note.fields["reason"]) == ("error", "typo")
    assert world.finish is None
    assert spawned(world.pass_time(1)) == ["worker-1"]


def test_one_death_leaves_the_siblings_alone() -> None:
    world = running(workers=3)
    actions = world.die("worker-2")
    assert not asked(actions) and not killed(actions)


# -- the stop -------------------------------------------------------------------------------------


def test_a_stop_drains_workers_then_the_keeper_then_redis() -> None:
    world = running(workers=2, embedded=True, grace_s=30)
    assert asked(world.stop()) == [("worker-1", 30), ("worker-2", 30)]
    assert world.die("worker-2", 0) == []
    assert asked(world.die("worker-1", 0)) == [("keeper", 0.0)]
    assert world.die("keeper", 0) == [Terminate("redis")]
    assert world.die("redis", 0) == [Finish(0, "")]


def test_a_worker_that_stays_too_long_is_killed_and_killed_again() -> None:
    world = running(workers=1, grace_s=30)
    world.stop()
    assert killed(world.pass_time(30 + KILL_MARGIN_S - 0.1)) == []
    assert killed(world.pass_time(0.2)) == ["worker-1"]
    assert killed(world.pass_time(KILL_MARGIN_S)) == ["worker-1"]


def test_keeper_and_redis_have_deadlines_too() -> None:
    world = running(workers=1, embedded=True)
    world.stop()
    world.die("worker-1", 0)
    assert killed(world.pass_time(KEEPER_LIMIT_S + 0.1)) == ["keeper"]
    world.die("keeper")
    assert killed(world.pass_time(REDIS_LIMIT_S + 0.1)) == ["redis"]
    world.die("redis")
    assert world.finish == Finish(0, "")


def test_a_second_stop_is_faster_and_a_third_kills() -> None:
    world = running(workers=2, grace_s=30)
    world.stop()
    assert asked(world.stop()) == [("worker-1", FAST_GRACE_S), ("worker-2", FAST_GRACE_S)]
    assert killed(world.stop()) == ["worker-1", "worker-2"]
    world.obey()
    assert world.finish == Finish(0, "")


def test_a_second_stop_is_never_slower_than_the_first() -> None:
    world = running(workers=1, grace_s=0.5)
    world.stop()
    assert asked(world.stop()) == [("worker-1", 0.5)]


def test_a_stop_during_the_start_drains_who_is_there_and_starts_nobody() -> None:
    world = World(workers=2)
    world.start()
    world.ready("worker-1")
    actions = world.stop()
    assert [seat for seat, _ in asked(actions)] == ["worker-1", "worker-2"]
    assert spawned(world.feed(BecameReady("worker-2"))) == []
    world.obey()
    assert world.finish == Finish(0, "")
    assert world.announced == 0


def test_a_stop_before_any_worker_is_ready_ends_without_a_keeper() -> None:
    world = World(workers=2)
    world.start()
    world.stop()
    world.obey()
    assert "keeper" not in world.processes
    assert world.finish == Finish(0, "")


def test_a_seat_that_waits_to_be_filled_stays_empty_after_a_stop() -> None:
    world = running(workers=1)
    for _ in range(2):
        world.die("worker-1")
        if "worker-1" in world.processes:
            world.ready("worker-1")
    assert "worker-1" not in world.processes
    assert asked(world.stop()) == [("keeper", 0.0)]
    assert spawned(world.pass_time(100)) == []
    world.obey()
    assert world.finish == Finish(0, "")


@pytest.mark.parametrize(
    "order",
    [
        ("worker-1", "worker-2", "keeper", "redis"),
        ("redis", "keeper", "worker-2", "worker-1"),
        ("keeper", "redis", "worker-1", "worker-2"),
        ("worker-2", "redis", "worker-1", "keeper"),
    ],
)
def test_children_may_end_in_any_order_during_a_stop(order: tuple[str, ...]) -> None:
    world = running(workers=2, embedded=True)
    world.stop()
    for seat in order:
        assert world.finish is None
        world.die(seat, -15)
    assert world.finish == Finish(0, "")


def test_stops_after_a_boot_failure_keep_its_verdict() -> None:
    world = World(workers=2)
    world.start()
    world.fail_to_boot("worker-1", 78, "typo")
    world.stop()
    world.stop()
    world.stop()
    world.obey()
    assert world.finish == Finish(78, "typo")


def test_nothing_is_wanted_of_an_idle_running_fleet() -> None:
    world = running()
    assert world.fleet.next_deadline() is None
    assert world.feed(Tick()) == []


# -- helpers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_pauses_stay_within_their_bounds(chance: float) -> None:
    assert pause_s(0, chance) == pause_s(1, chance) == 0.0
    pauses = [pause_s(failures, chance) for failures in range(2, 10_000, 7)]
    assert min(pauses) >= 0.5 * (1 - JITTER)
    assert max(pauses) <= LONGEST_PAUSE_S * (1 + JITTER)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exited with code 0"), (-9, "out of memory"), (-11, "SIGSEGV"), (-99, "signal 99")],
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert words in death(code)
