"""Leading a conversation: pauses, refusals, and connections that break."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tqd.errors import StoreUnavailable
from tqd.store import talk as talking
from tqd.store.calls import Command
from tqd.store.talk import Pause, Talk, alead, lead


class Wire:
    """Answers each command with its words; fails where it is told to. Time goes by only in its pauses."""

    def __init__(self, *failures: int) -> None:
        self.failures = set(failures)
        self.sent: list[list[Command]] = []
        self.paused: list[float] = []
        self.now = 0.0

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        self.sent.append(list(commands))
        if len(self.sent) in self.failures:
            raise StoreUnavailable("gone")
        return [" ".join(map(str, command)) for command in commands]

    async def aexchange(self, commands: Sequence[Command]) -> list[Any]:
        return self.exchange(commands)

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        self.pause(seconds)


def conversation() -> Talk[list[object]]:
    (one,) = yield [("GET", "a")]
    yield Pause(1.5)
    two, three = yield [("GET", "b"), ("GET", "c")]
    return [one, two, three]


@pytest.fixture(params=["blocking", "async"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(wire: Wire) -> list[object]:
        monkeypatch.setattr(talking, "pause", wire.pause)
        monkeypatch.setattr(talking, "monotonic", lambda: wire.now)
        if request.param == "blocking":
            return lead(wire, conversation())  # type: ignore[arg-type]
        monkeypatch.setattr(asyncio, "sleep", wire.sleep)
        answer = alead(wire.aexchange, conversation())
        try:
            answer.send(None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError("it waits for something")

    return run


def test_it_sends_pauses_and_returns(run: Any) -> None:
    wire = Wire()
    assert run(wire) == ["GET a", "GET b", "GET c"]
    assert (wire.paused, len(wire.sent)) == ([1.5], 2)


def test_a_redis_that_is_not_there_is_told_at_once(run: Any) -> None:
    wire = Wire(1)
    with pytest.raises(StoreUnavailable):
        run(wire)
    assert wire.paused == []


def test_a_connection_that_breaks_later_is_tried_again_with_the_same_commands(run: Any) -> None:
    wire = Wire(2, 3)
    assert run(wire) == ["GET a", "GET b", "GET c"]
    assert wire.sent[1] == wire.sent[2] == wire.sent[3]


def test_after_five_seconds_it_gives_up(run: Any) -> None:
    wire = Wire(*range(2, 1000))
    with pytest.raises(StoreUnavailable):
        run(wire)
    assert 5.0 <= sum(wire.paused) - 1.5 < 6.0
