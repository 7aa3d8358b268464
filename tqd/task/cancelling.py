"""Cancelling tasks from outside: what is answered, and the mark of one that has not ended yet. Values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LONGEST_REASON = 500
"""Characters of a reason; a longer one is cut."""

KEPT_S = 600.0
"""How long a cancelled task leaves a record at least, so that who looks for it is told what became of it."""


class CancelAnswer(StrEnum):
    """What became of the request to cancel a task.

    cancelled: it waited, and will not run. asked: it is running, and is cancelled at its next await (or it
    is deep in a long queue, and ends when its turn comes). over: it had ended before. unknown: there is no
    trace of it.
    """

    CANCELLED = "cancelled"
    ASKED = "asked"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelMark:
    """When somebody asked for the end of a task (ms of Redis's clock; 0: not known), and why."""

    asked_ms: int
    reason: str

    def encode(self) -> bytes:
        """Return the bytes that Redis keeps."""
        return f"{self.asked_ms}:{self.reason[:LONGEST_REASON]}".encode(errors="replace")


def read_mark(data: bytes) -> CancelMark:
    """Return the mark in the bytes; whatever they are, the task is to be cancelled."""
    digits, _, reason = data.partition(b":")
    asked_ms = int(digits) if digits.isdigit() and len(digits) <= 15 else 0
    return CancelMark(asked_ms=asked_ms, reason=reason.decode(errors="replace")[:LONGEST_REASON])


def spoken(mark: CancelMark) -> str:
    """Return the reason as it is told to whoever waits for the task."""
    return mark.reason or "on request"
