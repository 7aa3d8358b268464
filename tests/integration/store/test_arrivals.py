"""What has become ready so far is counted in Redis, whoever made it ready: once for each time it did."""

from __future__ import annotations

from tests.support.store_driver import StoreDriver, complete, park, release, retry_at
from tqd.task.claim import Counts


def arrived(driver: StoreDriver, queue: str = "default") -> int:
    count = driver.client.hget(driver.keys.arrived, queue)
    return int(count) if count is not None else 0  # type: ignore[arg-type]


def test_tasks_arrive_with_their_enqueue_once_even_when_the_call_is_repeated(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3, call=7)
    driver.enqueue(1, 2, 3, call=7)
    driver.enqueue(4, queue="mail", call=8)
    assert (arrived(driver), arrived(driver, "mail")) == (3, 1)


def test_a_scheduled_task_arrives_when_it_is_due(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, due_ms=driver.now_ms + 1000)
    driver.claim()
    assert arrived(driver) == 0
    driver.now_ms += 1000
    assert len(driver.claim().claims) == 2
    assert arrived(driver) == 2


def test_a_retry_arrives_again_when_it_is_due_and_a_task_that_is_given_back_does_not(
    driver: StoreDriver,
) -> None:
    driver.enqueue(1, 2)
    first, second = driver.claim().claims
    driver.settle(retry_at(first, driver.now_ms + 1000), release(second))
    (again,) = driver.claim().claims
    driver.settle(complete(again))
    assert arrived(driver) == 2
    driver.now_ms += 1000
    assert len(driver.claim().claims) == 1
    assert arrived(driver) == 3


def test_a_unique_task_arrives_when_it_is_new_or_made_ready(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    driver.enqueue_unique(2)
    assert arrived(driver) == 1, "the second was a duplicate"
    driver.enqueue_unique(3, key="other", due_ms=driver.now_ms + 1000)
    assert arrived(driver) == 1
    driver.enqueue_unique(4, key="other", replace=True)
    assert arrived(driver) == 2, "it was put from later to now"


def test_a_replayed_task_and_one_whose_name_is_known_again_arrive(driver: StoreDriver) -> None:
    driver.bury_new(1)
    driver.enqueue(2)
    (claim,) = driver.claim().claims
    driver.settle(park(claim, "name", Counts(1, 0, 0)))
    before = arrived(driver)
    assert driver.replay(1, run="a") == [1] and driver.replay(1, run="a") == [1]
    assert arrived(driver) == before + 1
    assert driver.unpark("name", 2) == 1
    assert arrived(driver) == before + 2


def test_a_counter_of_another_kind_stops_no_task(driver: StoreDriver) -> None:
    driver.client.set(driver.keys.arrived, "garbage")
    assert driver.enqueue(1) == 1
    assert driver.enqueue_unique(2) == [(2, "new")]
    driver.enqueue(3, due_ms=driver.now_ms + 1)
    driver.now_ms += 1
    assert len(driver.claim().claims) == 3
