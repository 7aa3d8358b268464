"""What an earlier run has left, as the first keeper tells it."""

from __future__ import annotations

import json
import zlib

import pytest

from tqd.master.recollection import Recollection, packed, unpacked
from tqd.scale import manual
from tqd.scale.state import State
from tqd.wire.messages import Decided
from tqd.wire.parts import parted


def tell(found: Recollection, *decisions: bytes, data: bytes = b"") -> Recollection:
    """Let a keeper say all, but that it is ready."""
    for part in parted(data):
        found.take(part)
    for one in decisions:
        found.take(Decided(one))
    return found


def told(*decisions: bytes, data: bytes = b"") -> Recollection:
    found = tell(Recollection(), *decisions, data=data)
    found.close()
    return found


def test_the_state_comes_first_then_decisions_and_it_is_over_when_the_keeper_is_ready() -> None:
    found = tell(Recollection(), b'{"to": 1}', b'{"to": 2}', data=b"x" * 9000)
    assert not found.over
    found.close()
    assert found.over
    assert found.decisions == [{"to": 1}, {"to": 2}]
    assert found.data == b"x" * 9000


def test_until_all_is_there_it_is_not_over() -> None:
    found = Recollection()
    found.take(parted(b"x" * 9000)[0])
    found.close()
    assert (found.data, found.over) == (None, False)


def test_of_a_keeper_that_ended_in_the_middle_nothing_is_left_when_the_next_one_begins() -> None:
    found = tell(Recollection(), b'{"to": 1}', data=b"first")
    tell(found, b'{"to": 1}', b'{"to": 2}', data=b"second")
    found.close()
    assert (found.data, found.decisions) == (b"second", [{"to": 1}, {"to": 2}])


def test_what_a_later_keeper_tells_is_old() -> None:
    found = told(b'{"to": 1}', data=b"first")
    tell(found, b'{"to": 2}', data=b"second").close()
    assert (found.data, found.decisions, found.over) == (b"first", [{"to": 1}], True)


def test_garbage_is_left_out() -> None:
    assert told(b"\xff", b"[1]", b"{", b"[" * 3900, b'{"to": 3}').decisions == [{"to": 3}]


def test_what_was_packed_is_unpacked_with_its_age() -> None:
    state = State(order=manual.order(3, 1, 1000.0))
    assert state.order is not None
    found, problem = unpacked(packed(state, 1000.0, 5_000_000), 50.0, 5_060_000)
    assert problem == "" and found.order is not None
    assert found.order.until - 50.0 == pytest.approx(state.order.until - 1000.0 - 60.0)


def test_a_wall_clock_that_went_back_makes_nothing_younger() -> None:
    state = State(order=manual.order(3, 1, 1000.0))
    found, _ = unpacked(packed(state, 1000.0, 5_000_000), 1000.0, 4_000_000)
    assert found.order == state.order


@pytest.mark.parametrize(
    "data",
    [
        b"garbage",
        zlib.compress(b"[]"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b'{"at_ms": 1e999, "state": {}}'),
        zlib.compress(b'{"at_ms": 1, "state": {"version": 0}}'),
        zlib.compress(json.dumps({"state": "x" * 2_000_000, "at_ms": 1}).encode()),
    ],
    ids=range(6),
)
def test_what_cannot_be_unpacked_is_a_fresh_state_and_says_why(data: bytes) -> None:
    state, problem = unpacked(data, 0.0, 0)
    assert state == State() and problem
