"""The script schedule: new tasks that become ready at a later time."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, identity, numbers
from tqd.errors import StoreFull, StoreMismatch
from tqd.store.calls import MAX_BATCH


def test_tasks_wait_for_their_time(driver: StoreDriver) -> None:
    assert driver.enqueue(1, 2, due_ms=driver.now_ms + 500) == 2
    assert driver.places() == dict.fromkeys((1, 2), "due:default")
    assert driver.client.zscore(driver.keys.due("default"), identity(1)) == driver.now_ms + 500
    assert numbers(driver.claim()) == []


def test_a_call_stores_as_many_tasks_as_a_batch_may_have(driver: StoreDriver) -> None:
    assert driver.enqueue(*range(MAX_BATCH), due_ms=driver.now_ms + 500) == MAX_BATCH
    assert len(driver.places()) == MAX_BATCH


def test_a_repeated_call_stores_nothing_even_when_its_task_is_ready_by_now(driver: StoreDriver) -> None:
    driver.enqueue(1, due_ms=driver.now_ms, call=7)
    driver.claim(0)
    assert driver.enqueue(1, due_ms=driver.now_ms, call=7) == 0
    assert driver.places() == {1: "ready:default"}


def test_enqueue_and_schedule_share_a_producers_numbers(driver: StoreDriver) -> None:
    driver.enqueue(1, call=7)
    assert driver.enqueue(2, due_ms=driver.now_ms + 500, call=7) == 0
    assert driver.enqueue(2, due_ms=driver.now_ms + 500, call=8) == 1


def test_the_bell_rings_when_the_next_due_time_has_changed(driver: StoreDriver) -> None:
    driver.enqueue(1, due_ms=driver.now_ms + 500)
    assert driver.rings() == 1
    driver.silence()
    driver.enqueue(2, due_ms=driver.now_ms + 900)
    assert driver.rings() == 0, "nobody's timer changes"
    driver.enqueue(3, due_ms=driver.now_ms + 100)
    assert driver.rings() == 1


def test_the_bell_gets_one_token_at_most(driver: StoreDriver) -> None:
    driver.enqueue(1, due_ms=driver.now_ms + 500)
    driver.enqueue(2, due_ms=driver.now_ms + 100)
    assert driver.rings() == 1


def test_a_full_redis_refuses_and_stores_nothing(driver: StoreDriver) -> None:
    driver.fill()
    with pytest.raises(StoreFull):
        driver.enqueue(1, due_ms=driver.now_ms + 500, call=9)
    driver.fill(False)
    assert driver.places() == {}
    assert driver.enqueue(1, due_ms=driver.now_ms + 500, call=9) == 1


@pytest.mark.parametrize("kind", ["due", "bell", "task"])
def test_a_key_of_another_kind_is_refused_before_anything_is_written(driver: StoreDriver, kind: str) -> None:
    keys = driver.keys
    key = {"due": keys.due("default"), "bell": keys.bell("default"), "task": keys.task}[kind]
    driver.client.set(key, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.enqueue(1, due_ms=driver.now_ms + 500)
    assert driver.snapshot() == before
    assert not driver.client.exists(keys.producer("p"))
