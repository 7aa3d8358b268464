"""Limits of keys: what waits in a line of its key, what is claimed instead, and when a line goes on."""

from __future__ import annotations

import pytest

from tests.support.store_driver import (
    StoreDriver,
    bury,
    complete,
    crashed,
    envelope,
    finish,
    identity,
    numbers,
    release,
    retry_at,
)
from tqd.errors import StoreError
from tqd.store import calls, queues
from tqd.store.calls import Claimed
from tqd.store.cancelling import cancel_call
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.talk import lead
from tqd.task.cancelling import CancelMark
from tqd.task.claim import Counts
from tqd.task.model import NO_OPTIONS, TaskState
from tqd.task.queue_limit import QueueLimit
from tqd.wire.envelope import Envelope, encode_envelope
from tqd.wire.seal import Seal

BOTH = ("default", "low_priority")


def limit(driver: StoreDriver, **rules: float) -> None:
    driver.run(
        calls.limit(driver.keys, "here", [QueueLimit(queue="default", **rules)], take_over=True)  # type: ignore[arg-type]
    )


def unlimited(driver: StoreDriver) -> None:
    driver.run(calls.limit(driver.keys, "here", [], take_over=True))


def looks(claimed: Claimed) -> tuple[bool, bool, int]:
    return claimed.work_left, claimed.held_back, claimed.next_due_ms


# -- concurrency ---------------------------------------------------------------------------------


def test_no_more_tasks_of_a_key_run_than_may_and_those_of_others_pass_them(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=2)
    driver.enqueue(1, 2, 3, 4, key="a")
    driver.enqueue(5, key="b")
    driver.enqueue(6)
    claimed = driver.claim()
    assert numbers(claimed) == [1, 2, 5, 6]
    assert driver.line("a") == [3, 4]
    assert looks(claimed) == (False, True, driver.now_ms + 1000)


def test_a_line_goes_on_in_order_as_its_tasks_end_before_any_that_came_later(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, 2, 3, key="a")
    (first,) = driver.claim().claims
    driver.enqueue(4, key="a")
    driver.enqueue(5)
    assert numbers(driver.claim()) == [5], "the slot of the key is taken"
    driver.settle(complete(first))
    assert numbers(driver.claim()) == [2]
    assert driver.line("a") == [3, 4]


@pytest.mark.parametrize("way", ["completed", "finished", "buried", "released", "retried", "reclaimed"])
def test_whatever_ends_a_claim_makes_room_for_the_next(driver: StoreDriver, way: str) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, 2, key="a")
    (claim,) = driver.claim().claims
    ways = {
        "completed": complete(claim),
        "finished": finish(claim),
        "buried": bury(claim),
        "released": release(claim),
        "retried": retry_at(claim, driver.now_ms + 60_000),
        "reclaimed": crashed(claim),
    }
    assert numbers(driver.claim()) == []
    assert driver.settle(ways[way]) == []
    assert len(driver.claim().claims) == 1


def test_what_was_given_back_goes_before_the_line_of_its_key(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=2)
    driver.enqueue(1, 2, 3, 4, key="a")
    first, second = driver.claim().claims
    limit(driver, key_concurrency=1)
    driver.settle(release(first), release(second))
    assert numbers(driver.claim()) == [3], "the line is served before the ready list"
    assert driver.line("a") == [1, 2, 4], "and what was given back is at its head, in order"


