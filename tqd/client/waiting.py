"""Looking after tasks that were enqueued: results, states and cancelling, blocking and async."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tqd.app import Registry
from tqd.client.conversation import Conversations
from tqd.client.sender import AsyncSender
from tqd.errors import NoResult, ResultTimeout, TaskCancelled, TaskExpired, TaskFailed
from tqd.store import cancelling
from tqd.store.connection import Endpoint
from tqd.store.keys import Keys
from tqd.store.lookup import state_of
from tqd.store.results import wait_sync
from tqd.task.cancelling import CancelAnswer
from tqd.task.identity import to_text
from tqd.task.model import TaskState
from tqd.wire.envelope import Envelope, decode_value
from tqd.wire.records import ResultRecord
from tqd.wire.signature import UNTYPED


class Waiter:
    """Waits for results and looks up states, for the handles of one queue."""

    def __init__(
        self,
        endpoint: Endpoint,
        keys: Keys,
        registry: Registry,
        sender: Callable[[], AsyncSender],
        conversations: Conversations,
    ) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._registry = registry
        self._sender = sender
        self._conversations = conversations

    def await_result(self, identity: bytes, name: str, timeout_s: float | None) -> Any:
        """Block until the result is there; see `Handle.aresult` for the errors."""
        try:
            record = wait_sync(self._endpoint, self._keys, identity, timeout_s)
        except TimeoutError:
            raise self._late(identity, timeout_s, self.state(identity)) from None
        return self._value(identity, name, record)

    async def aawait_result(self, identity: bytes, name: str, timeout_s: float | None) -> Any:
        """Wait until the result is there; see `Handle.aresult` for the errors."""
        try:
            record = await self._sender().feed.wait(identity, timeout_s)
        except TimeoutError:
            raise self._late(identity, timeout_s, await self.astate(identity)) from None
        return self._value(identity, name, record)

    def state(self, identity: bytes) -> TaskState | None:
        """Look where the task is, blocking."""
        return self._conversations.lead(state_of(self._keys, identity))

    async def astate(self, identity: bytes) -> TaskState | None:
        """Look where the task is."""
        return await self._conversations.alead(state_of(self._keys, identity))

    def cancel(self, identities: Sequence[bytes], reason: str) -> list[CancelAnswer]:
        """Cancel tasks, blocking."""
        talk = cancelling.cancel(self._keys, identities, reason, self._result_ttl_s)
        return self._conversations.lead(talk)

    async def acancel(self, identities: Sequence[bytes], reason: str) -> list[CancelAnswer]:
        """Cancel tasks."""
        talk = cancelling.cancel(self._keys, identities, reason, self._result_ttl_s)
        return await self._conversations.alead(talk)

    def _result_ttl_s(self, task: Envelope) -> float:
        handler = self._registry.get(task.name)
        options = task.options if handler is None else task.options.over(handler.options)
        return options.result_ttl_s or 0.0

    def _late(self, identity: bytes, timeout_s: float | None, state: TaskState | None) -> Exception:
        task = f"task {to_text(identity)}"
        if state is None:
            return NoResult(
                f"{task} has left no result: it has no result_ttl, or the result's time is over; "
                "declare the task with result_ttl=…, or enqueue it with using(result_ttl=…)"
            )
        if state is TaskState.DEAD:
            return NoResult(f"{task} is a dead letter and was enqueued without result_ttl")
        return ResultTimeout(f"{task} is {state.value} after {timeout_s:g} s; wait longer, or ask later")

    def _value(self, identity: bytes, name: str, data: bytes) -> Any:
        record = ResultRecord.decode(data)
        if record.state is TaskState.CANCELLED:
            raise TaskCancelled(to_text(identity), record.error_message)
        if record.state is TaskState.EXPIRED:
            raise TaskExpired(to_text(identity), record.error_message)
        if record.value is None or record.state is TaskState.DEAD:
            raise TaskFailed(to_text(identity), record.error_type, record.error_message)
        handler = self._registry.get(name)
        signature = UNTYPED if handler is None else handler.signature
        return signature.decode_result(decode_value(record.value))
