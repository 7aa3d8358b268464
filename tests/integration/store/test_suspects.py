"""Suspects: tasks that were there when two workers died; only the probe claims them."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, bury, complete, crashed, numbers, park, release, tokens
from tqd.errors import StoreMismatch
from tqd.task.claim import Blame, Claim, parse_token
from tqd.task.settle import Release, reclaimed


def crash(driver: StoreDriver, times: int = 2) -> None:
    """Let a worker claim everything and die, so many times."""
    for _ in range(times):
        driver.settle(*map(crashed, driver.claim(queues=("default", "mail")).claims))


def probed(driver: StoreDriver) -> list[Claim]:
    return driver.claim(worker="probe", probe=True, queues=("default", "mail")).claims


def given_back(claim: Claim) -> Release:
    return reclaimed(claim.task_id, claim.token, Blame.NONE)


@pytest.fixture
def driver(driver: StoreDriver) -> StoreDriver:
    driver.hire("w1", "probe")
    return driver


def test_after_one_death_a_task_is_ready_and_after_the_second_it_is_a_suspect(driver: StoreDriver) -> None:
    driver.enqueue(1)
    crash(driver, 1)
    assert (driver.places(), driver.counts(1)) == ({1: "ready:default"}, b"1:0:1")
    crash(driver, 1)
    assert (driver.places(), driver.counts(1)) == ({1: "suspect:default"}, b"2:0:2")


def test_no_worker_claims_a_suspect_and_the_probe_claims_nothing_else(driver: StoreDriver) -> None:
    driver.enqueue(1)
    crash(driver)
    driver.enqueue(2)
    driver.enqueue(3, due_ms=driver.now_ms - 1)
    assert numbers(driver.claim()) == [2, 3]
    assert numbers(driver.claim(worker="probe", probe=True)) == [1]


def test_a_suspect_keeps_the_queue_that_it_came_from(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="mail")
    driver.enqueue(2)
    crash(driver)
    assert driver.places() == {1: "suspect:mail", 2: "suspect:default"}
    assert {parse_token(claim.token)[1] for claim in probed(driver)} == {"mail", "default"}


def test_the_probe_is_told_whether_more_suspects_wait_and_of_no_due_time(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    crash(driver)
    driver.enqueue(3, due_ms=driver.now_ms + 5)
    claimed = driver.claim(1, worker="probe", probe=True)
    assert (numbers(claimed), claimed.work_left, claimed.next_due_ms) == ([1], True, 0)
    assert not driver.claim(1, worker="probe", probe=True).work_left


def test_suspects_ring_their_own_bell_with_one_token(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    crash(driver)
    assert driver.client.llen(driver.keys.suspect_bell) == 1
    driver.client.delete(driver.keys.suspect_bell)
    driver.claim(1, worker="probe", probe=True)
    assert driver.client.llen(driver.keys.suspect_bell) == 1, "for another daemon's probe: one is left"


def test_what_the_probe_gives_back_is_the_next_suspect_again(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    crash(driver)
    (claim,) = driver.claim(1, worker="probe", probe=True).claims
    assert driver.settle(given_back(claim), worker="probe") == []
    assert driver.suspects() == [1, 2]
    assert driver.counts(1) == b"3:0:2"
    assert driver.settle(given_back(claim), worker="probe") == [claim.task_id], "not twice"
    assert driver.suspects() == [1, 2]


def test_a_suspect_that_is_done_or_dead_leaves_no_count_behind(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    crash(driver)
    one, two = probed(driver)
    assert driver.settle(complete(one), bury(two), worker="probe") == []
    assert driver.places() == {2: "dead"}
    assert (driver.counts(1), driver.counts(2)) == (None, None)


def test_a_suspect_that_was_parked_is_a_suspect_again_when_a_worker_gives_it_back(
    driver: StoreDriver,
) -> None:
    driver.enqueue(1)
    crash(driver)
    (claim,) = probed(driver)
    driver.settle(park(claim, counts=parse_token(claim.token)[0]), worker="probe")
    driver.unpark("later", 1)
    (claim,) = driver.claim().claims
    driver.settle(given_back(claim))
    assert driver.suspects() == [1]


def test_suspects_and_others_are_given_back_in_one_batch_each_to_its_place(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.settle(*map(crashed, driver.claim().claims))
    driver.enqueue(3, 4)
    driver.settle(*map(crashed, driver.claim().claims))
    assert (driver.order(), driver.suspects()) == ([3, 4], [1, 2])


def test_a_key_of_another_kind_refuses_before_anything_is_written(driver: StoreDriver) -> None:
    driver.enqueue(1)
    crash(driver, 1)
    (claim,) = driver.claim().claims
    driver.client.set(driver.keys.suspect("default"), "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch):
        driver.settle(crashed(claim))
    assert driver.snapshot() == before


def test_a_fenced_probe_gets_nothing(driver: StoreDriver) -> None:
    driver.enqueue(1)
    crash(driver)
    driver.fence("probe")
    assert driver.claim(worker="probe", probe=True).fenced
    assert driver.suspects() == [1]


def test_a_claim_of_the_probe_has_the_next_fence(driver: StoreDriver) -> None:
    driver.enqueue(1)
    crash(driver)
    assert tokens(driver.claim(worker="probe", probe=True)) == [b"3:0:2:default"]
    assert driver.settle(release(Claim(b"x" * 16, b"1:0:0:default", b"")), worker="probe") == [b"x" * 16]
