"""What decides about a failed attempt when the process that ran it cannot any more.

The worker tells it to the master as plain numbers, and the master to the keeper.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqd.task.model import TaskOptions
from tqd.task.verdict import ALL_ERRORS, RetryRules

_COUNT = 5


def policy(options: TaskOptions, rules: RetryRules = ALL_ERRORS) -> list[float]:
    """Return max_retries, retry_delay_s, max_retry_delay_s, result_ttl_s, deadline_s of complete options.

    No retries when the rules do not let a TimeoutError be tried again: the master kills for time.
    """
    return [
        0 if rules.final(TimeoutError) else options.max_retries or 0,
        options.retry_delay_s or 0.0,
        options.max_retry_delay_s or 0.0,
        options.result_ttl_s or 0.0,
        options.deadline_s or 0.0,
    ]


def options_of(numbers: Sequence[object]) -> TaskOptions:
    """Return the options that such numbers stand for; ValueError when they are none."""
    if len(numbers) != _COUNT or not all(type(number) in (int, float) for number in numbers):
        raise ValueError(f"a policy is {_COUNT} numbers, not {numbers!r:.100}")
    retries, delay_s, max_delay_s, ttl_s, deadline_s = (float(number) for number in numbers)  # type: ignore[arg-type]
    return TaskOptions(
        max_retries=int(retries),
        retry_delay_s=delay_s,
        max_retry_delay_s=max_delay_s,
        result_ttl_s=ttl_s,
        deadline_s=deadline_s or None,
    )
