"""What is done about a child that answers nothing, step by step."""

from __future__ import annotations

from tests.support.fleet_world import World
from tqd.master.events import Abort, Away, BecameReady, Dump, HardLimitSet, Kill, Note, Spawn, StopAsked, Tick
from tqd.master.seats import ChildState
from tqd.master.silence import ABORT_S, DUMP_S, HARD_DUMP_S, HARD_LAST_S, HARD_MARGIN_S


def running(workers: int = 2, **plan: object) -> World:
    world = World(workers, **plan)  # type: ignore[arg-type]
    world.start()
    world.all_ready()
    return world


def kinds(actions: list[object], *wanted: type) -> list[type]:
    return [type(action) for action in actions if isinstance(action, wanted)]


def test_a_silent_worker_is_dumped_then_aborted_then_killed_each_with_its_deadline() -> None:
    world = running(hung_after_s=30.0)
    seat = "worker-1"
    world.processes[seat].silent = True
    assert kinds(world.pass_time(29.9), Dump, Abort, Kill) == []
    assert kinds(world.pass_time(0.2), Dump, Abort, Kill) == [Dump]
    assert world.fleet.seats[seat].state is ChildState.HUNG
    assert kinds(world.pass_time(DUMP_S), Dump, Abort, Kill) == [Abort]
    assert kinds(world.pass_time(ABORT_S), Dump, Abort, Kill) == [Kill]
    assert kinds(world.pass_time(ABORT_S), Dump, Abort, Kill) == [Kill]


def test_a_silent_keeper_is_killed_in_time_for_another_to_renew_the_lease() -> None:
    world = running(keeper_hung_after_s=5.0)
    world.processes["keeper"].silent = True
    assert kinds(world.pass_time(4.9), Dump, Abort, Kill) == []
    assert kinds(world.pass_time(0.2 + DUMP_S), Dump, Abort, Kill) == [Dump, Kill]


def test_a_child_that_answers_after_the_dump_is_left_alone() -> None:
    world = running(hung_after_s=30.0)
    world.processes["worker-1"].silent = True
    world.pass_time(30.5)
    world.processes["worker-1"].silent = False
    actions = world.pass_time(1)
    assert [action.event for action in actions if isinstance(action, Note)] == ["worker answers again"]
    assert world.fleet.seats["worker-1"].state is ChildState.READY
    assert kinds(world.pass_time(60), Dump, Abort, Kill) == []


def test_an_aborted_child_cannot_come_back() -> None:
    world = running(hung_after_s=30.0)
    world.processes["worker-1"].silent = True
    world.pass_time(30 + DUMP_S + 0.1)
    world.processes["worker-1"].silent = False
    assert kinds(world.pass_time(ABORT_S), Kill) == [Kill]


def test_a_hung_worker_is_replaced_at_once_and_does_not_count_as_a_crash() -> None:
    world = running(hung_after_s=5.0)
    for _ in range(20):
        world.processes["worker-1"].silent = True
        world.pass_time(5 + DUMP_S + 0.1)
        actions = world.die("worker-1", -6)
        assert kinds(actions, Spawn) == [Spawn]
        world.all_ready()
    assert not world.fleet.breaker.open


def test_the_reason_is_told_when_it_is_dead() -> None:
    world = running(hung_after_s=30.0)
    world.processes["worker-1"].silent = True
    world.pass_time(40)
    (note,) = [a for a in world.die("worker-1", -6) if isinstance(a, Note)]
    assert "SIGABRT" in str(note.fields["reason"]) and "silent for 30 s" in str(note.fields["reason"])


def test_a_silent_worker_that_drains_is_ended_before_its_grace_time() -> None:
    world = running(hung_after_s=5.0, grace_s=3600.0)
    world.processes["worker-1"].silent = True
    world.stop()
    assert kinds(world.pass_time(5.1), Dump) == [Dump]
    assert kinds(world.pass_time(DUMP_S), Abort) == [Abort]


def test_a_worker_that_starts_is_not_expected_to_beat() -> None:
    world = World(1, hung_after_s=5.0)
    world.start()
    assert kinds(world.pass_time(30), Dump) == []


