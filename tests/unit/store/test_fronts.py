"""For how long the next task of a queue could have started."""

from __future__ import annotations

from typing import Any

import pytest

from tqd.store.fronts import UNKNOWN, Front, front_of, oldest_ms
from tqd.task.claim import REPLAYED_FENCE
from tqd.task.identity import task_id
from tqd.task.model import TaskOptions
from tqd.wire.envelope import encode_envelope

NOW = 1_800_000_000_000


def identity(age_ms: int) -> bytes:
    return task_id(NOW - age_ms, 0, b"x" * 8)


def envelope(**options: Any) -> bytes:
    return encode_envelope("a", [], {}, "q", 0, TaskOptions(**options))


def front(**fields: Any) -> Front:
    empty = {"ready": 1, "scheduled": 0, "ripe": 0, "due": b"", "head": b"", "counts": b"", "fresh": b"",
             "envelope": b"", "throttled": 0}  # fmt: skip
    return Front(**(empty | fields))


def age(seen_ago_ms: int = 0, **fields: Any) -> int:
    return oldest_ms(front(**fields), NOW - seen_ago_ms, NOW)


def fresh(age_ms: int, **fields: Any) -> dict[str, Any]:
    return {"head": identity(age_ms), "fresh": identity(age_ms), "envelope": envelope()} | fields


def test_nothing_has_no_age() -> None:
    assert age() == UNKNOWN


def test_a_task_that_was_never_claimed_is_ready_since_its_enqueue_or_its_delay() -> None:
    assert age(**fresh(5000)) == 5000
    assert age(**fresh(5000, envelope=envelope(delay_s=4.0))) == 1000
    assert age(**fresh(5000, envelope=b"")) == 5000, "it is gone, and a claim will drop it"


def test_of_a_task_that_came_due_and_was_not_moved_over_it_is_known_exactly() -> None:
    assert age(due=b"%d" % (NOW - 7000)) == 7000
    assert age(due=b"%d" % (NOW - 7000), **fresh(5000)) == 7000


def test_a_task_that_was_claimed_before_is_seen_for_so_long() -> None:
    assert age(3000, head=identity(60_000), counts=b"1:1:0") == 3000
    assert age(3000, **fresh(5000, head=identity(60_000), counts=b"1:1:0")) == 5000


def test_a_replayed_task_is_ready_since_its_replay() -> None:
    assert NOW > REPLAYED_FENCE
    assert age(0, head=identity(60_000), counts=b"%d:0:0" % (NOW - 20_000)) == 20_000
    assert age(4000, head=identity(60_000), counts=b"%d:1:0" % (NOW - 20_000 + 1)) == 4000, "claimed since"
    assert age(4000, head=identity(60_000), counts=b"%d:0:0" % (NOW + 5000)) == 4000, "rounded up"


@pytest.mark.parametrize("wrong", [0, b"garbage"])
def test_what_cannot_be_read_is_as_old_as_it_was_seen_there(wrong: bytes | int) -> None:
    assert age(3000, **fresh(60_000, envelope=wrong)) == 3000


def test_garbage_has_no_age() -> None:
    assert age(9000, head=b"garbage", fresh=b"garbage") == UNKNOWN
    assert age(0, due=b"nan") == age(0, due=b"x") == UNKNOWN
    assert front_of([]) is None and front_of(None) is None and front_of([1] * 8) is None
