"""The keeper as a process of its own, with the test as its master."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.keeper.conftest import DEAD_PID, ELSEWHERE, OURS, Scene
from tests.support.engines import engines
from tests.support.faults import CuttingProxy
from tests.support.forked import Forked
from tests.support.redis_server import RedisServer
from tests.support.store_driver import StoreDriver, identity
from tests.support.wait import until
from tests.support.worker import configured
from tqd import log
from tqd.clock import wall_ms
from tqd.keeper import service
from tqd.keeper.main import KeeperSpec, keeper_main
from tqd.store import calls
from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.system.fork import ChildPipes
from tqd.task.claim import Blame
from tqd.task.names import WorkerName
from tqd.task.queue_limit import QueueLimit
from tqd.wire.messages import (
    Drain,
    KeeperBeat,
    Ready,
    ReopenLog,
    Sampled,
    SampleRequest,
    WorkerGone,
    WorkerUp,
)
from tqd.wire.records import FailureRecord

NAMESPACE = "test"
WORKER = str(WorkerName(str(OURS), "w1", DEAD_PID, 1))
POLICY = [3, 60.0, 600.0, 0.0, 0.0]
LEASE_S = 3.0


def _main(spec: KeeperSpec, pipes: ChildPipes) -> int:
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    log.configure("debug", "compact", sys.stderr)
    return keeper_main(spec, pipes)


def keeper(url: str, password: str = "", **sections: dict[str, Any]) -> Forked:
    """Fork a keeper of `OURS`, and tell it of the worker: it then waits to be told of its end."""
    config = configured(url, node={"lease": LEASE_S}, **sections)
    spec = KeeperSpec(config=config, node=OURS, url=url, namespace=NAMESPACE, password=password)
    forked = Forked(functools.partial(_main, spec))
    forked.send(WorkerUp(WORKER, DEAD_PID))
    return forked


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server of its own, to be stopped and paused."""
    with RedisServer(engines()[0].binary) as server:
        yield server


@pytest.fixture
def driver(redis_server: RedisServer) -> Iterator[StoreDriver]:
    """The worker `WORKER` holds the tasks 1 and 2; 3 is ready."""
    driver = StoreDriver(redis_server)
    hold(driver)
    yield driver
    driver.close()


def hold(driver: StoreDriver) -> None:
    driver.hire(WORKER, node=str(OURS))
    driver.enqueue(1, 2, 3)
    for number in (1, 2):
        driver.client.lpop(driver.keys.ready("default"))
        driver.client.hset(driver.keys.claims(WORKER), identity(number), b"1:0:0:default")


def culprit(number: int = 1, policy: list[float] = POLICY, kind: str = "HardTimeout") -> list[object]:
    return [identity(number), b"1:0:0:default", kind, "blocked at shop.py:5", *policy]


# -- beats and outages ---------------------------------------------------------------------------


def test_it_beats_from_the_start_and_is_ready_when_redis_is(own_server: RedisServer) -> None:
    own_server.stop()
    with keeper(own_server.url) as forked:
        beat = forked.wait_for(KeeperBeat, lambda m: m.redis_down_s > 1.0)
        assert beat.reclaimed == 0 and beat.rss_bytes > 1_000_000
        assert forked.heard(Ready) is None
        own_server.start()
        forked.wait_for(Ready)
        forked.messages.clear()
        forked.wait_for(KeeperBeat, lambda m: m.redis_down_s == 0.0)


@pytest.mark.parametrize("way", ["hangs", "is gone"])
def test_an_outage_is_told_while_it_lasts(own_server: RedisServer, way: str) -> None:
    with keeper(own_server.url) as forked:
        forked.wait_for(Ready)
        assert forked.wait_for(KeeperBeat).redis_down_s == 0.0
        own_server.pause() if way == "hangs" else own_server.kill()
        try:
            first = forked.wait_for(KeeperBeat, lambda m: m.redis_down_s > 0.0)
            later = forked.wait_for(KeeperBeat, lambda m: m.redis_down_s > first.redis_down_s + 1.5)
            assert later.redis_down_s < 60.0
        finally:
            own_server.resume() if way == "hangs" else own_server.start()
        forked.messages.clear()
        forked.wait_for(KeeperBeat, lambda m: m.redis_down_s == 0.0)
        assert not forked.ended


