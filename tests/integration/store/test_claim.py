"""The script claim: due tasks become ready, ready ones are taken in the order of the queues."""

from __future__ import annotations

import pytest

from tests.support.store_driver import (
    StoreDriver,
    complete,
    crashed,
    envelope,
    identity,
    numbers,
    release,
    tokens,
)
from tqd.errors import StoreMismatch
from tqd.store.calls import MAX_BATCH, PROMOTE_LIMIT
from tqd.task.claim import Counts, parse_token

PRIORITIES = ("high_priority", "default", "low_priority")


def test_a_claim_brings_id_token_and_envelope_of_the_oldest(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)
    claimed = driver.claim(2)
    assert numbers(claimed) == [1, 2]
    assert tokens(claimed) == [b"1:0:0:default"] * 2
    assert claimed.claims[0].envelope == envelope(1)
    assert driver.places() == {1: "claims:w1", 2: "claims:w1", 3: "ready:default"}


def test_redis_notes_the_token_that_the_worker_got(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    assert driver.client.hget(driver.keys.claims("w1"), identity(1)) == claim.token


def test_nothing_ready_is_an_empty_claim(driver: StoreDriver) -> None:
    claimed = driver.claim()
    assert (claimed.fenced, claimed.claims, claimed.next_due_ms) == (False, [], 0)
    assert (claimed.work_left, claimed.dropped, claimed.bad_queue) == (False, 0, "")


def test_no_two_claims_take_the_same_task(driver: StoreDriver) -> None:
    driver.hire("w2")
    driver.enqueue(*range(10))
    first, second = driver.claim(5, "w1"), driver.claim(10, "w2")
    assert sorted(numbers(first) + numbers(second)) == list(range(10))


def test_a_claim_takes_as_many_tasks_as_a_batch_may_have(driver: StoreDriver) -> None:
    driver.enqueue(*range(MAX_BATCH))
    driver.enqueue(MAX_BATCH)
    assert len(driver.claim(MAX_BATCH + 1).claims) == MAX_BATCH
    assert driver.order() == [MAX_BATCH]


# -- who may claim -------------------------------------------------------------------------------


def test_a_worker_that_was_never_hired_claims_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    claimed = driver.claim(worker="stranger")
    assert claimed.fenced and claimed.claims == []
    assert driver.places() == {1: "ready:default"}


def test_a_late_claim_of_a_fenced_worker_changes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, due_ms=driver.now_ms - 1)
    driver.enqueue(2)
    driver.fence("w1")
    before = driver.snapshot()
    assert driver.claim().fenced
    assert driver.snapshot() == before


# -- the order -----------------------------------------------------------------------------------


def test_queues_are_served_in_the_order_of_the_call(driver: StoreDriver) -> None:
    for number, queue in enumerate(reversed(PRIORITIES)):
        driver.enqueue(number, queue=queue)
    assert numbers(driver.claim(queues=PRIORITIES)) == [2, 1, 0]


def test_a_cap_leaves_room_for_the_queues_behind(driver: StoreDriver) -> None:
    driver.enqueue(*range(10), queue="high_priority")
    driver.enqueue(10, 11, queue="default")
    claimed = driver.claim(4, queues=PRIORITIES, caps=(3, 4, 4))
    assert numbers(claimed) == [0, 1, 2, 10]


def test_a_cap_of_nothing_takes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="high_priority")
    driver.enqueue(2)
    claimed = driver.claim(4, queues=PRIORITIES, caps=(0, 4, 4))
    assert (numbers(claimed), claimed.work_left) == ([2], True)


def test_the_token_says_from_which_queue_a_task_came(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="high_priority")
    driver.enqueue(2, queue="a:b")
    claimed = driver.claim(queues=("high_priority", "a:b"))
    assert [parse_token(token)[1] for token in tokens(claimed)] == ["high_priority", "a:b"]


# -- due tasks -----------------------------------------------------------------------------------


def test_a_task_is_claimed_at_its_time_and_not_before(driver: StoreDriver) -> None:
    due_ms = driver.now_ms + 50
    driver.enqueue(1, due_ms=due_ms)
    driver.now_ms = due_ms - 1
    assert driver.claim().claims == []
    driver.now_ms = due_ms
    assert numbers(driver.claim()) == [1]


def test_due_tasks_go_behind_those_that_wait_in_the_order_of_their_time(driver: StoreDriver) -> None:
    driver.enqueue(1, due_ms=driver.now_ms - 1)
    driver.enqueue(2, due_ms=driver.now_ms - 2)
    driver.enqueue(3)
    assert numbers(driver.claim()) == [3, 2, 1]


def test_the_next_due_time_is_the_earliest_of_all_queues(driver: StoreDriver) -> None:
    driver.enqueue(1, due_ms=driver.now_ms + 900)
    driver.enqueue(2, queue="low_priority", due_ms=driver.now_ms + 300)
    assert driver.claim(queues=PRIORITIES).next_due_ms == driver.now_ms + 300


def test_only_so_many_tasks_are_promoted_at_once_and_the_rest_is_due_already(driver: StoreDriver) -> None:
    count = PROMOTE_LIMIT + 1
    driver.enqueue(*range(count), due_ms=driver.now_ms - 5)
    claimed = driver.claim(MAX_BATCH)
    assert len(claimed.claims) == PROMOTE_LIMIT
    assert claimed.next_due_ms == driver.now_ms - 5
    assert numbers(driver.claim(MAX_BATCH)) == [PROMOTE_LIMIT]


def test_promoted_tasks_beyond_the_credit_are_ready(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3, due_ms=driver.now_ms)
    claimed = driver.claim(1)
    assert (numbers(claimed), claimed.work_left) == ([1], True)
    assert driver.order() == [2, 3]


