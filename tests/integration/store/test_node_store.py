"""The keeper's store: leases, fences, and the claims of workers that are gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from tests.support.redis_server import RedisServer
from tests.support.store_driver import NODE, StoreDriver, bury, complete, envelope, identity, retry_at
from tests.support.wait import until
from tqd.errors import StoreMismatch, StoreUnavailable
from tqd.store.calls import MAX_BATCH
from tqd.store.connection import Endpoint
from tqd.store.node_store import LOST_LIMIT, REAP_LIMIT, NodeStore
from tqd.store.outage import PATIENCE_S
from tqd.task.claim import Blame, Counts

T = TypeVar("T")


class Keeper:
    """A NodeStore with an event loop of its own."""

    def __init__(self, driver: StoreDriver, node: str = NODE) -> None:
        self._runner = asyncio.Runner()
        self.store = NodeStore(Endpoint(driver.server.url), driver.keys, node)
        self.do(self.store.synchronise)

    def do(self, call: Callable[..., Awaitable[T]], *arguments: object) -> T:
        async def run() -> T:
            return await call(*arguments)

        return self._runner.run(run())

    def close(self) -> None:
        self.do(self.store.close)
        self._runner.close()


@pytest.fixture
def keeper(driver: StoreDriver) -> Iterator[Keeper]:
    keeper = Keeper(driver)
    yield keeper
    keeper.close()


@pytest.fixture
def other(driver: StoreDriver) -> Iterator[Keeper]:
    keeper = Keeper(driver, "other")
    yield keeper
    keeper.close()


# -- leases --------------------------------------------------------------------------------------


def test_a_renewed_lease_ends_in_redis_time(driver: StoreDriver, keeper: Keeper) -> None:
    keeper.do(keeper.store.renew, 15_000)
    seconds, micros = driver.client.time()
    end_ms = driver.client.zscore(driver.keys.nodes, NODE)
    assert end_ms is not None
    assert abs(end_ms - (seconds * 1000 + micros / 1000 + 15_000)) < 1000
    keeper.do(keeper.store.renew, 15_000)
    assert keeper.do(keeper.store.nodes) == [NODE]


def test_a_node_is_expired_when_its_lease_is_over(keeper: Keeper, other: Keeper) -> None:
    keeper.do(keeper.store.renew, 15_000)
    other.do(other.store.renew, -1)
    assert keeper.do(keeper.store.expired_nodes) == ["other"]
    other.do(other.store.renew, 15_000)
    assert keeper.do(keeper.store.expired_nodes) == []


def test_each_lease_has_its_end(driver: StoreDriver, keeper: Keeper) -> None:
    driver.client.zadd(driver.keys.nodes, {"one": 1000, b"\xff": 3, "two": 2000})
    assert keeper.do(keeper.store.leases) == {"one": 1000.0, "two": 2000.0}


def test_nobody_calls_itself_expired(keeper: Keeper) -> None:
    keeper.do(keeper.store.renew, -1)
    assert keeper.do(keeper.store.expired_nodes) == []


def test_expired_nodes_come_in_bounded_numbers(driver: StoreDriver, keeper: Keeper) -> None:
    driver.client.zadd(driver.keys.nodes, {f"n{i}": 1 for i in range(REAP_LIMIT + 5)})
    assert len(keeper.do(keeper.store.expired_nodes)) == REAP_LIMIT


def test_a_forgotten_node_is_gone(keeper: Keeper) -> None:
    keeper.do(keeper.store.renew, 15_000)
    keeper.do(keeper.store.forget_node, NODE)
    keeper.do(keeper.store.forget_node, NODE)
    assert keeper.do(keeper.store.nodes) == []


def test_the_uptime_of_redis_is_known(keeper: Keeper) -> None:
    assert 0 <= keeper.do(keeper.store.redis_uptime_s) < 3600


# -- fences --------------------------------------------------------------------------------------


def test_a_fenced_worker_cannot_claim_any_more(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1)
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert driver.claim().fenced
    assert keeper.do(keeper.store.workers, NODE) == []
    assert keeper.do(keeper.store.lost_workers) == ["w1"]


def test_a_fenced_worker_can_still_settle_until_it_is_reclaimed(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1, 2)
    one, two = driver.claim().claims
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert driver.settle(complete(one)) == []
    assert keeper.do(keeper.store.reclaim, "w1") == 1
    assert driver.settle(complete(two)) == [identity(2)]
    assert driver.places() == {2: "ready:default"}


def test_fencing_twice_is_harmless(driver: StoreDriver, keeper: Keeper) -> None:
    driver.hire("w2")
    keeper.do(keeper.store.fence, NODE, ["w1"])
    keeper.do(keeper.store.fence, NODE, ["w1", "w2"])
    assert sorted(keeper.do(keeper.store.lost_workers)) == ["w1", "w2"]


def test_fencing_a_stranger_makes_nobody_lost(keeper: Keeper) -> None:
    keeper.do(keeper.store.fence, NODE, ["stranger"])
    keeper.do(keeper.store.fence, NODE, [])
    assert keeper.do(keeper.store.lost_workers) == []


def test_fencing_after_the_reclaim_brings_nobody_back(keeper: Keeper) -> None:
    keeper.do(keeper.store.fence, NODE, ["w1"])
    keeper.do(keeper.store.reclaim, "w1")
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert keeper.do(keeper.store.lost_workers) == []


def test_lost_workers_come_in_bounded_numbers(driver: StoreDriver, keeper: Keeper) -> None:
    driver.client.sadd(driver.keys.lost, *(f"w{i}" for i in range(LOST_LIMIT + 5)))
    assert len(set(keeper.do(keeper.store.lost_workers))) == LOST_LIMIT


# -- reclaims ------------------------------------------------------------------------------------


def test_a_reclaim_gives_everything_back_with_one_crash_on_record(
    driver: StoreDriver, keeper: Keeper
) -> None:
    driver.enqueue(1, queue="high_priority")
    driver.enqueue(2, 3)
    driver.enqueue(4)
    driver.claim(3, queues=("high_priority", "default"))
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert keeper.do(keeper.store.reclaim, "w1") == 3
    assert driver.order() == [2, 3, 4]
    assert driver.order("high_priority") == [1]
    assert [driver.counts(n) for n in (1, 2, 3, 4)] == [b"1:0:1", b"1:0:1", b"1:0:1", None]
    assert len(driver.places()) == 4
    assert keeper.do(keeper.store.lost_workers) == []


def test_a_reclaim_beside_a_known_culprit_counts_no_crash(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1)
    driver.claim()
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert keeper.do(keeper.store.reclaim, "w1", False) == 1
    assert driver.counts(1) == b"1:0:0"


def test_a_lost_workers_attempt_is_settled_once(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1, 2)
    one, two = driver.claim().claims
    keeper.do(keeper.store.fence, NODE, ["w1"])
    settlement = retry_at(one, driver.now_ms + 60_000, Counts(1, 1, 0))
    assert keeper.do(keeper.store.settle, "w1", settlement, 10) is True
    before = driver.snapshot()
    assert keeper.do(keeper.store.settle, "w1", settlement, 10) is False
    assert driver.snapshot() == before
    assert keeper.do(keeper.store.settle, "w1", bury(two), 10) is True
    assert keeper.do(keeper.store.reclaim, "w1", False) == 0
    assert driver.places() == {1: "due:default", 2: "dead"}
    assert driver.counts(1) == b"1:1:0"


@pytest.mark.parametrize("dead", [False, True])
def test_a_full_redis_lets_a_lost_workers_attempt_be_settled(
    driver: StoreDriver, keeper: Keeper, dead: bool
) -> None:
    driver.enqueue(1)
    (claim,) = driver.claim().claims
    keeper.do(keeper.store.fence, NODE, ["w1"])
    driver.fill()
    settlement = bury(claim) if dead else retry_at(claim, driver.now_ms + 60_000)
    assert keeper.do(keeper.store.settle, "w1", settlement, 10) is True
    assert driver.places() == {1: "dead" if dead else "due:default"}


def test_the_envelope_of_a_task_is_found_while_there_is_the_task(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1)
    assert keeper.do(keeper.store.envelope, identity(1)) == envelope(1)
    assert keeper.do(keeper.store.envelope, identity(2)) is None


def test_a_repeated_reclaim_gives_nothing_back_and_counts_no_crash(
    driver: StoreDriver, keeper: Keeper
) -> None:
    driver.enqueue(1)
    driver.claim()
    keeper.do(keeper.store.fence, NODE, ["w1"])
    keeper.do(keeper.store.reclaim, "w1")
    before = driver.snapshot()
    assert keeper.do(keeper.store.reclaim, "w1") == 0
    assert driver.snapshot() == before


def test_two_keepers_reclaim_the_same_worker_once(driver: StoreDriver, keeper: Keeper, other: Keeper) -> None:
    driver.enqueue(*range(50))
    driver.claim()
    keeper.do(keeper.store.fence, NODE, ["w1"])

    async def both() -> list[int]:
        third = NodeStore(Endpoint(driver.server.url), driver.keys, "third")
        fourth = NodeStore(Endpoint(driver.server.url), driver.keys, "fourth")
        counts = await asyncio.gather(third.reclaim("w1"), fourth.reclaim("w1"))
        await third.close()
        await fourth.close()
        return list(counts)

    assert sum(other.do(both)) == 50
    assert driver.order() == list(range(50))
    assert {driver.counts(n) for n in range(50)} == {b"1:0:1"}


def test_of_what_a_dead_worker_held_those_that_are_singled_out_are_suspects_at_once(
    driver: StoreDriver, keeper: Keeper
) -> None:
    driver.enqueue(1, 2)
    driver.claim()
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert keeper.do(keeper.store.reclaim, "w1", Blame.NONE, {identity(2)}) == 2
    assert driver.places() == {1: "ready:default", 2: "suspect:default"}
    assert (driver.counts(1), driver.counts(2)) == (b"1:0:0", b"1:0:10001")


def test_a_reclaim_of_a_full_worker_keeps_the_order(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(*range(MAX_BATCH))
    driver.claim(MAX_BATCH)
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert keeper.do(keeper.store.reclaim, "w1") == MAX_BATCH
    assert driver.order() == list(range(MAX_BATCH))


def test_a_worker_that_held_nothing_is_forgotten(keeper: Keeper) -> None:
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert keeper.do(keeper.store.reclaim, "w1") == 0
    assert keeper.do(keeper.store.lost_workers) == []


def test_garbage_among_the_claims_does_not_stop_the_others(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1)
    driver.claim()
    driver.client.hset(driver.keys.claims("w1"), "garbage", "no token")
    keeper.do(keeper.store.fence, NODE, ["w1"])
    assert keeper.do(keeper.store.reclaim, "w1") == 1
    assert driver.order() == [1]


def test_a_queue_of_another_kind_keeps_its_tasks_claimed_and_the_worker_lost(
    driver: StoreDriver, keeper: Keeper
) -> None:
    driver.enqueue(1, queue="bad")
    driver.enqueue(2)
    driver.claim(queues=("bad", "default"))
    driver.client.set(driver.keys.ready("bad"), "garbage")
    keeper.do(keeper.store.fence, NODE, ["w1"])
    with pytest.raises(StoreMismatch):
        keeper.do(keeper.store.reclaim, "w1")
    assert driver.places() == {1: "claims:w1", 2: "ready:default"}
    driver.client.delete(driver.keys.ready("bad"))
    assert keeper.do(keeper.store.lost_workers) == ["w1"]
    assert keeper.do(keeper.store.reclaim, "w1") == 1
    assert driver.places() == {1: "ready:bad", 2: "ready:default"}


def test_a_full_redis_lets_a_worker_be_reclaimed(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1, 2)
    driver.claim()
    keeper.do(keeper.store.fence, NODE, ["w1"])
    driver.fill()
    assert keeper.do(keeper.store.reclaim, "w1") == 2
    assert driver.order() == [1, 2]


# -- the rest ------------------------------------------------------------------------------------


def test_ring_puts_one_token_on_each_silent_bell(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1)
    keeper.do(keeper.store.ring, ["default", "other"])
    keeper.do(keeper.store.ring, ["default", "other"])
    assert (driver.rings(), driver.rings("other")) == (1, 1)


def test_a_sample_is_taken_of_each_queue(driver: StoreDriver, keeper: Keeper) -> None:
    driver.enqueue(1, 2)
    driver.enqueue(3, due_ms=(driver.client.time()[0] + 60) * 1000, queue="other")
    look = keeper.do(keeper.store.sample, ["default", "other"])
    samples, dead = look.queues, look.dead
    assert [(s.ready, s.scheduled, s.claimed) for s in samples] == [(2, 0, 0), (0, 1, 0)]
    assert dead == 0


def test_an_outage_is_noticed_and_its_end(keeper: Keeper, every_engine: RedisServer) -> None:
    keeper.do(keeper.store.renew, 1000)
    assert keeper.store.down_s() == 0.0
    every_engine.stop()
    with pytest.raises(StoreUnavailable):
        keeper.do(keeper.store.renew, 1000)
    until(lambda: keeper.store.down_s() > 0.5, "the outage is told")
    every_engine.start()
    keeper.do(keeper.store.renew, 1000)
    time.sleep(PATIENCE_S + 0.1)
    assert keeper.store.down_s() == 0.0, "nothing is asked any more"


def test_a_refusal_is_an_answer(keeper: Keeper, driver: StoreDriver) -> None:
    driver.client.set(driver.keys.lost, "garbage")
    with pytest.raises(StoreMismatch):
        keeper.do(keeper.store.lost_workers)
    time.sleep(PATIENCE_S + 0.1)
    assert keeper.store.down_s() == 0.0


def test_a_lease_that_cannot_be_renewed_is_told_until_it_is(keeper: Keeper, driver: StoreDriver) -> None:
    assert not keeper.do(keeper.store.renew, 1000), "there was none"
    assert keeper.do(keeper.store.renew, 1000)
    driver.client.set(driver.keys.nodes, "garbage")
    for _ in range(2):
        with pytest.raises(StoreMismatch):
            keeper.do(keeper.store.renew, 1000)
    assert keeper.do(keeper.store.lost_workers) == [], "everything else is answered"
    assert keeper.store.down_s() > 0.0
    driver.client.delete(driver.keys.nodes)
    keeper.do(keeper.store.renew, 1000)
    assert keeper.store.down_s() == 0.0


def test_a_server_restarted_between_two_calls_is_found_again(
    keeper: Keeper, every_engine: RedisServer
) -> None:
    keeper.do(keeper.store.renew, 1000)
    every_engine.client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(Exception, match="cannot be reached"):
        keeper.do(keeper.store.renew, 1000)
    keeper.do(keeper.store.renew, 1000)
