"""Every call of a script as a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tqd.store import calls
from tqd.store.calls import MAX_BATCH, Claimant, Claimed, NewTask, group_new
from tqd.store.keys import Keys
from tqd.store.scripts import BY_SHA, sha
from tqd.store.settling import SETTLE_BATCH, Settler, release
from tqd.task.claim import Claim, Counts
from tqd.task.history import PastError
from tqd.task.model import TaskState
from tqd.task.outcome import ErrorInfo
from tqd.task.settle import (
    Bury,
    Complete,
    Completes,
    Dismiss,
    Expire,
    Finish,
    Park,
    Release,
    RetryAt,
    Settlement,
)
from tqd.wire.history import HISTORY_BYTES, HISTORY_TASKS, decode_history
from tqd.wire.records import FailureRecord, ResultRecord

KEYS = Keys("ns")
LUA = Path(calls.__file__).parent / "lua"
LUA_LINES = 80
"""The ceiling; the aim is 55."""
LONGER = {"claim.lua": 130, "enqueue_unique.lua": 100}
"""Each is one transition and cannot be two: the claim with the due, the paused, the limited and the lost, the
other with a task that may wait anywhere."""
COUNTS = Counts(1, 2, 3)
ERROR = ErrorInfo(type="ValueError", message="no", traceback="")


def identity(number: int) -> bytes:
    return number.to_bytes(16, "big")


def new(number: int, queue: str = "q", due_ms: int = 0) -> NewTask:
    return NewTask(identity(number), queue, b"payload", due_ms)


def script(command: calls.Command) -> str:
    return BY_SHA[str(command[1])].name


def keys_of(command: calls.Command) -> list[Any]:
    return list(command[3 : 3 + int(command[2])])


def arguments(command: calls.Command) -> list[Any]:
    return list(command[3 + int(command[2]) :])


# -- keys ----------------------------------------------------------------------------------------


def test_all_keys_of_a_shard_share_a_hash_tag() -> None:
    keys = Keys("shop", 3)
    named = [getattr(keys, name) for name in Keys.__slots__ if name not in ("prefix", "shard")]
    made = [keys.ready("q"), keys.due("q"), keys.bell("q"), keys.claims("w"), keys.workers("n")]
    made += [keys.parked("x"), keys.result(b"\x01"), keys.producer("p"), keys.replay(b"\x01")]
    made += [
        keys.running("q"),
        keys.rate("q"),
        keys.flow("q"),
        keys.held("q", "k"),
        keys.held_keys("q"),
        keys.run_keys("q"),
    ]
    assert all(key.startswith("{shop:3}:") for key in named + made)
    assert len(set(named + made)) == len(named + made)


def test_every_script_says_its_contract() -> None:
    for one in BY_SHA.values():
        header = [line for line in one.source.splitlines() if line.startswith("--")]
        text = "\n".join(header)
        for word in ("KEYS[1]", "ARGV", "Returns", "Cost:"):
            assert word in text, f"{one.name}.lua does not say {word}"


def test_scripts_and_their_parts_stay_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in LUA.rglob("*.lua")}
    assert {name: n for name, n in lengths.items() if n > LONGER.get(name, LUA_LINES)} == {}


def test_a_part_is_included_where_a_script_says_so_and_every_part_is_used() -> None:
    whole = "".join(one.source for one in BY_SHA.values())
    assert "-- include" not in whole
    assert [part.name for part in LUA.glob("parts/*.lua") if part.read_text() not in whole] == []


# -- producing -----------------------------------------------------------------------------------


def test_tasks_are_grouped_by_queue_and_by_whether_they_wait() -> None:
    groups = group_new([new(1), new(2, "b"), new(3, due_ms=5), new(4), new(5, "b", 9)])
    assert [[int.from_bytes(t.task_id, "big") for t in group] for group in groups] == [[1, 4], [2], [3], [5]]


def test_groups_are_split_at_the_batch_size() -> None:
    sizes = [len(group) for group in group_new([new(n) for n in range(2 * MAX_BATCH + 1)])]
    assert sizes == [MAX_BATCH, MAX_BATCH, 1]
    assert group_new([]) == []


def test_ready_tasks_are_enqueued_and_waiting_ones_scheduled() -> None:
    ready = calls.store_new(KEYS, "p", 7, [new(1), new(2)])
    assert script(ready) == "enqueue"
    assert keys_of(ready)[:4] == [KEYS.producer("p"), KEYS.task, KEYS.ready("q"), KEYS.bell("q")]
    assert keys_of(ready)[4:] == [KEYS.limits]
    assert arguments(ready) == [7, 3600, identity(1), b"payload", identity(2), b"payload"]
    waiting = calls.store_new(KEYS, "p", 8, [new(3, due_ms=55)])
    assert script(waiting) == "schedule"
    assert keys_of(waiting)[:4] == [KEYS.producer("p"), KEYS.task, KEYS.due("q"), KEYS.bell("q")]
    assert keys_of(waiting)[4:] == [KEYS.limits]
    assert arguments(waiting) == [8, 3600, identity(3), b"payload", 55]


# -- claiming ------------------------------------------------------------------------------------


def test_a_claim_names_its_queues_in_order() -> None:
    command = Claimant(KEYS, "node", "w").claim(99, 5, [("a", 3), ("b", 5)])
    assert script(command) == "claim"
    assert keys_of(command)[:4] == [KEYS.workers("node"), KEYS.claims("w"), KEYS.task, KEYS.attempts]
    assert keys_of(command)[4:6] == [KEYS.paused, KEYS.limits]
    assert keys_of(command)[6:-3] == [f(q) for q in "ab" for f in (KEYS.ready, KEYS.due, KEYS.bell)]
    assert keys_of(command)[-3:] == [KEYS.unique, KEYS.keyed, KEYS.cancels]
    assert arguments(command) == ["w", 99, 5, calls.PROMOTE_LIMIT, "a", 3, "b", 5]


def test_a_claim_asks_for_no_more_than_a_batch() -> None:
    command = Claimant(KEYS, "node", "w").claim(99, 10**6, [("a", 10**6)])
    assert arguments(command)[2] == MAX_BATCH


def test_an_order_seen_before_is_not_mixed_up_with_another() -> None:
    claimant = Claimant(KEYS, "node", "w")
    orders = (["a", "b"], ["b", "a"], ["a", "b"])
    firsts = [keys_of(claimant.claim(1, 1, [(queue, 1) for queue in order]))[6] for order in orders]
    assert firsts == [KEYS.ready("a"), KEYS.ready("b"), KEYS.ready("a")]


def test_a_fenced_reply_is_told_from_a_due_time() -> None:
    assert Claimed([-1]).fenced
    claimed = Claimed([-1, 0, 0, b"", []])
    assert not claimed.fenced and claimed.next_due_ms == 0


def test_a_reply_becomes_claims() -> None:
    claimed = Claimed([55, 1, 2, b"bad", [b"i2", b"9:why"], b"i1", b"t1", b"e1", b"i2", b"t2", b"e2"])
    assert (claimed.next_due_ms, claimed.work_left, claimed.held_back) == (55, True, False)
    assert (claimed.dropped, claimed.bad_queue) == (2, "bad")
    assert claimed.cancelled == {b"i2": b"9:why"}
    assert [(c.task_id, c.token, c.envelope) for c in claimed.claims] == [
        (b"i1", b"t1", b"e1"),
        (b"i2", b"t2", b"e2"),
    ]


def test_a_reply_that_was_cut_is_not_taken() -> None:
    with pytest.raises(ValueError):
        Claimed([0, 0, 0, b"", [], b"i1", b"t1"])


# -- settling ------------------------------------------------------------------------------------


def settler() -> Settler:
    return Settler(KEYS, "w", max_dead=10)


def test_each_settlement_has_its_script() -> None:
    claim = Claim(identity(1), b"t", b"payload")
    batch: list[Settlement] = [
        RetryAt(identity(2), b"t", "q", 55, COUNTS),
        Complete(identity(3), b"t"),
        Completes([identity(4), b"t", identity(5), b"t"]),
        Release(identity(6), b"t", "q", COUNTS),
        Park(identity(7), b"t", "job", COUNTS),
        Bury(claim, "raised", (ERROR,), 4, 5000),
        Finish(identity(8), b"t", 5000, b"result"),
        Dismiss(identity(9), b"t", "obsolete", 0),
    ]
    commands = settler().settle(batch, 99)
    assert sorted(map(script, commands)) == sorted(
        ["bury", "complete", "complete", "complete", "finish", "park", "release", "retry"]
    )
    by_name = {script(command): command for command in commands}
    assert arguments(by_name["retry"]) == [
        HISTORY_TASKS, HISTORY_BYTES, identity(2), b"t", 55, b"1:2:3", b"",
    ]  # fmt: skip
    assert arguments(by_name["release"]) == [identity(6), b"t", b"1:2:3"]
    assert arguments(by_name["park"]) == [identity(7), b"t", b"1:2:3"]
    assert arguments(by_name["finish"]) == [identity(8), b"t", 5000, b"result"]
    assert arguments(by_name["bury"])[:4] == [identity(1), b"t", 99, 10]
    record = FailureRecord.decode(arguments(by_name["bury"])[4] + b"\xc4\0")
    assert (record.envelope, record.reason, record.attempts, record.worker) == (b"payload", "raised", 4, "w")


def test_a_dismissed_task_leaves_a_record_for_who_asked_for_a_result() -> None:
    (command,) = settler().settle([Dismiss(identity(1), b"t", "obsolete", 5000)], 99)
    assert (script(command), arguments(command)[:3]) == ("finish", [identity(1), b"t", 5000])
    record = ResultRecord.decode(arguments(command)[3])
    assert (record.state, record.value, record.error_message) == (TaskState.CANCELLED, None, "obsolete")


def test_an_expired_task_ends_like_one_that_is_done_with_a_record_for_who_asked() -> None:
    (command,) = settler().settle([Expire(identity(1), b"t", "too late", 5000)], 99)
    assert (script(command), arguments(command)[:3]) == ("finish", [identity(1), b"t", 5000])
    record = ResultRecord.decode(arguments(command)[3])
    assert (record.state, record.value, record.error_message) == (TaskState.EXPIRED, None, "too late")
    (command,) = settler().settle([Expire(identity(1), b"t", "too late", 0)], 99)
    assert (script(command), arguments(command)) == ("complete", [identity(1), b"t"])


def test_the_error_of_a_failed_attempt_goes_with_its_retry() -> None:
    error = PastError(attempt=1, failed_ms=9, reason="raised", type="KeyError", message="'a'", place="")
    (command,) = settler().settle([RetryAt(identity(2), b"t", "q", 55, COUNTS, error)], 99)
    assert decode_history(arguments(command)[-1]) == (error,)


def test_nothing_to_settle_is_no_call() -> None:
    assert settler().settle([], 99) == []


def test_completes_are_split_at_the_batch_size() -> None:
    pairs = [field for n in range(MAX_BATCH + 1) for field in (identity(n), b"t")]
    commands = settler().settle([Completes(pairs)], 99)
    assert [len(arguments(command)) // 2 for command in commands] == [MAX_BATCH, 1]
    singles = settler().settle([Complete(identity(n), b"t") for n in range(MAX_BATCH + 1)], 99)
    assert [len(arguments(command)) // 2 for command in singles] == [MAX_BATCH, 1]


def test_retries_and_releases_are_grouped_by_queue() -> None:
    for kind in (lambda n, q: RetryAt(identity(n), b"t", q, 1, COUNTS),
                 lambda n, q: Release(identity(n), b"t", q, COUNTS)):  # fmt: skip
        commands = settler().settle([kind(1, "a"), kind(2, "b"), kind(3, "a")], 99)
        assert [arguments(command).count(b"t") for command in commands] == [2, 1]


def test_the_last_releases_go_first_so_that_the_first_end_at_the_head() -> None:
    releases = [Release(identity(n), b"t", "q", COUNTS) for n in range(SETTLE_BATCH + 2)]
    one, two = release(KEYS, "w", releases)
    assert arguments(one)[0] == identity(SETTLE_BATCH)
    assert arguments(two)[0] == identity(0)


def test_a_script_is_known_by_its_digest() -> None:
    assert BY_SHA[sha("claim")].name == "claim"
    assert {one.name for one in BY_SHA.values()} >= {"enqueue", "schedule", "claim", "complete", "bury"}


# -- sampling ------------------------------------------------------------------------------------


def test_claims_are_counted_for_each_worker_up_to_a_limit() -> None:
    command = calls.claimed(KEYS, ["w1", "w2"], 50)
    assert script(command) == "claimed"
    assert keys_of(command) == [KEYS.claims("w1"), KEYS.claims("w2")]
    assert arguments(command) == [50]


def test_a_suspect_is_given_back_to_the_suspects_of_its_queue() -> None:
    counts = [Counts(1, 0, 1), Counts(2, 0, 2)]
    plain, suspect = release(KEYS, "w", [Release(identity(n), b"t", "a", c) for n, c in enumerate(counts)])
    assert plain[5:7] == (KEYS.ready("a"), KEYS.bell("a"))
    assert suspect[5:7] == (KEYS.suspect("a"), KEYS.suspect_bell)
    assert identity(0) in plain and identity(1) in suspect


def test_a_probe_claims_from_the_suspects_and_nothing_becomes_due_there() -> None:
    worker, probe = (Claimant(KEYS, "node", "w", probe=probe) for probe in (False, True))
    theirs, its = (one.claim(5, 1, [("a", 1), ("b", 1)]) for one in (worker, probe))
    assert its[:9] == theirs[:9] and its[15:] == theirs[15:]
    assert its[9:12] == (KEYS.suspect("a"), KEYS.suspect_due, KEYS.suspect_bell)
    assert its[12] == KEYS.suspect("b")
