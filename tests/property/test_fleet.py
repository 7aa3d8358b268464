"""The fleet under any order of events: the rules of `tests.support.fleet_world` hold at every step."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.fleet_world import World
from tqd.master.events import BootFailed
from tqd.master.fleet import BOOT_LIMIT_S, KEEPER_LIMIT_S, KILL_MARGIN_S, REDIS_LIMIT_S, Phase

CODES = st.sampled_from([0, 1, 70, 75, 78, -6, -9, -11, -15])


class FleetMachine(RuleBasedStateMachine):
    """Children become ready, die, stop or refuse to, while time passes and stops are asked for."""

    @initialize(workers=st.integers(0, 4), embedded=st.booleans(), grace_s=st.sampled_from([0.0, 1.0, 30.0]))
    def begin(self, workers: int, embedded: bool, grace_s: float) -> None:
        self.grace_s = grace_s
        self.world = World(workers, embedded, grace_s)
        self.world.start()

    def some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.world.processes)))

    @precondition(lambda self: self.world.processes)
    @rule(data=st.data())
    def child_becomes_ready(self, data: st.DataObject) -> None:
        self.world.ready(self.some(data))

    @precondition(lambda self: self.world.processes)
    @rule(data=st.data(), code=CODES)
    def child_dies(self, data: st.DataObject, code: int) -> None:
        self.world.die(self.some(data), code)

    @precondition(lambda self: self.world.processes)
    @rule(data=st.data(), code=CODES)
    def child_tells_why_it_cannot_start(self, data: st.DataObject, code: int) -> None:
        self.world.feed(BootFailed(self.some(data), code, "a reason"))

    @precondition(lambda self: self.world.finish is None)
    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 6.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.finish is None)
    @rule()
    def stop_is_asked(self) -> None:
        self.world.stop()

    @precondition(lambda self: self.world.finish is None)
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
        """From wherever it is, a stop ends, even when every child has to be killed."""
        if hasattr(self, "world") and self.world.finish is None:
            end_stubborn(self.world, self.grace_s)


def end_stubborn(world: World, grace_s: float) -> None:
    """Stop a fleet whose children obey nothing but SIGKILL; it must end in bounded time."""
    began = world.now
    world.stop()
    limit = grace_s + BOOT_LIMIT_S + KEEPER_LIMIT_S + REDIS_LIMIT_S + 5 * KILL_MARGIN_S
    while world.finish is None:
        assert world.now - began <= limit, f"no end after {limit} s with {list(world.processes)}"
        wanted = world.fleet.next_deadline()
        assert wanted is not None, f"nothing is waited for with {list(world.processes)}"
        world.pass_time(max(0.0, wanted - world.now))
        for process in list(world.processes.values()):
            if process.killed and world.processes.get(process.seat) is process:
                world.die(process.seat, -9)


FleetMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestFleetMachine = FleetMachine.TestCase


@pytest.mark.parametrize("seed", range(40))
def test_a_long_random_life_keeps_the_rules_and_ends(seed: int) -> None:
    dice = random.Random(seed)
    grace_s = dice.choice([0.0, 2.0, 30.0])
    world = World(dice.randrange(5), dice.random() < 0.5, grace_s)
    world.start()
    world.all_ready()
    for _ in range(1000):
        if world.processes and dice.random() < 0.3:
            world.die(dice.choice(sorted(world.processes)), dice.choice([0, 1, -9, 75]))
        if world.processes and dice.random() < 0.6:
            world.ready(dice.choice(sorted(world.processes)))
        world.pass_time(dice.choice([0.0, 0.1, 1.0, 40.0]))
        world.obey()
        world.check()
        if world.finish is not None:
            return
        assert world.fleet.phase is Phase.RUNNING
        # Every seat is filled, or will be.
        for name in world.seats - world.processes.keys():
            assert world.fleet.seats[name].due is not None
    end_stubborn(world, grace_s)
