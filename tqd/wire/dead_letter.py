"""A dead letter as a value: what its record and its envelope say, readable or not; and which ones are meant.

Pure. Whatever the bytes are, there is a letter to show and to purge; `problem` says why one cannot be
replayed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tqd.errors import WireError
from tqd.wire.envelope import decode_envelope
from tqd.wire.records import ErrorText, FailureRecord

MOST_BYTES = 64 * 1024 * 1024
"""The most that `security.max_payload_size_mb` can allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One task that failed for good; `failed_ms` is Redis's clock in epoch ms.

    `errors` is the chain of exceptions as (type, message, traceback), first the one that ended the last
    attempt. `name` and `queue` are empty, and `enqueued_ms` is 0, when the task's bytes cannot be read;
    `problem` says then what is wrong with them, and is empty for a letter that can be replayed. `args` and
    `kwargs` are as they travelled, not yet what the handler's annotations make of them.
    """

    id: str
    name: str = ""
    queue: str = ""
    reason: str = ""
    errors: tuple[ErrorText, ...] = field(default=(), repr=False)
    attempts: int = 0
    enqueued_ms: int = 0
    failed_ms: int
    worker: str = ""
    problem: str = ""
    args: list[Any] = field(default_factory=list, repr=False)
    kwargs: dict[str, Any] = field(default_factory=dict, repr=False)
    envelope: bytes = field(default=b"", repr=False)

    @property
    def error_type(self) -> str:
        """The type of the exception that ended the last attempt; empty when none is known."""
        return self.errors[0][0] if self.errors else ""

    @property
    def error_message(self) -> str:
        """The message of the exception that ended the last attempt."""
        return self.errors[0][1] if self.errors else ""


def read_letter(identity: bytes, failed_ms: int, record: bytes | None) -> DeadLetter:
    """Return the letter of a record, whatever its bytes are."""
    if record is None:
        return DeadLetter(id=identity.hex(), failed_ms=failed_ms, problem="its record is missing; purge it")
    try:
        failure = FailureRecord.decode(record)
    except WireError as error:
        return DeadLetter(
            id=identity.hex(), failed_ms=failed_ms, problem=f"its record cannot be read: {error}"
        )
    known: dict[str, Any] = {
        "id": identity.hex(),
        "failed_ms": failed_ms,
        "reason": failure.reason,
        "errors": failure.errors,
        "attempts": failure.attempts,
        "worker": failure.worker,
        "envelope": failure.envelope,
    }
    try:
        task = decode_envelope(failure.envelope, MOST_BYTES)
    except WireError as error:
        return DeadLetter(**known, problem=f"its task cannot be read: {error}")
    return DeadLetter(
        **known,
        name=task.name,
        queue=task.queue,
        enqueued_ms=task.enqueued_ms,
        args=task.args,
        kwargs=task.kwargs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadFilter:
    """Which dead letters are meant; what is not said does not count, so that an empty filter means all.

    `name` may hold * and ?. `error` is an exception's type, with its module or without. `older_than_s` and
    `newer_than_s` are ages, counted from the death.
    """

    name: str = ""
    queue: str = ""
    error: str = ""
    older_than_s: float | None = None
    newer_than_s: float | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Tell whether name, queue and error are those that are meant. The age is a matter of the search."""
        if self.name and not fnmatchcase(letter.name, self.name):
            return False
        if self.queue and letter.queue != self.queue:
            return False
        return not self.error or self.error in (letter.error_type, letter.error_type.rpartition(".")[2])

    def span_ms(self, now_ms: int) -> tuple[int | None, int | None]:
        """Return the earliest and the latest time of death that is meant, in epoch ms; None is no bound."""
        earliest = None if self.newer_than_s is None else now_ms - round(self.newer_than_s * 1000)
        latest = None if self.older_than_s is None else now_ms - round(self.older_than_s * 1000)
        return earliest, latest

    @property
    def is_empty(self) -> bool:
        """Whether the filter means every dead letter."""
        return self == DeadFilter()

    def __str__(self) -> str:
        said = [
            f"task {self.name}" if self.name else "",
            f"queue {self.queue}" if self.queue else "",
            f"error {self.error}" if self.error else "",
            "" if self.older_than_s is None else f"older than {self.older_than_s:g} s",
            "" if self.newer_than_s is None else f"newer than {self.newer_than_s:g} s",
        ]
        return ", ".join(part for part in said if part) or "all"
