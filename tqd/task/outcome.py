"""How an attempt ended, before anybody decides what follows from it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from tqd.errors import WireError

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
    """The handler raised; `chain` starts with what it raised and ends with the first cause.

    `final`: the handler's declaration says that this is not tried again.
    """

    chain: tuple[ErrorInfo, ...]
    final: bool = False


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """The handler asks to be run again; `delay_s` None: after what the policy says."""

    delay_s: float | None
    spend: bool
    chain: tuple[ErrorInfo, ...]


@dataclass(frozen=True, slots=True)
class Discarded:
    """The handler says that its task has no purpose any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody has asked for the end of the task, before or while it ran."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt was still running after its `timeout`, or its `hard_timeout`; `final` as of `Raised`."""

    limit_s: float
    hard: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Expired:
    """The task had not begun when it expired, `late_s` ago."""

    late_s: float


@dataclass(frozen=True, slots=True)
class Overdue:
    """The task's deadline is over, since `late_s`; `running`: an attempt was cancelled at it."""

    late_s: float
    running: bool = False


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
    """The task's bytes, or its arguments, are not what they should be; `reason` says it in a word or two."""

    problem: str
    reason: str = "unreadable"
    kind: str = "Malformed"


def unreadable(error: WireError) -> Unreadable:
    """Return the outcome for bytes that were refused."""
    return Unreadable(str(error), getattr(error, "reason", "unreadable"), type(error).__name__)


Outcome = (
    Done | Raised | RetryAsked | Discarded | Cancelled | TimedOut | Expired | Overdue | Killed | Released
    | UnknownName | Unreadable
)  # fmt: skip


def describe(error: BaseException) -> tuple[ErrorInfo, ...]:
    """Return the chain of an exception as text, bounded, even when it cannot be printed.

    An exception's methods and attributes are user code, and may raise anything, SystemExit too: the
    record has to be written all the same. So attributes are read past the class, and texts are made plain.
    """
    chain: list[ErrorInfo] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(chain) < MAX_CHAIN:
        seen.add(id(current))
        chain.append(_info(current))
        current = _before(current)
    return tuple(chain)


def _before(error: BaseException) -> BaseException | None:
    cause: BaseException | None = _read(error, "__cause__")
    if cause is not None or _read(error, "__suppress_context__"):
        return cause
    context: BaseException | None = _read(error, "__context__")
    return context


def _read(error: BaseException, name: str) -> Any:
    return BaseException.__dict__[name].__get__(error)


def type_name(kind: type) -> str:
    """Return the name of an exception's type with its module, whatever its class does to hide it."""
    name: str = type.__dict__["__qualname__"].__get__(kind)
    module = type.__dict__["__dict__"].__get__(kind).get("__module__")
    return name if type(module) is not str or module == "builtins" else f"{module}.{name}"


def _info(error: BaseException) -> ErrorInfo:
    return ErrorInfo(type=type_name(type(error)), message=_message(error), traceback=_trace(error))


def _message(error: BaseException) -> str:
    try:
        # A subclass of str has methods of its own: what is kept is plain text.
        return str.__getitem__(str(error), slice(MAX_MESSAGE))
    except BaseException:
        return f"<{_plain_name(error)} cannot be printed>"


def _trace(error: BaseException) -> str:
    try:
        trace = _read(error, "__traceback__")
        lines = traceback.format_exception(type(error), error, trace, chain=False)
        return "".join(lines)[-MAX_TRACEBACK:]
    except BaseException:
        return f"<the traceback of {_plain_name(error)} cannot be printed>"


def _plain_name(error: BaseException) -> str:
    return type_name(type(error)).rpartition(".")[2]
