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
    Haste,
    Kill,
    Note,
    SetQuiet,
    Spawn,
    StopAsked,
    Terminate,
    Tick,
)
from tqd.master.fleet import Phase
from tqd.master.moves import KILL_MARGIN_S
from tqd.master.pauses import (
    EARLY_PAUSE_S,
    HEALTHY_AFTER_S,
    JITTER,
    MOST_EARLY_DEATHS,
    REDIS_PAUSE_S,
    SETTLED_S,
)
from tqd.master.stopping import FAST_GRACE_S, KEEPER_LIMIT_S, REDIS_LIMIT_S
from tqd.system import exits

BOOT_LIMIT_S = 60.0
CRASH = 70


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


def test_some_workers_are_on_their_way_at_a_time_and_who_is_ready_lets_the_next_one_start() -> None:
    world = World(workers=4, starts=2)
    assert spawned(world.start()) == ["worker-1", "worker-2"]
    assert spawned(world.ready("worker-2")) == ["worker-3", "keeper"]
    assert spawned(world.ready("keeper")) == []
    assert spawned(world.ready("worker-1")) == ["worker-4"]
    world.all_ready()
    assert world.announced == 1 and len(world.workers()) == 4


def test_of_very_many_that_are_wanted_few_are_forked_before_somebody_is_heard() -> None:
    world = running(workers=1)
    assert len(spawned(world.resize(1000))) == world.plan.starts
    due = world.fleet.next_deadline()
    assert due is not None and due > world.now, "seats that wait wake nobody"
    assert asked(world.resize(40)) == [], "seats without a process are given up first"
    while new := [seat for seat, process in world.processes.items() if not process.ready]:
        assert len(new) <= world.plan.starts
        world.ready(*new)
    assert len(world.workers()) == 40 and killed(world.actions) == []


def test_who_dies_on_the_way_makes_room_for_the_next_one() -> None:
    world = running(workers=1, starts=1)
    assert spawned(world.resize(3)) == ["worker-2"]
    assert spawned(world.die("worker-2", CRASH)) == ["worker-2"], "at once for the first time"
    assert spawned(world.die("worker-2", CRASH)) == ["worker-3"], "its pause is no one else's"


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


def test_a_worker_that_was_ready_and_dies_before_everything_is_is_replaced() -> None:
    """A task may be the reason: one that kills its worker must not keep the daemon from starting."""
    world = World(workers=2)
    world.start()
    world.ready("worker-1")
    assert spawned(world.die("worker-1", -11)) == ["worker-1"]
    world.all_ready()
    assert world.announced == 1


def test_a_keeper_that_was_ready_and_is_killed_before_everything_is_is_replaced() -> None:
    world = World(workers=2)
    world.start()
    world.ready("worker-1")
    world.ready("keeper")
    assert spawned(world.die("keeper", -9)) == ["keeper"]
    world.all_ready()
    assert world.announced == 1


def test_workers_that_die_again_and_again_before_everything_is_ready_end_the_start() -> None:
    world = World(workers=1)
    world.start()
    for _ in range(MOST_EARLY_DEATHS):
        world.ready("worker-1")
        world.die("worker-1", -11)
        assert world.finish is None
        world.pass_time(10.0)
    world.ready("worker-1")
    world.die("worker-1", -11)
    world.obey()
    assert world.finish is not None and world.finish.code == exits.INTERNAL
    assert "worker-1 was killed by SIGSEGV before the daemon was ready" in world.finish.text


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
            due = world.fleet.seats["worker-1"].due
            assert due is not None and world.fleet.next_deadline() is not None
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
        world.die("worker-1", CRASH)
        world.pass_time(10)
        world.ready("worker-1")
    world.pass_time(HEALTHY_AFTER_S)
    assert spawned(world.die("worker-1", CRASH)) == ["worker-1"]
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
    assert asked(world.stop()) == []  # it was asked for that already
    assert world.fleet.seats["worker-1"].deadline == world.now + 0.5 + KILL_MARGIN_S


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
    assert world.feed(Tick()) == []
    assert world.fleet.next_deadline() == world.now + world.plan.keeper_hung_after_s


