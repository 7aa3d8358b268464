"""What the keeper sees of the queues, in one look."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.redis_server import RedisServer
from tests.support.store_driver import StoreDriver, complete
from tqd.errors import StoreUnavailable
from tqd.store.calls import Command, NewTask, store_new
from tqd.store.company import Company
from tqd.store.connection import Endpoint, Link, Replies
from tqd.store.sampling import FRONT_BYTES, MOST_CLAIMS, MOST_WORKERS, UNKNOWN, Look, QueueSampler
from tqd.task.identity import task_id
from tqd.task.model import TaskOptions
from tqd.wire.envelope import encode_envelope

QUEUES = ("default", "mail", "empty")
NUMBERS = count(1)


class CountingLink(Link):
    """Counts round trips."""

    trips = 0

    async def exchange(self, commands: list[Command]) -> Replies:  # type: ignore[override]
        self.trips += 1
        return await super().exchange(commands)


class Sampler:
    """A sampler with an event loop of its own; `trips` of the last look."""

    def __init__(self, driver: StoreDriver) -> None:
        self._runner = asyncio.Runner()
        self._url = driver.server.url
        self._keys = driver.keys
        self._runner.run(self._open())

    async def _open(self) -> None:
        self.link = CountingLink(Endpoint(self._url))
        self._sampler = QueueSampler(self.link, self._keys, "node")

    def rows(self, *queues: str) -> list[list[int]]:
        return self.look(*queues)[0]

    def look(self, *queues: str) -> tuple[list[list[int]], int]:
        self.link.trips = 0
        look = self.all(*queues)
        return [sample.row()[:4] for sample in look.queues], look.dead

    def all(self, *queues: str) -> Look:
        return self._runner.run(self._sampler.sample(queues or QUEUES))

    def tell(self, node: str, workers: int, ago_ms: int | None, ttl_ms: int = 30_000) -> None:
        """Let a daemon tell what it wants."""
        teller = QueueSampler(self.link, self._keys, node)
        self._runner.run(teller.tell(workers, ago_ms, ago_ms, QUEUES, ttl_ms))

    def paused(self, *queues: str) -> list[int]:
        return [sample.paused for sample in self.all(*queues).queues]

    def arrived(self, *queues: str) -> list[int]:
        return [sample.arrived for sample in self.all(*queues).queues]

    def close(self) -> None:
        self._runner.run(self.link.close())
        self._runner.close()


@pytest.fixture
def sampler(driver: StoreDriver) -> Iterator[Sampler]:
    lease(driver, "node")
    sampler = Sampler(driver)
    yield sampler
    sampler.close()


def lease(driver: StoreDriver, *nodes: str) -> None:
    driver.client.zadd(driver.keys.nodes, dict.fromkeys(nodes, 1.0))


def later(driver: StoreDriver) -> int:
    """Return a minute from now by Redis's own clock, which is the sampler's."""
    return (driver.client.time()[0] + 60) * 1000


def counts(rows: list[list[int]]) -> list[list[int]]:
    """Return ready, scheduled and claimed."""
    return [row[:3] for row in rows]


def test_nothing_is_zero_and_nobody_waits(sampler: Sampler) -> None:
    assert sampler.look() == ([[0, 0, 0, UNKNOWN]] * 3, 0)


def test_tasks_are_counted_by_queue_and_state(driver: StoreDriver, sampler: Sampler) -> None:
    driver.enqueue(1, 2, 3)
    driver.enqueue(4, 5, queue="mail")
    driver.enqueue(6, queue="mail", due_ms=later(driver))
    driver.claim(2)
    driver.claim(1, queues=("mail",))
    driver.client.zadd(driver.keys.dead, {"a": 1, "b": 1})
    rows, dead = sampler.look()
    assert counts(rows) == [[1, 0, 2], [1, 1, 1], [0, 0, 0]]
    assert dead == 2


def test_what_is_due_is_ready_though_no_worker_has_moved_it_over(
    driver: StoreDriver, sampler: Sampler
) -> None:
    driver.enqueue(1, 2, due_ms=later(driver))
    driver.enqueue(3)
    assert counts(sampler.rows("default")) == [[1, 2, 0]]
    (one, _) = driver.client.zrange(driver.keys.due("default"), 0, -1)
    driver.client.zadd(driver.keys.due("default"), {one: 1.0})
    assert counts(sampler.rows("default")) == [[2, 1, 0]]


def test_the_age_of_the_next_ready_task_is_told_in_redis_time(driver: StoreDriver, sampler: Sampler) -> None:
    seconds, _ = driver.client.time()
    old, new = (task_id((seconds - age) * 1000, 0, b"x" * 8) for age in (60, 5))
    driver.client.rpush(driver.keys.ready("default"), old, new)
    driver.client.rpush(driver.keys.ready("mail"), task_id((seconds + 3600) * 1000, 0, b"x" * 8))
    driver.client.rpush(driver.keys.ready("other"), b"garbage")
    (row, ahead, garbage) = sampler.rows("default", "mail", "other")
    assert 59_000 < row[3] < 90_000
    assert ahead[3] == 0, "a producer's clock may be ahead"
    assert garbage == [1, 0, 0, UNKNOWN]


def enqueued(driver: StoreDriver, ago_s: float, delay_s: float = 0.0, args: str = "") -> bytes:
    """Enqueue a task as it would have been so long ago, and return its id."""
    then_ms = int((driver.client.time()[0] - ago_s) * 1000)
    identity = task_id(then_ms, next(NUMBERS), b"x" * 8)
    options = TaskOptions(delay_s=delay_s or None)
    envelope = encode_envelope("a", [args], {}, "default", then_ms, options)
    due_ms = then_ms + int(delay_s * 1000) if delay_s else 0
    driver.run(store_new(driver.keys, "p2", next(NUMBERS), [NewTask(identity, "default", envelope, due_ms)]))
    return identity


@pytest.mark.parametrize("delay_s", [0.0, 50.0])
def test_a_delayed_task_is_as_old_as_it_could_have_been_started(
    driver: StoreDriver, sampler: Sampler, delay_s: float
) -> None:
    """Before a worker's claim has moved it over and after that, when other tasks have taken the slots."""
    enqueued(driver, ago_s=60, delay_s=delay_s)
    age_ms = 60_000 - 1000 * delay_s
    assert age_ms - 1500 <= sampler.rows("default")[0][3] < age_ms + 30_000
    driver.now_ms = driver.client.time()[0] * 1000 + 2000
    driver.claim(0)
    assert driver.client.llen(driver.keys.ready("default")) == 1
    assert age_ms - 1500 <= sampler.rows("default")[0][3] < age_ms + 30_000


