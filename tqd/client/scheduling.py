"""`@tq.cron` and `@tq.every`: schedules of declared tasks, checked where they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo
from typing import Any, Protocol, TypeVar

from tqd.app import Handler, Registry
from tqd.client.options import PLAIN
from tqd.client.route import Route
from tqd.client.submission import limit_key_of, unique_key
from tqd.client.task_class import Task
from tqd.client.task_function import Call, TaskFunction
from tqd.errors import RegistrationError
from tqd.schedule.entry import DEFAULT_LIMIT, MAX_NAME_CHARS, MOST_LIMIT, CatchUp, Entry
from tqd.schedule.timetable import ScheduleError, first_slot, interval_spec, timetable
from tqd.wire.cron_entry import decode_entry, encode_entry, entry_envelope

T = TypeVar("T", bound=Callable[..., Any])

_LONGEST_SLOT = "2000-01-01T00:00:00.000+00:00"


class _Schedule(Protocol):
    """What `@tq.cron(...)` returns. A task and a class task stay what they are, also for type checkers.

    Of a plain function it makes a task, which they do not see: with overloads for both they would take
    every task for Any. Whoever wants to enqueue it puts `@tq.task` in between.
    """

    def __call__(self, target: T, /) -> T: ...


class Scheduling:
    """The part of a TaskQueue that declares schedules."""

    registry: Registry
    task: Callable[..., Any]
    _max_bytes: int

    def cron(
        self,
        expression: str,
        *,
        tz: str | tzinfo = "UTC",
        catch_up: str = "skip",
        catch_up_limit: int = DEFAULT_LIMIT,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> _Schedule:
        """Enqueue a task at each moment that a cron expression names; goes above `@tq.task` or a function.

        The expression has five fields, or six with seconds first, or is @hourly, @daily, @weekly, @monthly
        or @yearly; `tz` is a zone like Europe/Vienna. `args` and `kwargs` are what the task is called with.
        `name` is what the CLI calls the schedule: the task's name and the expression, unless given. A task
        may have several. `catch_up` says what becomes of slots in which no daemon ran: "skip" none of them,
        "once" one run for all, "all" a run for each, the newest `catch_up_limit`. RegistrationError says
        what cannot be.
        """
        zone = tz if isinstance(tz, str) else getattr(tz, "key", str(tz))
        return self._schedule(expression, zone, catch_up, catch_up_limit, args, kwargs, name)

    def every(
        self,
        period: str | float | timedelta,
        *,
        catch_up: str = "skip",
        catch_up_limit: int = DEFAULT_LIMIT,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> _Schedule:
        """Enqueue a task every so often: seconds, a timedelta, or a text like "30s" or "1h30m".

        Slots count from the epoch in UTC, so every "1h" is on the hour and all hosts agree; a start changes
        nothing. From 1 s to 366 days. The rest is as for `cron`.
        """
        try:
            spec = interval_spec(period)
        except ScheduleError as error:
            raise RegistrationError(str(error)) from None
        return self._schedule(spec, "UTC", catch_up, catch_up_limit, args, kwargs, name)

    def _schedule(
        self,
        spec: str,
        tz: str,
        catch_up: str,
        limit: int,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        name: str | None,
    ) -> _Schedule:
        try:
            way = checked(spec, tz, catch_up, limit)
        except ScheduleError as error:
            raise RegistrationError(str(error)) from None

        def declare(target: Any) -> Any:
            declared = target
            if isinstance(target, type) and issubclass(target, Task):
                handler = target.__handler__
            else:
                declared = target if isinstance(target, TaskFunction) else self.task(target)
                handler = declared.handler
            title = f"{handler.name} {spec}" if name is None else name
            entry = Entry(
                name=_title(title), task=handler.name, queue=str(handler.options.queue), spec=spec, tz=tz,
                catch_up=way, catch_up_limit=limit,
            )  # fmt: skip
            self.registry.schedule(_called(entry, handler, tuple(args), dict(kwargs or {}), self._max_bytes))
            return declared

        return declare


def checked(spec: str, tz: str, catch_up: str, limit: int) -> CatchUp:
    """Return the way to catch up of a schedule that can be; ScheduleError says what cannot."""
    if catch_up not in tuple(CatchUp):
        raise ScheduleError(f"catch_up is {catch_up!r}: it is one of {', '.join(CatchUp)}")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_LIMIT:
        raise ScheduleError(f"catch_up_limit is {limit!r}: it is a whole number from 1 to {MOST_LIMIT}")
    if first_slot(timetable(spec, tz), 0) is None:
        raise ScheduleError(f'the cron expression "{spec}" names no moment in 50 years')
    return CatchUp(catch_up)


def _title(title: str) -> str:
    if not (1 <= len(title) <= MAX_NAME_CHARS and title.isprintable()):
        raise RegistrationError(
            f"the schedule's name {title[:MAX_NAME_CHARS]!r} cannot be: it is 1 to {MAX_NAME_CHARS} "
            "characters that can be printed; give it name=…"
        )
    return title


def _called(
    entry: Entry, handler: Handler, args: tuple[Any, ...], kwargs: dict[str, Any], max_bytes: int
) -> Entry:
    """Return the schedule with its arguments as they travel; they must fit the task, and a payload."""
    try:
        positional, named = handler.signature.encode(args, kwargs)
        call: Call[Any] = Call(Route(handler.name, handler, PLAIN), args, kwargs)
        unique, limit_key = unique_key(call), limit_key_of(call)
        held = b"" if unique is None else unique.held
        full = replace(entry, args=positional, kwargs=named, held=held, limit_key=limit_key)
        entry_envelope(full, 0, _LONGEST_SLOT, max_bytes)
    except TypeError as error:
        raise RegistrationError(
            f'schedule "{entry.name}": {error}; pass what the task needs as args=[…] and kwargs={{…}}'
        ) from None
    # Read again, as the caller may change what it has passed.
    return decode_entry(entry.name, encode_entry("", full))[1]
