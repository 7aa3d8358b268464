"""Every exception tqd raises, in one tree that is split by what the caller can do.

TqdError
├ ConfigError          key, value, rule, hint; all of a load at once
├ BootError            the app cannot be loaded
├ StoreError
│ ├ StoreUnavailable   retryable: Redis cannot be reached, or did not answer in time
│ ├ StoreFull          Redis refused the write because its memory limit is reached
│ └ StoreMismatch      keys or scripts of another version or kind; not retryable
├ WireError
│ ├ Malformed          bytes that are no value of ours, or beyond a limit
│ ├ UnsupportedVersion bytes of a newer tqd
│ └ Unserialisable     a value that would not come back as what it is; says its path
├ AdmissionError       what a producer meets whose task is not let in
│ └ QueueFull          the queue holds as many tasks as it may; says when to try again
├ TaskError            what waiting for a result can meet
│ ├ TaskFailed         the task ended as a dead letter; carries its error
│ ├ TaskCancelled      the task ended on purpose, without a result; says why
│ ├ TaskExpired        the task had not begun when it expired, and never runs
│ ├ ResultTimeout      no result within the time the caller gave
│ └ NoResult           the task keeps no result (result_ttl is not set)
├ TraceError           a line of a trace that is none
├ RegistrationError    two handlers with one name, or an option that has no meaning
└ HandlerSignal        what a handler raises to say what shall follow; no failure
  ├ Retry              run me again, after a delay
  └ Discard            end me, and do not try again
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

LONGEST_DELAY_S = 10 * 366 * 86_400.0


class TqdError(Exception):
    """The root of all errors that tqd raises on purpose."""


class ConfigProblem(NamedTuple):
    """One thing that is wrong with one setting, and what to do about it."""

    key: str
    value: str
    rule: str
    origin: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.origin}: {self.key} = {self.value}: {self.rule}{hint}"


class ConfigError(TqdError):
    """Raised when settings cannot be used; `problems` holds every one of them."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        self.problems = problems
        count = len(problems)
        noun = "problem" if count == 1 else "problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{count} {noun} in the configuration:\n{lines}")


class BootError(TqdError):
    """Raised when the app named by `--app` cannot be imported or holds no TaskQueue."""


class StoreError(TqdError):
    """The root of what Redis, or the way to it, can do to a call."""


class StoreUnavailable(StoreError):
    """Raised when Redis cannot be reached or did not answer in time; trying again is right."""


class StoreFull(StoreError):
    """Raised when Redis refuses a write because `maxmemory` is reached."""


class StoreMismatch(StoreError):
    """Raised when Redis holds something else under our keys, or refuses our commands."""


class WireError(TqdError):
    """The root of what can be wrong with bytes that travel."""


class Malformed(WireError):
    """Raised when bytes are not what they should be, or exceed a stated limit."""


class UnsupportedVersion(WireError):
    """Raised when bytes were written by a newer version of tqd."""


class Unserialisable(WireError, TypeError):
    """Raised when a value would not come back as what it is; the message has its path."""


class AdmissionError(TqdError):
    """The root of why a task is not let into its queue."""


class QueueFull(AdmissionError):
    """Raised when a queue would hold more tasks than its `max_depth`; none of the call's were stored in it.

    `depth` tasks wait there, ready and scheduled; `limit` is the most. `retry_after` is in s: when there is
    room, at the speed at which tasks were taken lately; None when that is not known, or never.
    """

    def __init__(self, queue: str, depth: int, limit: int, retry_after: float | None) -> None:
        self.queue = queue
        self.depth = depth
        self.limit = limit
        self.retry_after = retry_after
        when = "retry later" if retry_after is None else f"retry in about {retry_after:.3g} s"
        super().__init__(
            f'queue "{queue}" is full: {depth:,} tasks wait, limit {limit:,}; {when}, or raise '
            f"queues.limits.{queue}.max_depth"
        )


class TaskError(TqdError):
    """The root of what a caller meets who waits for a task."""


class TaskFailed(TaskError):
    """Raised by `result()` when the task ended as a dead letter.

    `error_type` and `error_message` are those of the exception that ended it.
    """

    def __init__(self, task_id: str, error_type: str, error_message: str) -> None:
        self.task_id = task_id
        self.error_type = error_type
        self.error_message = error_message
        super().__init__(f"task {task_id} failed: {error_type}: {error_message}")


class TaskCancelled(TaskError):
    """Raised by `result()` when the task ended on purpose: discarded by its handler, or cancelled.

    `reason` says why.
    """

    def __init__(self, task_id: str, reason: str) -> None:
        self.task_id = task_id
        self.reason = reason
        super().__init__(f"task {task_id} was cancelled: {reason or 'no reason was given'}")


class TaskExpired(TaskError):
    """Raised by `result()` when the task had not begun when it expired; it never runs. `reason` says more."""

    def __init__(self, task_id: str, reason: str) -> None:
        self.task_id = task_id
        self.reason = reason
        super().__init__(f"task {task_id} has expired: {reason}")


class ResultTimeout(TaskError, TimeoutError):
    """Raised by `result(timeout=…)` when the task has not ended in that time."""


class NoResult(TaskError):
    """Raised when a result is asked for that the task was never told to keep."""


class RegistrationError(TqdError):
    """Raised when a task is declared in a way that cannot work."""


class TraceError(TqdError):
    """Raised when a trace cannot be read; `line` is the first that is wrong."""

    def __init__(self, line: int, found: str, rule: str) -> None:
        self.line = line
        super().__init__(f"line {line} of the trace: {found}; {rule}")


class HandlerSignal(TqdError):
    """The root of what a handler raises to say what shall follow; the attempt has not failed then."""


class Retry(HandlerSignal):
    """Raised by a handler that wants to be run again, on its queue, in `delay` (seconds or a timedelta).

    Without a delay: after the one that the task's policy gives. It costs no retry, up to the task's
    thousandth claim; from then on, and with `spend=True`, it costs one like a failure, and without one
    left the task becomes a dead letter. `reason` is for the logs; `raise Retry(60) from error` keeps
    the cause. ValueError: the delay is none.
    """

    def __init__(
        self, delay: float | timedelta | None = None, *, reason: str = "", spend: bool = False
    ) -> None:
        self.delay_s = None if delay is None else _delay_s(delay)
        self.reason = reason
        self.spend = spend
        when = "later" if self.delay_s is None else f"in {self.delay_s:g} s"
        super().__init__(f"to be run again {when}{': ' if reason else ''}{reason}")


class Discard(HandlerSignal):
    """Raised by a handler whose task has no purpose any more: it ends as cancelled and is not retried.

    It is no failure and no dead letter. `reason` is logged, and told to whoever waits for the result.
    """

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason)


def _delay_s(delay: float | timedelta) -> float:
    delay_s = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    if not 0.0 <= delay_s <= LONGEST_DELAY_S:
        raise ValueError(
            f"the delay of a Retry is {delay!r}: it is seconds or a timedelta, from 0 to ten years"
        )
    return delay_s
