"""`tq.queues`: the queues of a namespace, to look at, to pause and to empty."""

from __future__ import annotations

import builtins
from typing import Literal

from tqd.client.conversation import Conversations
from tqd.client.options import QUEUE_NAME
from tqd.store import queues as talks
from tqd.store.keys import Keys
from tqd.store.queues import Purged, QueueView
from tqd.task.model import TaskState

PurgeState = Literal["ready", "scheduled", "all"]

_STATES = {
    "ready": (TaskState.READY,),
    "scheduled": (TaskState.SCHEDULED,),
    "all": (TaskState.READY, TaskState.SCHEDULED),
}


class Queues:
    """Comes as `tq.queues`. Each method blocks; its twin with an `a` in front is awaited.

    ValueError: what is given is no queue's name.
    """

    def __init__(self, conversations: Conversations, keys: Keys) -> None:
        self._conversations = conversations
        self._keys = keys

    def list(self) -> list[QueueView]:
        """Return every queue that holds tasks, is paused, or has limits, by name."""
        return self._conversations.lead(talks.views(self._keys))

    async def alist(self) -> builtins.list[QueueView]:
        """Return every queue that there is; as `list`."""
        return await self._conversations.alead(talks.views(self._keys))

    def get(self, name: str) -> QueueView:
        """Return one queue; one that nobody has used is empty."""
        return self._conversations.lead(talks.view_of(self._keys, _checked(name)))

    async def aget(self, name: str) -> QueueView:
        """Return one queue; as `get`."""
        return await self._conversations.alead(talks.view_of(self._keys, _checked(name)))

    def pause(self, name: str) -> bool:
        """Let no worker claim of a queue from its next claim on; False when it was paused already.

        What runs goes on, and producers can enqueue. It holds until `resume`, also over restarts.
        """
        return self._conversations.lead(talks.pause(self._keys, _checked(name), paused=True))

    async def apause(self, name: str) -> bool:
        """Let no worker claim of a queue; as `pause`."""
        return await self._conversations.alead(talks.pause(self._keys, _checked(name), paused=True))

    def resume(self, name: str) -> bool:
        """Let workers claim of a queue again, at once; False when it was not paused."""
        return self._conversations.lead(talks.pause(self._keys, _checked(name), paused=False))

    async def aresume(self, name: str) -> bool:
        """Let workers claim of a queue again; as `resume`."""
        return await self._conversations.alead(talks.pause(self._keys, _checked(name), paused=False))

    def purge(self, name: str, *, state: PurgeState = "all", dry_run: bool = False) -> Purged:
        """Remove for good what waits in a queue: what is `ready`, `scheduled` (also for a retry), or `all`.

        What workers have in hand goes on, and so does what is enqueued meanwhile. A `result()` that waits
        for a removed task, or asks within a minute, meets TaskCancelled.
        """
        return self._conversations.lead(
            talks.purge(self._keys, _checked(name), _states(state), dry_run=dry_run)
        )

    async def apurge(self, name: str, *, state: PurgeState = "all", dry_run: bool = False) -> Purged:
        """Remove for good what waits in a queue; as `purge`."""
        return await self._conversations.alead(
            talks.purge(self._keys, _checked(name), _states(state), dry_run=dry_run)
        )


def _checked(name: str) -> str:
    if not QUEUE_NAME.fullmatch(name):
        raise ValueError(f'"{name}" is no queue name: 1 to 64 of the characters A-Z a-z 0-9 _ . - are')
    return name


def _states(state: str) -> tuple[TaskState, ...]:
    if state not in _STATES:
        raise ValueError(f"{state!r} cannot be purged: ready, scheduled and all can")
    return _STATES[state]