def test_a_task_that_was_claimed_before_is_as_old_as_it_was_seen_at_the_head(
    driver: StoreDriver, sampler: Sampler
) -> None:
    identity = enqueued(driver, ago_s=60)
    driver.client.hset(driver.keys.attempts, identity, "1:1:0")
    assert sampler.rows("default")[0][3] == 0
    enqueued(driver, ago_s=20)
    assert 19_000 <= sampler.rows("default")[0][3] < 50_000, "what stands behind it is ready for less"


def test_an_envelope_too_long_to_be_looked_at_is_as_old_as_it_was_seen(
    driver: StoreDriver, sampler: Sampler
) -> None:
    enqueued(driver, ago_s=60, args="x" * FRONT_BYTES)
    assert sampler.rows("default")[0][3] == 0


def test_a_cancelled_task_that_is_due_to_be_ended_has_no_age(driver: StoreDriver, sampler: Sampler) -> None:
    driver.client.zadd(driver.keys.due("default"), {enqueued(driver, ago_s=60, delay_s=3600): 1.0})
    assert sampler.rows("default")[0] == [1, 0, 0, UNKNOWN]


def test_a_queue_whose_rate_lets_nothing_start_says_so(driver: StoreDriver, sampler: Sampler) -> None:
    keys, now_ms = driver.keys, driver.client.time()[0] * 1000

    def throttled() -> list[int]:
        return [sample.throttled for sample in sampler.all("default", "mail").queues]

    driver.client.set(keys.rate("default"), f"0.5:{now_ms}")
    assert throttled() == [0, 0], "it has no rate"
    driver.client.hset(keys.limits, "default", "0:0:0.001:1:")
    assert throttled() == [1, 0]
    for bucket in (f"1.0:{now_ms}", f"0.5:{now_ms - 600_000}", f"0.5:{now_ms + 60_000}", "garbage"):
        driver.client.set(keys.rate("default"), bucket)
        assert throttled() == [0, 0], bucket
    driver.client.hset(keys.limits, "default", "garbage")
    assert throttled() == [0, 0]


def test_claims_of_all_living_workers_of_the_namespace_count(driver: StoreDriver, sampler: Sampler) -> None:
    driver.hire("w2")
    driver.hire("w3", node="elsewhere")
    lease(driver, "elsewhere")
    driver.enqueue(*range(9))
    for number, worker in enumerate(("w1", "w2"), 1):
        driver.claim(number, worker=worker)
    driver.client.hset(driver.keys.claims("w3"), "id", "7:1:0:mail")  # a later attempt
    driver.client.hset(driver.keys.claims("gone"), "id", "1:0:0:mail")  # nobody's
    assert counts(sampler.rows()) == [[6, 0, 3], [0, 0, 1], [0, 0, 0]]


