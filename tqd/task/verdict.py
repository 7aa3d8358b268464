"""What an exception means: a failure, one that is not tried again, or a signal of the handler. Pure.

Types are compared as an `except` clause does it, along the class's ancestors. So no code of the
exception, or of its class, is run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tqd.errors import LONGEST_DELAY_S, Discard, Retry
from tqd.task.outcome import Discarded, Raised, RetryAsked, describe

ErrorTypes = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class RetryRules:
    """Which errors of a handler are tried again, as its declaration says.

    `retry_on` None: all. `give_up_on` wins. Subclasses count, and a time limit counts as TimeoutError.
    """

    retry_on: ErrorTypes | None = None
    give_up_on: ErrorTypes = ()

    def final(self, kind: type[BaseException]) -> bool:
        """Return whether an error of this type is not tried again, however many retries are left."""
        if _is_one_of(kind, self.give_up_on):
            return True
        return self.retry_on is not None and not _is_one_of(kind, self.retry_on)


ALL_ERRORS = RetryRules()
"""What holds without any rule: every error is tried again."""


def verdict(error: BaseException, rules: RetryRules) -> Raised | RetryAsked | Discarded:
    """Return the outcome of an attempt that ended with this exception.

    A signal is one whatever the rules say. One that is hidden in a group is an error like any other.
    """
    kind = type(error)
    signalled = _signalled(error) if _is_one_of(kind, (Retry, Discard)) else None
    return signalled or Raised(describe(error), rules.final(kind))


def _is_one_of(kind: type[BaseException], types: ErrorTypes) -> bool:
    ancestors = type.__dict__["__mro__"].__get__(kind)
    return any(ancestor is one for ancestor in ancestors for one in types)


def _signalled(error: BaseException) -> RetryAsked | Discarded | None:
    # Subclasses are user code: one that was not made as a signal is made, is an error.
    try:
        match error:
            case Discard(reason=reason):
                return Discarded(_plain(reason))
            case Retry(delay_s=None, spend=spend):
                return RetryAsked(None, spend is True, describe(error))
            case Retry(delay_s=float(delay_s), spend=spend) if 0.0 <= delay_s <= LONGEST_DELAY_S:
                return RetryAsked(delay_s, spend is True, describe(error))
    except BaseException:
        return None
    return None


def _plain(reason: object) -> str:
    return "".join((str(reason),))


def error_types(name: str, given: object) -> ErrorTypes:
    """Return exception types given as one or as several; ValueError names what is none."""
    types = tuple(given) if isinstance(given, Iterable) and not isinstance(given, type) else (given,)
    for kind in types:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise ValueError(f"{name} has {kind!r:.100}: it is an exception type, or several of them")
    return types