def test_a_redis_that_answers_and_takes_no_writes_is_told_as_well(own_server: RedisServer) -> None:
    with keeper(own_server.url) as forked:
        forked.wait_for(Ready)
        own_server.client.config_set("min-replicas-to-write", 1)
        try:
            forked.wait_for(KeeperBeat, lambda m: m.redis_down_s > 2.0)
            assert own_server.client.ping()
        finally:
            own_server.client.config_set("min-replicas-to-write", 0)
        forked.messages.clear()
        forked.wait_for(KeeperBeat, lambda m: m.redis_down_s == 0.0)
        assert not forked.ended


def test_workers_that_wait_are_woken_when_redis_was_emptied(own_server: RedisServer) -> None:
    """They have lost the right to claim, and somebody must publish the schedules anew."""
    bell = Keys(NAMESPACE).bell("default")
    with keeper(own_server.url) as forked:
        forked.wait_for(Ready)
        own_server.client.flushall()
        until(lambda: own_server.client.llen(bell) == 1, "the bell rings", LEASE_S + 10)
        own_server.client.delete(bell)
        forked.messages.clear()
        for _ in range(3):
            forked.wait_for(KeeperBeat)
            forked.messages.clear()
        assert own_server.client.llen(bell) == 0, "once"


def test_a_keeper_that_waits_for_redis_leaves_when_it_is_told(own_server: RedisServer) -> None:
    own_server.stop()
    with keeper(own_server.url) as forked:
        forked.wait_for(KeeperBeat)
        began = time.monotonic()
        forked.send(Drain(0.0))
        assert forked.exit_code() == 0
        assert time.monotonic() - began < 4


# -- namesakes -----------------------------------------------------------------------------------


def test_another_daemon_of_its_name_is_told(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "LEFTOVERS_S", 0.2)
    leases, said = Keys(NAMESPACE).nodes, ""

    def told() -> bool:
        nonlocal said
        redis_server.client.zadd(leases, {str(ELSEWHERE): wall_ms() + 9000})
        said += capfd.readouterr().err
        return "node.name is unique" in said

    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        until(told, "it is told", 20)
    assert str(ELSEWHERE) in said


# -- samples -------------------------------------------------------------------------------------


def test_a_sample_has_a_row_for_each_queue(driver: StoreDriver, redis_server: RedisServer) -> None:
    with keeper(redis_server.url, queues={"names": ["default", "other"]}) as forked:
        forked.wait_for(Ready)
        driver.client.zadd(driver.keys.dead, {"a": wall_ms()})
        forked.send(SampleRequest())
        sampled = forked.wait_for(Sampled)
        assert sampled.dead == 1
        assert [row[:3] for row in sampled.queues] == [[1, 0, 2], [0, 0, 0]]
        assert sampled.queues[0][3] >= 0 and sampled.queues[1][3] == -1


def test_requests_that_come_meanwhile_are_answered_by_one_sample(own_server: RedisServer) -> None:
    with keeper(own_server.url) as forked:
        forked.wait_for(Ready)
        forked.send(SampleRequest())
        forked.wait_for(Sampled)
        own_server.pause()
        for _ in range(50):
            forked.send(SampleRequest())
        forked.messages.clear()
        forked.wait_for(KeeperBeat)  # it has read them all
        assert forked.heard(Sampled) is None
        own_server.resume()
        forked.wait_for(Sampled)
        forked.wait_for(KeeperBeat, lambda m: m.redis_down_s == 0.0)
        assert sum(isinstance(message, Sampled) for message in forked.messages) == 1
        forked.send(SampleRequest())
        until(
            lambda: forked.heard(Sampled) and sum(isinstance(m, Sampled) for m in forked.messages) == 2,
            "the next request is answered",
        )