def test_one_round_trip_is_enough_while_the_workers_stay(driver: StoreDriver, sampler: Sampler) -> None:
    driver.enqueue(1, 2, 3)
    driver.claim(2)
    sampler.rows()
    assert sampler.rows()[0][2] == 2 and sampler.link.trips == 1
    (claim,) = driver.claim(1).claims
    assert sampler.rows()[0][2] == 3 and sampler.link.trips == 1
    driver.settle(complete(claim))
    assert sampler.rows()[0][2] == 2 and sampler.link.trips == 1


def test_workers_that_come_and_go_are_seen_at_once(driver: StoreDriver, sampler: Sampler) -> None:
    driver.enqueue(*range(5))
    driver.claim(1)
    assert sampler.rows()[0][2] == 1
    driver.hire("w2")
    driver.claim(2, worker="w2")
    assert sampler.rows()[0][2] == 3
    driver.fence("w1")
    assert sampler.rows()[0][2] == 2, "what a lost worker held is no longer claimed by the living"
    driver.fence("w2")
    assert sampler.rows()[0][2] == 0
    lease(driver, "another")
    driver.hire("w4", node="another")
    driver.claim(1, worker="w1")  # refused
    driver.client.hset(driver.keys.claims("w4"), "id", "1:0:0:default")
    assert sampler.rows()[0][2] == 1
    driver.client.zrem(driver.keys.nodes, "another", "node")
    assert sampler.rows()[0][2] == 0


@pytest.mark.parametrize("key", ["ready", "due"])
def test_a_queue_of_another_kind_is_unknown_and_the_others_are_not(
    driver: StoreDriver, sampler: Sampler, key: str
) -> None:
    driver.enqueue(1, queue="default")
    driver.client.set(getattr(driver.keys, key)("mail"), "garbage")
    rows, dead = sampler.look()
    assert rows[1] == [UNKNOWN] * 4
    assert counts(rows)[::2] == [[1, 0, 0], [0, 0, 0]] and dead == 0


@pytest.mark.parametrize("what", ["nodes", "workers", "claims"])
def test_what_cannot_be_counted_by_queue_is_unknown(driver: StoreDriver, sampler: Sampler, what: str) -> None:
    driver.enqueue(1)
    keys = driver.keys
    key = {"nodes": keys.nodes, "workers": keys.workers("node"), "claims": keys.claims("w1")}[what]
    driver.client.delete(key)
    driver.client.set(key, "garbage")
    assert counts(sampler.rows("default")) == [[1, 0, UNKNOWN]]
    assert counts(sampler.rows("default")) == [[1, 0, UNKNOWN]]
    driver.client.delete(key)
    assert counts(sampler.rows("default")) == [[1, 0, 0]]


def test_dead_letters_of_another_kind_are_unknown(driver: StoreDriver, sampler: Sampler) -> None:
    driver.client.set(driver.keys.dead, "garbage")
    rows, dead = sampler.look()
    assert dead == UNKNOWN and rows[0][0] == 0


def test_claims_beyond_the_bound_are_not_counted(driver: StoreDriver, sampler: Sampler) -> None:
    name = driver.keys.claims("w1")
    driver.client.hset(name, mapping={f"id{n}": "1:0:0:default" for n in range(MOST_CLAIMS)})
    assert sampler.rows("default")[0][2] == MOST_CLAIMS
    driver.client.hset(name, "one more", "1:0:0:default")
    assert sampler.rows("default")[0] == [0, 0, UNKNOWN, UNKNOWN]


def test_workers_beyond_the_bound_are_not_looked_at(driver: StoreDriver, sampler: Sampler) -> None:
    driver.client.delete(driver.keys.workers("node"))
    driver.hire(*(f"w{n}" for n in range(MOST_WORKERS)))
    assert sampler.rows("default")[0][2] == 0
    driver.hire("one more")
    assert sampler.rows("default")[0][2] == UNKNOWN


def test_nodes_beyond_the_bound_are_not_looked_at(driver: StoreDriver, sampler: Sampler) -> None:
    lease(driver, *(f"n{n}" for n in range(MOST_WORKERS)))
    assert sampler.rows("default")[0][2] == UNKNOWN


