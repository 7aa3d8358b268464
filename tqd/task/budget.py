"""The retry budget of a task name: what keeps its retries from becoming a storm. Pure.

When something that a task needs is down, every attempt fails, and each failure brings another attempt.
So a worker process looks, for each name, at the last one to two minutes: when at least 20 attempts have
failed, and they are more than half of all that have ended, the delays before further retries of that
name are stretched, from once at a half up to ten times when all fail. Nothing is lost or given up for
it, and attempts still count as the policy says. Retries that a handler asks for are not failures.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_S = 60.0
"""Failures are looked at for this long at least, and at most for twice as long."""

FEWEST_FAILURES = 20
SHARE = 0.5
LONGEST_STRETCH = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """What one worker process has seen of one name; only made when an attempt of it fails.

    `began` is the start of this window, monotonic s. `done_before` is how many attempts had ended well
    by then, in all. `earlier_...` are of the window before.
    """

    began: float
    done_before: int
    failed: int = 0
    earlier_failed: int = 0
    earlier_done: int = 0


def failed_again(budget: RetryBudget | None, now: float, done: int) -> RetryBudget:
    """Return the budget after one more failed attempt; `done` have ended well in all."""
    if budget is None or now - budget.began >= 2 * WINDOW_S:
        # What ended well since then is older than this window, or cannot be told from it.
        return RetryBudget(began=now, done_before=done, failed=1)
    if now - budget.began < WINDOW_S:
        return RetryBudget(
            began=budget.began,
            done_before=budget.done_before,
            failed=budget.failed + 1,
            earlier_failed=budget.earlier_failed,
            earlier_done=budget.earlier_done,
        )
    return RetryBudget(
        began=now,
        done_before=done,
        failed=1,
        earlier_failed=budget.failed,
        earlier_done=done - budget.done_before,
    )


def stretch(budget: RetryBudget, done: int) -> float:
    """Return how many times longer the next retry of the name waits: 1.0 while the budget holds."""
    failed = budget.failed + budget.earlier_failed
    share = failed_share(budget, done)
    if failed < FEWEST_FAILURES or share <= SHARE:
        return 1.0
    return 1.0 + (LONGEST_STRETCH - 1.0) * (share - SHARE) / (1.0 - SHARE)


def failed_share(budget: RetryBudget, done: int) -> float:
    """Return the failed attempts as a share of all that have ended, from above 0 to 1."""
    failed = budget.failed + budget.earlier_failed
    return failed / (failed + budget.earlier_done + done - budget.done_before)