# -- deaths that are nobody's fault ----------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 20])
def test_a_worker_that_is_killed_from_outside_is_replaced_at_once_however_often(times: int) -> None:
    world = running(workers=2)
    for _ in range(times):
        world.pass_time(SETTLED_S)
        assert spawned(world.die("worker-1", -9, oom=False)) == ["worker-1"]
        world.all_ready()
    assert not world.fleet.breaker.open
    assert world.fleet.seats["worker-1"].failures == 0


def test_a_kill_for_want_of_memory_counts_as_a_crash() -> None:
    world = running(workers=1)
    for _ in range(2):
        world.pass_time(SETTLED_S)
        actions = world.die("worker-1", -9, oom=True)
        world.all_ready()
    assert spawned(actions) == []
    (note,) = [action for action in actions if isinstance(action, Note)]
    assert "likely out of memory" in str(note.fields["reason"])


def test_a_worker_that_could_not_reach_redis_is_tried_again_each_second() -> None:
    world = running(workers=1)
    world.die("worker-1", CRASH)
    for _ in range(10):
        assert spawned(world.fail_to_boot("worker-1", exits.UNAVAILABLE, "redis is away")) == []
        assert spawned(world.pass_time(REDIS_PAUSE_S)) == ["worker-1"]
    assert not world.fleet.breaker.open
    assert world.fleet.seats["worker-1"].failures == 1


def test_workers_that_tasks_kill_are_replaced_at_once_and_are_no_crash_loop() -> None:
    world = running()
    for _ in range(20):
        assert spawned(world.die("worker-1", -11, begun=True)) == ["worker-1"]
        world.ready("worker-1")
    assert not world.fleet.breaker.open


def test_tasks_that_kill_workers_do_not_keep_the_daemon_from_starting() -> None:
    world = World(workers=1)
    world.start()
    world.ready("worker-1")
    for _ in range(20):
        assert spawned(world.die("worker-1", -11, begun=True)) == [], "the keeper has to come up"
        assert spawned(world.pass_time(EARLY_PAUSE_S)) == ["worker-1"]
        world.ready("worker-1")
    world.all_ready()
    assert world.announced == 1


def test_an_app_in_which_every_worker_dies_of_its_tasks_is_a_crash_loop_in_the_end() -> None:
    world = running()
    for _ in range(1000):
        world.die("worker-1", -11, begun=True)
        world.pass_time(0.1)
        if world.fleet.breaker.open:
            return
        world.all_ready()
    raise AssertionError("no crash loop was seen")


# -- crash loops ----------------------------------------------------------------------------------


def crash_loop(world: World) -> None:
    """Let every worker die as soon as it is there, until the breaker opens."""
    for _ in range(50):
        for seat in world.workers():
            world.die(seat, CRASH)
        world.pass_time(1)
        if world.fleet.breaker.open:
            return
    raise AssertionError("no crash loop was seen")


def test_in_a_crash_loop_one_worker_alone_is_tried() -> None:
    world = running(workers=4)
    crash_loop(world)
    for seat in world.workers():
        world.die(seat, CRASH)
    world.pass_time(60)
    assert len(world.workers()) == 1
    world.die(*world.workers(), CRASH)
    world.pass_time(60)
    assert world.workers() == [world.fleet.breaker.trier]


def test_a_trier_that_stays_ends_the_crash_loop() -> None:
    world = running(workers=3)
    crash_loop(world)
    for seat in world.workers():
        world.die(seat, CRASH)
    world.pass_time(60)
    world.all_ready()
    world.pass_time(9.5)
    assert len(world.workers()) == 1
    world.pass_time(1.0)
    assert len(world.workers()) == 3
    assert not world.fleet.breaker.open


