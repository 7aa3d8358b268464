"""What the keeper keeps for the master: the state and the decisions, and neither for want of the other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import pytest

from tqd.errors import StoreError, StoreMismatch, StoreUnavailable
from tqd.keeper import remembering
from tqd.keeper.remembering import Remembering
from tqd.log import Log
from tqd.wire.messages import Decided, Remember
from tqd.wire.parts import parted


class Store:
    """Holds a state and decisions; `state_error` and `notes_error` are raised by what touches either.

    `meanwhile` runs while a decision is on its way.
    """

    def __init__(self) -> None:
        self.state = b""
        self.noted: list[bytes] = []
        self.current = b""
        self.state_error: StoreError | None = None
        self.notes_error: StoreError | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def _fail(self, error: StoreError | None) -> None:
        if error is not None:
            raise error

    async def remembered(self) -> bytes:
        self._fail(self.state_error)
        return self.state

    async def remember(self, data: bytes, kept_s: int) -> None:
        self._fail(self.state_error)
        self.state = data

    async def decisions(self, count: int) -> list[bytes]:
        self._fail(self.notes_error)
        return self.noted[-count:]

    async def note_decision(self, data: bytes, most: int, kept_s: int) -> None:
        self.meanwhile()
        self._fail(self.notes_error)
        self.noted.append(data)

    async def keep_current(self, data: bytes, kept_s: int) -> None:
        self.current = data


class Case:
    """A keeper's memory over a store; `run` lets it write, once or until it waits for more."""

    def __init__(self) -> None:
        self.store = Store()
        self.memory = Remembering(self.store, Log())

    def give(self, data: bytes) -> None:
        for part in parted(data):
            self.memory.take(part)

    def run(self, meanwhile: Callable[[], None] = lambda: None, rounds: int = 400) -> None:
        async def write() -> None:
            runner = asyncio.create_task(self.memory.run())
            for number in range(rounds):
                await asyncio.sleep(0)
                if number == rounds // 2:
                    meanwhile()
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)

        asyncio.run(write())


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(remembering, "RETRY_S", 0.0)
    return Case()


def test_decisions_that_cannot_be_read_leave_the_state(case: Case) -> None:
    case.store.state, case.store.notes_error = b"state", StoreMismatch("WRONGTYPE")
    assert asyncio.run(case.memory.recall()) == [Remember(0, True, b"state")]


def test_a_state_that_cannot_be_read_leaves_the_decisions(case: Case) -> None:
    case.store.noted, case.store.state_error = [b"one"], StoreMismatch("WRONGTYPE")
    assert asyncio.run(case.memory.recall()) == [Remember(0, True, b""), Decided(b"one")]


def test_decisions_that_cannot_be_noted_leave_the_state_and_are_told_once(
    case: Case, said: io.StringIO
) -> None:
    def more() -> None:
        case.memory.note(Decided(b"three"))
        case.give(b"state 2")

    case.store.notes_error = StoreMismatch("WRONGTYPE")
    case.memory.note(Decided(b"one"))
    case.memory.note(Decided(b"two"))
    case.give(b"state 1")
    case.run(more)
    assert (case.store.state, case.store.current) == (b"state 2", b"three")
    assert said.getvalue().count("WRONGTYPE") == 1
    case.store.notes_error = None
    case.memory.note(Decided(b"four"))
    case.run()
    assert case.store.noted == [b"four"]


def test_a_state_that_cannot_be_written_leaves_the_decisions(case: Case, said: io.StringIO) -> None:
    case.store.state_error = StoreMismatch("NOPERM")
    case.memory.note(Decided(b"one"))
    case.give(b"state")
    case.run()
    assert case.store.noted == [b"one"]
    assert said.getvalue().count("NOPERM") == 1
    case.store.state_error = None
    case.run()
    assert case.store.state == b"state"


def test_a_decision_that_comes_while_the_list_is_full_ousts_the_oldest_that_waits(case: Case) -> None:
    def one_more() -> None:
        case.store.meanwhile = lambda: None
        case.memory.note(Decided(b"last"))

    for number in range(remembering.MOST_WAITING):
        case.memory.note(Decided(b"%d" % number))
    case.store.meanwhile = one_more
    case.run()
    assert case.store.noted == [b"%d" % number for number in range(remembering.MOST_WAITING)] + [b"last"]


def test_what_redis_did_not_take_is_written_later_in_order(case: Case, said: io.StringIO) -> None:
    def back() -> None:
        case.store.notes_error = case.store.state_error = None

    case.store.notes_error = case.store.state_error = StoreUnavailable("gone")
    for number in range(remembering.MOST_WAITING + 5):
        case.memory.note(Decided(b"%d" % number))
    case.give(b"state")
    case.run(back)
    assert case.store.noted == [b"%d" % number for number in range(5, remembering.MOST_WAITING + 5)]
    assert (case.store.state, said.getvalue().count("gone")) == (b"state", 1)


def test_what_came_while_one_was_on_its_way_in_vain_is_newer_and_stays(case: Case) -> None:
    def full_and_gone() -> None:
        case.store.meanwhile = lambda: None
        case.memory.note(Decided(b"last"))
        case.store.notes_error = StoreUnavailable("gone")

    def back() -> None:
        case.store.notes_error = None

    for number in range(remembering.MOST_WAITING):
        case.memory.note(Decided(b"%d" % number))
    case.store.meanwhile = full_and_gone
    case.run(back)
    assert case.store.noted == [b"%d" % number for number in range(1, remembering.MOST_WAITING)] + [b"last"]
