"""Results and dead letters as bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from tqd.errors import Malformed, UnsupportedVersion
from tqd.task.model import TaskState
from tqd.wire.envelope import encode_value
from tqd.wire.records import (
    MAX_ERRORS,
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
    FailureRecord,
    ResultRecord,
    cut,
)

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
]


@pytest.mark.parametrize("fields", HOSTILE_FAILURES, ids=lambda fields: repr(fields)[:60])
def test_bytes_that_are_no_failure_are_malformed(fields: list[Any]) -> None:
    with pytest.raises(Malformed, match="failure record"):
        FailureRecord.decode(msgpack.packb(fields))


def test_records_of_a_newer_version_say_so() -> None:
    with pytest.raises(UnsupportedVersion, match="result record is of version 2"):
        ResultRecord.decode(msgpack.packb([2, {1: 1}]))
    with pytest.raises(UnsupportedVersion, match="failure record is of version 2"):
        FailureRecord.decode(msgpack.packb([2]))
