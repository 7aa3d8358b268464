"""What an earlier run has left, as the first keeper tells it."""

from __future__ import annotations

from tqd.master.recollection import Recollection
from tqd.wire.messages import Decided
from tqd.wire.parts import parted


def told(*decisions: bytes, data: bytes = b"") -> Recollection:
    found = Recollection()
    for one in decisions:
        found.take(Decided(one))
    for part in parted(data):
        found.take(part)
    return found


def test_decisions_come_first_and_the_rest_is_there_when_all_parts_are() -> None:
    found = told(b'{"to": 1}', b'{"to": 2}', data=b"x" * 9000)
    assert found.decisions == [{"to": 1}, {"to": 2}]
    assert found.data == b"x" * 9000


def test_until_all_is_there_nothing_is() -> None:
    found = Recollection()
    found.take(parted(b"x" * 9000)[0])
    assert found.data is None


def test_what_a_later_keeper_tells_is_old() -> None:
    found = told(b'{"to": 1}', data=b"first")
    found.take(Decided(b'{"to": 2}'))
    found.take(parted(b"second")[0])
    assert (found.data, found.decisions) == (b"first", [{"to": 1}])


def test_garbage_is_left_out() -> None:
    assert told(b"\xff", b"[1]", b"{", b"[" * 3900, b'{"to": 3}').decisions == [{"to": 3}]
