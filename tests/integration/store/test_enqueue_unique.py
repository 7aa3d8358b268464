"""Unique keys: one task for each, released by whatever ends it, and the same answer to a repeated call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.store_driver import (
    StoreDriver,
    bury,
    complete,
    crashed,
    finish,
    identity,
    numbers,
    park,
    past,
    release,
    retry_at,
    tokens,
)
from tqd.errors import StoreFull, StoreMismatch
from tqd.task.claim import Claim, Counts
from tqd.task.settle import Settlement
from tqd.task.uniqueness import UniqueScope

STARTED, DONE = UniqueScope.UNTIL_STARTED, UniqueScope.UNTIL_DONE


def test_the_second_task_with_a_key_is_a_duplicate_of_the_first(driver: StoreDriver) -> None:
    assert driver.enqueue_unique(1) == [(1, "new")]
    assert driver.enqueue_unique(2, due_ms=5_000_000) == [(1, "duplicate")]
    assert driver.enqueue_unique(3, key="other") == [(3, "new")]
    assert driver.places() == {1: "ready:default", 3: "ready:default"}
    assert driver.locks() == {"k": 1, "other": 3}


def test_one_call_may_hold_both(driver: StoreDriver) -> None:
    assert driver.enqueue_unique(1, 2, 3) == [(1, "new"), (1, "duplicate"), (1, "duplicate")]
    assert driver.order() == [1]


def test_a_key_is_taken_in_every_queue_and_while_the_task_is_scheduled(driver: StoreDriver) -> None:
    driver.enqueue_unique(1, due_ms=driver.now_ms + 50)
    assert driver.enqueue_unique(2, queue="mail") == [(1, "duplicate")]
    assert driver.places() == {1: "due:default"}


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("claimed", [False, True])
def test_a_repeated_call_gets_the_answer_that_was_lost_and_stores_nothing(
    driver: StoreDriver, claimed: bool, replace: bool
) -> None:
    driver.enqueue_unique(1)
    answer = driver.enqueue_unique(2, 3, replace=replace, call=7)
    fresh = driver.enqueue_unique(4, 5, key="other", call=8)
    assert fresh == [(4, "new"), (4, "duplicate")]
    if claimed:
        for claim in driver.claim().claims:
            driver.settle(complete(claim))
    before = driver.snapshot()
    assert driver.enqueue_unique(4, 5, key="other", call=8) == fresh
    assert driver.snapshot() == before
    assert answer == [(1, "replaced" if replace else "duplicate")] * 2


ENDS: dict[str, Callable[[Claim], Settlement]] = {
    "complete": complete,
    "finish": finish,
    "bury": bury,
}


@pytest.mark.parametrize("way", ENDS)
@pytest.mark.parametrize("scope", [STARTED, DONE])
def test_whatever_ends_the_task_releases_its_key(driver: StoreDriver, way: str, scope: UniqueScope) -> None:
    driver.enqueue_unique(1, scope=scope)
    (claim,) = driver.claim().claims
    assert driver.settle(ENDS[way](claim)) == []
    assert driver.locks() == {}
    assert driver.enqueue_unique(2) == [(2, "new")]


KEEPS: dict[str, Callable[[Claim], Settlement]] = {
    "retry": lambda claim: retry_at(claim, 2_000_000),
    "release": release,
    "reclaim": crashed,
    "park": park,
}


@pytest.mark.parametrize("way", KEEPS)
def test_a_key_stays_taken_until_the_task_is_done(driver: StoreDriver, way: str) -> None:
    driver.enqueue_unique(1)
    (claim,) = driver.claim().claims
    assert driver.enqueue_unique(2) == [(1, "duplicate")]
    driver.settle(KEEPS[way](claim))
    assert driver.enqueue_unique(3) == [(1, "duplicate")]
    assert driver.locks() == {"k": 1}


@pytest.mark.parametrize("way", KEEPS)
def test_a_key_until_started_is_free_from_the_first_claim_on(driver: StoreDriver, way: str) -> None:
    driver.enqueue_unique(1, scope=STARTED)
    assert driver.enqueue_unique(2, scope=STARTED) == [(1, "duplicate")]
    (claim,) = driver.claim().claims
    assert driver.locks() == {}
    driver.settle(KEEPS[way](claim))
    assert driver.enqueue_unique(3, scope=STARTED) == [(3, "new")]
    assert driver.locks() == {"k": 3}
    driver.now_ms = 3_000_000
    for other in driver.claim().claims:
        driver.settle(complete(other))
    assert driver.locks() == {}


def test_the_end_of_an_older_task_leaves_the_key_to_the_newer_one(driver: StoreDriver) -> None:
    driver.enqueue_unique(1, scope=STARTED)
    (older,) = driver.claim().claims
    driver.enqueue_unique(2)
    driver.settle(complete(older))
    assert driver.locks() == {"k": 2}


@pytest.mark.parametrize("way", ENDS)
def test_a_key_that_somebody_gave_to_another_task_stays_with_that(driver: StoreDriver, way: str) -> None:
    driver.enqueue_unique(1)
    driver.enqueue_unique(2, key="other")
    (claim,) = driver.claim(1).claims
    held = driver.client.hget(driver.keys.keyed, identity(1))
    assert isinstance(held, bytes)
    driver.client.hset(driver.keys.unique, held[1:], identity(2))  # type: ignore[arg-type]
    driver.settle(ENDS[way](claim))
    assert driver.client.hget(driver.keys.unique, held[1:]) == identity(2)
    assert not driver.client.hexists(driver.keys.keyed, identity(1))  # type: ignore[arg-type]


def test_a_replayed_letter_takes_no_key(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    (claim,) = driver.claim().claims
    driver.settle(bury(claim))
    driver.enqueue_unique(2)
    assert driver.replay(1) == [1]
    assert driver.locks() == {"k": 2}
    for other in driver.claim().claims:
        driver.settle(complete(other))
    assert driver.locks() == {} and driver.places() == {}


def test_a_key_of_a_task_that_is_gone_is_taken_over(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    driver.client.hdel(driver.keys.task, identity(1))
    driver.client.delete(driver.keys.ready("default"), driver.keys.attempts)
    assert driver.enqueue_unique(2) == [(2, "new")]
    assert driver.locks() == {"k": 2}


# -- replacing -----------------------------------------------------------------------------------


def test_the_newest_wins_under_the_first_id_and_keeps_its_turn(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    driver.enqueue(2)
    assert driver.enqueue_unique(3, replace=True) == [(1, "replaced")]
    assert driver.order() == [1, 2]
    claimed = driver.claim()
    assert [claim.envelope for claim in claimed.claims] == [b"payload 3", b"payload 2"]


@pytest.mark.parametrize(("first", "then"), [(0, 90), (50, 90), (50, 0), (0, 0)])
def test_the_delay_starts_anew(driver: StoreDriver, first: int, then: int) -> None:
    due = {0: 0, 50: driver.now_ms + 50, 90: driver.now_ms + 90}
    driver.enqueue_unique(1, due_ms=due[first])
    driver.silence()
    assert driver.enqueue_unique(2, replace=True, due_ms=due[then]) == [(1, "replaced")]
    assert driver.places() == {1: "due:default" if then else "ready:default"}
    assert driver.rings() == (first != then)
    driver.now_ms += max(0, then - 1)
    assert numbers(driver.claim()) == ([] if then else [1])
    driver.now_ms += 1
    assert numbers(driver.claim()) == ([1] if then else [])


def test_a_claimed_task_is_not_replaced(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    driver.claim()
    assert driver.enqueue_unique(2, replace=True) == [(1, "duplicate")]
    assert driver.client.hget(driver.keys.task, identity(1)) == b"payload 1"


def test_what_is_replaced_while_it_waits_for_a_retry_begins_anew(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    (claim,) = driver.claim().claims
    driver.settle(retry_at(claim, driver.now_ms + 500, Counts(7, 1, 0), error=past(1)))
    driver.now_ms += 500
    driver.enqueue_unique(2, replace=True)
    claimed = driver.claim()
    assert tokens(claimed) == [b"8:0:0:default"], "its fence goes on, its attempts do not"
    assert driver.history(1) == ()


def test_a_waiting_task_is_found_at_either_end_of_a_long_list(driver: StoreDriver) -> None:
    driver.enqueue(*range(10, 60))
    driver.enqueue_unique(1)
    driver.enqueue(*range(100, 103))
    assert driver.enqueue_unique(2, replace=True, due_ms=5_000_000) == [(1, "replaced")]
    assert driver.places()[1] == "due:default"
    assert driver.order() == [*range(10, 60), *range(100, 103)]


# -- what may be wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["task", "attempts", "errors", "cancels", "unique", "keyed"])
def test_a_key_of_another_kind_stores_nothing(driver: StoreDriver, kind: str) -> None:
    driver.client.set(getattr(driver.keys, kind), "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch):
        driver.enqueue_unique(1)
    assert driver.snapshot() == before


def test_a_full_redis_takes_none(driver: StoreDriver) -> None:
    driver.fill()
    with pytest.raises(StoreFull):
        driver.enqueue_unique(1)
    driver.fill(False)
    assert driver.places() == {}
    assert driver.enqueue_unique(1) == [(1, "new")]


def test_a_task_without_a_key_leaves_no_trace_of_one(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    driver.enqueue(2)
    assert tokens(driver.claim()) == [b"2:0:0:default", b"1:0:0:default"]
