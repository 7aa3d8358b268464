"""The script retry: claimed tasks run again at a later time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.store_driver import (
    StoreDriver,
    bury,
    complete,
    finish,
    identity,
    numbers,
    other,
    park,
    past,
    release,
    retry_at,
    tokens,
)
from tqd.errors import StoreMismatch
from tqd.store.settling import SETTLE_BATCH
from tqd.task.claim import Claim, Counts
from tqd.task.settle import Settlement
from tqd.wire.history import HISTORY_BYTES, HISTORY_TASKS


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


def fail(driver: StoreDriver, attempt: int, message: str = "no") -> None:
    """Claim the only task and let its attempt fail."""
    (claim,) = driver.claim().claims
    assert driver.settle(retry_at(claim, driver.now_ms, error=past(attempt, message))) == []


def test_the_errors_of_all_attempts_are_kept_the_newest_first(driver: StoreDriver) -> None:
    driver.enqueue(1)
    for attempt in (1, 2, 3):
        fail(driver, attempt)
    assert driver.history(1) == (past(3), past(2), past(1))


def test_a_retry_without_an_error_leaves_the_history_as_it_is(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    one, two = driver.claim().claims
    driver.settle(retry_at(one, driver.now_ms, error=past(1)), retry_at(two, driver.now_ms))
    assert driver.history(1) == (past(1),)
    for claim in driver.claim().claims:
        driver.settle(retry_at(claim, driver.now_ms))
    assert driver.history(1) == (past(1),)
    assert driver.client.hlen(driver.keys.errors) == 1


def test_a_history_has_a_bound_and_keeps_the_newest(driver: StoreDriver) -> None:
    driver.enqueue(1)
    for attempt in range(1, 31):
        fail(driver, attempt, "x" * 300)
    assert driver.client.hstrlen(driver.keys.errors, identity(1)) == HISTORY_BYTES  # type: ignore[arg-type]
    kept = [error.attempt for error in driver.history(1)]
    assert kept == list(range(30, 30 - len(kept), -1)) and len(kept) >= 10


def test_of_too_many_tasks_no_history_is_begun_but_those_begun_go_on(driver: StoreDriver) -> None:
    driver.enqueue(1)
    fail(driver, 1)
    driver.client.hset(driver.keys.errors, mapping={f"other {n}": b"" for n in range(HISTORY_TASKS - 1)})
    fail(driver, 2)
    driver.now_ms += 1
    (claim,) = driver.claim().claims
    driver.enqueue(2)
    (other_claim,) = driver.claim().claims
    driver.settle(retry_at(other_claim, driver.now_ms + 9, error=past(1)))
    driver.settle(retry_at(claim, driver.now_ms + 9, error=past(3)))
    assert driver.history(1) == (past(3), past(2), past(1))
    assert driver.history(2) == ()
    assert driver.places() == {1: "due:default", 2: "due:default"}


@pytest.mark.parametrize("ending", [complete, finish, bury])
def test_the_end_of_a_task_is_the_end_of_its_history(
    driver: StoreDriver, ending: Callable[[Claim], Settlement]
) -> None:
    driver.enqueue(1)
    fail(driver, 1)
    (claim,) = driver.claim().claims
    driver.settle(ending(claim))
    assert not driver.client.exists(driver.keys.errors)


def test_a_task_that_is_given_back_or_parked_keeps_its_history(driver: StoreDriver) -> None:
    driver.enqueue(1)
    fail(driver, 1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim, Counts(2, 1, 0)))
    (claim,) = driver.claim().claims
    driver.settle(park(claim))
    assert driver.history(1) == (past(1),)


@pytest.mark.parametrize("kind", ["due", "attempts", "errors"])
def test_a_key_of_another_kind_leaves_the_task_claimed(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    keys = driver.keys
    driver.client.set(
        {"due": keys.due("default"), "attempts": keys.attempts}.get(kind, keys.errors), "garbage"
    )
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
