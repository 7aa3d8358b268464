"""The script finish: a task that is done keeps its result, and tells whoever waits."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, finish, identity, other, release
from tests.support.wait import until
from tqd.errors import StoreMismatch


def test_a_finished_task_leaves_its_result_for_its_time(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    assert driver.settle(finish(claim, 60_000, b"42")) == []
    key = driver.keys.result(identity(1))
    assert driver.client.get(key) == b"42"
    assert 55_000 < driver.client.pttl(key) <= 60_000
    assert driver.places() == {}
    assert driver.counts(1) is None


def test_a_result_goes_when_its_time_is_over(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(finish(claim, 1))
    until(lambda: not driver.client.exists(driver.keys.result(identity(1))), "the result is gone")


def test_whoever_waits_is_told(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    listener = driver.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(driver.keys.result(identity(1)))
    listener.get_message(timeout=5)
    driver.settle(finish(claim, 60_000, b"42"))
    message = until(listener.get_message, "the record is published")
    listener.close()
    assert message["data"] == b"42"


def test_a_repeated_call_reports_the_id_as_lost_and_keeps_the_first_result(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(finish(claim, 60_000, b"first"))
    assert driver.settle(finish(claim, 60_000, b"second")) == [identity(1)]
    assert driver.client.get(driver.keys.result(identity(1))) == b"first"


def test_a_wrong_token_or_worker_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    before = driver.snapshot()
    assert driver.settle(finish(other(claim))) == [identity(1)]
    assert driver.settle(finish(claim), worker="w2") == [identity(1)]
    assert driver.snapshot() == before
    assert driver.places() == {1: "claims:w1"}


def test_a_full_redis_lets_tasks_be_finished_with_their_result(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.fill()
    assert driver.settle(finish(claim, 60_000, b"42")) == []
    assert driver.client.get(driver.keys.result(identity(1))) == b"42"


@pytest.mark.parametrize("kind", ["task", "attempts"])
def test_a_shard_key_of_another_kind_leaves_the_task_claimed(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    driver.settle(*map(release, driver.claim().claims))
    (claim,) = driver.claim().claims
    key = driver.keys.task if kind == "task" else driver.keys.attempts
    driver.client.delete(key)
    driver.client.set(key, "garbage")
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.settle(finish(claim))
    assert driver.client.hget(driver.keys.claims("w1"), identity(1)) == claim.token
