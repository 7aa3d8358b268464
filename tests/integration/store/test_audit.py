"""The audit of a live namespace: what somebody broke is named and mended; what is busy is not."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.redis_server import RedisServer
from tests.support.store_driver import (
    StoreDriver,
    bury,
    complete,
    finish,
    identity,
    park,
    release,
    retry_at,
)
from tqd import TaskQueue
from tqd.clock import wall_ms
from tqd.store import calls
from tqd.store.audit import Kind
from tqd.store.auditor import Auditor, Report
from tqd.store.connection import Endpoint, SyncLink
from tqd.task.claim import parse_token
from tqd.task.identity import task_id
from tqd.task.queue_limit import QueueLimit
from tqd.wire.envelope import encode_envelope

Break = Callable[[StoreDriver], object]
TASK = encode_envelope("work", [1], {}, "default", 1)


def one(driver: StoreDriver) -> bytes:
    """Put a task into its queue, and return its id."""
    driver.enqueue(1)
    driver.client.hset(driver.keys.task, identity(1), TASK)
    return identity(1)


def letter(driver: StoreDriver) -> bytes:
    """Make a task a dead letter, and return its id."""
    one(driver)
    (claim,) = driver.claim().claims
    driver.settle(bury(claim))
    return claim.task_id


def in_two_lists(driver: StoreDriver) -> None:
    driver.client.zadd(driver.keys.due("default"), {one(driver): 5})


def twice_in_a_list(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.ready("default"), one(driver), identity(1))


def suspect_and_ready(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.suspect("default"), one(driver))


def claimed_and_ready(driver: StoreDriver) -> None:
    one(driver)
    driver.claim()
    driver.client.rpush(driver.keys.ready("default"), identity(1))


def claimed_twice(driver: StoreDriver) -> None:
    one(driver)
    driver.claim()
    driver.hire("w2")
    driver.client.hset(driver.keys.claims("w2"), identity(1), "2:0:0:default")


def dead_and_ready(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.ready("default"), letter(driver))
    driver.client.hset(driver.keys.task, identity(1), TASK)


def nowhere(driver: StoreDriver) -> None:
    one(driver)
    driver.client.delete(driver.keys.ready("default"), driver.keys.bell("default"))


def nowhere_and_unreadable(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.task, identity(1), "garbage")


def payload_of_a_dead_letter(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.task, letter(driver), TASK)


def ready_without_payload(driver: StoreDriver) -> None:
    driver.client.hdel(driver.keys.task, one(driver))


def due_without_payload(driver: StoreDriver) -> None:
    driver.client.zadd(driver.keys.due("default"), {identity(1): 5})


def parked_without_payload(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.parked("x"), identity(1))


def letter_without_record(driver: StoreDriver) -> None:
    driver.client.hdel(driver.keys.failure, letter(driver))


def record_without_letter(driver: StoreDriver) -> None:
    driver.client.zrem(driver.keys.dead, letter(driver))


def record_of_a_living_task(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.failure, one(driver), "record")


def counts_of_nobody(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.attempts, identity(1), "1:1:0")


def errors_of_nobody(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.errors, identity(1), "errors")


def key_of_nobody(driver: StoreDriver) -> None:
    driver.enqueue_unique(1)
    driver.client.delete(driver.keys.ready("default"), driver.keys.task, driver.keys.attempts)


def mark_of_nobody(driver: StoreDriver) -> None:
    one(driver)
    driver.client.hset(driver.keys.cancels, mapping={identity(1): "1:why", identity(2): "1:why"})  # type: ignore[arg-type,dict-item]


def claims_of_nobody(driver: StoreDriver) -> None:
    one(driver)
    driver.claim()
    driver.client.delete(driver.keys.workers("node"))


def two_tokens(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.bell("default"), 1, 1)


def endless_result(driver: StoreDriver) -> None:
    driver.client.set(driver.keys.result(identity(1)), "result")


def endless_bucket(driver: StoreDriver) -> None:
    driver.client.set(driver.keys.rate("default"), "1:1")


def lined_up(driver: StoreDriver) -> bytes:
    """Let a task wait in the line of its key, and return its id."""
    rules = [QueueLimit(queue="default", key_concurrency=1)]
    driver.run(calls.limit(driver.keys, "here", rules, take_over=True))
    driver.enqueue(2, 1, key="k")
    driver.settle(*map(complete, driver.claim().claims))
    return identity(1)


def in_a_line_and_ready(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.ready("default"), lined_up(driver))


def twice_in_a_line(driver: StoreDriver) -> None:
    driver.client.rpush(driver.keys.held("default", "k"), lined_up(driver))


def lined_up_without_payload(driver: StoreDriver) -> None:
    driver.client.hdel(driver.keys.task, lined_up(driver))


def a_line_that_nobody_knows(driver: StoreDriver) -> None:
    lined_up(driver)
    driver.client.delete(driver.keys.held_keys("default"), driver.keys.holding)


def a_line_that_is_not_there(driver: StoreDriver) -> None:
    driver.client.zadd(driver.keys.held_keys("default"), {"nobody": 5})


def a_wrong_count(driver: StoreDriver) -> None:
    lined_up(driver)
    driver.client.hset(driver.keys.holding, "default", 7)


def a_count_of_nothing(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.holding, "default", 7)


BREAKS: list[tuple[Break, set[Kind], dict[int, str]]] = [
    (in_two_lists, {Kind.SEVERAL_PLACES}, {1: "ready:default"}),
    (twice_in_a_list, {Kind.SEVERAL_PLACES}, {1: "ready:default"}),
    (suspect_and_ready, {Kind.SEVERAL_PLACES}, {1: "ready:default"}),
    (claimed_and_ready, {Kind.SEVERAL_PLACES}, {1: "claims:w1"}),
    (claimed_twice, {Kind.SEVERAL_PLACES}, {1: "claims:w2"}),
    (dead_and_ready, {Kind.SEVERAL_PLACES}, {1: "dead"}),
    (nowhere, {Kind.NO_PLACE}, {1: "ready:default"}),
    (nowhere_and_unreadable, {Kind.NO_PLACE}, {1: "ready:low"}),
    (payload_of_a_dead_letter, {Kind.NO_PLACE}, {1: "dead"}),
    (ready_without_payload, {Kind.NO_PAYLOAD}, {}),
    (due_without_payload, {Kind.NO_PAYLOAD}, {}),
    (parked_without_payload, {Kind.NO_PAYLOAD}, {}),
    (letter_without_record, {Kind.NO_RECORD}, {}),
    (record_without_letter, {Kind.STRAY_RECORD}, {1: "dead"}),
    (record_of_a_living_task, {Kind.STRAY_RECORD}, {1: "ready:default"}),
    (counts_of_nobody, {Kind.STRAY_COUNTS}, {}),
    (errors_of_nobody, {Kind.STRAY_COUNTS}, {}),
    (key_of_nobody, {Kind.STRAY_KEY}, {}),
    (mark_of_nobody, {Kind.STRAY_MARK}, {1: "ready:default"}),
    (claims_of_nobody, {Kind.NO_OWNER}, {1: "claims:w1"}),
    (in_a_line_and_ready, {Kind.SEVERAL_PLACES}, {1: "held:default:k"}),
    (lined_up_without_payload, {Kind.NO_PAYLOAD}, {}),
    (a_line_that_nobody_knows, {Kind.MISCOUNT}, {1: "held:default:k"}),
    (a_line_that_is_not_there, {Kind.MISCOUNT}, {}),
    (a_wrong_count, {Kind.MISCOUNT}, {1: "held:default:k"}),
    (a_count_of_nothing, {Kind.MISCOUNT}, {}),
    (two_tokens, {Kind.RINGING}, {}),
    (endless_result, {Kind.ENDLESS}, {}),
    (endless_bucket, {Kind.ENDLESS}, {}),
]


@pytest.fixture
def auditor(driver: StoreDriver) -> Iterator[Auditor]:
    link = SyncLink(Endpoint(driver.server.url))
    yield Auditor(link, driver.keys, "low")
    link.close()


def kinds(report: Report) -> set[Kind]:
    return {found.finding.kind for found in report.found}


@pytest.mark.parametrize(("harm", "wrong", "places"), BREAKS, ids=[harm.__name__ for harm, _, _ in BREAKS])
def test_what_somebody_broke_is_named_and_mended(
    driver: StoreDriver, auditor: Auditor, harm: Break, wrong: set[Kind], places: dict[int, str]
) -> None:
    harm(driver)
    before = driver.snapshot()
    report = auditor.audit()
    assert kinds(report) == wrong
    assert [found.mended for found in report.found] == [""] * len(report.found)
    assert driver.snapshot() == before, "looking changes nothing"
    mended = auditor.audit(mend=True)
    assert kinds(mended) == wrong
    assert all(found.mended for found in mended.found)
    assert auditor.audit().found == ()
    assert driver.places() == places


def test_a_task_that_is_twice_in_a_line_is_left_there_once_and_counted(
    driver: StoreDriver, auditor: Auditor
) -> None:
    twice_in_a_line(driver)
    assert kinds(auditor.audit()) == {Kind.SEVERAL_PLACES, Kind.MISCOUNT}
    while auditor.audit(mend=True).found:
        pass
    assert driver.places() == {1: "held:default:k"}


def test_a_task_that_was_put_back_into_its_queue_rings(driver: StoreDriver, auditor: Auditor) -> None:
    nowhere(driver)
    auditor.audit(mend=True)
    assert driver.rings() == 1
    assert [one.task_id for one in driver.claim().claims] == [identity(1)]


def test_the_claims_of_nobody_are_taken_back_by_a_keeper(driver: StoreDriver, auditor: Auditor) -> None:
    claims_of_nobody(driver)
    auditor.audit(mend=True)
    assert driver.client.smembers(driver.keys.lost) == {b"w1"}


def test_a_claim_without_payload_is_named_and_left_to_its_worker(
    driver: StoreDriver, auditor: Auditor
) -> None:
    one(driver)
    (claim,) = driver.claim().claims
    driver.client.hdel(driver.keys.task, claim.task_id)
    (found,) = auditor.audit(mend=True).found
    assert (found.finding.kind, found.mended) == (Kind.NO_PAYLOAD, "")
    assert driver.settle(complete(claim)) == []
    assert auditor.audit().found == ()


def test_a_young_payload_without_a_place_is_left_in_peace(driver: StoreDriver, auditor: Auditor) -> None:
    young = task_id(wall_ms(), 0, bytes(8))
    old = task_id(wall_ms() - 120_000, 0, bytes(8))
    driver.client.hset(driver.keys.task, mapping={young: TASK, old: TASK})  # type: ignore[arg-type]
    assert [found.finding.task_id for found in auditor.audit(mend=True).found] == [old]
    assert driver.client.lrange(driver.keys.ready("default"), 0, -1) == [old]


def test_a_key_of_another_type_is_named_and_left_alone(driver: StoreDriver, auditor: Auditor) -> None:
    driver.client.set(driver.keys.ready("x"), "garbage")
    nowhere(driver)
    report = auditor.audit(mend=True)
    assert [found.finding.places for found in report.found] == [("ready:x",)]
    assert report.unchecked == 1
    assert driver.client.get(driver.keys.ready("x")) == b"garbage"


@pytest.mark.parametrize("name", ["nodes", "lost", "task", "dead", "limits"])
def test_whichever_key_is_of_another_type_the_audit_names_it(
    driver: StoreDriver, auditor: Auditor, name: str
) -> None:
    driver.enqueue(1)
    driver.client.delete(getattr(driver.keys, name))
    driver.client.set(getattr(driver.keys, name), "mine")
    found = [one.finding for one in auditor.audit(mend=True).found]
    assert (Kind.OTHER_TYPE, (name,)) in [(one.kind, one.places) for one in found]


def test_the_keys_of_others_are_not_looked_at(driver: StoreDriver, auditor: Auditor) -> None:
    driver.client.set("{test:1}:ready:x", "another shard")
    driver.client.hset("{other:0}:task", "x", "another namespace")
    assert auditor.audit() == Report(found=(), tasks=0, unread=(), unchecked=0)


def test_what_is_too_long_is_told_and_nothing_is_concluded_from_it(driver: StoreDriver) -> None:
    driver.enqueue(*range(1, 701))
    driver.client.rpush(driver.keys.ready("other"), identity(1))
    link = SyncLink(Endpoint(driver.server.url))
    report = Auditor(link, driver.keys, "default", limit=500).audit(mend=True)
    link.close()
    assert report.unread == ("ready:default", "task")
    assert kinds(report) == {Kind.SEVERAL_PLACES}
    assert len(driver.places()) == 700


class Traffic:
    """Producers and workers in threads of their own, until told to stop; each way of settling in turn."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._stop = threading.Event()
        self.settled = 0
        self._threads = [threading.Thread(target=self._run, args=(f"w{n}",)) for n in range(3)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: str) -> None:
        driver = StoreDriver(self._server)
        driver.now_ms = wall_ms()
        with TaskQueue(self._server.url, namespace="test") as queue:
            work = queue.named("work")
            for life in itertools.count():
                if self._stop.is_set():
                    break
                queue.enqueue_many([work.call(n) for n in range(20)])
                self._work(driver, f"{name}.{life}")
        driver.close()

    def _work(self, driver: StoreDriver, worker: str) -> None:
        """Be a worker for one claim: start, settle in every way, leave."""
        driver.hire(worker)
        for number, claim in enumerate(driver.claim(20, worker).claims):
            counts, queue = parse_token(claim.token)
            later = retry_at(claim, driver.now_ms, counts.charged(), queue)
            aside = park(claim, "work", counts)
            ways = (complete(claim), later, bury(claim), release(claim, counts, queue), aside, finish(claim))
            assert driver.settle(ways[number % len(ways)], worker=worker) == []
            self.settled += 1
        driver.client.srem(driver.keys.workers("node"), worker)
        ids: list[Any] = driver.client.lrange(driver.keys.parked("work"), 0, 20)
        if ids:
            driver.unpark("work", *(int.from_bytes(one, "big") for one in ids))


def test_a_busy_namespace_has_no_findings(driver: StoreDriver, auditor: Auditor) -> None:
    with Traffic(driver.server) as traffic:
        reports = [auditor.audit(mend=number % 2 == 1) for number in range(30)]
        while traffic.settled < 500:
            reports.append(auditor.audit())
    assert [report.found for report in reports if report.found] == []
    assert max(report.tasks for report in reports) > 20
    assert auditor.audit().found == ()
