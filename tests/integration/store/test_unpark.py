"""The script unpark: parked tasks become ready, because a worker knows their name now."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, identity, park, tokens
from tqd.errors import StoreFull, StoreMismatch
from tqd.task.claim import Counts


def parked(driver: StoreDriver, *numbers: int) -> None:
    driver.enqueue(*numbers)
    driver.settle(*(park(claim, "name", Counts(1, 2, 0)) for claim in driver.claim().claims))
    driver.silence()


def test_unparked_tasks_are_ready_behind_those_that_wait(driver: StoreDriver) -> None:
    parked(driver, 1, 2, 3)
    driver.enqueue(4)
    assert driver.unpark("name", 1, 2) == 2
    assert driver.order() == [4, 1, 2]
    assert driver.places()[3] == "parked:name"


def test_an_unparked_task_keeps_its_attempts(driver: StoreDriver) -> None:
    parked(driver, 1)
    driver.unpark("name", 1)
    assert tokens(driver.claim()) == [b"2:2:0:default"]


def test_the_bell_rings_with_one_token_at_most(driver: StoreDriver) -> None:
    parked(driver, 1, 2)
    driver.unpark("name", 1)
    driver.unpark("name", 2)
    assert driver.rings() == 1


def test_a_repeated_call_moves_and_rings_nothing(driver: StoreDriver) -> None:
    parked(driver, 1)
    driver.unpark("name", 1)
    driver.silence()
    before = driver.snapshot()
    assert driver.unpark("name", 1) == 0
    assert driver.snapshot() == before


def test_ids_that_are_not_parked_are_not_made_ready(driver: StoreDriver) -> None:
    parked(driver, 1)
    assert driver.unpark("name", 1, 99) == 1
    assert driver.unpark("other", 1) == 0
    assert driver.places() == {1: "ready:default"}


def test_the_last_one_takes_the_list_away(driver: StoreDriver) -> None:
    parked(driver, 1)
    driver.unpark("name", 1)
    assert not driver.client.exists(driver.keys.parked("name"))


def test_a_full_redis_lets_tasks_be_unparked_or_keeps_them(driver: StoreDriver) -> None:
    parked(driver, 1)
    driver.fill()
    try:
        driver.unpark("name", 1)
    except StoreFull:
        assert driver.places() == {1: "parked:name"}
    else:
        assert driver.places() == {1: "ready:default"}


@pytest.mark.parametrize("kind", ["parked", "ready"])
def test_a_key_of_another_kind_is_refused_before_anything_moves(driver: StoreDriver, kind: str) -> None:
    parked(driver, 1)
    key = driver.keys.parked("name") if kind == "parked" else driver.keys.ready("default")
    driver.client.delete(key)
    driver.client.set(key, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.unpark("name", 1)
    assert driver.snapshot() == before


def test_a_bell_of_another_kind_stops_nothing(driver: StoreDriver) -> None:
    parked(driver, 1)
    driver.client.set(driver.keys.bell("default"), "garbage")
    assert driver.unpark("name", 1) == 1
    assert driver.client.lrange(driver.keys.ready("default"), 0, -1) == [identity(1)]