def test_workers_that_live_are_left_alone_in_a_crash_loop() -> None:
    world = running(workers=2)
    for _ in range(30):
        if "worker-1" in world.processes:
            world.ready("worker-1")
            world.die("worker-1", CRASH)
        world.pass_time(2)
    assert world.fleet.breaker.open
    assert "worker-2" in world.processes and not world.processes["worker-2"].asked


def test_more_workers_wanted_in_a_crash_loop_are_started_after_it() -> None:
    world = running(workers=1)
    crash_loop(world)
    world.resize(2)
    world.pass_time(60)
    assert len(world.workers()) == 1
    world.all_ready()
    world.pass_time(11)
    assert len(world.workers()) == 2


def test_the_triers_seat_may_be_given_up() -> None:
    world = running(workers=2)
    crash_loop(world)
    world.pass_time(60)
    world.resize(0)
    world.obey()
    world.resize(1)
    world.pass_time(60)
    assert len(world.workers()) == 1


# -- size and quiet -------------------------------------------------------------------------------


def test_more_workers_are_started_at_once_in_the_lowest_free_seats() -> None:
    world = running(workers=2)
    assert spawned(world.resize(4)) == ["worker-3", "worker-4"]


def test_fewer_workers_means_that_the_idlest_drain() -> None:
    world = running(workers=3, grace_s=30)
    for seat, busy in (("worker-1", 2), ("worker-2", 0), ("worker-3", 1)):
        world.beat(seat, busy=busy)
    assert asked(world.resize(1)) == [("worker-2", 30), ("worker-3", 30)]
    world.obey()
    assert world.workers() == ["worker-1"]
    assert spawned(world.pass_time(100)) == []


def test_a_worker_that_is_not_ready_goes_first() -> None:
    world = running(workers=2)
    world.die("worker-1")
    assert [seat for seat, _ in asked(world.resize(1))] == ["worker-1"]


def test_a_resize_to_nothing_leaves_the_keeper() -> None:
    world = running(workers=2)
    world.resize(0)
    world.obey()
    assert list(world.processes) == ["keeper"]
    assert world.finish is None
    assert spawned(world.resize(1)) == ["worker-1"]


def test_quiet_is_told_to_all_workers_and_to_those_that_come() -> None:
    world = running(workers=2)
    world.quiet(True)
    world.die("worker-1")
    world.ready("worker-1")
    assert [world.processes[seat].quiet for seat in world.workers()] == [True, True]
    world.quiet(False)
    assert [world.processes[seat].quiet for seat in world.workers()] == [False, False]


def test_a_worker_that_missed_the_word_is_told_again_at_its_next_beat() -> None:
    world = running(workers=1)
    world.quiet(True)
    assert SetQuiet("worker-1", True) in world.beat("worker-1", claiming=True)
    assert world.beat("worker-1", claiming=False) == []


# -- stops in a hurry -----------------------------------------------------------------------------


def test_a_stop_now_gives_everything_back_and_cannot_become_slower() -> None:
    world = running(workers=1, grace_s=30)
    assert asked(world.feed(StopAsked(Haste.NOW))) == [("worker-1", 0.0)]
    assert asked(world.feed(StopAsked(Haste.DRAIN))) == []
    assert killed(world.stop()) == ["worker-1"]


def test_a_stop_that_kills_leaves_the_keeper_to_take_back() -> None:
    world = running(workers=2)
    assert killed(world.feed(StopAsked(Haste.KILL))) == ["worker-1", "worker-2"]
    assert not world.processes["keeper"].killed
    world.obey()
    assert world.finish == Finish(0, "")


def test_a_keeper_that_waits_for_redis_is_not_taken_for_late() -> None:
    world = running(workers=1)
    world.die("keeper")
    for _ in range(10):
        world.pass_time(30)
        world.beat("keeper")
    assert not world.processes["keeper"].killed
