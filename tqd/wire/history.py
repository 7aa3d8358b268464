"""A task's error history as bytes: one msgpack array for each failed attempt, the newest first.

A script puts each new one in front and cuts the whole to its bound, so the last one may be a part only:
it is left out when the history is read.
"""

from __future__ import annotations

from typing import Any

from tqd.task.history import PastError
from tqd.wire.packing import pack, unpack_stream
from tqd.wire.texts import MAX_TYPE_CHARS, cut

MAX_PAST_MESSAGE_CHARS = 300
MAX_PLACE_CHARS = 200
HISTORY_BYTES = 4096
"""A task's history has at most so many bytes: some thirty attempts, or five of the longest texts."""

HISTORY_TASKS = 100_000
"""Of at most so many tasks a history is kept at one time: 400 MiB if all were full, some 30 MiB mostly."""

_MAX_READ_BYTES = 16 * HISTORY_BYTES
_MAX_READ = 1000
_FIELDS = (int, int, str, str, str, str)
_ROOTS = ("attempt", "failed_ms", "reason", "type", "message", "place")


def encode_past(error: PastError) -> bytes:
    """Return the bytes of one failed attempt; texts are cut."""
    return pack(
        [
            error.attempt,
            error.failed_ms,
            cut(error.reason, 40),
            cut(error.type, MAX_TYPE_CHARS),
            cut(error.message, MAX_PAST_MESSAGE_CHARS),
            cut(error.place, MAX_PLACE_CHARS),
        ],
        _ROOTS,
    )


def decode_history(data: bytes) -> tuple[PastError, ...]:
    """Return the failed attempts, the newest first; what cannot be read, and all after it, is left out."""
    errors: list[PastError] = []
    for row in unpack_stream(data[:_MAX_READ_BYTES], _MAX_READ):
        if type(row) is not list or tuple(map(type, row)) != _FIELDS:
            break
        errors.append(_past(row))
    return tuple(errors)


def _past(row: list[Any]) -> PastError:
    attempt, failed_ms, reason, kind, message, place = row
    return PastError(
        attempt=attempt, failed_ms=failed_ms, reason=reason, type=kind, message=message, place=place
    )
