"""What `@tq.task(...)` and `using(...)` accept, checked where it is written."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tqd.errors import RegistrationError
from tqd.task.clocks import LONGEST_S, clock_s
from tqd.task.limit_key import KEY_RULE, LimitBy, is_key
from tqd.task.model import NO_OPTIONS, TaskOptions, seconds
from tqd.task.uniqueness import LONGEST_KEY, NOT_SAID, Uniqueness, UniqueScope
from tqd.task.verdict import ALL_ERRORS, RetryRules, error_types

Duration = float | timedelta
Clock = float | timedelta | datetime
Errors = type[BaseException] | Iterable[type[BaseException]]
QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The options of one enqueue: those that travel with the task, and when it starts."""

    options: TaskOptions = NO_OPTIONS
    delay_ms: int = 0
    eta_ms: int = 0
    headers: dict[str, str] | None = field(default=None, hash=False)
    uniqueness: Uniqueness = NOT_SAID
    limit_key: str = ""


PLAIN = Placement()


def task_options(
    queue: str | None,
    max_retries: int | None,
    timeout: Duration | None,
    retry_delay: Duration | None,
    max_retry_delay: Duration | None,
    result_ttl: Duration | None,
    hard_timeout: Duration | None,
    expires: Clock | None = None,
    deadline: Clock | None = None,
) -> TaskOptions:
    """Return checked options; RegistrationError names the first one that cannot be."""
    if queue is not None and not QUEUE_NAME.fullmatch(queue):
        raise RegistrationError(
            f'queue "{queue}" is no queue name: 1 to 64 of the characters A-Z a-z 0-9 _ . - are'
        )
    if max_retries is not None and (isinstance(max_retries, bool) or max_retries not in range(10_001)):
        raise RegistrationError(f"max_retries is {max_retries!r}: it is a whole number from 0 to 10000")
    return TaskOptions(
        queue=queue,
        max_retries=max_retries,
        timeout_s=_duration("timeout", timeout),
        retry_delay_s=_duration("retry_delay", retry_delay),
        max_retry_delay_s=_duration("max_retry_delay", max_retry_delay),
        result_ttl_s=_duration("result_ttl", result_ttl),
        hard_timeout_s=_duration("hard_timeout", hard_timeout),
        expires_s=_clock("expires", expires),
        deadline_s=_clock("deadline", deadline),
    )


def retry_rules(retry_on: Errors | None, give_up_on: Errors | None) -> RetryRules:
    """Return checked rules; RegistrationError when one of them is no exception type."""
    if retry_on is None and give_up_on is None:
        return ALL_ERRORS
    try:
        return RetryRules(
            retry_on=None if retry_on is None else error_types("retry_on", retry_on),
            give_up_on=() if give_up_on is None else error_types("give_up_on", give_up_on),
        )
    except ValueError as error:
        raise RegistrationError(str(error)) from None


def placement(
    options: TaskOptions,
    delay: Duration | None,
    eta: datetime | None,
    headers: dict[str, str] | None,
    uniqueness: Uniqueness = NOT_SAID,
    limit_key: str | None = None,
) -> Placement:
    """Return when and how a task is enqueued; RegistrationError when the two times contradict.

    Headers are texts by text; others would be refused by the worker, when it is too late to say so.
    """
    if headers is not None and not _are_texts(headers):
        raise RegistrationError(f"headers are {headers!r:.200}: they are a dict of text by text")
    if limit_key is not None and not is_key(limit_key):
        raise RegistrationError(f"limit_key is {limit_key!r:.80}: {KEY_RULE}")
    if delay is not None and eta is not None:
        raise RegistrationError("delay and eta are both given: a task starts at one time; drop one")
    if eta is not None and eta.tzinfo is None:
        raise RegistrationError(
            f"eta {eta.isoformat()} has no time zone: it must have one, as producer and worker may "
            "be in different zones; use datetime.now(UTC) + …"
        )
    delay_s = _duration("delay", delay)
    return Placement(
        options=options,
        delay_ms=round((delay_s or 0.0) * 1000),
        eta_ms=0 if eta is None else max(1, round(eta.timestamp() * 1000)),
        headers=headers,
        uniqueness=uniqueness,
        limit_key=limit_key or "",
    )


def unique_options(key: str | bool | None, scope: str | None, replace: bool | None) -> Uniqueness:
    """Return checked rules for unique tasks; RegistrationError names the first that cannot be."""
    is_text = isinstance(key, str) and 1 <= len(key) <= LONGEST_KEY
    if not (is_text or key is None or isinstance(key, bool)):
        raise RegistrationError(
            f"unique is {key!r:.80}: it is a text of 1 to {LONGEST_KEY} characters, or True for one "
            "that is made of the arguments"
        )
    scopes = [one.value for one in UniqueScope]
    if scope is not None and scope not in scopes:
        raise RegistrationError(f"unique_scope is {scope!r:.80}: it is one of {', '.join(scopes)}")
    if replace is not None and not isinstance(replace, bool):
        raise RegistrationError(f"unique_replace is {replace!r:.80}: it is True or False")
    return Uniqueness(key=key, scope=None if scope is None else UniqueScope(scope), replace=replace)


def key_parameter(function: Callable[..., Any], parameter: str | None) -> LimitBy | None:
    """Return how a declared task gets its limit key; RegistrationError when it has no such parameter."""
    if parameter is None:
        return None
    parameters = inspect.signature(function).parameters
    found = parameters.get(parameter) if isinstance(parameter, str) else None
    if found is None or found.kind in (found.VAR_POSITIONAL, found.VAR_KEYWORD):
        raise RegistrationError(
            f"limit_by is {parameter!r:.80}: it is the name of a parameter of the task, one of "
            f"{', '.join(parameters) or 'none, as it has no parameters'}"
        )
    return LimitBy(parameter, None if found.default is found.empty else found.default)


def _are_texts(headers: object) -> bool:
    return isinstance(headers, dict) and all(isinstance(x, str) for pair in headers.items() for x in pair)


def _duration(name: str, value: Duration | None) -> float | None:
    if value is None:
        return None
    length_s = seconds(value) if isinstance(value, (int, float, timedelta)) else -1.0
    if not 0.0 <= length_s <= LONGEST_S:
        raise RegistrationError(f"{name} is {value!r}: it is seconds or a timedelta, from 0 to ten years")
    return length_s


def _clock(name: str, value: Clock | None) -> float | None:
    if value is None:
        return None
    number = clock_s(value)
    if math.isnan(number):
        raise RegistrationError(
            f"{name} is {value!r}: it is seconds or a timedelta, from 0 to ten years, or a datetime with "
            "a zone"
        )
    return number