# -- workers that are gone -----------------------------------------------------------------------


def gone(forked: Forked, driver: StoreDriver, *messages: WorkerGone) -> None:
    """Tell a keeper of the end of a worker, and wait until that is done."""
    for message in messages:
        forked.send(message)
    until(lambda: not driver.client.exists(driver.keys.claims(WORKER)), "it is taken back", 15)
    forked.messages.clear()
    forked.wait_for(KeeperBeat)


def test_a_culprit_is_tried_again_later_and_its_neighbours_go_back_at_no_cost(
    driver: StoreDriver, redis_server: RedisServer
) -> None:
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        gone(forked, driver, *[WorkerGone(WORKER, culprit())] * 3)
        assert driver.places() == {1: "due:default", 2: "ready:default", 3: "ready:default"}
        assert driver.order() == [2, 3], "at the head"
        assert (driver.counts(1), driver.counts(2)) == (b"1:1:0", b"1:0:0")
        seconds, _ = driver.client.time()
        due_ms = driver.client.zscore(driver.keys.due("default"), identity(1))
        assert due_ms is not None and 40_000 < due_ms - seconds * 1000 < 62_000
        until(lambda: forked.heard(KeeperBeat, lambda m: m.reclaimed == 1), "one task was given back")


def test_a_culprit_without_retries_is_a_dead_letter_that_says_why(
    driver: StoreDriver, redis_server: RedisServer
) -> None:
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        blocked = culprit(policy=[0, 1.0, 1.0, 60.0, 0.0], kind="LoopBlocked")
        gone(forked, driver, *[WorkerGone(WORKER, blocked)] * 2)
        assert driver.places() == {1: "dead", 2: "ready:default", 3: "ready:default"}
        data = driver.client.hget(driver.keys.failure, identity(1))
        assert isinstance(data, bytes)
        record = FailureRecord.decode(data)
        assert (record.reason, record.attempts, record.worker) == ("killed", 1, WORKER)
        assert record.envelope == b"payload 1"
        assert record.errors == (("LoopBlocked", "blocked at shop.py:5", ""),)
        assert driver.client.exists(driver.keys.result(identity(1))), "whoever waits for the result is told"


@pytest.mark.parametrize("policy", [POLICY, [0, 1.0, 1.0, 0.0, 0.0]], ids=["retry", "bury"])
def test_a_lost_reply_doubles_nothing(redis_server: RedisServer, policy: list[float]) -> None:
    driver = StoreDriver(redis_server)
    hold(driver)
    with CuttingProxy(redis_server.socket) as proxy, keeper(proxy.url) as forked:
        forked.wait_for(Ready)
        proxy.cut_after_request(sha("bury" if policy[0] == 0 else "retry").encode())
        gone(forked, driver, WorkerGone(WORKER, culprit(policy=policy)))
        # The first time the script may have been unknown to the server: then the call was sent again.
        assert proxy.cuts == 1
        assert driver.places()[1] == ("dead" if policy[0] == 0 else "due:default")
        assert driver.counts(1) == (None if policy[0] == 0 else b"1:1:0")
        assert driver.counts(2) == b"1:0:0"
    driver.close()


@pytest.mark.parametrize("ended", ["settled before", "another token", "not held"])
def test_a_culprit_that_has_ended_before_is_left_as_it_is(
    driver: StoreDriver, redis_server: RedisServer, ended: str
) -> None:
    claims = driver.keys.claims(WORKER)
    if ended == "settled before":
        driver.client.hdel(claims, identity(1))
        driver.client.hdel(driver.keys.task, identity(1))
    elif ended == "another token":
        driver.client.hset(claims, identity(1), b"2:1:0:default")
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        gone(forked, driver, WorkerGone(WORKER, culprit(3 if ended == "not held" else 1)))
        assert driver.places().get(1) == (None if ended == "settled before" else "ready:default")
        assert driver.places()[2] == driver.places()[3] == "ready:default"
        if ended == "another token":
            assert driver.counts(1) == b"2:1:0", "not blamed, but not charged either"


