"""The probe's seat: when there is one, what its death means, and when it leaves."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import World
from tests.unit.master.test_fleet import asked, killed, running, spawned
from tqd.master.events import Haste, Heard, Note, SetQuiet, StopAsked, Weighed
from tqd.master.plan import Limits
from tqd.master.probing import IDLE_S, MOST_IN_A_ROW
from tqd.master.seats import PROBE, ChildState
from tqd.system import exits


def probing(suspects: int = 3, **plan: object) -> World:
    """Return a world with a probe that is at work."""
    world = running(**plan)
    world.suspects(suspects)
    world.ready(PROBE)
    world.beat(PROBE, busy=1)
    return world


def notes(actions: list[object]) -> list[str]:
    return [action.event for action in actions if isinstance(action, Note)]


def test_a_probe_is_started_when_suspects_wait_and_it_is_said() -> None:
    actions = running().suspects(3)
    assert spawned(actions) == [PROBE]
    assert notes(actions) == ["suspects wait: a probe runs them, one alone at a time"]


def test_there_is_one_probe_however_many_suspects_wait() -> None:
    world = probing()
    assert spawned(world.suspects(300)) == []


def slow(world: World) -> list[object]:
    """Let every probe that is ready beat twice, with the same task in hand; returns what followed."""
    actions: list[object] = []
    for _ in range(2):
        for seat in world.fleet.seats.probes():
            if seat.state is ChildState.READY:
                actions += world.beat(seat.name, busy=1)
    return actions


def test_while_all_probes_have_long_suspects_in_hand_one_more_comes_up_to_twice_the_workers() -> None:
    world = probing(workers=2)
    for name in ("probe-2", "probe-3", "probe-4"):
        actions = slow(world)
        assert spawned(actions) == [name]
        assert notes(actions) == ["suspects wait: one more probe runs them"]
        assert spawned(slow(world)) == [], "it is on its way"
        world.ready(name)
    assert spawned(slow(world)) == []


def test_probes_whose_suspects_end_stay_as_few_as_they_are() -> None:
    world = probing()
    for done in range(1, 10):
        assert spawned(world.beat(PROBE, busy=1, done=done)) == []


def test_no_more_probes_come_when_no_suspect_waits_besides_those_that_run() -> None:
    world = probing(suspects=1)
    world.suspects(0)
    assert spawned(slow(world)) == []


def test_each_probe_leaves_when_it_has_nothing_to_do() -> None:
    world = probing()
    slow(world)
    world.ready("probe-2")
    world.beat("probe-2", busy=1)
    world.suspects(0)
    world.beat(PROBE, busy=0)
    assert asked(world.pass_time(IDLE_S + 0.1)) == [(PROBE, 30.0)]
    world.beat("probe-2", busy=0)
    assert ("probe-2", 30.0) in asked(world.pass_time(IDLE_S + 0.1))


def test_one_more_probe_that_is_killed_gives_its_seat_up_and_the_first_one_stays() -> None:
    world = probing()
    slow(world)
    world.ready("probe-2")
    assert notes(world.die("probe-2", -11, culprit=True)) == ["a task has killed its probe"]
    assert [seat.name for seat in world.fleet.seats.probes()] == [PROBE]
    assert spawned(world.suspects(3)) == ["probe-2"], "the first one is still at its long suspect"


def test_no_probe_is_started_before_the_daemon_is_ready() -> None:
    world = World(workers=1)
    world.start()
    world.ready("worker-1")
    assert spawned(world.suspects(3)) == []
    assert spawned(world.ready("keeper")) == [PROBE]


def test_a_probe_is_none_of_the_wanted_workers() -> None:
    world = probing(workers=2)
    assert world.fleet.ready_workers == 2
    assert [seat for seat, _ in asked(world.resize(1))] == ["worker-1"], "a worker goes, not the probe"


def test_a_probe_without_suspects_leaves_after_a_while() -> None:
    world = probing()
    world.suspects(0)
    world.beat(PROBE, busy=0)
    assert asked(world.pass_time(IDLE_S - 0.1)) == []
    assert asked(world.pass_time(0.2)) == [(PROBE, 30.0)]
    assert notes(world.die(PROBE, 0)) == ["probe has left"]
    assert PROBE not in world.fleet.seats
    assert spawned(world.suspects(1)) == [PROBE]


def test_a_probe_that_runs_the_last_suspect_stays_as_long_as_that_takes() -> None:
    world = probing()
    world.suspects(0)
    for _ in range(100):
        world.now += 1.0
        assert asked(world.beat(PROBE, busy=1)) == []
    world.beat(PROBE, busy=0)
    assert asked(world.pass_time(IDLE_S + 0.1)) == [(PROBE, 30.0)]


def test_suspects_that_come_while_it_is_idle_keep_it() -> None:
    world = probing()
    world.suspects(0)
    world.pass_time(IDLE_S - 1)
    world.suspects(1)
    assert asked(world.pass_time(10 * IDLE_S)) == []


def test_after_a_culprit_the_next_probe_comes_at_once_when_the_keeper_says_that_more_wait() -> None:
    world = probing()
    for _ in range(10):
        actions = world.die(PROBE, -11, culprit=True)
        assert spawned(actions) == [], "whether suspects are left only the keeper knows"
        assert notes(actions) == ["a task has killed its probe"]
        assert spawned(world.suspects(2)) == [PROBE]
        world.ready(PROBE)


def test_after_very_many_culprits_in_a_row_the_probe_comes_after_growing_pauses() -> None:
    """It is not a few tasks then, but an app in which all of them die."""
    world = probing()
    for _ in range(MOST_IN_A_ROW + 1):
        world.die(PROBE, -11, culprit=True)
        assert spawned(world.suspects(2)) == [PROBE]
        world.ready(PROBE)
    world.die(PROBE, -11, culprit=True)
    assert spawned(world.suspects(2)) == []
    assert spawned(world.pass_time(0.7)) == [PROBE]


def test_culprits_with_innocent_suspects_among_them_are_found_at_full_speed() -> None:
    world = probing()
    for number in range(3 * MOST_IN_A_ROW):
        world.die(PROBE, -11, culprit=True, outlived=number % MOST_IN_A_ROW == 0)
        assert spawned(world.suspects(2)) == [PROBE]
        world.ready(PROBE)


def test_without_more_suspects_no_probe_follows() -> None:
    world = probing()
    world.die(PROBE, -11, culprit=True)
    world.suspects(0)
    assert spawned(world.pass_time(100.0)) == []


def test_a_probe_that_dies_by_itself_again_and_again_is_tried_after_growing_pauses() -> None:
    world = probing()
    world.die(PROBE, 1)
    assert spawned(world.suspects(3)) == [PROBE]
    world.ready(PROBE)
    world.die(PROBE, 1)
    assert spawned(world.suspects(3)) == []
    assert spawned(world.pass_time(0.7)) == [PROBE]


def test_a_probe_that_cannot_start_is_tried_again_and_ends_nothing() -> None:
    world = running()
    world.suspects(1)
    world.fail_to_boot(PROBE, 78, "typo")
    world.suspects(1)
    assert world.finish is None and not world.fleet.breaker.open


def test_deaths_of_probes_are_no_crash_loop_of_the_workers() -> None:
    world = probing()
    for _ in range(20):
        world.die(PROBE, 1)
        world.suspects(3)
        world.pass_time(2.0)
        world.all_ready()
        if PROBE not in world.processes:
            world.pass_time(40.0)
            world.all_ready()
    assert not world.fleet.breaker.open


def test_a_quiet_daemon_starts_no_probe_and_tells_one_that_is_there() -> None:
    world = probing()
    assert SetQuiet(PROBE, True) in world.quiet(True)
    world.die(PROBE, -9)
    assert spawned(world.suspects(2)) == []
    assert PROBE in spawned(world.quiet(False))


def test_without_workers_there_is_no_probe() -> None:
    world = probing()
    assert (PROBE, 30.0) in asked(world.resize(0))
    world.obey()
    assert spawned(world.suspects(2)) == []
    assert PROBE in spawned(world.resize(1))


def test_after_a_reload_the_probe_leaves_and_one_with_new_code_comes() -> None:
    world = probing()
    world.reload()
    world.all_ready()
    assert world.processes[PROBE].asked and world.processes[PROBE].generation == 1
    world.obey()
    world.all_ready()
    assert world.processes[PROBE].generation == 2


def test_the_new_generation_serves_alone_only_when_the_old_probe_claims_no_more() -> None:
    world = probing()
    world.reload()
    world.ready("worker-3")
    world.all_ready()
    for worker in ("worker-1", "worker-2"):
        world.beat(worker, claiming=False)
    assert world.rolls[2] == ["began", "switched"]
    world.beat(PROBE, claiming=False)
    assert "serving" in world.rolls[2]


def test_a_refused_reload_leaves_the_probe_alone() -> None:
    world = probing()
    world.reload()
    world.fail_to_boot("worker-3")
    assert not world.processes[PROBE].asked


def test_a_stop_drains_the_probe_with_the_workers_and_before_the_keeper() -> None:
    world = probing(workers=1)
    assert asked(world.stop()) == [("worker-1", 30.0), (PROBE, 30.0)]
    assert asked(world.die("worker-1", 0)) == []
    assert asked(world.die(PROBE, 0)) == [("keeper", 0.0)]


def test_a_stop_that_kills_kills_the_probe_too_and_says_why() -> None:
    world = probing(workers=1)
    assert killed(world.feed(StopAsked(Haste.KILL))) == ["worker-1", PROBE]
    assert world.fleet.seats[PROBE].killed_for == "a stop at once"


def test_a_probe_that_hangs_is_ended_like_a_worker() -> None:
    world = probing()
    world.processes[PROBE].silent = True
    world.pass_time(33.0)
    assert world.processes[PROBE].dumped and world.processes[PROBE].aborted


def test_a_probe_is_never_recycled() -> None:
    world = probing(limits=Limits(max_tasks=10, max_age_s=1.0, max_rss_bytes=10))
    world.now += 100.0
    world.feed(Heard(PROBE, busy=1, done=1000))
    for _ in range(5):
        world.feed(Weighed(PROBE, 1000, None))
    assert world.fleet.seats[PROBE].state is ChildState.READY
    assert world.fleet.seats[PROBE].replaced_by == ""


@pytest.mark.parametrize("code", [exits.FENCED, -9])
def test_a_probe_that_was_fenced_off_or_killed_from_outside_is_replaced_at_once(code: int) -> None:
    world = probing()
    for _ in range(5):
        world.pass_time(2.0)
        world.die(PROBE, code)
        assert spawned(world.suspects(3)) == [PROBE]
        world.ready(PROBE)