# -- hard timeouts --------------------------------------------------------------------------------


def hard(world: World, in_s: float | None) -> None:
    at = None if in_s is None else world.now + in_s
    world.feed(HardLimitSet("worker-1", at, "the task ran too long"))


def test_a_blocked_loop_does_not_escape_a_hard_timeout() -> None:
    world = running()
    world.pass_time(1)
    world.processes["worker-1"].silent = True
    hard(world, 3.0)
    assert kinds(world.pass_time(3.0 + HARD_MARGIN_S - 0.1), Dump, Kill) == []
    assert kinds(world.pass_time(0.2), Dump, Kill) == [Dump]
    actions = world.pass_time(HARD_DUMP_S)
    assert [a.reason for a in actions if isinstance(a, Kill)] == ["the task ran too long"]


def test_a_worker_whose_loop_runs_gets_the_time_to_end_the_attempt_itself() -> None:
    world = running()
    hard(world, 3.0)
    assert kinds(world.pass_time(3.0 + HARD_LAST_S - 0.1), Dump, Kill) == []
    assert kinds(world.pass_time(0.2), Dump, Kill) == [Dump]


def test_an_attempt_that_ended_in_time_ends_nobody() -> None:
    world = running()
    hard(world, 3.0)
    world.pass_time(2.9)
    hard(world, None)
    assert kinds(world.pass_time(60), Dump, Abort, Kill) == []


def test_a_later_hang_is_not_taken_for_the_hard_timeout() -> None:
    world = running(hung_after_s=5.0)
    hard(world, 60.0)
    world.processes["worker-1"].silent = True
    actions = world.pass_time(5 + DUMP_S + 0.1)
    assert [a.reason for a in actions if isinstance(a, Abort)] == ["its loop has been silent for 5 s"]


def test_a_worker_that_never_was_ready_is_not_expected_to_beat_when_it_leaves() -> None:
    world = World(2)
    world.start()
    actions = world.fail_to_boot("worker-1")
    actions += world.pass_time(1)
    assert kinds(actions, Dump, Abort, Kill) == []


# -- when the master itself was away -----------------------------------------------------------------


def gap(world: World, seconds: float) -> list[object]:
    """Let time pass in which the master hears nobody and does nothing; then it notices."""
    world.now += seconds
    return [*world.feed(Away(seconds)), *world.feed(Tick())]


def test_what_the_master_was_away_for_is_held_against_nobody() -> None:
    world = running()
    actions = gap(world, 95.0)
    assert [action.event for action in actions if isinstance(action, Note)] == [
        "the master was away: its children have so much longer"
    ]
    assert kinds(actions + world.pass_time(60), Dump, Abort, Kill) == []


def test_a_child_that_was_silent_before_is_found_so_much_later() -> None:
    world = running(hung_after_s=30.0)
    world.processes["worker-1"].silent = True
    world.pass_time(20.0)
    actions = gap(world, 50.0)
    assert kinds(actions + world.pass_time(9.9), Dump) == []
    assert kinds(world.pass_time(0.2), Dump) == [Dump]
    assert kinds(gap(world, 50.0), Abort) == [], "it may have answered meanwhile"
    assert kinds(world.pass_time(DUMP_S), Abort) == [Abort]


def test_who_starts_leaves_or_has_a_hard_limit_has_so_much_longer() -> None:
    world = running(grace_s=10.0)
    world.resize(3)
    hard(world, 3.0)
    world.feed(StopAsked())
    assert kinds(gap(world, 70.0) + world.pass_time(3.0), Dump, Kill) == []
    world = World(1, boot_timeout_s=60.0)
    world.start()
    assert kinds(gap(world, 95.0) + world.pass_time(59.9), Kill) == []
    assert kinds(world.pass_time(0.2), Kill) == [Kill]


def test_events_that_come_before_the_pipes_are_read_find_nobody_late() -> None:
    world = running()
    world.resize(3)
    world.now += 95.0
    actions = [*world.feed(BecameReady("worker-3")), *world.die("worker-2")]
    assert kinds(actions, Dump, Abort, Kill) == []
