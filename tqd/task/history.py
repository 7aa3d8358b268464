"""The error history: what is kept of each failed attempt of a task that is tried again. Pure.

Less than of the last one, whose chain and tracebacks its dead letter has: there may be a hundred
thousand tasks that wait for their next attempt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tqd.task.outcome import ErrorInfo

_PLACE = re.compile(r'^  File "(.*)", line (\d+)(?:, in (.*))?$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastError:
    """One failed attempt: its number (from 1), when it failed (ms of Redis's clock), how, and where.

    `place` is the innermost line, like `/srv/shop/tasks.py:12 in resize`; empty when it is not known.
    """

    attempt: int
    failed_ms: int
    reason: str
    type: str
    message: str
    place: str


def past_error(attempt: int, failed_ms: int, reason: str, error: ErrorInfo) -> PastError:
    """Return what is kept of an attempt that ended with this error."""
    return PastError(
        attempt=attempt,
        failed_ms=failed_ms,
        reason=reason,
        type=error.type,
        message=error.message,
        place=place_of(error.traceback),
    )


def place_of(traceback: str) -> str:
    """Return the innermost line of a traceback's text, or nothing."""
    found = _PLACE.findall(traceback)
    if not found:
        return ""
    path, line, function = found[-1]
    return f"{path}:{line} in {function}" if function else f"{path}:{line}"
