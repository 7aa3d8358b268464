"""Cancelling at the store: what waits ends at once, what is claimed is marked, and the mark is honoured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.store_driver import (
    StoreDriver,
    bury,
    complete,
    crashed,
    envelope,
    finish,
    identity,
    numbers,
    park,
    past,
    release,
    retry_at,
)
from tqd.errors import StoreMismatch
from tqd.store.cancelling import cancel_call
from tqd.task.cancelling import CancelMark
from tqd.task.claim import Claim
from tqd.task.model import NO_OPTIONS, TaskState
from tqd.task.settle import Dismiss, Settlement
from tqd.wire.envelope import Envelope
from tqd.wire.records import ResultRecord


def cancel(driver: StoreDriver, number: int, name: str = "later", queue: str = "default") -> str:
    task = Envelope(name, [], {}, queue, 1, NO_OPTIONS, {})
    mark = CancelMark(asked_ms=driver.now_ms, reason="why")
    return str(driver.run(cancel_call(driver.keys, identity(number), task, mark)).decode())


def record(driver: StoreDriver, number: int) -> ResultRecord:
    data = driver.client.get(driver.keys.result(identity(number)))
    assert isinstance(data, bytes)
    return ResultRecord.decode(data)


def marks(driver: StoreDriver) -> set[int]:
    return {int.from_bytes(one, "big") for one in driver.client.hkeys(driver.keys.cancels)}  # type: ignore[union-attr]


def wait_ready(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)


def wait_scheduled(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3, due_ms=driver.now_ms + 5)


def wait_parked(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)
    driver.settle(*(park(claim) for claim in driver.claim().claims))


def wait_for_a_retry(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)
    for claim in driver.claim().claims:
        driver.settle(retry_at(claim, driver.now_ms + 5, error=past(1)))


WAITS = [wait_ready, wait_scheduled, wait_parked, wait_for_a_retry]


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_waits_is_cancelled_and_never_runs(
    driver: StoreDriver, wait: Callable[[StoreDriver], None], number: int
) -> None:
    wait(driver)
    assert cancel(driver, number) == "cancelled"
    assert set(driver.places()) == {1, 2, 3} - {number}
    assert driver.counts(number) is None and driver.history(number) == ()
    assert (record(driver, number).state, record(driver, number).error_message) == (
        TaskState.CANCELLED,
        "why",
    )
    assert 0 < driver.client.pttl(driver.keys.result(identity(number))) <= 600_000  # type: ignore[operator]
    driver.now_ms += 10
    driver.unpark("later", 1, 2, 3)
    assert set(numbers(driver.claim())) == {1, 2, 3} - {number}


def test_a_repeated_call_gets_the_same_answer_and_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.claim(1)
    answers = [cancel(driver, 1), cancel(driver, 2)]
    before = driver.snapshot()
    assert [cancel(driver, 1), cancel(driver, 2)] == answers == ["asked", "cancelled"]
    after = driver.snapshot()
    assert {key for key in before if before[key] != after.get(key)} <= {
        driver.keys.result(identity(2)).encode()
    }
    assert before.keys() == after.keys()


def test_what_is_over_or_never_was_is_told_apart(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    dead, done = driver.claim().claims
    driver.settle(bury(dead), finish(done))
    assert [cancel(driver, n) for n in (1, 2, 3)] == ["over", "over", "unknown"]
    assert marks(driver) == set()


def test_a_cancelled_unique_task_frees_its_key(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    assert cancel(driver, 1) == "cancelled"
    assert driver.locks() == {}
    assert driver.enqueue_unique(2) == [(2, "new")]


ENDS: dict[str, Callable[[Claim], Settlement]] = {
    "complete": complete,
    "finish": finish,
    "bury": bury,
    "dismiss": lambda claim: Dismiss(claim.task_id, claim.token, "why", 0, asked=True),
}


@pytest.mark.parametrize("way", ENDS)
def test_the_mark_of_a_claimed_task_goes_with_its_end(driver: StoreDriver, way: str) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    assert cancel(driver, 1) == "asked"
    assert marks(driver) == {1}
    assert driver.settle(ENDS[way](claim)) == []
    assert marks(driver) == set()


BACK: dict[str, Callable[[Claim], Settlement]] = {
    "retry": lambda claim: retry_at(claim, 99_000_000),
    "release": release,
    "reclaim": crashed,
}


@pytest.mark.parametrize("way", BACK)
def test_a_marked_task_that_comes_back_is_claimed_at_once_to_be_ended(driver: StoreDriver, way: str) -> None:
    driver.enqueue(1, 2)
    one, two = driver.claim().claims
    cancel(driver, 1)
    driver.settle(BACK[way](one), BACK[way](two))
    claimed = driver.claim()
    assert 1 in numbers(claimed), "also when its retry would be later"
    assert claimed.cancelled == {identity(1): b"%d:why" % driver.now_ms}
    assert marks(driver) == {1}, "until it is settled"


def test_a_task_deep_in_a_long_list_is_marked(driver: StoreDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqd.store.cancelling.REACH", 2)
    driver.enqueue(*range(1, 8))
    assert [cancel(driver, n) for n in (2, 4, 6)] == ["cancelled", "asked", "cancelled"]
    assert driver.order() == [1, 3, 4, 5, 7]
    claimed = driver.claim()
    assert set(claimed.cancelled) == {identity(4)}


def test_a_full_redis_still_cancels(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.claim(1)
    driver.fill()
    assert [cancel(driver, 1), cancel(driver, 2)] == ["asked", "cancelled"]


@pytest.mark.parametrize("kind", ["attempts", "errors", "unique", "keyed", "cancels"])
def test_a_key_of_another_kind_leaves_the_task_where_it_is(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    driver.client.set(getattr(driver.keys, kind), "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch):
        cancel(driver, 1)
    assert driver.snapshot() == before


def test_marks_of_others_cost_an_ordinary_task_nothing_of_its_own(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    (one,) = driver.claim(1).claims
    cancel(driver, 1)
    claimed = driver.claim()
    assert (numbers(claimed), claimed.cancelled) == ([2], {})
    assert claimed.claims[0].envelope == envelope(2)
    driver.settle(complete(one))
