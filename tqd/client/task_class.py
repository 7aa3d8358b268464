"""The class form: a task whose arguments are its fields and whose work is `execute`."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, dataclass_transform

from tqd.app import Handler, context_parameter, is_asynchronous, refuse_generator
from tqd.client.handle import AsyncTaskHandle, TaskHandle
from tqd.client.options import (
    PLAIN,
    Clock,
    Duration,
    Errors,
    Placement,
    key_parameter,
    placement,
    retry_rules,
    task_options,
    unique_options,
)
from tqd.client.route import Route
from tqd.client.task_function import Call, Enqueuer
from tqd.errors import RegistrationError
from tqd.task.context import Context
from tqd.task.limit_key import LimitBy
from tqd.task.model import TaskOptions
from tqd.task.uniqueness import Uniqueness
from tqd.task.verdict import RetryRules
from tqd.wire.annotations import resolve

UNCLAIMED: list[type[Task]] = []
"""Classes declared without `app=`; every queue of the process takes them into its registry."""


@dataclass_transform()
class Task:
    """Base of class tasks. A subclass becomes a dataclass and registers itself.

        class Report(Task, queue="low_priority", max_retries=5):
            day: date

            async def execute(self) -> None: ...

        await Report(day=date.today()).aenqueue()

    Class keywords: `app` (the TaskQueue; needed only when the process has several), `name`, and the
    options of `@tq.task`.
    """

    __handler__: ClassVar[Handler]
    __app__: ClassVar[Enqueuer | None] = None

    def __init_subclass__(
        cls,
        *,
        app: Any = None,
        name: str | None = None,
        queue: str | None = None,
        max_retries: int | None = None,
        timeout: Duration | None = None,
        retry_delay: Duration | None = None,
        max_retry_delay: Duration | None = None,
        result_ttl: Duration | None = None,
        hard_timeout: Duration | None = None,
        expires: Clock | None = None,
        deadline: Clock | None = None,
        retry_on: Errors | None = None,
        give_up_on: Errors | None = None,
        unique: str | bool | None = None,
        unique_scope: str | None = None,
        unique_replace: bool | None = None,
        limit_by: str | None = None,
    ) -> None:
        super().__init_subclass__()
        dataclass(cls)
        options = task_options(
            queue, max_retries, timeout, retry_delay, max_retry_delay, result_ttl, hard_timeout,
            expires, deadline,
        )  # fmt: skip
        rules = retry_rules(retry_on, give_up_on)
        uniqueness = unique_options(unique, unique_scope, unique_replace)
        name = name or f"{cls.__module__}.{cls.__qualname__}"
        cls.__handler__ = _handler(cls, name, options, rules, uniqueness, key_parameter(cls, limit_by))
        cls.__app__ = app
        if app is None:
            UNCLAIMED[:] = [other for other in UNCLAIMED if _identity(other) != _identity(cls)]
            UNCLAIMED.append(cls)
        else:
            app.registry.add(cls.__handler__)

    def execute(self) -> Any:
        """Do the work: `async def` on the worker's loop, plain `def` in a thread of it."""
        raise NotImplementedError(f"{type(self).__qualname__} has no execute method")

    def enqueue(self) -> TaskHandle[Any]:
        """Store the task; as `TaskFunction.enqueue`."""
        return _owner(type(self)).submit(self.call())

    async def aenqueue(self) -> AsyncTaskHandle[Any]:
        """Store the task; as `TaskFunction.aenqueue`."""
        return await _owner(type(self)).asubmit(self.call())

    def call(self) -> Call[Any]:
        """Return the call as a value for `enqueue_many`."""
        return call_of(self, PLAIN)

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
    ) -> BoundTask:
        """Return this task with options for this enqueue; as `TaskFunction.using`."""
        options = task_options(
            queue, max_retries, timeout, retry_delay, max_retry_delay, result_ttl, hard_timeout,
            expires, deadline,
        )  # fmt: skip
        uniqueness = unique_options(unique, unique_scope, unique_replace)
        return BoundTask(self, placement(options, delay, eta, headers, uniqueness, limit_key))


class BoundTask:
    """A class task with the options of this enqueue; immutable, made by `using`."""

    __slots__ = ("_placement", "_task")

    def __init__(self, task: Task, placement: Placement) -> None:
        self._task = task
        self._placement = placement

    def enqueue(self) -> TaskHandle[Any]:
        """Store the task; as `TaskFunction.enqueue`."""
        return _owner(type(self._task)).submit(self.call())

    async def aenqueue(self) -> AsyncTaskHandle[Any]:
        """Store the task; as `TaskFunction.aenqueue`."""
        return await _owner(type(self._task)).asubmit(self.call())

    def call(self) -> Call[Any]:
        """Return the call as a value for `enqueue_many`."""
        return call_of(self._task, self._placement)


def call_of(task: Task, placement: Placement) -> Call[Any]:
    """Return the call that a class task stands for: its fields as keyword arguments."""
    handler = task.__handler__
    values = {field.name: getattr(task, field.name) for field in fields(task) if field.init}  # type: ignore[arg-type]
    return Call(Route(handler.name, handler, placement), (), values)


def _handler(
    cls: type[Task],
    name: str,
    options: TaskOptions,
    rules: RetryRules,
    uniqueness: Uniqueness,
    limited: LimitBy | None,
) -> Handler:
    refuse_generator(cls.execute)
    wants = context_parameter(cls.execute)

    def run(*args: Any, **kwargs: Any) -> Any:
        if wants is None:
            return cls(*args, **kwargs).execute()
        context, *values = args
        task: Any = cls(*values, **kwargs)
        return task.execute(**{wants: context})

    async def arun(*args: Any, **kwargs: Any) -> Any:
        return await run(*args, **kwargs)

    handler: Any = arun if is_asynchronous(cls.execute) else run
    handler.__module__, handler.__qualname__ = cls.__module__, cls.__qualname__
    # The handler is called with the fields, after the context if `execute` wants it.
    hints, returns = resolve(cls), resolve(cls.execute).get("return", Any)
    parameters = list(inspect.signature(cls).parameters.values())
    annotations = {row.name: hints[row.name] for row in parameters if row.name in hints}
    if wants is not None:
        parameters.insert(0, inspect.Parameter("_context", inspect.Parameter.POSITIONAL_ONLY))
        annotations["_context"] = Context
    handler.__signature__ = inspect.Signature(parameters, return_annotation=returns)
    handler.__annotations__ = {**annotations, "return": returns}
    return Handler(name, handler, options, rules, uniqueness, limited)


def _identity(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


OWNERS: list[Any] = []
"""Weak references to the queues of this process, for class tasks that name none."""


def _owner(cls: type[Task]) -> Enqueuer:
    if cls.__app__ is not None:
        return cls.__app__
    alive = [queue for queue in (reference() for reference in OWNERS) if queue is not None]
    if len(alive) != 1:
        raise RegistrationError(
            f"{cls.__qualname__} names no queue, and this process has {len(alive)}: a class task "
            f"without app= belongs to the only one; write class {cls.__qualname__}(Task, app=tq)"
        )
    return typing.cast(Enqueuer, alive[0])
