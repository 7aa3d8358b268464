"""The scripts replay, purge and prune: what becomes of dead letters."""

from __future__ import annotations

import pytest

from tests.support.store_driver import (
    StoreDriver,
    bury,
    complete,
    envelope,
    identity,
    numbers,
    other,
    release,
    tokens,
)
from tqd.errors import StoreFull, StoreMismatch
from tqd.task.claim import parse_token

# -- replay ---------------------------------------------------------------------------------------


def test_a_replayed_task_is_at_the_tail_of_its_queue_and_nowhere_else(driver: StoreDriver) -> None:
    driver.bury_new(1, 2)
    driver.enqueue(3)
    driver.silence()
    assert driver.replay(1) == [1]
    assert driver.order() == [3, 1]
    assert driver.places() == {1: "ready:default", 2: "dead", 3: "ready:default"}
    assert driver.client.hget(driver.keys.task, identity(1)) == envelope(1)
    assert driver.rings() == 1


def test_a_replayed_task_has_all_its_attempts_and_a_fence_above_all_earlier_ones(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.settle(release(claim))
    (claim,) = driver.claim().claims
    driver.settle(bury(claim))
    for run in ("first", "second", "third"):  # the clock stands still, as after a jump back
        before = parse_token(claim.token)[0].fence
        assert driver.replay(1, run=run) == [1]
        (claim,) = driver.claim().claims
        counts = parse_token(claim.token)[0]
        assert (counts.attempts, counts.crashes) == (0, 0)
        assert counts.fence > before
        driver.settle(bury(claim))
    assert driver.places() == {1: "dead"}


def test_a_replay_is_noted_for_a_while(driver: StoreDriver) -> None:
    driver.bury_new(1)
    driver.replay(1, run="first")
    driver.settle(*(bury(claim) for claim in driver.claim().claims))
    driver.now_ms += 5
    driver.replay(1, run="second")
    note = driver.client.hgetall(driver.keys.replay(identity(1)))
    assert (note[b"count"], note[b"ms"]) == (b"2", b"%d" % driver.now_ms)  # type: ignore[index]
    assert 0 < driver.client.pttl(driver.keys.replay(identity(1))) <= 7 * 86_400_000


def test_a_call_that_is_repeated_says_the_same_and_changes_nothing(driver: StoreDriver) -> None:
    driver.bury_new(1, 2)
    driver.replay(1, 2)
    before = driver.snapshot()
    driver.now_ms += 1
    assert driver.replay(1, 2) == [1, 2]
    assert driver.snapshot() == before


def test_a_repeated_call_leaves_a_task_alone_that_has_died_again(driver: StoreDriver) -> None:
    driver.bury_new(1)
    driver.replay(1)
    driver.settle(*(bury(claim) for claim in driver.claim().claims))
    assert driver.replay(1) == [1]
    assert driver.places() == {1: "dead"}
    assert driver.replay(1, run="another") == [1]
    assert driver.places() == {1: "ready:default"}


def test_two_runs_at_once_replay_a_task_once(driver: StoreDriver) -> None:
    driver.bury_new(1)
    assert (driver.replay(1, run="one"), driver.replay(1, run="other")) == ([1], [])
    assert driver.order() == [1]


def test_the_same_id_twice_in_a_call_is_replayed_once(driver: StoreDriver) -> None:
    driver.bury_new(1)
    assert driver.replay(1, 1) == [1]
    assert driver.order() == [1]


def test_a_task_that_lives_or_never_was_is_left_alone(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.claim(1)
    driver.silence()
    before = driver.snapshot()
    assert driver.replay(1, 2, 3) == []
    assert driver.snapshot() == before


def test_the_result_that_said_dead_is_gone_so_that_waiting_means_the_new_run(driver: StoreDriver) -> None:
    driver.bury_new(1, ttl_ms=60_000)
    assert driver.client.exists(driver.keys.result(identity(1)))
    driver.replay(1)
    assert not driver.client.exists(driver.keys.result(identity(1)))


def test_an_old_owner_cannot_settle_a_replayed_task(driver: StoreDriver) -> None:
    driver.enqueue(1)
    (old,) = driver.claim().claims
    driver.settle(bury(old))
    driver.replay(1)
    (new,) = driver.claim().claims
    assert driver.settle(complete(old)) == driver.settle(complete(other(new))) == [identity(1)]
    assert driver.settle(complete(new)) == []
    assert driver.places() == {}
    assert driver.counts(1) is None


def test_a_full_redis_keeps_the_letter(driver: StoreDriver) -> None:
    driver.bury_new(1)
    driver.fill()
    with pytest.raises(StoreFull):
        driver.replay(1)
    driver.fill(False)
    assert driver.places() == {1: "dead"}


@pytest.mark.parametrize("kind", ["dead", "failure", "attempts", "task", "ready", "replay"])
def test_a_key_of_another_kind_leaves_everything_as_it_was(driver: StoreDriver, kind: str) -> None:
    driver.bury_new(1)
    keys = driver.keys
    named = {"ready": keys.ready("default"), "replay": keys.replay(identity(1))}
    key = named.get(kind) or getattr(keys, kind)
    driver.client.delete(key)
    driver.client.set(key, "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch, match="WRONGTYPE"):
        driver.replay(1)
    assert driver.snapshot() == before


def test_many_go_in_one_call_and_run_in_its_order(driver: StoreDriver) -> None:
    driver.bury_new(*range(50))
    assert driver.replay(*range(50)) == list(range(50))
    claimed = driver.claim()
    assert numbers(claimed) == list(range(50))
    whole = -(-driver.now_ms // 10_000) * 10_000
    assert set(tokens(claimed)) == {b"%d:0:0:default" % (whole + 1)}, "from the next whole 10 s on"


# -- purge ----------------------------------------------------------------------------------------


def test_what_is_purged_is_gone_and_a_repeated_call_finds_nothing(driver: StoreDriver) -> None:
    driver.bury_new(1, 2)
    first_ms = driver.now_ms - 1
    assert driver.purge((1, first_ms)) == [1]
    assert driver.places() == {2: "dead"}
    before = driver.snapshot()
    assert driver.purge((1, first_ms)) == []
    assert driver.snapshot() == before


def test_a_letter_that_died_again_since_it_was_seen_stays(driver: StoreDriver) -> None:
    driver.bury_new(1)
    seen_ms = driver.now_ms
    driver.replay(1)
    driver.now_ms += 1
    driver.settle(*(bury(claim) for claim in driver.claim().claims))
    assert driver.purge((1, seen_ms)) == []
    assert driver.purge((1, driver.now_ms)) == [1]


def test_a_letter_with_a_time_that_is_none_of_ours_can_be_purged(driver: StoreDriver) -> None:
    driver.bury_new(1, 2)
    driver.client.zadd(driver.keys.dead, {identity(1): "inf", identity(2): 7.5})  # type: ignore[dict-item]
    assert driver.purge((1, 2**53), (2, 7)) == [1, 2]
    assert driver.places() == {}


# -- prune ----------------------------------------------------------------------------------------


def test_the_oldest_letters_beyond_the_number_go(driver: StoreDriver) -> None:
    driver.bury_new(*range(5))
    assert driver.prune(max_count=3) == 2
    assert sorted(driver.places()) == [2, 3, 4]
    assert driver.prune(max_count=3) == 0


def test_letters_from_before_a_time_go_and_one_of_that_time_stays(driver: StoreDriver) -> None:
    driver.bury_new(*range(5))
    assert driver.prune(max_count=100, oldest_ms=driver.now_ms - 1) == 3
    assert sorted(driver.places()) == [3, 4]


def test_number_and_age_together_remove_what_either_would(driver: StoreDriver) -> None:
    driver.bury_new(*range(6))
    assert driver.prune(max_count=5, oldest_ms=driver.now_ms - 2) == 3
    driver.bury_new(*range(6, 9))
    assert driver.prune(max_count=1, oldest_ms=1) == 5
    assert sorted(driver.places()) == [8]


def test_one_call_removes_no_more_than_it_may(driver: StoreDriver) -> None:
    driver.bury_new(*range(10))
    assert driver.prune(max_count=1, oldest_ms=driver.now_ms, limit=4) == 4
    assert driver.prune(max_count=1, oldest_ms=driver.now_ms, limit=4) == 4
    assert driver.prune(max_count=1, oldest_ms=driver.now_ms, limit=4) == 1
    assert sorted(driver.places()) == [9]


def test_nothing_goes_for_its_age_when_there_is_no_limit(driver: StoreDriver) -> None:
    driver.bury_new(1)
    assert driver.prune(max_count=1, oldest_ms=0) == 0


def test_a_full_redis_lets_letters_be_pruned_and_purged(driver: StoreDriver) -> None:
    driver.bury_new(1, 2)
    driver.fill()
    assert driver.prune(max_count=1) == 1
    assert driver.purge((2, driver.now_ms)) == [2]
