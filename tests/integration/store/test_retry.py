"""The script retry: claimed tasks run again at a later time."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, identity, numbers, other, retry_at, tokens
from tqd.errors import StoreMismatch
from tqd.store.calls import SETTLE_BATCH
from tqd.task.claim import Counts


def test_a_retried_task_waits_for_its_time_and_remembers_its_attempts(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    due_ms = driver.now_ms + 1500
    assert driver.settle(retry_at(claim, due_ms, Counts(1, 1, 0))) == []
    assert driver.places() == {1: "due:default"}
    assert driver.claim().next_due_ms == due_ms
    driver.now_ms = due_ms
    assert tokens(driver.claim()) == [b"2:1:0:default"]


def test_each_task_goes_back_to_its_own_queue(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="a")
    driver.enqueue(2, queue="b")
    one, two = driver.claim(queues=("a", "b")).claims
    due_ms = driver.now_ms + 1
    assert driver.settle(retry_at(one, due_ms, queue="a"), retry_at(two, due_ms, queue="b")) == []
    assert driver.places() == {1: "due:a", 2: "due:b"}


def test_more_tasks_than_one_call_takes_are_retried(driver: StoreDriver) -> None:
    count = SETTLE_BATCH + 1
    driver.enqueue(*range(count - 1))
    driver.enqueue(count - 1)
    claims = driver.claim(count).claims
    assert driver.settle(*(retry_at(claim, driver.now_ms + 1) for claim in claims)) == []
    assert driver.places() == dict.fromkeys(range(count), "due:default")


def test_a_repeated_call_reports_the_id_as_lost_and_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(retry_at(claim, driver.now_ms + 1))
    before = driver.snapshot()
    assert driver.settle(retry_at(claim, driver.now_ms + 999, Counts(9, 9, 9))) == [identity(1)]
    assert driver.snapshot() == before


def test_a_call_repeated_after_the_next_claim_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(retry_at(claim, driver.now_ms))
    assert numbers(driver.claim()) == [1]
    assert driver.settle(retry_at(claim, driver.now_ms)) == [identity(1)]
    assert driver.places() == {1: "claims:w1"}


def test_a_wrong_token_or_worker_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    before = driver.snapshot()
    assert driver.settle(retry_at(other(claim), driver.now_ms)) == [identity(1)]
    assert driver.settle(retry_at(claim, driver.now_ms), worker="w2") == [identity(1)]
    assert driver.snapshot() == before


def test_the_bell_rings_when_the_next_due_time_has_changed(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    one, two = driver.claim().claims
    driver.silence()
    driver.settle(retry_at(one, driver.now_ms + 500))
    assert driver.rings() == 1
    driver.silence()
    driver.settle(retry_at(two, driver.now_ms + 900))
    assert driver.rings() == 0, "nobody's timer changes"


def test_a_full_redis_lets_tasks_be_retried(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.fill()
    assert driver.settle(retry_at(claim, driver.now_ms + 1)) == []
    assert driver.settle(retry_at(claim, driver.now_ms + 1)) == [identity(1)]
    assert driver.places() == {1: "due:default"}


@pytest.mark.parametrize("kind", ["due", "attempts"])
def test_a_key_of_another_kind_leaves_the_task_claimed(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.client.set(driver.keys.due("default") if kind == "due" else driver.keys.attempts, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.settle(retry_at(claim, driver.now_ms + 1))
    assert driver.snapshot() == before
    assert driver.places() == {1: "claims:w1"}


def test_a_bell_of_another_kind_stops_no_retry(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.silence()
    driver.client.set(driver.keys.bell("default"), "garbage")
    assert driver.settle(retry_at(claim, driver.now_ms + 1)) == []
    assert driver.places() == {1: "due:default"}
