"""What a handler is told of its attempt, when it asks for a context."""

from __future__ import annotations

from tqd.task.claim import parse_token
from tqd.task.context import Context
from tqd.task.identity import to_text
from tqd.wire.cron_entry import slot_of
from tqd.wire.envelope import Envelope
from tqd.worker.inflight import Attempt


def context_of(attempt: Attempt, envelope: Envelope) -> Context:
    """Return the context of an attempt."""
    counts, queue = parse_token(attempt.token)
    return Context(
        id=to_text(attempt.task_id),
        name=envelope.name,
        queue=queue,
        attempt=counts.attempts + 1,
        fence=counts.fence,
        enqueued_ms=envelope.enqueued_ms,
        deadline=_deadline(attempt),
        slot=slot_of(envelope.headers) if envelope.headers else None,
        attempt_in_hand=attempt,
    )


def _deadline(attempt: Attempt) -> float | None:
    hard_s = attempt.options.hard_timeout_s
    deadlines = (attempt.deadline, attempt.started + hard_s if hard_s else 0.0)
    return min((deadline for deadline in deadlines if deadline), default=None)
