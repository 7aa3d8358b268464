"""The fleet under any order of events: the rules of `tests.support.fleet_world` hold at every step."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.fleet_world import World
from tqd.master.events import (
    Abort,
    Away,
    BootFailed,
    Dump,
    HardLimitSet,
    Haste,
    Kill,
    Role,
    StopAsked,
    Tick,
    Weighed,
)
from tqd.master.fleet import Phase
from tqd.master.moves import KILL_MARGIN_S
from tqd.master.plan import Limits
from tqd.master.seats import ChildState
from tqd.master.silence import ABORT_S, DUMP_S
from tqd.master.stopping import KEEPER_LIMIT_S, REDIS_LIMIT_S

CODES = st.sampled_from([0, 1, 69, 70, 75, 76, 78, -6, -9, -11, -15])
OOM = st.sampled_from([None, True, False])
LIMITS = Limits(max_tasks=100, max_age_s=50.0, max_rss_bytes=1000)


def alive(machine: FleetMachine) -> bool:
    return bool(machine.world.processes)


def going(machine: FleetMachine) -> bool:
    return machine.world.finish is None


def probes(world: World) -> list[str]:
    return sorted(seat for seat, process in world.processes.items() if process.role is Role.PROBE)


class FleetMachine(RuleBasedStateMachine):
    """Children become ready, beat, fall silent, die, stop or refuse to, while time passes and the daemon
    is reloaded, resized, quieted and stopped."""

    @initialize(
        workers=st.integers(0, 4),
        embedded=st.booleans(),
        grace_s=st.sampled_from([0.0, 1.0, 30.0]),
        overlap=st.sampled_from([None, 1, 2]),
        limits=st.sampled_from([Limits(), LIMITS]),
        starts=st.sampled_from([1, 2, 8]),
    )
    def begin(
        self, workers: int, embedded: bool, grace_s: float, overlap: int | None, limits: Limits, starts: int
    ) -> None:
        self.grace_s = grace_s
        self.world = World(workers, embedded, grace_s, overlap=overlap, limits=limits, starts=starts)
        self.world.start()

    def some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.world.processes)))

    @precondition(alive)
    @rule(data=st.data())
    def child_becomes_ready(self, data: st.DataObject) -> None:
        self.world.ready(self.some(data))

    @precondition(going)
    @rule()
    def everybody_becomes_ready(self) -> None:
        self.world.all_ready()

    @precondition(alive)
    @rule(data=st.data(), code=CODES, oom=OOM)
    def child_dies(self, data: st.DataObject, code: int, oom: bool | None) -> None:
        self.world.die(self.some(data), code, oom, begun=data.draw(st.booleans()))

    @precondition(alive)
    @rule(data=st.data(), code=CODES)
    def child_tells_why_it_cannot_start(self, data: st.DataObject, code: int) -> None:
        self.world.feed(BootFailed(self.some(data), code, "a reason"))

    @precondition(alive)
    @rule(data=st.data(), silent=st.booleans())
    def child_falls_silent_or_speaks_again(self, data: st.DataObject, silent: bool) -> None:
        self.world.processes[self.some(data)].silent = silent

    @precondition(alive)
    @rule(data=st.data(), busy=st.integers(0, 9), done=st.sampled_from([0, 50, 99, 100]))
    def child_beats(self, data: st.DataObject, busy: int, done: int) -> None:
        self.world.beat(self.some(data), busy=busy, done=done)

    @precondition(alive)
    @rule(data=st.data(), rss=st.sampled_from([1, 999, 1001]))
    def child_is_weighed(self, data: st.DataObject, rss: int) -> None:
        self.world.feed(Weighed(self.some(data), rss, None))

    @precondition(alive)
    @rule(data=st.data(), in_s=st.sampled_from([None, -1.0, 0.5, 5.0]))
    def child_has_a_hard_limit(self, data: st.DataObject, in_s: float | None) -> None:
        at = None if in_s is None else self.world.now + in_s
        self.world.feed(HardLimitSet(self.some(data), at, "a task ran too long"))

    @precondition(going)
    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 6.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @precondition(going)
    @rule(seconds=st.sampled_from([1.5, 100.0]))
    def the_master_is_away(self, seconds: float) -> None:
        """What stood still with it, or speaks before it looks at deadlines again, is blamed for nothing."""
        late = {s.name for s in self.world.fleet.seats if s.step or s.killed_for}
        owed = self.world.fleet.next_deadline()
        self.world.now += seconds
        actions = self.world.feed(Away(seconds))
        if owed is None or owed > self.world.now - seconds:
            actions += self.world.feed(Tick())
        blamed = {action.seat for action in actions if isinstance(action, Abort | Dump | Kill)}
        assert blamed <= late

    @precondition(going)
    @rule(haste=st.sampled_from([None, None, *Haste]))
    def stop_is_asked(self, haste: Haste | None) -> None:
        self.world.feed(StopAsked(haste))

    @precondition(going)
    @rule(workers=st.sampled_from([None, 0, 1, 3, 5]), keeper=st.booleans())
    def reload_is_asked(self, workers: int | None, keeper: bool) -> None:
        plan = self.world.fleet.wanted.plan
        self.world.reload(plan if workers is None else replace(plan, workers=workers), keeper)

    @precondition(going)
    @rule(workers=st.integers(0, 5))
    def resize_is_asked(self, workers: int) -> None:
        self.world.resize(workers)

    @precondition(going)
    @rule(count=st.sampled_from([0, 0, 1, 20]))
    def suspects_wait(self, count: int) -> None:
        self.world.suspects(count)

    @precondition(lambda self: probes(self.world))
    @rule(data=st.data(), code=CODES)
    def a_task_kills_its_probe(self, data: st.DataObject, code: int) -> None:
        self.world.die(data.draw(st.sampled_from(probes(self.world))), code, culprit=True)

    @precondition(lambda self: probes(self.world))
    @rule()
    def suspects_take_long(self) -> None:
        for _ in range(2):
            for probe in probes(self.world):
                if probe in self.world.processes:
                    self.world.beat(probe, busy=1)

    @precondition(going)
    @rule(quiet=st.booleans())
    def quiet_is_asked(self, quiet: bool) -> None:
        self.world.quiet(quiet)

    @precondition(going)
    @rule()
    def those_asked_obey(self) -> None:
        self.world.obey()

    @precondition(lambda self: self.world.finish is not None)
    @rule()
    def nothing_happens_after_the_end(self) -> None:
        assert not self.world.processes

    @invariant()
    def the_fleet_knows_its_children(self) -> None:
        if hasattr(self, "world"):
            self.world.check()
            assert (self.world.fleet.phase is Phase.STOPPED) == (self.world.finish is not None)

    def teardown(self) -> None:
        """Left alone it becomes what is wanted; and from wherever it is, a stop ends, even when every
        child has to be killed."""
        if not hasattr(self, "world") or self.world.finish is not None:
            return
        settle(self.world)
        if self.world.finish is None:
            end_stubborn(self.world, self.grace_s)


def settle(world: World) -> None:
    """With children that behave, a running fleet comes to be what is wanted."""
    for process in world.processes.values():
        process.silent = False
    if world.finish is None:
        world.suspects(0)
    for _ in range(40):
        world.obey()
        world.all_ready()
        world.pass_time(8.0)
    for _ in range(3):
        world.obey()
        world.all_ready()
    world.obey()
    if world.fleet.phase is not Phase.RUNNING:
        return
    seats = world.fleet.seats.workers()
    pairs = sum(bool(seat.replaced_by) for seat in seats)
    assert len(seats) - pairs == world.fleet.wanted.workers, "the fleet has the wanted size"
    assert all(seat.state is ChildState.READY for seat in seats)
    assert {seat.generation for seat in seats} <= {world.fleet.wanted.generation}
    assert not probes(world), "without suspects a probe leaves"
    assert world.fleet.rollout.idle and not world.fleet.breaker.open
    assert all(p.quiet is world.fleet.wanted.quiet for p in world.processes.values() if "worker" in p.seat)
    assert all(steps[-1] in ("done", "refused") for steps in world.rolls.values())


def end_stubborn(world: World, grace_s: float) -> None:
    """Stop a fleet whose children obey nothing but SIGKILL; it must end in bounded time."""
    began = world.now
    world.stop()
    limit = grace_s + KEEPER_LIMIT_S + REDIS_LIMIT_S + DUMP_S + ABORT_S + 5 * KILL_MARGIN_S
    while world.finish is None:
        assert world.now - began <= limit, f"no end after {limit} s with {list(world.processes)}"
        wanted = world.fleet.next_deadline()
        assert wanted is not None, f"nothing is waited for with {list(world.processes)}"
        world.pass_time(max(0.0, wanted - world.now))
        for process in list(world.processes.values()):
            if process.killed and world.processes.get(process.seat) is process:
                world.die(process.seat, -9)


FleetMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestFleetMachine = FleetMachine.TestCase


@pytest.mark.parametrize("seed", range(20))
def test_a_long_random_life_keeps_the_rules_and_ends(seed: int) -> None:
    dice = random.Random(seed)
    grace_s = dice.choice([0.0, 2.0, 30.0])
    overlap, starts = dice.choice([None, 1, 3]), dice.choice([1, 2, 8])
    world = World(dice.randrange(5), dice.random() < 0.5, grace_s, overlap=overlap, starts=starts)
    world.start()
    world.all_ready()
    for _ in range(150):
        if world.processes and dice.random() < 0.2:
            world.die(dice.choice(sorted(world.processes)), dice.choice([0, 1, -9, 75]))
        if dice.random() < 0.7:
            world.all_ready()
        if dice.random() < 0.1:
            world.reload(keeper=dice.random() < 0.3)
        if dice.random() < 0.05:
            world.resize(dice.randrange(6))
        if world.processes and dice.random() < 0.1:
            world.processes[dice.choice(sorted(world.processes))].silent = dice.random() < 0.5
        world.pass_time(dice.choice([0.0, 0.1, 1.0, 40.0]))
        if dice.random() < 0.8:
            world.obey()
        world.check()
        assert world.fleet.phase is Phase.RUNNING
    settle(world)
    end_stubborn(world, grace_s)
