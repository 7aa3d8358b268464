"""What is decided and not yet acknowledged is never dropped."""

from __future__ import annotations

from tests.support.store_driver import bury, identity, retry_at
from tqd.task.claim import Claim
from tqd.task.settle import Completes, RetryAt
from tqd.worker.settler import Settler, ids_of

TOKEN = b"1:0:0:default"


def claim(number: int) -> Claim:
    return Claim(identity(number), TOKEN, b"payload")


def settler() -> tuple[Settler, list[int]]:
    woken: list[int] = []
    return Settler(lambda: woken.append(1)), woken


def test_what_comes_wakes_and_is_taken_once() -> None:
    gatherer, woken = settler()
    gatherer.add(retry_at(claim(1), 5))
    gatherer.complete(identity(2), TOKEN)
    assert woken and len(gatherer) == 2
    batch = gatherer.take()
    assert ids_of(batch) == {identity(1), identity(2)}
    assert (gatherer.take(), len(gatherer)) == ([], 0)


def test_done_tasks_travel_as_one_settlement() -> None:
    gatherer, woken = settler()
    for number in range(5):
        gatherer.complete(identity(number), TOKEN)
    (batch,) = gatherer.take()
    assert isinstance(batch, Completes)
    assert batch.pairs[::2] == [identity(number) for number in range(5)]
    assert woken == [1], "one wake for a batch"


def test_a_batch_put_back_goes_first_and_is_uncertain() -> None:
    gatherer, _ = settler()
    gatherer.add(retry_at(claim(1), 5))
    batch = gatherer.take()
    gatherer.add(retry_at(claim(2), 5))
    gatherer.put_back(batch)
    assert gatherer.uncertain
    again = gatherer.take()
    assert [one.task_id for one in again if isinstance(one, RetryAt)] == [identity(1), identity(2)]


def test_what_is_lost_is_dropped_when_its_batch_comes_back() -> None:
    gatherer, _ = settler()
    for number in range(4):
        gatherer.complete(identity(number), TOKEN)
    gatherer.add(retry_at(claim(7), 5))
    gatherer.add(bury(claim(8)))
    gatherer.put_back(gatherer.take(), {identity(0), identity(2), identity(7)})
    assert gatherer.ids() == {identity(1), identity(3), identity(8)}
    gatherer.put_back(gatherer.take(), {identity(1), identity(3)})
    assert gatherer.ids() == {identity(8)}
    assert len(gatherer) == 1


def test_the_ids_are_those_of_all_kinds() -> None:
    gatherer, _ = settler()
    gatherer.complete(identity(1), TOKEN)
    gatherer.add(bury(claim(2)))
    gatherer.add(retry_at(claim(3), 5))
    assert gatherer.ids() == {identity(number) for number in (1, 2, 3)}
