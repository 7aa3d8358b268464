"""What stays of a task when it has ended: its result, or the record of its failure.

Each is a versioned msgpack array of the fields in the order of the class. Texts are cut to the bounds below,
so that an exception with a huge message cannot fill Redis.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from tqd.errors import Malformed
from tqd.task.history import PastError
from tqd.task.model import TaskState
from tqd.wire.history import decode_history, encode_past
from tqd.wire.packing import pack, unpack_versioned
from tqd.wire.texts import MAX_TYPE_CHARS, cut

RESULT_VERSION = 1
FAILURE_VERSION = 2

MAX_MESSAGE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000
MAX_ERRORS = 8
"""Of a chain of exceptions, the first so many are kept."""

_MAX_RECORD_BYTES = 256 * 1024 * 1024
"""A record holds an envelope of any size as one piece, so its memory is its size and little more."""

_MAX_CONTAINERS = 2 + MAX_ERRORS
_NO_BYTES = b"\xc4\0"

ErrorText = tuple[str, str, str]
"""(type, message, traceback)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """The end of a task that keeps its result.

    `state` is DONE, DEAD, CANCELLED or EXPIRED. `value` is what `encode_value` returned, None when the task
    is not done; the error fields are empty when it is done. The last two have their reason as the message.
    """

    state: TaskState
    value: bytes | None = None
    error_type: str = ""
    error_message: str = ""
    finished_ms: int

    def encode(self) -> bytes:
        """Return the record's bytes; texts beyond the bounds are cut."""
        return pack(
            [
                RESULT_VERSION,
                self.state.value,
                self.value,
                cut(self.error_type, MAX_TYPE_CHARS),
                cut(self.error_message, MAX_MESSAGE_CHARS),
                self.finished_ms,
            ],
            ("version", "state", "value", "error_type", "error_message", "finished_ms"),
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the record; raises Malformed or UnsupportedVersion."""
        fields = _fields(data, RESULT_VERSION, "result record", 6)
        state, value, error_type, error_message, finished_ms = fields
        if state != TaskState.DONE and state not in _OTHER_ENDS:
            raise Malformed("result record: the state is none of done, dead, cancelled and expired")
        if value is not None and type(value) is not bytes:
            raise Malformed("result record: the value is no bytes")
        _expect_texts("result record", error_type, error_message)
        _expect_counts("result record", finished_ms)
        return cls(
            state=TaskState(state),
            value=value,
            error_type=error_type,
            error_message=error_message,
            finished_ms=finished_ms,
        )


_OTHER_ENDS = (TaskState.DEAD, TaskState.CANCELLED, TaskState.EXPIRED)

RESULT_HEAD_BYTES = 12
"""So many bytes of a result record tell its state."""


def ended_as(head: bytes) -> TaskState:
    """Return how a task ended, from the head of its result record; done, when that does not tell it."""
    word = head[3 : 3 + (head[2] & 0x1F)] if len(head) > 2 else b""
    return next((one for one in _OTHER_ENDS if one.value.encode() == word), TaskState.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """A dead letter: everything needed to understand it and to run it again.

    `envelope` is kept as it was, readable or not. `reason` is a word or two: "raised", "timed out",
    "unreadable". `errors` is the chain of exceptions: first the one that ended the last
    attempt, then its causes. `history` are the attempts before that, the newest first; of many, or with
    long texts, the oldest are left out (see `wire.history`).
    """

    task_id: bytes
    envelope: bytes
    reason: str
    errors: tuple[ErrorText, ...] = ()
    attempts: int
    failed_ms: int
    worker: str
    history: tuple[PastError, ...] = ()

    def encode(self) -> bytes:
        """Return the record's bytes; texts beyond the bounds are cut, and so is the chain."""
        past = b"".join(map(encode_past, self.history))
        return self.encode_head() + b"\xc6" + len(past).to_bytes(4, "big") + past

    def encode_head(self) -> bytes:
        """Return the record's bytes without the history: the script adds that, it knows it alone.

        What is added is a msgpack `bin 32`: C6, the length in 4 bytes, the bytes.
        """
        return pack(
            [
                FAILURE_VERSION,
                self.task_id,
                self.envelope,
                cut(self.reason, MAX_MESSAGE_CHARS),
                _error_rows(self.errors),
                self.attempts,
                self.failed_ms,
                cut(self.worker, MAX_TYPE_CHARS),
                b"",
            ],
            (
                "version",
                "task_id",
                "envelope",
                "reason",
                "errors",
                "attempts",
                "failed_ms",
                "worker",
                "history",
            ),
        )[: -len(_NO_BYTES)]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the record; raises Malformed or UnsupportedVersion."""
        fields = _fields(data, FAILURE_VERSION, "failure record", 8, 9)
        task_id, envelope, reason, rows, attempts, failed_ms, worker, *more = fields
        past = more[0] if more else b""  # version 1 had no history
        if not type(task_id) is type(envelope) is type(past) is bytes:
            raise Malformed("failure record: the task id, the envelope or the history is no bytes")
        if type(rows) is not list or len(rows) > MAX_ERRORS:
            raise Malformed(f"failure record: the errors are no array of at most {MAX_ERRORS}")
        for row in rows:
            if type(row) is not list or len(row) != 3:
                raise Malformed("failure record: an error is not [type, message, traceback]")
            _expect_texts("failure record", *row)
        _expect_texts("failure record", reason, worker)
        _expect_counts("failure record", attempts, failed_ms)
        return cls(
            task_id=task_id,
            envelope=envelope,
            reason=reason,
            errors=tuple((row[0], row[1], row[2]) for row in rows),
            attempts=attempts,
            failed_ms=failed_ms,
            worker=worker,
            history=decode_history(past),
        )


def _error_rows(errors: Iterable[ErrorText]) -> list[list[str]]:
    rows = [
        [cut(kind, MAX_TYPE_CHARS), cut(message, MAX_MESSAGE_CHARS), cut(traceback, MAX_TRACEBACK_CHARS)]
        for kind, message, traceback in errors
    ]
    return rows[:MAX_ERRORS]


def _fields(data: bytes, version: int, what: str, *counts: int) -> list[Any]:
    """Return the fields after the version; `counts` are the lengths of version 1, 2, ..."""
    parts = unpack_versioned(data, version, what, _MAX_RECORD_BYTES, _MAX_CONTAINERS)
    expected = counts[parts[0] - 1]
    if len(parts) != expected:
        raise Malformed(f"{what}: {len(parts)} fields, expected {expected}")
    return parts[1:]


def _expect_texts(what: str, *values: Any) -> None:
    for value in values:
        if type(value) is not str:
            raise Malformed(f"{what}: expected text, got {type(value).__name__}")


def _expect_counts(what: str, *values: Any) -> None:
    for value in values:
        if type(value) is not int or value < 0:
            raise Malformed(f"{what}: expected a number of at least 0, got {ascii(value)[:40]}")
