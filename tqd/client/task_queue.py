"""TaskQueue: the object an application has, to declare tasks and to enqueue them."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from tqd.app import Handler, Registry, default_name
from tqd.client.conversation import Conversations
from tqd.client.crash_hooks import arm_producer
from tqd.client.dead_letters import DeadLetters
from tqd.client.handle import AsyncTaskHandle, Cancellable, TaskHandle, identities_of
from tqd.client.options import (
    PLAIN,
    Clock,
    Duration,
    Errors,
    key_parameter,
    retry_rules,
    task_options,
    unique_options,
)
from tqd.client.queues import Queues
from tqd.client.route import Route
from tqd.client.scaling import Scaling
from tqd.client.scheduling import Scheduling
from tqd.client.sender import AsyncSender, SyncSender
from tqd.client.submission import new_task
from tqd.client.task_class import OWNERS, UNCLAIMED, Task, call_of
from tqd.client.task_function import Call, NamedTask, TaskFunction, named
from tqd.client.waiting import Waiter
from tqd.config.load import load
from tqd.config.secret import check_tls_files, read_password, read_signing_keys
from tqd.errors import RegistrationError
from tqd.store.calls import MAX_BATCH, NewTask
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.task.cancelling import CancelAnswer
from tqd.task.context import Context
from tqd.task.identity import NOISE_BYTES, from_text, task_ids
from tqd.wire.seal import Seal

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_URL = "redis://127.0.0.1:6379"


class _Decorator(Protocol):
    """What `@tq.task(...)` with options returns."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]
    ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R]) -> TaskFunction[P, R, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> TaskFunction[P, R, R]: ...


class TaskQueue(Scheduling):
    """Declares tasks and enqueues them.

    `url` is redis://, rediss:// or unix://. Nothing is connected before the first enqueue, so a
    queue may be made at import. One queue serves any number of threads and event loops, and forks.
    `max_payload_bytes` bounds one task's arguments; the daemon's `security.max_payload_size_mb`
    must not be below it. With `signing_keys` (16 bytes or more each; the first one signs) every task
    is signed, and workers of this queue run no others.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        namespace: str = "tqd",
        max_payload_bytes: int = 1_048_576,
        signing_keys: Sequence[bytes | str] = (),
    ) -> None:
        arm_producer(os.environ)
        self.registry = Registry()
        self.seal = Seal(signing_keys) if signing_keys else None
        self._max_bytes = max_payload_bytes
        self.bind(Endpoint(url), namespace)
        OWNERS[:] = [reference for reference in OWNERS if reference() is not None]
        OWNERS.append(weakref.ref(self))

    @classmethod
    def from_config(cls, path: str | None = None, environ: Mapping[str, str] | None = None) -> TaskQueue:
        """Return a queue as tqd.toml (`path`, else the usual places) and the environment say."""
        environ = os.environ if environ is None else environ
        config = load(path, environ, {}, 1)
        check_tls_files(config)
        max_bytes = int(config.security.max_payload_size_mb * 1_048_576)
        queue = cls(max_payload_bytes=max_bytes, signing_keys=read_signing_keys(config, environ))
        endpoint = Endpoint.configured(config.redis, password=read_password(config, environ))
        queue.bind(endpoint, config.redis.namespace)
        return queue

    def bind(self, endpoint: Endpoint, namespace: str) -> None:
        """Send everything from now on to this Redis. The daemon does so with its own settings."""
        self.endpoint = endpoint
        self.namespace = namespace
        self._keys = Keys(namespace)
        self._sync = SyncSender(endpoint, self._keys)
        self._senders: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncSender]
        self._senders = weakref.WeakKeyDictionary()
        self._latest: AsyncSender | None = None
        talks = Conversations(endpoint, self._sender)
        self._waiter = Waiter(endpoint, self._keys, self.registry, self._sender, talks)
        self.dead = DeadLetters(talks, self._keys)
        self.queues = Queues(talks, self._keys)
        self.scaling = Scaling(talks, self._keys)

    # -- declaring -------------------------------------------------------------------------------

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(self, function: Callable[Concatenate[Context, P], R], /) -> TaskFunction[P, R, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R, R]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
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
    ) -> _Decorator: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
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
    ) -> Any:
        """Declare a function as a task, with or without options.

        `async def` runs on the worker's loop, `def` in a thread. `name` is module-qualified unless
        given. Durations are seconds or timedeltas: `timeout` (300; 0: none), `retry_delay` (1, doubled
        by each failure up to `max_retry_delay`, 600), `result_ttl` (0). `max_retries` (3) are further runs.
        `timeout` cancels an attempt, which code that blocks or a thread does not notice; `hard_timeout`
        (0: none) ends it, if need be with the worker process; either way it is retried as after an
        error. A task that has not begun when it `expires` never runs; at its `deadline` a running
        attempt is cancelled, and no other begins (`tqd.task.clocks`). `unique…`: see `using`; `limit_by`
        names the parameter whose value is the task's `limit_key` (None: it has none).
        `retry_on` and `give_up_on` are exception types, or several: only errors of the first (all, unless
        given) are retried, and none of the second. Subclasses count, a time limit counts as TimeoutError.
        RegistrationError: the name is taken by another function, or an option cannot be.
        """
        options = task_options(
            queue, max_retries, timeout, retry_delay, max_retry_delay, result_ttl, hard_timeout,
            expires, deadline,
        )  # fmt: skip
        rules = retry_rules(retry_on, give_up_on)
        uniqueness = unique_options(unique, unique_scope, unique_replace)

        def declare(function: Callable[..., Any]) -> TaskFunction[..., Any, Any]:
            if not callable(function):
                raise RegistrationError(f"{function!r} is no function: @tq.task goes above a def")
            known_as, keyed_by = name or default_name(function), key_parameter(function, limit_by)
            return self._declare(Handler(known_as, function, options, rules, uniqueness, keyed_by))

        return declare if function is None else declare(function)

    def _declare(self, handler: Handler) -> TaskFunction[..., Any, Any]:
        self.registry.add(handler)
        return TaskFunction(self, handler, handler.function)

    def named(self, name: str) -> NamedTask[..., Any]:
        """Return a task by its name, for producers that do not have its code."""
        return named(self, name)

    def adopt_class_tasks(self) -> None:
        """Take the class tasks of this process that name no queue into the registry."""
        for declared in UNCLAIMED:
            self.registry.add(declared.__handler__)

    # -- enqueuing -------------------------------------------------------------------------------

    def enqueue(self, task: str | Task | Call[Any], /, *args: Any, **kwargs: Any) -> TaskHandle[Any]:
        """Enqueue by name (with the task's arguments), or a class task, or a call."""
        return self.submit(self._call(task, args, kwargs))

    async def aenqueue(
        self, task: str | Task | Call[Any], /, *args: Any, **kwargs: Any
    ) -> AsyncTaskHandle[Any]:
        """Enqueue; as `enqueue`."""
        return await self.asubmit(self._call(task, args, kwargs))

    def enqueue_many(self, calls: Iterable[Call[Any] | Task]) -> list[TaskHandle[Any]]:
        """Enqueue many calls, a thousand in a round trip; returns their handles in order.

        Nothing is stored when one of the calls cannot travel. When the connection breaks for good
        on the way, the calls of earlier round trips are stored.
        """
        ready = [self._call(call, (), {}) for call in calls]
        tasks = self._new(ready, self._sync.now_ms(any(call.route.clocked for call in ready)))
        self._sync.send(tasks)
        pairs, waiter = zip(tasks, ready, strict=True), self._waiter
        return [TaskHandle(waiter, task.task_id, call.route, task.unique) for task, call in pairs]

    async def aenqueue_many(self, calls: Iterable[Call[Any] | Task]) -> list[AsyncTaskHandle[Any]]:
        """Enqueue many calls; as `enqueue_many`."""
        ready = [self._call(call, (), {}) for call in calls]
        sender = self._sender()
        if not sender.clock.known and any(call.route.clocked for call in ready):
            await sender.synchronise()
        tasks = self._new(ready, sender.clock.now_ms())
        for first in range(0, len(tasks), MAX_BATCH):
            await sender.send(tasks[first : first + MAX_BATCH])
        pairs, waiter = zip(tasks, ready, strict=True), self._waiter
        return [AsyncTaskHandle(waiter, task.task_id, call.route, task.unique) for task, call in pairs]

    def submit(self, call: Call[R]) -> TaskHandle[R]:
        """Enqueue one call, blocking."""
        (task,) = self._new((call,), self._sync.now_ms(call.route.clocked))
        self._sync.send((task,))
        return TaskHandle(self._waiter, task.task_id, call.route, task.unique)

    async def asubmit(self, call: Call[R]) -> AsyncTaskHandle[R]:
        """Enqueue one call."""
        sender = self._sender()
        if call.route.clocked and not sender.clock.known:
            await sender.synchronise()
        (task,) = self._new((call,), sender.clock.now_ms())
        await sender.send((task,))
        return AsyncTaskHandle(self._waiter, task.task_id, call.route, task.unique)

    # -- afterwards ------------------------------------------------------------------------------

    def handle(self, task_id: str, name: str = "") -> TaskHandle[Any]:
        """Return the handle of a task enqueued elsewhere; `name` types its result if declared here."""
        return TaskHandle(self._waiter, from_text(task_id), Route(name or "unknown", None, PLAIN))

    def cancel(self, which: Cancellable | Iterable[Cancellable], reason: str = "") -> list[CancelAnswer]:
        """Cancel tasks, by their handles or ids; returns what became of each, as `handle.cancel` does."""
        return self._waiter.cancel(identities_of(which), reason)

    async def acancel(
        self, which: Cancellable | Iterable[Cancellable], reason: str = ""
    ) -> list[CancelAnswer]:
        """Cancel tasks; as `cancel`."""
        return await self._waiter.acancel(identities_of(which), reason)

    def close(self) -> None:
        """Close the blocking connections. The queue can be used again afterwards."""
        self._sync.close()

    async def aclose(self) -> None:
        """Send what this event loop still has to send, and close its connections."""
        sender = self._senders.pop(asyncio.get_running_loop(), None)
        if sender is not None:
            self._latest = None
            await sender.close()

    def __enter__(self) -> TaskQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> TaskQueue:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _sender(self) -> AsyncSender:
        loop = asyncio.get_running_loop()
        latest = self._latest
        if latest is not None and latest.loop is loop:
            return latest
        sender = self._senders.get(loop)
        if sender is None:
            # A sender holds its loop, so the dictionary does not let go of it by itself.
            for ended in [other for other in self._senders if other.is_closed()]:
                self._senders.pop(ended, None)
            sender = self._senders[loop] = AsyncSender(self.endpoint, self._keys, loop)
        self._latest = sender
        return sender

    def _call(self, task: str | Task | Call[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call[Any]:
        if isinstance(task, str):
            return Call(Route(task, self.registry.get(task), PLAIN), args, kwargs)
        if args or kwargs:
            raise TypeError("arguments come with a task's name only; a call or a class task has its own")
        return call_of(task, PLAIN) if isinstance(task, Task) else task

    def _new(self, calls: Sequence[Call[Any]], now_ms: int) -> list[NewTask]:
        max_bytes, seal = self._max_bytes, self.seal
        ids = task_ids(now_ms, 0, os.urandom(NOISE_BYTES * len(calls)))
        return [
            new_task(call, task_id, now_ms, max_bytes, seal) for call, task_id in zip(calls, ids, strict=True)
        ]
