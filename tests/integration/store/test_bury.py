"""The script bury: one claimed task becomes a dead letter."""

from __future__ import annotations

import pytest

from tests.support.store_driver import (
    ERROR,
    StoreDriver,
    bury,
    envelope,
    identity,
    other,
    past,
    release,
    retry_at,
)
from tests.support.wait import until
from tqd.errors import StoreMismatch
from tqd.task.model import TaskState
from tqd.wire.records import FailureRecord, ResultRecord


def bury_new(driver: StoreDriver, *numbers: int) -> None:
    driver.enqueue(*numbers)
    for claim in driver.claim().claims:
        driver.now_ms += 1
        assert driver.settle(bury(claim)) == []


def failure(driver: StoreDriver, number: int) -> FailureRecord:
    return FailureRecord.decode(driver.client.hget(driver.keys.failure, identity(number)))  # type: ignore[arg-type]


def test_a_dead_letter_keeps_everything_to_run_it_again(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim))
    (claim,) = driver.claim().claims
    assert driver.settle(bury(claim)) == []
    assert driver.places() == {1: "dead"}
    assert driver.counts(1) is None
    record = failure(driver, 1)
    assert (record.task_id, record.envelope) == (identity(1), envelope(1))
    assert (record.reason, record.attempts, record.failed_ms) == ("raised", 1, driver.now_ms)
    assert record.errors == ((ERROR.type, ERROR.message, ""),)
    assert record.worker == "w1"


def test_a_dead_letter_has_the_errors_of_all_attempts(driver: StoreDriver) -> None:
    driver.enqueue(1)
    for attempt in (1, 2):
        (claim,) = driver.claim().claims
        driver.settle(retry_at(claim, driver.now_ms, error=past(attempt)))
    (claim,) = driver.claim().claims
    assert driver.settle(bury(claim)) == []
    record = failure(driver, 1)
    assert record.history == (past(2), past(1))
    assert record.errors == ((ERROR.type, ERROR.message, ""),)


def test_a_history_that_somebody_has_spoilt_stops_no_burial(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.client.hset(driver.keys.errors, identity(1), b"\xc1" * 300_000)  # type: ignore[arg-type]
    assert driver.settle(bury(claim)) == []
    assert failure(driver, 1).history == ()


def test_only_who_asked_for_a_result_is_told(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    one, two = driver.claim().claims
    listener = driver.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.psubscribe("*")
    listener.get_message(timeout=5)
    driver.settle(bury(one, ttl_ms=0), bury(two, ttl_ms=60_000))
    message = until(listener.get_message, "the record is published")
    listener.close()
    assert message["channel"].decode() == driver.keys.result(identity(2))
    record = ResultRecord.decode(message["data"])
    assert (record.state, record.value) == (TaskState.DEAD, None)
    assert (record.error_type, record.error_message) == (ERROR.type, ERROR.message)
    assert 55_000 < driver.client.pttl(driver.keys.result(identity(2))) <= 60_000
    assert not driver.client.exists(driver.keys.result(identity(1)))


def test_the_oldest_dead_letters_go_beyond_the_cap(driver: StoreDriver) -> None:
    driver.max_dead = 3
    bury_new(driver, 1, 2, 3, 4, 5)
    assert driver.places() == dict.fromkeys((3, 4, 5), "dead")


def test_a_lowered_cap_is_reached_ten_letters_at_a_time(driver: StoreDriver) -> None:
    bury_new(driver, *range(30))
    driver.max_dead = 5
    bury_new(driver, 30)
    assert len(driver.places()) == 31 - 10
    bury_new(driver, 31, 32)
    assert sorted(driver.places()) == [28, 29, 30, 31, 32]


def test_a_cap_of_nothing_keeps_no_letter(driver: StoreDriver) -> None:
    driver.max_dead = 0
    bury_new(driver, 1)
    assert driver.places() == {}


def test_a_repeated_call_reports_the_id_as_lost_and_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(bury(claim))
    driver.now_ms += 1
    before = driver.snapshot()
    assert driver.settle(bury(claim, ttl_ms=60_000)) == [identity(1)]
    assert driver.snapshot() == before


def test_a_wrong_token_or_worker_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    before = driver.snapshot()
    assert driver.settle(bury(other(claim))) == [identity(1)]
    assert driver.settle(bury(claim), worker="w2") == [identity(1)]
    assert driver.snapshot() == before
    assert driver.places() == {1: "claims:w1"}


def test_a_full_redis_lets_tasks_be_buried(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.fill()
    assert driver.settle(bury(claim, ttl_ms=60_000)) == []
    assert driver.places() == {1: "dead"}


@pytest.mark.parametrize("kind", ["dead", "failure", "attempts", "task", "errors"])
def test_a_key_of_another_kind_leaves_the_task_claimed(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    keys = driver.keys
    key = getattr(keys, kind)
    driver.client.delete(key)
    driver.client.set(key, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.settle(bury(claim))
    assert driver.snapshot() == before
