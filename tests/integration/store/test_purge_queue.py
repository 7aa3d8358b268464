"""Purging a queue, and looking at queues."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.store_driver import StoreDriver, complete, identity, numbers, past, release, retry_at
from tqd.errors import StoreMismatch
from tqd.store import calls, queues
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.queues import Purged, QueueView
from tqd.store.talk import Talk, lead
from tqd.task.model import TaskState
from tqd.task.queue_limit import QueueLimit

READY, SCHEDULED = TaskState.READY, TaskState.SCHEDULED
ALL = (READY, SCHEDULED)


def talk(driver: StoreDriver, words: Talk[Any]) -> Any:
    link = SyncLink(Endpoint(driver.server.url))
    try:
        return lead(link, words)
    finally:
        link.close()


def purge(
    driver: StoreDriver, *states: TaskState, queue: str = "default", dry_run: bool = False
) -> tuple[int, int]:
    purged: Purged = talk(driver, queues.purge(driver.keys, queue, states or ALL, dry_run=dry_run))
    return purged.ready, purged.scheduled


def views(driver: StoreDriver, *names: str, search: bool = True) -> dict[str, QueueView]:
    found: list[QueueView] = talk(driver, queues.views(driver.keys, names, search=search))
    return {view.name: view for view in found}


# -- purging -------------------------------------------------------------------------------------


def test_what_waits_goes_with_all_that_is_kept_of_it_and_nothing_else(driver: StoreDriver) -> None:
    driver.enqueue(1, 2, 3, 4)
    held, tried, given_back, _ = driver.claim(4).claims
    driver.settle(retry_at(tried, driver.now_ms + 5, error=past(1)), release(given_back))
    driver.enqueue(5, due_ms=driver.now_ms + 60_000)
    driver.enqueue(6, queue="low_priority")
    assert purge(driver) == (1, 2)
    assert driver.places() == {1: "claims:w1", 4: "claims:w1", 6: "ready:low_priority"}
    assert driver.client.exists(driver.keys.attempts, driver.keys.errors) == 0
    assert driver.settle(complete(held)) == []


def test_only_the_state_that_is_named_goes(driver: StoreDriver) -> None:
    driver.enqueue(1)
    driver.enqueue(2, due_ms=driver.now_ms + 5)
    assert purge(driver, SCHEDULED) == (0, 1)
    assert purge(driver, READY) == (1, 0)
    assert purge(driver) == (0, 0)


def test_a_dry_run_counts_and_removes_nothing(driver: StoreDriver) -> None:
    driver.enqueue(*range(500))
    driver.enqueue(500, due_ms=driver.now_ms + 5)
    before = driver.snapshot()
    assert purge(driver, dry_run=True) == (500, 1)
    assert driver.snapshot() == before


def test_a_long_queue_goes_in_steps_and_tells_each(driver: StoreDriver) -> None:
    driver.enqueue(*range(450))
    steps: list[int] = []
    words = queues.purge(driver.keys, "default", ALL, on_step=lambda purged: steps.append(purged.ready))
    assert talk(driver, words).ready == 450
    assert steps == [200, 400, 450]
    assert driver.places() == {}


def test_a_step_that_is_repeated_removes_nothing_more_and_says_the_same(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    step = queues.purge_call(driver.keys, "default", READY, b"this purge", [identity(1), identity(2)])
    assert driver.run(step) == 2
    driver.enqueue(3)
    assert driver.run(step) == 2
    other = queues.purge_call(driver.keys, "default", READY, b"another", [identity(1), identity(2)])
    assert driver.run(other) == 0
    assert driver.places() == {3: "ready:default"}


def test_a_task_that_was_claimed_meanwhile_runs(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    step = queues.purge_call(driver.keys, "default", READY, b"record", [identity(1), identity(2)])
    assert numbers(driver.claim(1)) == [1]
    assert driver.run(step) == 1
    assert driver.places() == {1: "claims:w1"}


def test_of_a_purged_task_it_is_known_for_a_minute_that_it_was_cancelled(driver: StoreDriver) -> None:
    driver.enqueue(1)
    purge(driver)
    assert 0 < driver.client.pttl(driver.keys.result(identity(1))) <= 60_000


def test_a_unique_key_is_free_again_and_a_mark_to_cancel_goes(driver: StoreDriver) -> None:
    driver.enqueue_unique(1, key="a")
    driver.enqueue_unique(2, key="b", due_ms=driver.now_ms + 60_000)
    driver.enqueue_unique(3, key="c", queue="low_priority")
    driver.client.hset(driver.keys.cancels, identity(1), "5:why")
    assert purge(driver) == (1, 1)
    assert driver.locks() == {"c": 3}
    assert not driver.client.exists(driver.keys.cancels)


def test_ids_without_a_task_go_as_well(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.ready("default"), "garbage", b"\xff" * 5000)
    assert purge(driver) == (2, 0)


@pytest.mark.parametrize("key", ["task", "attempts", "errors", "cancels", "keyed", "unique"])
def test_a_key_of_another_kind_refuses_the_purge_before_anything_is_written(
    driver: StoreDriver, key: str
) -> None:
    driver.client.rpush(driver.keys.ready("default"), identity(1))
    driver.client.set(getattr(driver.keys, key), "garbage")
    before = driver.snapshot()
    with pytest.raises(StoreMismatch):
        purge(driver)
    assert driver.snapshot() == before


def test_a_full_redis_can_be_purged(driver: StoreDriver) -> None:
    driver.enqueue(1, 2)
    driver.fill()
    assert purge(driver) == (2, 0)


# -- looking -------------------------------------------------------------------------------------


def test_a_queue_is_told_with_its_counts_pause_and_limits(driver: StoreDriver) -> None:
    limit = QueueLimit(queue="default", max_depth=9, concurrency=2, rate_per_s=5.0, burst=7)
    driver.run(calls.limit(driver.keys, "host", [limit], take_over=True))
    driver.client.zadd(driver.keys.nodes, {"node": 1e15})
    driver.enqueue(1, 2, 3)
    driver.enqueue(4, due_ms=driver.now_ms + 60_000)
    driver.claim(1)
    driver.pause()
    (view,) = views(driver, "default", search=False).values()
    assert (view.ready, view.scheduled, view.claimed, view.running) == (2, 1, 1, 1)
    assert (view.paused, view.limit, view.publisher) == (True, limit, "host")
    assert view.oldest_ms is not None


def test_every_queue_with_a_trace_is_found_the_named_ones_first(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="b")
    driver.enqueue(2, queue="a", due_ms=driver.now_ms + 60_000)
    driver.pause("c")
    driver.run(calls.limit(driver.keys, "x", [QueueLimit(queue="d", max_depth=1)], take_over=True))
    assert list(views(driver, "z")) == ["z", "a", "b", "c", "d"]


def test_of_a_queue_whose_keys_are_of_another_kind_what_can_be_told_is_told(driver: StoreDriver) -> None:
    driver.enqueue(1, queue="a")
    driver.client.set(driver.keys.ready("b"), "garbage")
    found = views(driver)
    assert (found["a"].ready, found["b"].ready, found["b"].scheduled) == (1, None, 0)


def test_limits_that_cannot_be_read_are_none(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.limits, "default", b"\xff\xfe")
    assert views(driver)["default"].limit is None


def test_without_any_trace_there_is_no_queue(driver: StoreDriver) -> None:
    assert views(driver) == {}
