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
├ TaskError            what waiting for a result can meet
│ ├ TaskFailed         the task ended as a dead letter; carries its error
│ ├ ResultTimeout      no result within the time the caller gave
│ └ NoResult           the task keeps no result (result_ttl is not set)
└ RegistrationError    two handlers with one name, or an option that has no meaning
"""

from __future__ import annotations

from typing import NamedTuple


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


class ResultTimeout(TaskError, TimeoutError):
    """Raised by `result(timeout=…)` when the task has not ended in that time."""


class NoResult(TaskError):
    """Raised when a result is asked for that the task was never told to keep."""


class RegistrationError(TqdError):
    """Raised when a task is declared in a way that cannot work."""
