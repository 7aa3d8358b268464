"""The slots and who occupies them."""

from __future__ import annotations

from tests.support.store_driver import identity
from tqd.app import Handler
from tqd.metrics.ledger import LEDGER_BYTES, Ledger
from tqd.task.claim import Claim
from tqd.task.model import DEFAULTS, NO_OPTIONS
from tqd.worker.inflight import Attempt, Inflight


async def work() -> None: ...


HANDLER = Handler("work", work, NO_OPTIONS)


def attempt(number: int, started: float = 0.0) -> Attempt:
    claim = Claim(identity(number), b"1:0:0:default", b"")
    made = Attempt(claim, HANDLER, DEFAULTS, [], {}, Ledger(bytearray(LEDGER_BYTES)).page("work", "default"))
    made.started = started
    return made


def test_attempts_occupy_slots_until_they_are_let_go() -> None:
    inflight = Inflight(3)
    one, two = attempt(1), attempt(2)
    inflight.add(one)
    inflight.add(two)
    assert (inflight.busy, inflight.free, len(inflight)) == (2, 1, 2)
    assert inflight.remove(one)
    assert (inflight.busy, inflight.free, len(inflight)) == (1, 2, 1)


def test_an_attempt_is_let_go_once() -> None:
    inflight = Inflight(1)
    one = attempt(1)
    inflight.add(one)
    assert [inflight.remove(one), inflight.remove(one)] == [True, False]


def test_a_thread_that_did_not_return_keeps_its_slot() -> None:
    inflight = Inflight(2)
    inflight.stray(0.0)
    assert (inflight.busy, inflight.free, len(inflight)) == (1, 1, 0)


def test_it_tells_when_nothing_is_in_hand() -> None:
    inflight = Inflight(2)
    one, two = attempt(1), attempt(2)
    assert inflight.empty.is_set()
    inflight.add(one)
    inflight.add(two)
    inflight.remove(one)
    assert not inflight.empty.is_set()
    inflight.remove(two)
    assert inflight.empty.is_set()


def test_attempts_may_end_while_they_are_gone_through() -> None:
    inflight = Inflight(5)
    for number in range(5):
        inflight.add(attempt(number))
    for one in inflight:
        inflight.remove(one)
    assert len(inflight) == 0


def test_the_age_of_the_oldest_is_told() -> None:
    inflight = Inflight(5)
    assert inflight.oldest_s(100.0) == 0.0
    inflight.add(attempt(1, started=90.0))
    inflight.add(attempt(2, started=95.0))
    assert inflight.oldest_s(100.0) == 10.0
    assert inflight.get(identity(2)) is not None and inflight.get(identity(3)) is None
