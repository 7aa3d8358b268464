"""Results and dead letters as bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from tqd.errors import Malformed, UnsupportedVersion
from tqd.task.history import PastError
from tqd.task.model import TaskState
from tqd.wire.envelope import encode_value
from tqd.wire.history import encode_past
from tqd.wire.records import (
    MAX_ERRORS,
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
    RESULT_HEAD_BYTES,
    FailureRecord,
    ResultRecord,
    ended_as,
)
from tqd.wire.texts import cut

DONE = ResultRecord(state=TaskState.DONE, value=encode_value([1]), finished_ms=7)
DEAD = ResultRecord(state=TaskState.DEAD, error_type="ValueError", error_message="no", finished_ms=7)
FAILURE = FailureRecord(
    task_id=b"x" * 16,
    envelope=b"\xc1 not even msgpack",
    reason="raised",
    errors=(("ValueError", "no", "Traceback …"), ("KeyError", "'a'", "")),
    attempts=4,
    failed_ms=7,
    worker="node-1",
)


@pytest.mark.parametrize("record", [DONE, DEAD])
def test_a_result_comes_back_as_it_was(record: ResultRecord) -> None:
    assert ResultRecord.decode(record.encode()) == record


def test_a_failure_comes_back_as_it_was_even_with_an_unreadable_envelope() -> None:
    assert FailureRecord.decode(FAILURE.encode()) == FAILURE


def past(number: int, message: str = "no") -> PastError:
    return PastError(
        attempt=number, failed_ms=7, reason="raised", type="ValueError", message=message, place="a.py:1 in f"
    )


def test_a_failure_comes_back_with_the_errors_of_earlier_attempts() -> None:
    record = replace(FAILURE, history=(past(3), past(2), past(1)))
    assert FailureRecord.decode(record.encode()) == record


def test_a_history_is_added_to_a_records_head_as_the_script_does_it() -> None:
    history = encode_past(past(1))
    data = FAILURE.encode_head() + b"\xc6" + len(history).to_bytes(4, "big") + history
    assert data == replace(FAILURE, history=(past(1),)).encode()


def test_a_failure_of_version_1_has_no_history() -> None:
    fields = [1, b"x" * 16, b"", "raised", [], 4, 7, "node-1"]
    assert FailureRecord.decode(msgpack.packb(fields)).history == ()


@pytest.mark.parametrize(
    "head", [b"", b"\x96", b"\x96\x01\xa4", b"\x96\x01\xa4dread", b"garbage of any kind"]
)
def test_a_record_that_cannot_be_read_says_done(head: bytes) -> None:
    assert ended_as(head) is TaskState.DONE


@pytest.mark.parametrize("state", [TaskState.DONE, TaskState.DEAD, TaskState.CANCELLED, TaskState.EXPIRED])
def test_the_head_of_a_result_record_says_how_the_task_ended(state: TaskState) -> None:
    record = replace(DEAD, state=state, error_message="a reason")
    assert ended_as(record.encode()[:RESULT_HEAD_BYTES]) is state
    assert ResultRecord.decode(record.encode()) == record


def test_a_failure_holds_an_envelope_beyond_the_payload_limit() -> None:
    record = replace(FAILURE, envelope=b"x" * 2_000_000)
    assert FailureRecord.decode(record.encode()) == record


def test_long_texts_lose_their_middle() -> None:
    errors = (("ValueError", "m" * 100_000, "first " + "t" * 100_000 + " last"),)
    [(_, message, traceback)] = FailureRecord.decode(replace(FAILURE, errors=errors).encode()).errors
    assert len(message) == MAX_MESSAGE_CHARS
    assert len(traceback) == MAX_TRACEBACK_CHARS
    assert traceback.startswith("first t")
    assert traceback.endswith("t last")
    assert "84,011 characters left out" in traceback


def test_a_long_chain_keeps_its_first_errors() -> None:
    errors = tuple(("E", str(number), "") for number in range(20))
    assert FailureRecord.decode(replace(FAILURE, errors=errors).encode()).errors == errors[:MAX_ERRORS]


def test_a_text_that_utf_8_cannot_carry_is_escaped() -> None:
    record = replace(DEAD, error_message="no file \udcff")
    assert ResultRecord.decode(record.encode()).error_message == "no file \\udcff"


def test_a_text_at_its_limit_is_left_alone() -> None:
    assert cut("é" * 100, 100) == "é" * 100
    assert len(cut("é" * 101, 100)) == 100


HOSTILE_RESULTS: list[list[Any]] = [
    [1],
    [1, "ready", None, "", "", 7],
    [1, [], None, "", "", 7],
    [1, "done", "text", "", "", 7],
    [1, "done", None, 1, "", 7],
    [1, "done", None, "", None, 7],
    [1, "done", None, "", "", -1],
    [1, "done", None, "", "", 7, 8],
]


@pytest.mark.parametrize("fields", HOSTILE_RESULTS, ids=repr)
def test_bytes_that_are_no_result_are_malformed(fields: list[Any]) -> None:
    with pytest.raises(Malformed, match="result record"):
        ResultRecord.decode(msgpack.packb(fields))


HOSTILE_FAILURES: list[list[Any]] = [
    [1],
    [1, "id", b"", "r", [], 1, 1, "w"],
    [1, b"", "envelope", "r", [], 1, 1, "w"],
    [1, b"", b"", 1, [], 1, 1, "w"],
    [1, b"", b"", "r", {}, 1, 1, "w"],
    [1, b"", b"", "r", [["a", "b"]], 1, 1, "w"],
    [1, b"", b"", "r", [["a", "b", 1]], 1, 1, "w"],
    [1, b"", b"", "r", [["a", "b", "c"]] * 9, 1, 1, "w"],
    [1, b"", b"", "r", [], True, 1, "w"],
    [1, b"", b"", "r", [], 1, -1, "w"],
    [1, b"", b"", "r", [], 1, 1, None],
    [1, b"", b"", "r", [[]] * 1000, 1, 1, "w"],
    [1, b"", b"", "r", [], 1, 1, "w", b""],
    [2, b"", b"", "r", [], 1, 1, "w"],
    [2, b"", b"", "r", [], 1, 1, "w", "text"],
]


@pytest.mark.parametrize("fields", HOSTILE_FAILURES, ids=lambda fields: repr(fields)[:60])
def test_bytes_that_are_no_failure_are_malformed(fields: list[Any]) -> None:
    with pytest.raises(Malformed, match="failure record"):
        FailureRecord.decode(msgpack.packb(fields))


def test_records_of_a_newer_version_say_so() -> None:
    with pytest.raises(UnsupportedVersion, match="result record is of version 2"):
        ResultRecord.decode(msgpack.packb([2, {1: 1}]))
    with pytest.raises(UnsupportedVersion, match="failure record is of version 3"):
        FailureRecord.decode(msgpack.packb([3]))
