"""How an attempt ended, before anybody decides what follows from it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

MAX_CHAIN = 10
MAX_MESSAGE = 2_000
MAX_TRACEBACK = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """One exception of a chain, as text: it outlives the process that raised it."""

    type: str
    message: str
    traceback: str


class Done:
    """The handler returned. `value` is what it returned, not yet encoded."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised; `chain` starts with what it raised and ends with the first cause."""

    chain: tuple[ErrorInfo, ...]


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt was still running after its `timeout`, or after its `hard_timeout`."""

    limit_s: float
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Killed:
    """The worker process was killed because of this attempt; `error` is what the master says of it."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Released:
    """The worker stops and gives the task back; nothing is charged."""


@dataclass(frozen=True, slots=True)
class UnknownName:
    """No handler of this worker has the task's name."""

    name: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The task's bytes, or its arguments, are not what they should be."""

    problem: str


Outcome = Done | Raised | TimedOut | Killed | Released | UnknownName | Unreadable


def describe(error: BaseException) -> tuple[ErrorInfo, ...]:
    """Return the chain of an exception as text, bounded, even when it cannot be printed."""
    chain: list[ErrorInfo] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(chain) < MAX_CHAIN:
        seen.add(id(current))
        chain.append(_info(current))
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)
    return tuple(chain)


def _info(error: BaseException) -> ErrorInfo:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return ErrorInfo(type=name, message=_message(error), traceback=_trace(error))


def _message(error: BaseException) -> str:
    # An exception's __str__ is user code: whatever it raises, SystemExit too, the record has to be written.
    try:
        return str(error)[:MAX_MESSAGE]
    except BaseException:
        return f"<{type(error).__qualname__} cannot be printed>"


def _trace(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(type(error), error, error.__traceback__, chain=False)
    except BaseException:
        return f"<the traceback of {type(error).__qualname__} cannot be printed>"
    return "".join(lines)[-MAX_TRACEBACK:]