def test_a_culprit_that_cannot_be_read_goes_back_with_the_others(
    driver: StoreDriver, redis_server: RedisServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        gone(forked, driver, WorkerGone(WORKER, ["nonsense"]))
        assert driver.order() == [1, 2, 3]
        assert [driver.counts(number) for number in (1, 2)] == [b"1:0:1", b"1:0:1"]
    assert "a killed attempt cannot be settled" in capfd.readouterr().err


def test_a_worker_that_just_died_blames_all_that_it_held(
    driver: StoreDriver, redis_server: RedisServer
) -> None:
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        gone(forked, driver, WorkerGone(WORKER, []))
        assert [driver.counts(number) for number in (1, 2)] == [b"1:0:1", b"1:0:1"]


def test_a_worker_that_was_ended_for_no_fault_of_its_tasks_blames_none(
    driver: StoreDriver, redis_server: RedisServer
) -> None:
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        gone(forked, driver, WorkerGone(WORKER, [], "", Blame.NONE))
        assert [driver.counts(number) for number in (1, 2)] == [b"1:0:0", b"1:0:0"]


# -- suspects ------------------------------------------------------------------------------------


def test_the_master_is_told_at_once_when_a_death_leaves_suspects(
    driver: StoreDriver, redis_server: RedisServer
) -> None:
    driver.client.hset(driver.keys.claims(WORKER), identity(1), b"2:0:1:default")
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        forked.send(WorkerGone(WORKER, []))
        forked.wait_for(KeeperBeat, lambda m: m.suspects == 1)
        assert driver.places()[1] == "suspect:default" and driver.order() == [2, 3]


def test_suspects_that_another_daemon_left_are_found_and_so_is_their_end(redis_server: RedisServer) -> None:
    driver = StoreDriver(redis_server)
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        assert forked.wait_for(KeeperBeat).suspects == 0
        driver.client.rpush(driver.keys.suspect("default"), identity(1), identity(2))
        forked.wait_for(KeeperBeat, lambda m: m.suspects == 2)
        driver.client.delete(driver.keys.suspect("default"))
        forked.messages.clear()
        forked.wait_for(KeeperBeat, lambda m: m.suspects == 0)
    driver.close()


def test_the_task_that_killed_its_probe_is_a_dead_letter_with_its_report(
    driver: StoreDriver, redis_server: RedisServer
) -> None:
    token = b"3:0:2:default"
    driver.client.hset(driver.keys.claims(WORKER), identity(1), token)
    message = "the process that ran it alone was killed by SIGSEGV"
    values = [identity(1), token, "WorkerCrashed", message, 3, 1.0, 60.0, 60.0, 0.0]
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        gone(forked, driver, *[WorkerGone(WORKER, values, "memory  300 MB\nlast stack")] * 2)
        assert driver.places()[1] == "dead"
        data = driver.client.hget(driver.keys.failure, identity(1))
        assert isinstance(data, bytes)
        record = FailureRecord.decode(data)
        assert (record.reason, record.attempts) == ("killed its worker", 1)
        ((kind, told, report),) = record.errors
        assert (kind, told) == ("WorkerCrashed", message)
        assert report.startswith("memory  300 MB\nlast stack\narguments  ") and "Python 3." in report
        assert driver.client.exists(driver.keys.result(identity(1))), "whoever waits for the result is told"


def test_a_task_that_has_cost_ten_workers_is_given_to_no_other(
    driver: StoreDriver, redis_server: RedisServer
) -> None:
    driver.client.hset(driver.keys.claims(WORKER), identity(1), b"5:0:9:default")
    driver.client.hset(driver.keys.claims(WORKER), identity(2), b"5:0:408:default")
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        gone(forked, driver, WorkerGone(WORKER, []))
        assert driver.places() == {1: "dead", 2: "suspect:default", 3: "ready:default"}
        assert driver.counts(2) == b"5:0:409"


# -- the rest ------------------------------------------------------------------------------------


def test_its_log_goes_on_in_a_new_file(redis_server: RedisServer, tmp_path: Path) -> None:
    new = tmp_path / "new.log"
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        forked.send(ReopenLog(str(new)))
        forked.send(ReopenLog(str(tmp_path / "missing" / "tqd.log")))
        until(lambda: new.exists() and "the log goes on into the old file" in new.read_text(), "it is said")


def test_a_password_is_used_where_the_url_has_none(own_server: RedisServer) -> None:
    own_server.client.config_set("requirepass", "s3cret/@:word")
    with keeper(own_server.url, "s3cret/@:word") as forked:
        forked.wait_for(Ready)


def test_its_stacks_are_written_when_it_is_asked(redis_server: RedisServer) -> None:
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        forked.signal(signal.SIGUSR1)
        forked.dump("in keeper_main")
        forked.messages.clear()
        forked.wait_for(KeeperBeat)
        assert not forked.ended


# -- dead letters ---------------------------------------------------------------------------------


def test_dead_letters_that_are_too_many_or_too_old_are_pruned_at_the_start(redis_server: RedisServer) -> None:
    driver = StoreDriver(redis_server)
    driver.hire("w1")
    driver.now_ms = wall_ms() - 3_600_000
    driver.bury_new(*range(450))
    driver.now_ms = wall_ms()
    driver.bury_new(450, 451, 452)
    with keeper(redis_server.url, dead_letters={"max_age": 600.0, "max_count": 2}) as forked:
        forked.wait_for(Ready)
        until(lambda: sorted(driver.places()) == [451, 452], "they are gone", 20)
    driver.close()


def test_a_key_of_another_kind_does_not_keep_the_keeper_from_its_duties(redis_server: RedisServer) -> None:
    driver = StoreDriver(redis_server)
    redis_server.client.set(driver.keys.dead, "garbage")
    hold(driver)
    with keeper(redis_server.url) as forked:
        forked.wait_for(Ready)
        forked.send(WorkerGone(WORKER, []))
        until(lambda: driver.order() == [1, 2, 3], "the worker's tasks are back", 20)
    driver.close()


def test_another_node_is_called_dead_only_after_everybody_could_renew_for_a_lease(
    grown_up: Scene, redis_server: RedisServer
) -> None:
    # As after a pause of Redis: all leases are over, and whoever lives is about to renew.
    worker = grown_up.worker(ELSEWHERE)
    grown_up.holds(worker, 1)
    grown_up.lease(ELSEWHERE, -1.0)
    began = time.monotonic()
    with keeper(redis_server.url):
        until(lambda: not grown_up.may_claim(worker, ELSEWHERE), "the dead node's worker is fenced", 20)
    assert time.monotonic() - began > 0.9 * LEASE_S


# -- limits of queues -----------------------------------------------------------------------------


def test_limits_of_queues_are_published_and_those_of_the_last_run_go(redis_server: RedisServer) -> None:
    driver = StoreDriver(redis_server)
    old = QueueLimit(queue="old", max_depth=1)
    driver.run(calls.limit(driver.keys, OURS.name, [old], take_over=True))
    with keeper(redis_server.url, queues={"limits": {"mail": {"max_depth": 5}}}) as forked:
        forked.wait_for(Ready)
        published = {b"mail": f"5:0:0.000000:1:{OURS.name}".encode()}
        until(lambda: redis_server.client.hgetall(driver.keys.limits) == published, "they are there", 20)
    assert redis_server.client.hgetall(driver.keys.limits) == published, "they stay when it ends"
    driver.close()


def test_limits_that_cannot_be_published_keep_the_keeper_from_nothing_else(redis_server: RedisServer) -> None:
    driver = StoreDriver(redis_server)
    hold(driver)
    redis_server.client.set(driver.keys.limits, "garbage")
    with keeper(redis_server.url, queues={"limits": {"mail": {"max_depth": 5}}}) as forked:
        forked.wait_for(Ready)
        forked.send(WorkerGone(WORKER, []))
        until(lambda: driver.order() == [1, 2, 3], "the worker's tasks are back", 20)
    driver.close()
