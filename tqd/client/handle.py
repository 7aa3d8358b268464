"""Handles: what a producer keeps of a task that it has enqueued."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from tqd.client.route import Route
from tqd.errors import NoResult
from tqd.task.cancelling import CancelAnswer
from tqd.task.identity import from_text, to_text
from tqd.task.model import TaskState
from tqd.task.uniqueness import UniqueKey

R_co = TypeVar("R_co", covariant=True)


class Waiting(Protocol):
    """What a handle needs of its queue."""

    def await_result(self, identity: bytes, name: str, timeout_s: float | None) -> Any:
        """Block until the result is there."""

    async def aawait_result(self, identity: bytes, name: str, timeout_s: float | None) -> Any:
        """Wait until the result is there."""

    def state(self, identity: bytes) -> TaskState | None:
        """Look where the task is, blocking."""

    async def astate(self, identity: bytes) -> TaskState | None:
        """Look where the task is."""

    def cancel(self, identities: Sequence[bytes], reason: str) -> list[CancelAnswer]:
        """Cancel tasks, blocking."""

    async def acancel(self, identities: Sequence[bytes], reason: str) -> list[CancelAnswer]:
        """Cancel tasks."""


class Handle(Generic[R_co]):
    """The part that both kinds of handles share: the id and the awaitable methods."""

    __slots__ = ("_route", "_unique", "_waiter", "identity")

    def __init__(
        self, waiter: Waiting, identity: bytes, route: Route, unique: UniqueKey | None = None
    ) -> None:
        self._waiter = waiter
        self._route = route
        self._unique = unique
        self.identity = identity if unique is None else unique.stored_id

    @property
    def duplicate(self) -> bool:
        """Whether a unique task with the same key was there already: this is the handle of that one."""
        return self._unique is not None and self._unique.duplicate

    @property
    def replaced(self) -> bool:
        """Whether that task was still waiting and has the arguments and the time of this call now."""
        return self._unique is not None and self._unique.replaced

    @property
    def name(self) -> str:
        """The name under which workers know the task."""
        return self._route.name

    @property
    def queue(self) -> str:
        """The queue into which the task was enqueued."""
        return self._route.queue

    @property
    def id(self) -> str:
        """The task's id: 32 hexadecimal digits that sort by time."""
        return to_text(self.identity)

    async def aresult(self, timeout: float | None = None) -> R_co:
        """Wait for what the handler returned; `timeout` in seconds, None: for ever.

        TaskFailed: the task became a dead letter. TaskCancelled: its handler discarded it, or somebody
        cancelled it. TaskExpired: it was not begun in time.
        ResultTimeout: not ended in time. NoResult: the task keeps none, or its time is over; a result
        is there for `result_ttl` after the task has ended.
        """
        self._expect_result()
        return await self._waiter.aawait_result(self.identity, self.name, timeout)  # type: ignore[no-any-return]

    async def astatus(self) -> TaskState | None:
        """Return where the task is now; None when there is no trace of it (done, nothing kept)."""
        return await self._waiter.astate(self.identity)

    async def acancel(self, reason: str = "") -> CancelAnswer:
        """Cancel the task: one that waits never runs, one that runs is cancelled at its next await.

        The answer says which (`CancelAnswer`). What is running has `tasks.cancel_grace` to clean up, then
        its worker process is ended; a thread sees `Context.cancelled`. One that ends well before it
        notices is done. `reason` is told to whoever waits for the result.
        """
        (answer,) = await self._waiter.acancel((self.identity,), reason)
        return answer

    def _expect_result(self) -> None:
        if not self._route.keeps_result:
            raise NoResult(
                f"task {self.id} ({self.name}) keeps no result, so none will ever come: declare it with "
                "result_ttl=…, or enqueue it with using(result_ttl=…)"
            )

    def __repr__(self) -> str:
        return f"<task {self.id} {self.name} on {self.queue}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.identity == self.identity

    def __hash__(self) -> int:
        return hash(self.identity)


class TaskHandle(Handle[R_co]):
    """Comes from `enqueue`: `result`, `status` and `cancel` block; with an `a` in front they are awaited."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> R_co:
        """Block until the task has ended and return what the handler returned; as `aresult`."""
        self._expect_result()
        return self._waiter.await_result(self.identity, self.name, timeout)  # type: ignore[no-any-return]

    def status(self) -> TaskState | None:
        """Return where the task is now; as `astatus`."""
        return self._waiter.state(self.identity)

    def cancel(self, reason: str = "") -> CancelAnswer:
        """Cancel the task, blocking; as `acancel`."""
        (answer,) = self._waiter.cancel((self.identity,), reason)
        return answer


class AsyncTaskHandle(Handle[R_co]):
    """Comes from `aenqueue`: `await handle.result()`, `status()` and `cancel()`.

    Outside a running event loop (the handle was carried out of `asyncio.run`) they block instead
    and return the value itself.
    """

    __slots__ = ()

    def result(self, timeout: float | None = None) -> Awaitable[R_co]:
        """Wait for what the handler returned; as `aresult`."""
        if in_event_loop():
            return self.aresult(timeout)
        self._expect_result()
        return self._waiter.await_result(self.identity, self.name, timeout)  # type: ignore[no-any-return]

    def status(self) -> Awaitable[TaskState | None]:
        """Return where the task is now; as `astatus`."""
        if in_event_loop():
            return self.astatus()
        return self._waiter.state(self.identity)  # type: ignore[return-value]

    def cancel(self, reason: str = "") -> Awaitable[CancelAnswer]:
        """Cancel the task; as `acancel`."""
        if in_event_loop():
            return self.acancel(reason)
        return self._waiter.cancel((self.identity,), reason)[0]  # type: ignore[return-value]


Cancellable = str | Handle[Any]
"""A task: its id, or its handle."""


def identities_of(which: Cancellable | Iterable[Cancellable]) -> list[bytes]:
    """Return the ids of one task or of several; ValueError when one is no id."""
    several = (which,) if isinstance(which, str | Handle) else which
    return [one.identity if isinstance(one, Handle) else from_text(one) for one in several]


def in_event_loop() -> bool:
    """Return whether the caller runs inside an event loop, where blocking would stop everything."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
