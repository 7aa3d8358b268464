"""Since when the next task of a queue could have started, from what one look has told of its front. Pure.

A queue is served from its head, so whatever stands behind a task became ready after it: an age that is known
of one further back is the least that the head has. What is not told anywhere is since when a task is ready
that was claimed before, so of such a head it is counted from the first look that saw it there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tqd.errors import WireError
from tqd.task.claim import REPLAYED_FENCE, Counts, parse_token
from tqd.task.clocks import ready_ms
from tqd.task.identity import ID_BYTES, created_ms
from tqd.task.model import NO_OPTIONS
from tqd.wire.envelope import decode_envelope

UNKNOWN = -1


class Front(NamedTuple):
    """What the script `front` tells of a queue, in its order; empty bytes are nothing."""

    ready: int
    scheduled: int
    ripe: int
    due: bytes
    head: bytes
    counts: bytes
    fresh: bytes
    envelope: bytes | int
    throttled: int


def front_of(reply: Any) -> Front | None:
    """Return the front in a reply; None when the queue's keys are of another kind."""
    return Front(*reply) if isinstance(reply, list) and len(reply) == len(Front._fields) else None


def oldest_ms(front: Front, seen_ms: int, now_ms: int) -> int:
    """Return for how long the task that is ready for longest has been so; -1: none is, or it is not known.

    `seen_ms` is when the head was first seen there. All is Redis's clock, in epoch ms.
    """
    fresh_ms = _fresh_ms(front)
    head_ms = 0 if fresh_ms and front.fresh == front.head else _head_ms(front, seen_ms)
    since = [moment for moment in (_due_ms(front), fresh_ms, head_ms) if moment]
    return max(0, now_ms - min(since)) if since else UNKNOWN


def _due_ms(front: Front) -> int:
    """Return when the first of those came due that nobody has moved over yet; 0: there is none."""
    try:
        return int(float(front.due)) if front.due else 0
    except (ValueError, OverflowError):
        return 0


def _fresh_ms(front: Front) -> int:
    """Return since when the first task is ready that was never claimed; 0: none, or it is not known."""
    if len(front.fresh) != ID_BYTES or front.envelope == 0:
        return 0
    options = NO_OPTIONS
    if isinstance(front.envelope, bytes) and front.envelope:
        try:
            options = decode_envelope(front.envelope).options
        except WireError:
            return 0
    return ready_ms(created_ms(front.fresh), options)


def _head_ms(front: Front, seen_ms: int) -> int:
    """Return since when the head is ready, as far as it is known; 0: none is there."""
    if len(front.head) != ID_BYTES:
        return 0
    replayed = _replayed_ms(front.counts)
    return replayed if 0 < replayed < seen_ms else seen_ms


def _replayed_ms(record: bytes) -> int:
    """Return when a task that was not claimed since was replayed, up to 10 s too late; 0: it was not."""
    try:
        counts, _ = parse_token(record + b":")
    except ValueError:
        counts = Counts(0, 0, 0)
    return counts.fence if counts.fence >= REPLAYED_FENCE and not counts.claims else 0