def test_a_unique_task_is_not_taken_for_one_that_was_given_back(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    for number in (1, 2, 3):
        driver.enqueue_unique(number, key=f"k{number}", limit_key="a")
    assert numbers(driver.claim()) == [1]
    assert driver.line("a") == [2, 3]


def test_the_limit_of_the_queue_holds_as_well(driver: StoreDriver) -> None:
    limit(driver, concurrency=2, key_concurrency=1)
    for number, key in enumerate("aabbcc", 1):
        driver.enqueue(number, key=key)
    claimed = driver.claim()
    assert numbers(claimed) == [1, 3]
    driver.settle(*map(complete, claimed.claims))
    assert sorted(numbers(driver.claim())) == [2, 4], "the lines go first"


def test_another_queue_has_its_own_limits(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, 2, key="a")
    driver.enqueue(3, 4, key="a", queue="low_priority")
    assert numbers(driver.claim(queues=BOTH)) == [1, 3, 4]


def test_a_queue_that_is_asked_twice_in_a_claim_counts_its_keys_once(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=2)
    driver.enqueue(1, 2, 3, key="a")
    driver.enqueue(4, 5)
    claimed = driver.claim(10, queues=("default", "low_priority", "default"), caps=(1, 10, 10))
    assert numbers(claimed) == [1, 2, 4, 5]
    assert driver.line("a") == [3]


def test_lines_take_turns_and_a_long_one_starves_nobody(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(*range(1, 31), key="a")
    driver.enqueue(*range(31, 34), key="b")
    running = driver.claim().claims
    assert [int.from_bytes(claim.task_id, "big") for claim in running] == [1, 31]
    order = []
    for _ in range(6):
        driver.settle(*map(complete, running))
        driver.now_ms += 1
        running = driver.claim(1).claims
        order += [int.from_bytes(claim.task_id, "big") for claim in running]
    assert order[:4] == [2, 32, 3, 33]


def test_a_claim_with_less_credit_than_lines_says_that_work_is_left(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    for key in "abc":
        driver.enqueue(*(ord(key) * 10 + n for n in range(2)), key=key)
    running = driver.claim().claims
    driver.settle(*map(complete, running))
    driver.silence()
    claimed = driver.claim(2)
    assert (len(claimed.claims), claimed.work_left, driver.rings()) == (2, True, 1)


# -- rate ----------------------------------------------------------------------------------------


def test_the_tasks_of_a_key_start_at_its_rate_and_not_faster(driver: StoreDriver) -> None:
    limit(driver, key_rate_per_s=10, key_burst=2)
    driver.enqueue(*range(1, 7), key="a")
    driver.enqueue(7, key="b")
    claimed = driver.claim()
    assert numbers(claimed) == [1, 2, 7]
    assert looks(claimed) == (False, True, driver.now_ms + 100)
    driver.now_ms += 99
    assert numbers(driver.claim()) == []
    driver.now_ms += 1
    assert numbers(driver.claim()) == [3]
    driver.now_ms += 10_000
    assert numbers(driver.claim()) == [4, 5], "no more than the burst after a pause"


def test_a_line_that_waits_for_the_rate_is_looked_for_when_it_may_go_on(driver: StoreDriver) -> None:
    limit(driver, key_rate_per_s=1, key_concurrency=1, key_burst=1)
    driver.enqueue(1, 2, key="a")
    driver.enqueue(3, 4, key="b")
    first, _ = driver.claim().claims
    driver.now_ms += 400
    driver.settle(complete(first))
    claimed = driver.claim()
    assert looks(claimed) == (False, True, driver.now_ms + 600)
    driver.now_ms += 600
    assert numbers(driver.claim()) == [2], "the other's slot is still taken"


def test_what_is_counted_for_a_key_has_an_end(driver: StoreDriver) -> None:
    limit(driver, key_rate_per_s=1, key_concurrency=1, key_burst=1)
    driver.enqueue(1, 2, key="a")
    driver.claim()
    for name in (driver.keys.running("default:a"), driver.keys.rate("default:a")):
        assert driver.client.pttl(name) > 0  # type: ignore[operator]


def test_of_keys_that_come_once_nothing_stays(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, key="long")
    driver.claim()
    for number in range(2, 200):
        driver.enqueue(number, key=f"key {number}")
        driver.settle(*map(complete, driver.claim().claims))
        driver.now_ms += 1000
    kept = [name for name in driver.client.scan_iter() if b"}:running:" in name]
    assert driver.keys.running("default:long").encode() in kept, "it runs still"
    assert len(kept) < 30
    assert driver.client.zcard(driver.keys.run_keys("default")) == len(kept)
    assert driver.client.pttl(driver.keys.run_keys("default")) > 0  # type: ignore[operator]


# -- bounds --------------------------------------------------------------------------------------


def test_a_flood_of_one_key_delays_the_task_behind_it_by_a_few_claims(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    for first in range(0, 20_000, 1000):
        driver.enqueue(*range(10 + first, 10 + first + 1000), key="flood")
    driver.enqueue(1, key="other")
    claims = 0
    while 1 not in numbers(claimed := driver.claim(5)):
        claims += 1
        assert claimed.work_left, "so that the worker claims again at once"
        assert claims < 50
    assert len(driver.line("flood")) == 19_999
    assert driver.client.hget(driver.keys.holding, "default") == b"19999"


def test_large_payloads_are_looked_at_a_few_at_a_time(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, key="a")
    large = bytes(300_000)
    for number in range(2, 60):
        payload = b"\x99" + large + envelope(number, "a")
        driver.client.hset(driver.keys.task, identity(number), payload)  # type: ignore[arg-type]
        driver.client.rpush(driver.keys.ready("default"), identity(number))
    driver.claim(1)
    before = len(driver.line("a"))
    driver.claim(1)
    assert len(driver.line("a")) - before < 40
    while driver.claim(1).work_left:
        pass
    assert len(driver.line("a")) == 58


def test_many_keys_that_wait_are_all_looked_at_in_turn(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    for number in range(200):
        driver.enqueue(1000 + number, 2000 + number, key=f"key {number:03}")
    running = {claim.task_id: claim for claim in driver.claim(1000).claims}
    assert len(running) == 200
    driver.settle(complete(running[identity(1150)]))
    looked = 0
    while not (claimed := driver.claim()).claims:
        assert looks(claimed) == (False, True, driver.now_ms + 20), "there are more than a claim looks at"
        driver.now_ms += 20
        looked += 1
        assert looked < 10
    assert numbers(claimed) == [2150]


def test_keys_of_which_very_much_runs_are_looked_at_a_few_at_a_time(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=900)
    for key in range(6):
        driver.enqueue(*range(key * 1000 + 1, key * 1000 + 1000), key=f"key {key}")
    driver.enqueue(9001)
    running = 0
    while claimed := driver.claim(1000).claims:
        running += len(claimed)
        driver.now_ms += 1
    assert running == 6 * 900 + 1, "all that may run does, and the task behind them"
    driver.client.config_resetstat()
    driver.claim(1000)
    looked = driver.client.info("commandstats")["cmdstat_hget"]["calls"]
    assert looked < 3500, "not at all 5,400"


# -- other ways ----------------------------------------------------------------------------------


def test_a_signed_envelope_has_its_key_too(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    seal = Seal(["0123456789abcdef"])
    for number in (1, 2):
        payload = encode_envelope("job", [number], {}, "default", 1, limit_key="ä" * 200)
        sealed = seal.seal(identity(number), payload)
        driver.client.hset(driver.keys.task, identity(number), sealed)  # type: ignore[arg-type]
        driver.client.rpush(driver.keys.ready("default"), identity(number))
    assert numbers(driver.claim()) == [1]
    assert driver.line("ä" * 200) == [2]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x99",
        b"\xc1\x01",
        b"\x99\x00\x00",
        b"\x99\xff\xff",
        b"\x99" + bytes(900) + b"\x03\x84",
        b"\x99aaa\x00\x01",
    ],
)
def test_bytes_that_only_look_as_if_they_had_a_key_are_claimed(driver: StoreDriver, payload: bytes) -> None:
    limit(driver, key_concurrency=1)
    for number in (1, 2):
        driver.client.hset(driver.keys.task, identity(number), payload)  # type: ignore[arg-type]
        driver.client.rpush(driver.keys.ready("default"), identity(number))
    assert numbers(driver.claim()) == [1, 2]


def test_lines_start_without_limit_when_the_limits_are_gone(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(*range(1, 9), key="a")
    driver.claim()
    driver.silence()
    unlimited(driver)
    assert driver.rings() == 1
    claimed = driver.claim(4)
    assert numbers(claimed) == [2, 3, 4, 5]
    assert claimed.work_left
    claimed = driver.claim()
    assert (numbers(claimed), looks(claimed)) == ([6, 7, 8], (False, False, 0))
    assert not driver.client.exists(driver.keys.holding, driver.keys.held_keys("default"))


def test_lines_of_a_paused_queue_do_not_start(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, 2, key="a")
    driver.settle(complete(driver.claim().claims[0]))
    driver.pause()
    assert numbers(driver.claim()) == []
    driver.pause(paused=False)
    assert numbers(driver.claim()) == [2]


def test_suspects_wait_for_no_key(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, 2, key="a")
    (claim,) = driver.claim().claims
    driver.settle(release(claim, Counts(1, 0, 2)))
    assert numbers(driver.claim()) == [2]
    assert numbers(driver.claim(probe=True)) == [1]


def test_what_waits_in_lines_counts_for_the_depth(driver: StoreDriver) -> None:
    limit(driver, max_depth=4, key_concurrency=1)
    driver.enqueue(1, 2, 3, key="a")
    driver.claim()
    assert driver.places() == {1: "claims:w1", 2: "held:default:a", 3: "held:default:a"}
    assert driver.refused(4, 5, 6) == (2, 4)
    assert driver.refused(4, 5, 6, due_ms=driver.now_ms + 5) == (2, 4)
    assert driver.refused_unique(4, 5, 6, keys=["x", "y", "z"]) == (2, 4)
    assert driver.enqueue(4, 5) == 2


def test_a_purge_takes_what_waits_in_lines(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(*range(1, 301), key="a")
    driver.enqueue(301, 302, key="b")
    driver.claim()
    driver.enqueue(303)
    link = SyncLink(Endpoint(driver.server.url))
    purged = lead(link, queues.purge(driver.keys, "default", [TaskState.READY]))
    link.close()
    assert (purged.ready, driver.places()) == (301, {1: "claims:w1", 301: "claims:w1"})


def test_a_task_in_a_line_is_cancelled_and_never_runs(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, 2, 3, key="a")
    driver.claim()
    task = Envelope("job", [], {}, "default", 1, NO_OPTIONS, {}, "a")
    mark = CancelMark(asked_ms=1, reason="")
    assert [driver.run(cancel_call(driver.keys, identity(n), task, mark)) for n in (2, 3)] == [
        b"cancelled"
    ] * 2
    assert driver.places() == {1: "claims:w1"}


def test_a_unique_task_in_a_line_is_replaced_and_goes_into_the_line_of_its_new_key(
    driver: StoreDriver,
) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, key="a")
    driver.enqueue(2, key="b")
    driver.enqueue_unique(3, limit_key="a")
    driver.enqueue(4, key="a")
    driver.claim()
    assert driver.enqueue_unique(5, limit_key="a", replace=True) == [(3, "replaced")]
    assert driver.line("a") == [3, 4], "it keeps its turn"
    assert driver.enqueue_unique(6, limit_key="b", replace=True) == [(3, "replaced")]
    assert (driver.line("a"), driver.order()) == ([4], [3])
    driver.claim()
    assert driver.line("b") == [3]
    assert driver.enqueue_unique(7, replace=True, due_ms=driver.now_ms + 5) == [(3, "replaced")]
    assert driver.places()[3] == "due:default"


def test_the_views_and_the_samples_tell_what_is_held_back(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=3, key_rate_per_s=5)
    driver.enqueue(*range(1, 6), key="a")
    driver.claim()
    link = SyncLink(Endpoint(driver.server.url))
    (view,) = lead(link, queues.views(driver.keys))
    link.close()
    assert (view.ready, view.held_by_keys) == (4, 4)
    assert view.limit == QueueLimit(
        queue="default", burst=1, key_concurrency=3, key_rate_per_s=5, key_burst=1
    )


# -- trouble -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["heldkeys:default", "held:default:a", "running:default:a", "rate:default:a", "runkeys:default"]
)
def test_a_key_of_another_kind_loses_nothing_and_stops_no_other_queue(driver: StoreDriver, name: str) -> None:
    limit(driver, key_concurrency=1, key_rate_per_s=1)
    driver.client.sadd(driver.keys.prefix + name, "garbage")
    driver.enqueue(1, 2, key="a")
    driver.enqueue(3, queue="low_priority")
    claimed = driver.claim(queues=BOTH)
    assert 3 in numbers(claimed)
    assert claimed.bad_queue == ("" if name.startswith("runkeys:") else "default")
    driver.client.delete(driver.keys.prefix + name)
    driver.now_ms += 2000
    taken = numbers(claimed) + numbers(driver.claim(queues=BOTH))
    assert {1, 3} <= set(taken)
    assert set(driver.places()) == {1, 2, 3}


def test_a_full_redis_lets_tasks_line_up_and_lines_go_on(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, 2, 3, key="a")
    driver.fill()
    (claim,) = driver.claim().claims
    driver.settle(complete(claim))
    assert numbers(driver.claim()) == [2]
    driver.fill(False)
    assert driver.places() == {2: "claims:w1", 3: "held:default:a"}


def test_a_count_of_another_kind_refuses_the_claim_before_anything_is_taken(driver: StoreDriver) -> None:
    limit(driver, key_concurrency=1)
    driver.enqueue(1, key="a")
    driver.client.set(driver.keys.holding, "garbage")
    with pytest.raises(StoreError):
        driver.claim()
    assert driver.order() == [1]


def test_limits_of_an_older_daemon_are_read_as_before(driver: StoreDriver) -> None:
    driver.client.hset(driver.keys.limits, "default", "0:1:0.000000:1:other")
    driver.enqueue(1, 2, key="a")
    assert numbers(driver.claim()) == [1]
    assert driver.order() == [2], "no line without limits of keys"
