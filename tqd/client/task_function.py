"""A declared task as its module sees it: callable as before, and enqueueable with the same signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from tqd.app import Handler
from tqd.client.handle import AsyncTaskHandle, TaskHandle
from tqd.client.options import PLAIN, Clock, Duration, placement, task_options, unique_options
from tqd.client.route import Route

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", covariant=True)


class Call(Generic[R]):
    """One call that is not enqueued yet; goes into `enqueue_many`."""

    __slots__ = ("args", "kwargs", "route")

    def __init__(self, route: Route, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.route = route
        self.args = args
        self.kwargs = kwargs


class Enqueuer(Protocol):
    """What a declared task needs of its queue."""

    def submit(self, call: Call[R]) -> TaskHandle[R]:
        """Enqueue one call, blocking."""

    async def asubmit(self, call: Call[R]) -> AsyncTaskHandle[R]:
        """Enqueue one call."""


class Bound(Generic[P, R]):
    """A task with the options of this enqueue; immutable, made by `using`."""

    __slots__ = ("_owner", "_route")

    def __init__(self, owner: Enqueuer, route: Route) -> None:
        self._owner = owner
        self._route = route

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """Store the task; returns once Redis has acknowledged it. Blocks for one round trip.

        TypeError: the arguments do not fit the handler, or one cannot travel (its path is named).
        StoreUnavailable, StoreFull: Redis could not take it.
        """
        return self._owner.submit(self.call(*args, **kwargs))

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> AsyncTaskHandle[R]:
        """Store the task; as `enqueue`. Concurrent calls share a round trip."""
        return await self._owner.asubmit(self.call(*args, **kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return the call as a value for `enqueue_many` and `aenqueue_many`."""
        return Call(self._route, args, kwargs)


class NamedTask(Bound[P, R]):
    """A task known by its name: options can be put on it with `using`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name under which workers know the task."""
        return self._route.name

    def using(
        self,
        *,
        delay: Duration | None = None,
        eta: datetime | None = None,
        queue: str | None = None,
        max_retries: int | None = None,
        timeout: Duration | None = None,
        retry_delay: Duration | None = None,
        max_retry_delay: Duration | None = None,
        result_ttl: Duration | None = None,
        hard_timeout: Duration | None = None,
        expires: Clock | None = None,
        deadline: Clock | None = None,
        headers: dict[str, str] | None = None,
        unique: str | bool | None = None,
        unique_scope: str | None = None,
        unique_replace: bool | None = None,
        limit_key: str | None = None,
    ) -> Bound[P, R]:
        """Return the task with options for this enqueue; they win over the declaration's.

        Durations are seconds or timedeltas. `delay` counts from now and `eta` is a time with a zone;
        `max_retries` counts runs after the first; `timeout` cancels and `hard_timeout` ends the
        process (see `TaskQueue.task`), 0 means none; `result_ttl` is how long the result is kept (0:
        not at all); `expires` and `deadline` may also be datetimes with a zone; `headers` travel with
        the task.

        `unique` is a text, or True for a key made of the arguments: while a task of this name has the
        key, no second one is stored, and the handle is that of the first (`handle.duplicate`). The key
        is taken until the task has ended (`unique_scope="until_done"`) or has started for the first time
        ("until_started"). With `unique_replace=True` a task that still waits gets the arguments, the
        options and the time of the newest call, in this queue; one that has started is left alone.

        `limit_key` is a text: the limits that its queue has for each key hold for the tasks with this one.
        """
        options = task_options(
            queue, max_retries, timeout, retry_delay, max_retry_delay, result_ttl, hard_timeout,
            expires, deadline,
        )  # fmt: skip
        uniqueness = unique_options(unique, unique_scope, unique_replace)
        placed = placement(options, delay, eta, headers, uniqueness, limit_key)
        return Bound(self._owner, Route(self._route.name, self._route.handler, placed))


class TaskFunction(NamedTask[P, R], Generic[P, R, C]):
    """What `@tq.task` makes of a function. Calling it runs the function here and now."""

    def __init__(self, owner: Enqueuer, handler: Handler, function: Callable[P, C]) -> None:
        super().__init__(owner, Route(handler.name, handler, PLAIN))
        self.handler = handler
        self.function = function
        # As functools.update_wrapper: whoever inspects the task sees the function.
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__name__ = getattr(function, "__name__", handler.name)
        self.__qualname__ = getattr(function, "__qualname__", handler.name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Run the function itself, in this process, without the queue."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task function {self.name}>"


def named(owner: Enqueuer, name: str) -> NamedTask[..., Any]:
    """Return a task whose code is elsewhere: any arguments, plain values only."""
    return cast("NamedTask[..., Any]", NamedTask(owner, Route(name, None, PLAIN)))
