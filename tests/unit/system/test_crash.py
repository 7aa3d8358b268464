"""Crash points: what the variable means, how passings are counted, and that nothing happens twice."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import Any

import pytest

from tqd.cli import crash_hooks as daemon
from tqd.client import crash_hooks as producer
from tqd.errors import ConfigError
from tqd.system.crash import POINTS, Crash, Fuse, Hook, Moment, install, parse

POINT = "after-claim"


class Lamp:
    """Something with methods that pass points."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def light(self, colour: str) -> str:
        self.lines.append(colour)
        return colour

    async def glow(self, colour: str) -> str:
        self.lines.append(colour)
        return colour

    def run(self) -> None:
        self.light("first")
        self.light("second")


class Died(BaseException):
    pass


def die(crash: Crash) -> None:
    raise Died


@pytest.fixture
def lamp() -> type[Lamp]:
    """Return a class of its own for each test, as wrappers stay where they were put."""
    return type("Lamp", (Lamp,), {})


def armed(owner: type[Lamp], name: str, moment: Moment, passing: int = 1, **more: Any) -> Fuse:
    fuse = Fuse(Crash(POINT, passing), die)
    install(fuse, {POINT: (Hook(owner, name, moment, **more),)})
    return fuse


def test_a_point_and_a_number_are_read() -> None:
    assert parse("after-claim:3") == ("after-claim", 3)


def test_a_point_alone_means_its_first_passing() -> None:
    assert parse("mid-reclaim") == ("mid-reclaim", 1)


@pytest.mark.parametrize("text", ["after-claim:0", "after-claim:x", "after-claim:-1", "after-claim:\u0661"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="which passing it is"):
        parse(text)


def test_an_unknown_point_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'after-cliam' is no crash point; did you mean 'after-claim'"):
        parse("after-cliam:1")


def test_every_point_is_somewhere_and_every_place_has_a_name() -> None:
    tables = [producer.HOOKS, daemon.WORKER, daemon.KEEPER, daemon.MASTER]
    assert sorted(name for table in tables for name in table) == sorted(POINTS)


@pytest.mark.parametrize("table", [producer.HOOKS, daemon.WORKER, daemon.KEEPER, daemon.MASTER])
def test_every_place_is_a_function_that_is_there(table: dict[str, tuple[Hook, ...]]) -> None:
    for hook in (hook for hooks in table.values() for hook in hooks):
        assert inspect.isfunction(getattr(hook.owner, hook.name)), hook


def test_before_a_call_nothing_of_it_has_happened(lamp: type[Lamp]) -> None:
    armed(lamp, "light", Moment.BEFORE)
    one = lamp()
    with pytest.raises(Died):
        one.light("red")
    assert one.lines == []


def test_after_a_call_all_of_it_has_happened(lamp: type[Lamp]) -> None:
    armed(lamp, "light", Moment.AFTER)
    one = lamp()
    with pytest.raises(Died):
        one.light("red")
    assert one.lines == ["red"]


def test_a_coroutine_passes_when_it_runs_and_not_when_it_is_made(lamp: type[Lamp]) -> None:
    armed(lamp, "glow", Moment.BEFORE)
    one = lamp()
    waiting = one.glow("red")
    with pytest.raises(Died):
        asyncio.run(waiting)
    assert one.lines == []


def test_the_passing_that_was_asked_for_is_the_one(lamp: type[Lamp]) -> None:
    armed(lamp, "light", Moment.BEFORE, 3)
    one = lamp()
    assert [one.light("red"), one.light("blue")] == ["red", "blue"]
    with pytest.raises(Died):
        one.light("green")


def test_only_calls_that_meet_the_condition_pass(lamp: type[Lamp]) -> None:
    armed(lamp, "light", Moment.AFTER, passes=lambda arguments, result: result == "blue")
    one = lamp()
    one.light("red")
    with pytest.raises(Died):
        one.light("blue")


def test_who_survives_does_not_die_again(lamp: type[Lamp]) -> None:
    fuse = armed(lamp, "light", Moment.BEFORE)
    one = lamp()
    with pytest.raises(Died):
        one.light("red")
    one.light("red")
    assert not fuse.burns()


def test_arming_again_changes_nothing(lamp: type[Lamp]) -> None:
    fuse = armed(lamp, "light", Moment.BEFORE, 2)
    install(fuse, {POINT: (Hook(lamp, "light", Moment.BEFORE),)})
    assert lamp().light("red") == "red"


def test_other_points_leave_the_code_alone(lamp: type[Lamp]) -> None:
    before = lamp.light
    install(Fuse(Crash("after-bell", 1), die), {POINT: (Hook(lamp, "light", Moment.BEFORE),)})
    assert lamp.light is before


def test_after_the_first_line_nothing_else_of_the_function_has_run(lamp: type[Lamp]) -> None:
    armed(lamp, "run", Moment.FIRST_LINE)
    one = lamp()

    before = sys.gettrace()
    try:
        with pytest.raises(Died):
            one.run()
    finally:
        sys.settrace(before)
    assert one.lines == ["first"]


def test_what_was_sent_on_a_loop_has_left_before_the_end(lamp: type[Lamp]) -> None:
    deaths: list[str] = []

    async def scenario() -> list[str]:
        one = lamp()
        fuse = Fuse(Crash(POINT, 1), lambda crash: deaths.append(",".join(one.lines)))
        install(fuse, {POINT: (Hook(lamp, "light", Moment.SENT),)})
        asyncio.get_running_loop().call_soon(one.lines.append, "the loop's own round")
        one.light("red")
        assert deaths == []
        await asyncio.sleep(0)
        return deaths

    assert asyncio.run(scenario()) == ["red,the loop's own round"]
