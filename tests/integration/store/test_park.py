"""The script park: claimed tasks are put aside whose name the worker does not know."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, identity, other, park
from tqd.errors import StoreMismatch
from tqd.store.settling import SETTLE_BATCH
from tqd.task.claim import Counts


def test_parked_tasks_wait_by_name_in_order(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)
    one, two, three = driver.claim().claims
    assert driver.settle(park(one, "a.b"), park(two, "c"), park(three, "a.b")) == []
    assert driver.places() == {1: "parked:a.b", 2: "parked:c", 3: "parked:a.b"}
    assert driver.client.lrange(driver.keys.parked("a.b"), 0, -1) == [identity(1), identity(3)]


def test_a_parked_task_remembers_its_attempts(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(park(claim, counts=Counts(1, 2, 3)))
    assert driver.counts(1) == b"1:2:3"


def test_more_tasks_than_one_call_takes_are_parked(driver: StoreDriver) -> None:
    driver.enqueue(*range(SETTLE_BATCH + 1))
    assert driver.settle(*map(park, driver.claim(1000).claims)) == []
    assert driver.places() == dict.fromkeys(range(SETTLE_BATCH + 1), "parked:later")


def test_a_repeated_call_reports_the_id_as_lost_and_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(park(claim))
    before = driver.snapshot()
    assert driver.settle(park(claim)) == [identity(1)]
    assert driver.snapshot() == before


def test_a_wrong_token_or_worker_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    before = driver.snapshot()
    assert driver.settle(park(other(claim))) == [identity(1)]
    assert driver.settle(park(claim), worker="w2") == [identity(1)]
    assert driver.snapshot() == before
    assert driver.places() == {1: "claims:w1"}


def test_a_full_redis_lets_tasks_be_parked(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.fill()
    assert driver.settle(park(claim)) == []
    assert driver.places() == {1: "parked:later"}


@pytest.mark.parametrize("kind", ["parked", "attempts"])
def test_a_key_of_another_kind_leaves_the_task_claimed(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.client.set(driver.keys.parked("later") if kind == "parked" else driver.keys.attempts, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.settle(park(claim))
    assert driver.snapshot() == before
    assert driver.places() == {1: "claims:w1"}