def test_garbage_among_names_and_tokens_is_passed_over(driver: StoreDriver, sampler: Sampler) -> None:
    driver.client.zadd(driver.keys.nodes, {b"\xff": 1})
    driver.client.sadd(driver.keys.workers("node"), b"\xff")
    tokens = {"a": "1:0:0:default", "b": "x", "c": b"1:0:0:\xff"}
    driver.client.hset(driver.keys.claims("w1"), mapping=tokens)
    assert counts(sampler.rows("default")) == [[0, 0, 1]]


def test_a_look_writes_nothing_and_works_on_a_full_redis(driver: StoreDriver, sampler: Sampler) -> None:
    driver.enqueue(1, 2)
    driver.claim(1)
    sampler.rows()
    before = driver.snapshot()
    driver.fill()
    assert counts(sampler.rows("default")) == [[1, 0, 1]]
    assert driver.snapshot() == before


def test_a_redis_that_is_away_is_said(every_engine: RedisServer, sampler: Sampler) -> None:
    sampler.rows()
    every_engine.client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(StoreUnavailable):
        sampler.rows()
    assert counts(sampler.rows("default")) == [[0, 0, 0]]


def test_a_paused_queue_says_so(driver: StoreDriver, sampler: Sampler) -> None:
    driver.pause("low_priority")
    assert sampler.paused("default", "low_priority") == [0, 1]


def test_when_it_cannot_be_told_who_is_paused_nobody_is_said_to_be(
    driver: StoreDriver, sampler: Sampler
) -> None:
    driver.client.set(driver.keys.paused, "garbage")
    assert sampler.paused("default", "low_priority") == [UNKNOWN, UNKNOWN]


# -- arrivals and company -------------------------------------------------------------------------


def test_arrivals_are_told_of_each_queue(driver: StoreDriver, sampler: Sampler) -> None:
    assert sampler.arrived() == [0, 0, 0]
    driver.enqueue(1, 2)
    driver.enqueue(3, queue="mail")
    assert sampler.arrived() == [2, 1, 0]


def test_arrivals_of_another_kind_are_unknown(driver: StoreDriver, sampler: Sampler) -> None:
    driver.client.hset(driver.keys.arrived, mapping={"default": "garbage", "mail": "7"})
    assert sampler.arrived() == [UNKNOWN, 7, 0]
    driver.client.delete(driver.keys.arrived)
    driver.client.set(driver.keys.arrived, "garbage")
    assert sampler.arrived() == [UNKNOWN] * 3


def test_daemons_whose_lease_holds_are_counted_with_their_workers(
    driver: StoreDriver, sampler: Sampler
) -> None:
    now_ms = sampler.link.clock.now_ms()
    driver.client.zadd(driver.keys.nodes, {"node": now_ms + 60_000, "a": now_ms + 60_000, "gone": now_ms - 1})
    driver.hire("w1", "w2")
    driver.hire("w3", node="a")
    look = sampler.all()
    assert (look.nodes, look.workers) == (2, 3)
    assert look.company == Company(sharing=1, rank=0, others=1)


def test_what_the_others_want_counts_from_the_next_look_on(driver: StoreDriver, sampler: Sampler) -> None:
    now_ms = sampler.link.clock.now_ms()
    driver.client.zadd(driver.keys.nodes, {"node": now_ms + 60_000, "a": now_ms + 60_000})
    sampler.tell("node", 4, 3000)
    sampler.tell("a", 2, 5000)
    found = sampler.all().company
    assert (found.sharing, found.rank, found.others) == (2, 1, 2)
    assert 5000 <= found.grown_ms < 60_000 and 5000 <= found.changed_ms < 60_000
    sampler.tell("a", 7, None, ttl_ms=60_000)
    found = sampler.all().company
    assert (found.rank, found.others, found.grown_ms) == (0, 7, UNKNOWN)
    assert 0 < driver.client.pttl(driver.keys.stance("a")) <= 60_000
    driver.client.delete(driver.keys.stance("a"))
    assert sampler.all().company == Company(sharing=1, rank=0, others=0)


def test_on_a_full_redis_what_was_told_before_counts(driver: StoreDriver, sampler: Sampler) -> None:
    sampler.tell("node", 4, None)
    driver.fill()
    sampler.tell("node", 5, None)
    assert counts(sampler.rows("default")) == [[0, 0, 0]]


def test_company_that_cannot_be_counted_is_unknown(driver: StoreDriver, sampler: Sampler) -> None:
    driver.client.delete(driver.keys.nodes)
    assert sampler.all()[2:4] == (0, 0)
    driver.client.set(driver.keys.nodes, "garbage")
    assert sampler.all()[2:] == (UNKNOWN, UNKNOWN, Company())
