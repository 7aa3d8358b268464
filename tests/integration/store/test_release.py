"""The script release: claimed tasks go back to the head of their queue."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, crashed, identity, numbers, other, release, tokens
from tqd.errors import StoreMismatch
from tqd.store.calls import MAX_BATCH
from tqd.store.settling import SETTLE_BATCH


def test_released_tasks_are_next_in_their_old_order(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3, 4)
    claims = driver.claim(2).claims
    assert driver.settle(*map(release, claims)) == []
    assert driver.order() == [1, 2, 3, 4]
    assert driver.places() == dict.fromkeys((1, 2, 3, 4), "ready:default")


def test_more_tasks_than_one_call_takes_keep_their_order(driver: StoreDriver) -> None:
    count = SETTLE_BATCH * 2 - 10
    driver.enqueue(*range(MAX_BATCH))
    claims = driver.claim(count).claims
    assert driver.settle(*map(release, claims)) == []
    assert driver.order() == list(range(MAX_BATCH))


def test_a_release_charges_no_attempt(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim))
    assert driver.counts(1) == b"1:0:0"
    assert tokens(driver.claim()) == [b"2:0:0:default"]


def test_a_reclaim_charges_no_attempt_and_puts_one_crash_on_record(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(crashed(claim))
    assert driver.counts(1) == b"1:0:1"


def test_each_task_goes_back_to_its_own_queue(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="a")
    driver.enqueue(2, queue="b")
    one, two = driver.claim(queues=("a", "b")).claims
    driver.settle(release(one, queue="a"), release(two, queue="b"))
    assert driver.places() == {1: "ready:a", 2: "ready:b"}


def test_a_release_rings_with_one_token_at_most(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    one, two = driver.claim().claims
    driver.silence()
    driver.settle(release(one))
    driver.settle(release(two))
    assert driver.rings() == 1


def test_a_repeated_call_reports_the_id_as_lost_and_moves_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    (claim,) = driver.claim(1).claims
    driver.settle(release(claim))
    before = driver.snapshot()
    assert driver.settle(release(claim)) == [identity(1)]
    assert driver.snapshot() == before


def test_a_call_repeated_after_the_next_claim_moves_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim))
    assert numbers(driver.claim()) == [1]
    assert driver.settle(release(claim)) == [identity(1)]
    assert driver.places() == {1: "claims:w1"}


def test_a_call_that_finds_its_claims_lost_still_rings_for_waiting_work(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    (claim,) = driver.claim(1).claims
    driver.settle(release(claim))
    driver.silence()
    driver.settle(release(claim))
    assert driver.rings() == 1


def test_a_wrong_token_or_worker_moves_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    before = driver.snapshot()
    assert driver.settle(release(other(claim))) == [identity(1)]
    assert driver.settle(release(claim), worker="w2") == [identity(1)]
    assert driver.snapshot() == before
    assert driver.places() == {1: "claims:w1"}


def test_a_lost_claim_does_not_stop_its_neighbours(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3)
    one, two, three = driver.claim().claims
    assert driver.settle(release(one), release(other(two)), release(three)) == [identity(2)]
    assert driver.order() == [1, 3]


def test_a_full_redis_takes_tasks_back(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.silence()
    driver.fill()
    assert driver.settle(release(claim)) == []
    assert driver.settle(release(claim)) == [identity(1)]
    assert driver.places() == {1: "ready:default"}
    assert driver.rings() == 1


def test_a_full_redis_answers_a_call_whose_claims_are_lost(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim))
    driver.silence()
    driver.fill()
    assert driver.settle(release(claim)) == [identity(1)]


@pytest.mark.parametrize("kind", ["ready", "attempts"])
def test_a_key_of_another_kind_leaves_the_task_claimed(driver: StoreDriver, kind: str) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.client.set(driver.keys.ready("default") if kind == "ready" else driver.keys.attempts, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.settle(release(claim))
    assert driver.snapshot() == before
    assert driver.places() == {1: "claims:w1"}


def test_a_bell_of_another_kind_stops_no_release(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.silence()
    driver.client.set(driver.keys.bell("default"), "garbage")
    assert driver.settle(release(claim)) == []
    assert driver.places() == {1: "ready:default"}
