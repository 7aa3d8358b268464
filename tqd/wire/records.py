"""What stays of a task when it has ended: its result, or the record of its failure.

Each is a versioned msgpack array of the fields in the order of the class. Texts are cut to the bounds below,
so that an exception with a huge message cannot fill Redis.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from tqd.errors import Malformed
from tqd.task.model import TaskState
from tqd.wire.packing import pack, unpack_versioned

RESULT_VERSION = 1
FAILURE_VERSION = 1

MAX_TYPE_CHARS = 200
MAX_MESSAGE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000
MAX_ERRORS = 8
"""Of a chain of exceptions, the first so many are kept."""

_MAX_RECORD_BYTES = 256 * 1024 * 1024
"""A record holds an envelope of any size as one piece, so its memory is its size and little more."""

_MAX_CONTAINERS = 2 + MAX_ERRORS

ErrorText = tuple[str, str, str]
"""(type, message, traceback)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """The end of a task that keeps its result.

    `state` is DONE or DEAD. `value` is what `encode_value` returned, None when the task is dead; the error
    fields are empty when it is done.
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
        if state not in (TaskState.DONE, TaskState.DEAD):
            raise Malformed("result record: the state is neither done nor dead")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """A dead letter: everything needed to understand it and to run it again.

    `envelope` is kept as it was, readable or not. `reason` is a word or two: "raised", "timed out",
    "unreadable". `errors` is the chain of exceptions: first the one that ended the last
    attempt, then its causes.
    """

    task_id: bytes
    envelope: bytes
    reason: str
    errors: tuple[ErrorText, ...] = ()
    attempts: int
    failed_ms: int
    worker: str

    def encode(self) -> bytes:
        """Return the record's bytes; texts beyond the bounds are cut, and so is the chain."""
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
            ],
            ("version", "task_id", "envelope", "reason", "errors", "attempts", "failed_ms", "worker"),
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the record; raises Malformed or UnsupportedVersion."""
        fields = _fields(data, FAILURE_VERSION, "failure record", 8)
        task_id, envelope, reason, rows, attempts, failed_ms, worker = fields
        if type(task_id) is not bytes or type(envelope) is not bytes:
            raise Malformed("failure record: the task id or the envelope is no bytes")
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
        )


def cut(text: str, limit: int) -> str:
    """Return the text as UTF-8 can carry it, its middle left out when it is longer than `limit` characters.

    The end is kept because that is where a traceback says what happened.
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= limit:
        return text
    mark = f" … {len(text) - limit:,} characters left out … "
    kept = limit - len(mark)
    head = kept // 3
    return text[:head] + mark + text[head - kept :]


def _error_rows(errors: Iterable[ErrorText]) -> list[list[str]]:
    rows = [
        [cut(kind, MAX_TYPE_CHARS), cut(message, MAX_MESSAGE_CHARS), cut(traceback, MAX_TRACEBACK_CHARS)]
        for kind, message, traceback in errors
    ]
    return rows[:MAX_ERRORS]


def _fields(data: bytes, version: int, what: str, count: int) -> list[Any]:
    parts = unpack_versioned(data, version, what, _MAX_RECORD_BYTES, _MAX_CONTAINERS)
    if len(parts) != count:
        raise Malformed(f"{what}: {len(parts)} fields, expected {count}")
    return parts[1:]


def _expect_texts(what: str, *values: Any) -> None:
    for value in values:
        if type(value) is not str:
            raise Malformed(f"{what}: expected text, got {type(value).__name__}")


def _expect_counts(what: str, *values: Any) -> None:
    for value in values:
        if type(value) is not int or value < 0:
            raise Malformed(f"{what}: expected a number of at least 0, got {ascii(value)[:40]}")
