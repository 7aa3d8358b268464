"""The script complete: tasks that are done and keep no result leave no trace."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, complete, identity, other, release
from tqd.errors import StoreMismatch
from tqd.store.calls import MAX_BATCH
from tqd.task.claim import Counts


def test_a_completed_task_leaves_no_trace(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim, Counts(1, 1, 1)))
    (claim,) = driver.claim().claims
    assert driver.settle(complete(claim)) == []
    assert driver.places() == {}
    assert driver.counts(1) is None


def test_a_whole_batch_is_completed_in_one_call(driver: StoreDriver) -> None:
    driver.enqueue(*range(MAX_BATCH))
    claims = driver.claim(MAX_BATCH).claims
    assert driver.settle(*map(complete, claims)) == []
    assert driver.places() == {}


def test_a_repeated_call_reports_the_id_as_lost_and_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    first, second = driver.claim().claims
    driver.settle(complete(first))
    before = driver.snapshot()
    assert driver.settle(complete(first)) == [first.task_id]
    assert driver.snapshot() == before
    assert driver.settle(complete(second)) == []


def test_a_lost_claim_does_not_stop_its_neighbours(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)
    one, two, three = driver.claim().claims
    assert driver.settle(complete(one), complete(other(two)), complete(three)) == [two.task_id]
    assert driver.places() == {2: "claims:w1"}


def test_another_workers_claim_is_left_alone(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    assert driver.settle(complete(claim), worker="w2") == [claim.task_id]
    assert driver.places() == {1: "claims:w1"}


def test_a_superseded_owner_cannot_complete(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (old,) = driver.claim().claims
    driver.settle(release(old))
    driver.claim()
    assert driver.settle(complete(old)) == [identity(1)]
    assert driver.places() == {1: "claims:w1"}


def test_a_full_redis_lets_tasks_be_completed(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.fill()
    assert driver.settle(complete(claim)) == []
    assert driver.places() == {}


@pytest.mark.parametrize("kind", ["task", "attempts"])
def test_a_shard_key_of_another_kind_leaves_the_task_claimed(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    driver.settle(*map(release, driver.claim().claims))
    (claim,) = driver.claim().claims
    key = driver.keys.task if kind == "task" else driver.keys.attempts
    driver.client.delete(key)
    driver.client.set(key, "garbage")
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.settle(complete(claim))
    assert driver.client.hget(driver.keys.claims("w1"), identity(1)) == claim.token
