"""Paused and limited queues: what the claim takes of them, and what producers are told."""

from __future__ import annotations

import pytest

from tests.support.store_driver import StoreDriver, complete, identity, numbers, release, retry_at
from tqd.errors import StoreMismatch
from tqd.store import calls
from tqd.store.calls import Claimed
from tqd.task.queue_limit import QueueLimit
from tqd.task.settle import Settlement

BOTH = ("default", "low_priority")


def limit(driver: StoreDriver, publisher: str = "here", **rules: float) -> None:
    driver.run(
        calls.limit(driver.keys, publisher, [QueueLimit(queue="default", **rules)], take_over=True)  # type: ignore[arg-type]
    )


def looks(claimed: Claimed) -> tuple[bool, bool, int]:
    return claimed.work_left, claimed.held_back, claimed.next_due_ms


# -- paused --------------------------------------------------------------------------------------


def test_nothing_is_claimed_of_a_paused_queue_and_the_others_go_on(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.enqueue(3, queue="low_priority")
    driver.pause()
    claimed = driver.claim(queues=BOTH)
    assert numbers(claimed) == [3]
    assert looks(claimed) == (False, False, 0), "nobody is to look for what is paused"


def test_what_is_due_in_a_paused_queue_stays_scheduled(driver: StoreDriver) -> None:
    driver.enqueue(1, due_ms=driver.now_ms - 5)
    driver.pause()
    assert looks(driver.claim()) == (False, False, 0)
    assert driver.places() == {1: "due:default"}


def test_a_queue_that_goes_on_wakes_a_worker_and_is_claimed_again(driver: StoreDriver) -> None:
    driver.enqueue(1)
    driver.pause()
    driver.silence()
    assert driver.pause(paused=False)
    assert driver.rings() == 1
    assert numbers(driver.claim()) == [1]


@pytest.mark.parametrize("how", ["resumed", "unlimited"])
def test_the_probe_is_woken_as_well_when_suspects_may_run_again(driver: StoreDriver, how: str) -> None:
    driver.client.rpush(driver.keys.suspect("default"), identity(1))
    driver.pause()
    limit(driver, concurrency=1)
    driver.client.delete(driver.keys.suspect_bell)
    if how == "resumed":
        driver.pause(paused=False)
    else:
        driver.run(calls.limit(driver.keys, "here", [], take_over=True))
    assert driver.client.llen(driver.keys.suspect_bell) == 1


def test_without_suspects_the_probe_is_left_alone(driver: StoreDriver) -> None:
    driver.pause()
    driver.pause(paused=False)
    limit(driver, concurrency=1)
    assert not driver.client.exists(driver.keys.suspect_bell)


def test_pausing_twice_changes_nothing(driver: StoreDriver) -> None:
    assert [driver.pause(), driver.pause()] == [True, False]
    assert [driver.pause(paused=False), driver.pause(paused=False)] == [True, False]


def test_producers_of_a_paused_queue_go_on(driver: StoreDriver) -> None:
    driver.pause()
    assert driver.enqueue(1, 2) == 2


@pytest.mark.parametrize("key", ["paused", "limits"])
def test_a_key_of_another_kind_refuses_the_claim_before_anything_is_written(
    driver: StoreDriver, key: str
) -> None:
    driver.enqueue(1, due_ms=driver.now_ms - 1)
    driver.client.lpush(getattr(driver.keys, key), "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch):
        driver.claim()
    assert driver.snapshot() == before


# -- depth ---------------------------------------------------------------------------------------


def test_a_full_queue_takes_all_of_a_call_or_nothing(driver: StoreDriver) -> None:
    limit(driver, max_depth=3)
    assert driver.enqueue(1, 2) == 2
    before = driver.snapshot()
    assert driver.refused(3, 4) == (2, 3)
    assert driver.snapshot() == before
    assert driver.enqueue(3) == 1
    assert driver.refused(4) == (3, 3)


def test_scheduled_tasks_count_and_are_refused_as_well(driver: StoreDriver) -> None:
    limit(driver, max_depth=3)
    later = driver.now_ms + 1000
    assert driver.enqueue(1, 2, due_ms=later) == 2
    assert driver.refused(3, 4, due_ms=later) == (2, 3)
    assert driver.refused(3, 4) == (2, 3)
    assert driver.enqueue(3) == 1


def test_claimed_tasks_make_room_and_what_comes_back_is_never_refused(driver: StoreDriver) -> None:
    limit(driver, max_depth=2)
    driver.enqueue(1, 2)
    first, second = driver.claim().claims
    driver.enqueue(3, 4)
    assert driver.settle(release(first), retry_at(second, driver.now_ms + 5)) == []
    assert driver.refused(5) == (4, 2)


def test_a_refused_call_may_be_repeated_and_is_stored_once_there_is_room(driver: StoreDriver) -> None:
    limit(driver, max_depth=1)
    driver.enqueue(1, call=1)
    assert driver.refused(2, call=2) == (1, 1)
    driver.claim()
    assert driver.enqueue(2, call=2) == 1
    assert driver.enqueue(2, call=2) == 0


def test_a_call_that_was_stored_is_not_refused_when_it_is_repeated(driver: StoreDriver) -> None:
    limit(driver, max_depth=1)
    assert [driver.enqueue(1, call=1), driver.enqueue(1, call=1)] == [1, 0]


def test_a_task_with_a_unique_key_is_refused_only_when_it_would_be_one_more(driver: StoreDriver) -> None:
    limit(driver, max_depth=2)
    assert driver.enqueue_unique(1, key="a", call=1) == [(1, "new")]
    assert driver.refused_unique(2, 3, keys=("b", "c")) == (1, 2)
    assert driver.enqueue_unique(4, 5, key="b") == [(4, "new"), (4, "duplicate")]
    assert driver.enqueue_unique(6, key="a") == [(1, "duplicate")]
    assert driver.enqueue_unique(7, key="a", replace=True) == [(1, "replaced")]
    assert driver.refused_unique(8, keys=("c",)) == (2, 2)
    assert driver.locks() == {"a": 1, "b": 4}


def test_other_queues_have_no_depth(driver: StoreDriver) -> None:
    limit(driver, max_depth=1)
    assert driver.enqueue(*range(5), queue="low_priority") == 5


def test_the_flow_of_a_queue_with_a_depth_is_noted_by_window_and_ends(driver: StoreDriver) -> None:
    limit(driver, max_depth=100)
    driver.enqueue(*range(20))
    flow = driver.keys.flow("default")
    for step_ms, seen in ((0, b"100:5:0"), (100, b"100:10:0"), (10_000, b"101:5:10"), (20_000, b"103:5:0")):
        driver.now_ms += step_ms
        driver.claim(5)
        assert driver.client.get(flow) == seen
    assert 0 < driver.client.pttl(flow) <= 20_000


def test_a_queue_without_a_depth_has_no_flow(driver: StoreDriver) -> None:
    limit(driver, concurrency=5)
    driver.enqueue(1)
    driver.claim()
    assert not driver.client.exists(driver.keys.flow("default"))


# -- concurrency ---------------------------------------------------------------------------------


def test_no_more_run_than_the_limit_over_all_workers(driver: StoreDriver) -> None:
    driver.hire("w2")
    limit(driver, concurrency=3)
    driver.enqueue(*range(10))
    assert numbers(driver.claim(2, "w1")) == [0, 1]
    assert numbers(driver.claim(5, "w2")) == [2]
    assert numbers(driver.claim(5, "w1")) == []
    assert driver.order() == list(range(3, 10)), "what is limited is never taken and put back"


def test_what_the_limit_holds_back_rings_no_bell_and_is_looked_at_again(driver: StoreDriver) -> None:
    limit(driver, concurrency=1)
    driver.enqueue(1, 2)
    driver.silence()
    claimed = driver.claim()
    assert looks(claimed) == (False, True, driver.now_ms + 1000)
    assert driver.rings() == 0


def test_what_credit_leaves_is_open_to_others_as_far_as_the_limit_goes(driver: StoreDriver) -> None:
    limit(driver, concurrency=2)
    driver.enqueue(1, 2, 3)
    driver.silence()
    assert looks(driver.claim(1)) == (True, False, 0)
    assert driver.rings() == 1


@pytest.mark.parametrize("way", ["complete", "release", "retry"])
def test_a_task_that_runs_no_more_makes_room_at_once(driver: StoreDriver, way: str) -> None:
    limit(driver, concurrency=1)
    driver.enqueue(1, 2)
    (claim,) = driver.claim().claims
    later = driver.now_ms + 60_000
    ways: dict[str, Settlement] = {
        "complete": complete(claim),
        "release": release(claim),
        "retry": retry_at(claim, later),
    }
    assert driver.settle(ways[way]) == []
    assert numbers(driver.claim()) == ([1] if way == "release" else [2])


def test_a_task_claimed_again_by_another_worker_counts_once(driver: StoreDriver) -> None:
    driver.hire("w2")
    limit(driver, concurrency=2)
    driver.enqueue(1, 2, 3)
    first, _ = driver.claim(2).claims
    driver.settle(release(first))
    assert numbers(driver.claim(5, "w2")) == [1]
    assert numbers(driver.claim(5, "w2")) == []
    assert driver.client.hlen(driver.keys.running("default")) == 2


def test_tasks_of_a_lost_worker_count_until_they_are_taken_back(driver: StoreDriver) -> None:
    driver.hire("w2")
    limit(driver, concurrency=1)
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    driver.fence("w1")
    assert numbers(driver.claim(1, "w2")) == []
    driver.settle(release(claim))
    assert numbers(driver.claim(1, "w2")) == [1]


def test_other_queues_of_the_claim_are_not_limited(driver: StoreDriver) -> None:
    limit(driver, concurrency=1)
    driver.enqueue(1, 2)
    driver.enqueue(3, 4, queue="low_priority")
    assert numbers(driver.claim(queues=BOTH)) == [1, 3, 4]


def test_a_queue_that_is_asked_twice_in_a_claim_has_one_limit(driver: StoreDriver) -> None:
    limit(driver, concurrency=3, rate_per_s=1, burst=3)
    driver.enqueue(*range(9))
    assert numbers(driver.claim(8, queues=("default", *BOTH), caps=(2, 8, 8))) == [0, 1, 2]
    assert driver.client.hlen(driver.keys.running("default")) == 3


def test_what_the_second_ask_empties_is_not_left(driver: StoreDriver) -> None:
    driver.enqueue(*range(5))
    driver.silence()
    claimed = driver.claim(8, queues=("default", *BOTH), caps=(2, 8, 8))
    assert (len(claimed.claims), looks(claimed), driver.rings()) == (5, (False, False, 0), 0)


def test_a_depth_alone_holds_nothing_back(driver: StoreDriver) -> None:
    limit(driver, max_depth=3000)
    for first in (0, 1000):
        driver.enqueue(*range(first, first + 1000))
    assert looks(driver.claim(1000)) == (True, False, 0)


@pytest.mark.parametrize("kind", ["running", "rate"])
def test_a_limit_whose_key_is_of_another_kind_lets_nothing_start_and_is_named(
    driver: StoreDriver, kind: str
) -> None:
    limit(driver, concurrency=3, rate_per_s=100)
    driver.enqueue(1)
    driver.enqueue(2, queue="low_priority")
    driver.client.rpush(getattr(driver.keys, kind)("default"), "garbage")
    claimed = driver.claim(queues=BOTH)
    assert (numbers(claimed), claimed.bad_queue) == ([2], "default")


def test_garbage_among_what_runs_is_dropped_in_bounded_steps(driver: StoreDriver) -> None:
    limit(driver, concurrency=1)
    driver.client.hset(driver.keys.running("default"), mapping={f"x{n}": "y" for n in range(5000)})
    driver.enqueue(1)
    steps = 0
    while not driver.claim().claims:
        steps += 1
    assert 3 <= steps <= 10
    assert driver.client.hlen(driver.keys.running("default")) == 1


def test_garbage_as_a_limit_is_no_limit(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.limits, "default", b"\xff:x")
    assert driver.enqueue(1, 2) == 2
    assert numbers(driver.claim()) == [1, 2]


def test_a_full_redis_lets_limited_tasks_run(driver: StoreDriver) -> None:
    limit(driver, concurrency=2, rate_per_s=100, max_depth=9)
    driver.enqueue(1, 2, 3)
    driver.fill()
    claimed = driver.claim()
    assert numbers(claimed) == [1, 2]
    assert driver.settle(*map(complete, claimed.claims)) == []


# -- rate ----------------------------------------------------------------------------------------


def test_a_bucket_lets_its_burst_start_and_then_its_rate(driver: StoreDriver) -> None:
    limit(driver, rate_per_s=10, burst=4)
    driver.enqueue(*range(100))
    started = []
    for _ in range(100):
        started.append(len(driver.claim().claims))
        driver.now_ms += 50
    assert sum(started) == 4 + 49
    assert started[:5] == [4, 0, 1, 0, 1]


def test_the_reply_tells_when_the_next_task_may_start(driver: StoreDriver) -> None:
    limit(driver, rate_per_s=10, burst=1)
    driver.enqueue(1, 2, 3)
    driver.silence()
    assert looks(driver.claim()) == (False, True, driver.now_ms + 100)
    assert driver.rings() == 0
    driver.now_ms += 99
    assert numbers(driver.claim()) == []
    driver.now_ms += 1
    assert numbers(driver.claim()) == [2]


def test_a_high_rate_is_not_looked_at_for_every_task(driver: StoreDriver) -> None:
    limit(driver, rate_per_s=5000, burst=1)
    driver.enqueue(1, 2)
    assert driver.claim().next_due_ms == driver.now_ms + 10


def test_a_clock_that_is_a_little_behind_takes_nothing_back_and_adds_nothing(driver: StoreDriver) -> None:
    limit(driver, rate_per_s=10, burst=2)
    driver.enqueue(*range(9))
    assert len(driver.claim().claims) == 2
    driver.now_ms -= 50
    assert len(driver.claim().claims) == 0
    driver.now_ms += 150
    assert len(driver.claim().claims) == 1


def test_a_clock_that_was_set_back_does_not_stop_a_queue_until_it_is_there_again(
    driver: StoreDriver,
) -> None:
    limit(driver, rate_per_s=10, burst=2)
    driver.enqueue(*range(9))
    assert len(driver.claim().claims) == 2
    driver.now_ms -= 60_000
    assert len(driver.claim().claims) == 2, "a new bucket"
    assert len(driver.claim().claims) == 0
    driver.now_ms += 100
    assert len(driver.claim().claims) == 1


@pytest.mark.parametrize(
    "bucket", ["1.2.3:5", "...:1", "9" * 400 + ":1", "1:" + "9" * 400, "0:99999999999999999", "", "x"]
)
def test_garbage_in_a_bucket_neither_stops_a_claim_nor_loses_a_task(driver: StoreDriver, bucket: str) -> None:
    limit(driver, rate_per_s=1000, burst=5)
    driver.client.set(driver.keys.rate("default"), bucket)
    driver.enqueue(1)
    driver.enqueue(2, queue="high_priority")
    queues = ("high_priority", "default")
    claimed = numbers(driver.claim(queues=queues))
    driver.now_ms += 2000
    assert sorted(claimed + numbers(driver.claim(queues=queues))) == [1, 2]


@pytest.mark.parametrize(
    "record",
    ["0:0:0.0000000000001:1:x", "0:0:5.0:99999999999999999999:x", "0:0:5.0:0:x", "0:0:5.5.5:1:x", "0:0:.:1:x",
     "9:9:" + "9" * 400 + ":1:x", "9:" + "9" * 400 + ":1.0:1:x"],
)  # fmt: skip
def test_a_limit_beyond_all_measure_loses_no_task(driver: StoreDriver, record: str) -> None:
    driver.client.hset(driver.keys.limits, "default", record)
    driver.enqueue(1)
    assert numbers(driver.claim()) == [1]


def test_a_bucket_that_is_full_again_is_forgotten(driver: StoreDriver) -> None:
    limit(driver, rate_per_s=10, burst=20)
    driver.enqueue(1)
    driver.claim()
    assert 0 < driver.client.pttl(driver.keys.rate("default")) <= 3000


# -- publishing ----------------------------------------------------------------------------------


def publish(driver: StoreDriver, publisher: str, take_over: bool = True, **depths: int) -> list[bytes]:
    limits = [QueueLimit(queue=queue, max_depth=depth) for queue, depth in depths.items()]
    return list(driver.run(calls.limit(driver.keys, publisher, limits, take_over=take_over)))


def known(driver: StoreDriver) -> dict[bytes, bytes]:
    return driver.client.hgetall(driver.keys.limits)  # type: ignore[return-value]


def test_a_daemon_takes_back_what_it_does_not_say_any_more_and_nothing_else(driver: StoreDriver) -> None:
    publish(driver, "a", mail=5, push=6)
    publish(driver, "b", print=7)
    driver.client.hset(driver.keys.running("push"), identity(1), "x")
    publish(driver, "a", mail=5)
    assert known(driver) == {b"mail": b"5:0:0.000000:1:a", b"print": b"7:0:0.000000:1:b"}
    assert not driver.client.exists(driver.keys.running("push"))


def test_another_daemons_limit_is_told_and_replaced_only_when_taken_over(driver: StoreDriver) -> None:
    publish(driver, "a", mail=5)
    assert publish(driver, "b", take_over=False, mail=6) == [b"mail", b"5:0:0.000000:1:a"]
    assert known(driver) == {b"mail": b"5:0:0.000000:1:a"}
    assert publish(driver, "b", mail=6) == [b"mail", b"5:0:0.000000:1:a"]
    assert known(driver) == {b"mail": b"6:0:0.000000:1:b"}
    assert publish(driver, "a", take_over=False, mail=6) == [], "they agree"


def test_a_limit_that_changes_wakes_a_worker_and_one_that_stays_does_not(driver: StoreDriver) -> None:
    publish(driver, "a", default=5)
    driver.silence()
    publish(driver, "a", default=5)
    assert driver.rings() == 0
    publish(driver, "a", default=6)
    assert driver.rings() == 1


def test_garbage_among_the_limits_goes(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.limits, "default", b"\xff")
    publish(driver, "a", mail=5)
    assert known(driver) == {b"mail": b"5:0:0.000000:1:a"}