def test_a_due_time_before_1970_is_no_fence(driver: StoreDriver) -> None:
    negative = {identity(number): -1 for number in range(PROMOTE_LIMIT + 1)}
    driver.client.zadd(driver.keys.due("default"), negative)
    claimed = driver.claim(MAX_BATCH)
    assert not claimed.fenced
    assert claimed.dropped == PROMOTE_LIMIT


# -- bells ---------------------------------------------------------------------------------------


def test_a_claim_that_leaves_work_rings_again(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.silence()
    assert driver.claim(1).work_left
    assert driver.rings() == 1
    driver.claim(0)
    assert driver.rings() == 1, "one token at most"


def test_a_claim_that_takes_everything_does_not_ring(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.silence()
    assert not driver.claim(2).work_left
    assert driver.rings() == 0


def test_a_claim_rings_for_the_queue_in_which_work_is_left(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="high_priority")
    driver.enqueue(2, 3)
    driver.silence(*PRIORITIES)
    driver.claim(2, queues=PRIORITIES)
    assert [driver.rings(queue) for queue in PRIORITIES] == [0, 1, 0]


# -- attempts ------------------------------------------------------------------------------------


def test_the_fence_rises_with_each_claim(driver: StoreDriver) -> None:
    driver.enqueue(1)
    seen = []
    for _ in range(3):
        (claim,) = driver.claim().claims
        seen.append(claim.token)
        driver.settle(release(claim, parse_token(claim.token)[0]))
    assert seen == [b"1:0:0:default", b"2:0:0:default", b"3:0:0:default"]


def test_charged_attempts_and_crashes_come_back_with_the_next_claim(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim, Counts(1, 2, 0)))
    (claim,) = driver.claim().claims
    assert claim.token == b"2:2:0:default"
    driver.settle(crashed(claim))
    assert tokens(driver.claim()) == [b"3:2:1:default"]


@pytest.mark.parametrize("garbage", [b"", b"x", b"1:2", b"1:2:3:4", b"-1:0:0"])
def test_an_unreadable_count_starts_anew(driver: StoreDriver, garbage: bytes) -> None:
    driver.enqueue(1)
    driver.client.hset(driver.keys.attempts, identity(1), garbage)
    assert tokens(driver.claim()) == [b"1:0:0:default"]


def test_a_fence_beyond_all_numbers_still_makes_a_token(driver: StoreDriver) -> None:
    driver.enqueue(1)
    driver.client.hset(driver.keys.attempts, identity(1), b"9" * 30 + b":0:0")
    (token,) = tokens(driver.claim())
    assert parse_token(token)[1] == "default"


# -- garbage -------------------------------------------------------------------------------------


def test_ids_without_a_task_are_dropped_and_counted(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.ready("default"), b"garbage", b"", b"\xff" * 40)
    driver.enqueue(1)
    driver.client.rpush(driver.keys.ready("default"), identity(77))
    claimed = driver.claim()
    assert (numbers(claimed), claimed.dropped) == ([1], 4)
    assert driver.places() == {1: "claims:w1"}


def test_only_garbage_is_an_empty_claim(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.ready("default"), b"garbage")
    claimed = driver.claim()
    assert (claimed.claims, claimed.dropped) == ([], 1)
    assert not driver.client.exists(driver.keys.claims("w1"))


@pytest.mark.parametrize("kind", ["ready", "due"])
def test_a_queue_of_another_kind_is_named_and_the_others_go_on(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1, queue="high_priority")
    driver.enqueue(2, due_ms=driver.now_ms, queue="low_priority")
    key = driver.keys.ready("default") if kind == "ready" else driver.keys.due("default")
    driver.client.set(key, "garbage")
    claimed = driver.claim(queues=PRIORITIES)
    assert (numbers(claimed), claimed.bad_queue) == ([1, 2], "default")
    assert driver.places() == dict.fromkeys((1, 2), "claims:w1")


def test_what_waits_beside_a_key_of_another_kind_is_kept(driver: StoreDriver) -> None:
    driver.enqueue(1)
    driver.client.set(driver.keys.due("default"), "garbage")
    assert driver.claim().claims == []
    driver.client.delete(driver.keys.due("default"))
    assert numbers(driver.claim()) == [1]


def test_a_bell_of_another_kind_stops_no_claim(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.client.delete(driver.keys.bell("default"))
    driver.client.set(driver.keys.bell("default"), "garbage")
    claimed = driver.claim(1)
    assert (numbers(claimed), claimed.work_left) == ([1], True)


@pytest.mark.parametrize("kind", ["claims", "task", "attempts"])
def test_a_shard_key_of_another_kind_is_refused_before_anything_is_taken(
    driver: StoreDriver, kind: str
) -> None:
    keys = driver.keys
    driver.enqueue(1)
    driver.enqueue(2, due_ms=driver.now_ms)
    key = {"claims": keys.claims("w1"), "task": keys.task, "attempts": keys.attempts}[kind]
    driver.client.delete(key)
    driver.client.set(key, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.claim()
    assert driver.snapshot() == before


# -- a full Redis --------------------------------------------------------------------------------


def test_a_full_redis_lets_workers_claim(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)
    driver.enqueue(4, due_ms=driver.now_ms)
    driver.silence()
    driver.fill()
    claimed = driver.claim(2)
    assert (numbers(claimed), claimed.work_left) == ([1, 2], True)
    assert driver.settle(*(complete(claim) for claim in claimed.claims)) == []
    assert driver.places() == {3: "ready:default", 4: "ready:default"}


def test_a_full_redis_cannot_ring_but_answers_a_claim_that_takes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    driver.silence()
    driver.fill()
    claimed = driver.claim(0)
    assert (claimed.claims, claimed.work_left) == ([], True)
    assert driver.places() == {1: "ready:default"}
