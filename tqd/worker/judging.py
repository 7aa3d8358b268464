"""How an attempt has ended, by what it raised and by why it was interrupted. Pure."""

from __future__ import annotations

import asyncio

from tqd.task.outcome import Outcome, Overdue, Released, TimedOut
from tqd.task.verdict import verdict
from tqd.worker.inflight import Attempt, Interruption


def limit_of(attempt: Attempt) -> Interruption:
    """Return which limit an attempt has met: its own, or, when that is later, its task's."""
    timeout_s = attempt.options.timeout_s
    own = timeout_s and attempt.deadline >= attempt.started + timeout_s
    return Interruption.TIMEOUT if own else Interruption.DEADLINE


def judge(attempt: Attempt, error: BaseException) -> Outcome:
    """Return how an attempt ended that raised, or that was interrupted."""
    if attempt.interruption is Interruption.DEADLINE:
        return Overdue(0.0, running=True)
    if attempt.interruption is Interruption.TIMEOUT:
        return late_outcome(attempt, attempt.options.timeout_s, hard=False)
    if attempt.interruption is Interruption.RELEASE and issubclass(type(error), asyncio.CancelledError):
        return Released()  # isinstance would ask the exception for its class, which is user code
    return verdict(error, attempt.handler.retry_rules)


def late_outcome(attempt: Attempt, limit_s: float | None, *, hard: bool) -> TimedOut:
    """Return that an attempt ran longer than its limit, in s."""
    return TimedOut(limit_s or 0.0, hard, attempt.handler.retry_rules.final(TimeoutError))
