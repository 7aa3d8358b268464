"""The script enqueue: new tasks become ready, each call once."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, complete, envelope, identity, numbers
from tqd.errors import StoreFull, StoreMismatch
from tqd.store.calls import MAX_BATCH, PRODUCER_TTL_S


def test_tasks_are_ready_in_the_order_of_the_call(driver: StoreDriver) -> None:
    assert driver.enqueue(1, 2, 3) == 3
    assert driver.order() == [1, 2, 3]
    assert driver.places() == dict.fromkeys((1, 2, 3), "ready:default")
    assert driver.client.hget(driver.keys.task, identity(2)) == envelope(2)


def test_a_call_stores_as_many_tasks_as_a_batch_may_have(driver: StoreDriver) -> None:
    assert driver.enqueue(*range(MAX_BATCH)) == MAX_BATCH
    assert driver.order() == list(range(MAX_BATCH))


def test_a_repeated_call_stores_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, call=7)
    before = driver.snapshot()
    assert driver.enqueue(1, call=7) == 0
    assert driver.snapshot() == before


def test_a_call_repeated_after_its_task_was_done_stores_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, call=7)
    (claim,) = driver.claim().claims
    driver.settle(complete(claim))
    assert driver.enqueue(1, call=7) == 0
    assert driver.places() == {}


def test_an_earlier_call_that_arrives_late_stores_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, call=7)
    assert driver.enqueue(2, call=6) == 0
    assert driver.places() == {1: "ready:default"}


def test_producers_number_their_calls_independently(driver: StoreDriver) -> None:
    assert driver.enqueue(1, call=7, producer="one") == 1
    assert driver.enqueue(2, call=7, producer="other") == 1
    assert driver.places() == dict.fromkeys((1, 2), "ready:default")


def test_a_producer_is_forgotten_after_its_time(driver: StoreDriver) -> None:
    driver.enqueue(1)
    ttl_s = driver.client.ttl(driver.keys.producer("p"))
    assert PRODUCER_TTL_S - 5 <= ttl_s <= PRODUCER_TTL_S


def test_the_bell_gets_one_token_at_most(driver: StoreDriver) -> None:
    driver.enqueue(1)
    driver.enqueue(2, 3)
    assert driver.rings() == 1


def test_a_queue_rings_its_own_bell_only(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="other")
    assert (driver.rings("other"), driver.rings()) == (1, 0)


def test_new_tasks_go_behind_those_that_wait(driver: StoreDriver) -> None:
    driver.enqueue(1)
    driver.enqueue(2)
    assert numbers(driver.claim()) == [1, 2]


def test_a_full_redis_refuses_and_stores_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    before = driver.snapshot()
    driver.fill()
    with pytest.raises(StoreFull, match=r"Redis is full: .*raise maxmemory"):
        driver.enqueue(2, call=9)
    driver.fill(False)
    assert driver.snapshot() == before
    assert driver.enqueue(2, call=9) == 1, "the refused call is not remembered as stored"


@pytest.mark.parametrize("kind", ["ready", "bell", "task"])
def test_a_key_of_another_kind_is_refused_before_anything_is_written(driver: StoreDriver, kind: str) -> None:
    keys = driver.keys
    key = {"ready": keys.ready("default"), "bell": keys.bell("default"), "task": keys.task}[kind]
    driver.client.set(key, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.enqueue(1)
    assert driver.snapshot() == before
    assert not driver.client.exists(keys.producer("p"))
