"""Handlers: the functions and classes that tasks are run by, and the registry of their names."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tqd.errors import RegistrationError
from tqd.schedule.entry import MAX_ENTRIES, Entry
from tqd.task.clocks import has_clocks
from tqd.task.context import Context
from tqd.task.limit_key import LimitBy
from tqd.task.model import DEFAULTS, TaskOptions
from tqd.task.uniqueness import NOT_SAID, Uniqueness
from tqd.task.verdict import ALL_ERRORS, RetryRules
from tqd.wire.signature import Signature


class Handler:
    """A registered function: its name, how it is called, and the options it was declared with.

    `done` counts its attempts that ended well in this process. `clocked`: its tasks expire, or have a
    deadline.
    """

    __slots__ = (
        "_context_place",
        "asynchronous",
        "clocked",
        "context_parameter",
        "done",
        "function",
        "limit_by",
        "name",
        "options",
        "retry_rules",
        "signature",
        "uniqueness",
    )

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        options: TaskOptions,
        retry_rules: RetryRules = ALL_ERRORS,
        uniqueness: Uniqueness = NOT_SAID,
        limit_by: LimitBy | None = None,
    ) -> None:
        refuse_generator(function)
        self.name = name
        self.function = function
        self.retry_rules = retry_rules
        self.uniqueness = uniqueness
        self.limit_by = limit_by
        self.done = 0
        self.options = options.over(DEFAULTS)
        self.clocked = has_clocks(options)
        self.asynchronous = is_asynchronous(function)
        self.context_parameter = context_parameter(function)
        self._context_place = _place_of(function, self.context_parameter)
        skip = frozenset((self.context_parameter,)) if self.context_parameter else frozenset()
        self.signature = Signature.of(function, skip=skip)

    def inject(self, context: Context, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Put the context among the arguments of a call, where the function wants it."""
        assert self.context_parameter is not None
        if self._context_place is not None and len(args) >= self._context_place:
            args.insert(self._context_place, context)
        else:
            kwargs[self.context_parameter] = context

    def __repr__(self) -> str:
        return f"<handler {self.name}>"


class Registry:
    """The handlers of one app, by name, and their schedules. `get` returns a name's handler, or None."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        # Asked once for every task: the dict's own method, without a call in between.
        self.get: Callable[[str], Handler | None] = self._handlers.get
        self._schedules: dict[str, Entry] = {}

    def add(self, handler: Handler) -> None:
        """Register a handler; RegistrationError when another function has its name already."""
        known = self._handlers.get(handler.name)
        if known is not None and not _same_source(known.function, handler.function):
            raise RegistrationError(
                f'two tasks are named "{handler.name}": {_place(known.function)} and '
                f"{_place(handler.function)}; a name means one function; give one of them name=…"
            )
        self._handlers[handler.name] = handler

    def schedule(self, entry: Entry) -> None:
        """Register a schedule; RegistrationError when another one has its name already."""
        known = self._schedules.get(entry.name, entry)
        if known != entry:
            raise RegistrationError(
                f'two schedules are named "{entry.name}": of {known.task} and of {entry.task}, at other '
                "times or with other arguments; give one of them name=…"
            )
        if len(self._schedules) == MAX_ENTRIES and entry.name not in self._schedules:
            raise RegistrationError(
                f'schedule "{entry.name}" is one too many: an app has up to {MAX_ENTRIES}'
            )
        self._schedules[entry.name] = entry

    def schedules(self) -> list[Entry]:
        """Return all schedules, each on the queue of its task's latest declaration."""
        return [
            replace(entry, queue=str(handler.options.queue)) if handler is not None else entry
            for entry in self._schedules.values()
            for handler in (self.get(entry.task),)
        ]

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)


def default_name(function: Callable[..., Any]) -> str:
    """Return the module-qualified name that a task has unless it is given one."""
    return f"{function.__module__}.{function.__qualname__}".replace(".<locals>", "")


def is_asynchronous(function: Callable[..., Any]) -> bool:
    """Return whether calling the function gives a coroutine, also through partials and __call__."""
    function = _innermost(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )


def refuse_generator(function: Callable[..., Any]) -> None:
    """Raise RegistrationError for a function with `yield`: a call of it would run nothing of its body."""
    inner = _innermost(function)
    for one in (inner, getattr(inner, "__call__", None)):  # noqa: B004
        if inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one):
            raise RegistrationError(
                f"{_place(inner)} is a generator, and a call of it runs nothing: a task is a function that "
                "runs to its end; collect what it yields, and return that"
            )


def context_parameter(function: Callable[..., Any]) -> str | None:
    """Return the name of the parameter annotated `Context`, if there is one."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:
        hints = getattr(function, "__annotations__", {})
    for name, hint in hints.items():
        if name != "return" and (hint is Context or hint in ("Context", "tqd.Context")):
            return name
    return None


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _place_of(function: Callable[..., Any], name: str | None) -> int | None:
    if name is None:
        return None
    parameters = list(inspect.signature(function).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in positional]
    return names.index(name) if name in names else None


def _same_source(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    # The same definition executed again (a module imported anew) replaces the older one.
    return _place(one) == _place(other)


def _place(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
