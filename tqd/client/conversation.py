"""Carries conversations with Redis out: blocking, or awaited. Knows nothing of what is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tqd.client.sender import AsyncSender
from tqd.store.calls import Command
from tqd.store.connection import Endpoint, Replies, SyncLink
from tqd.store.talk import Talk, alead, lead

T = TypeVar("T")


class Conversations:
    """Blocking ones have a connection of their own each; awaited ones share that of their event loop."""

    def __init__(self, endpoint: Endpoint, sender: Callable[[], AsyncSender]) -> None:
        self._endpoint = endpoint
        self._sender = sender

    def lead(self, talk: Talk[T]) -> T:
        """Carry a conversation out, blocking; raises StoreError."""
        link = SyncLink(self._endpoint)
        try:
            return lead(link, talk)
        finally:
            link.close()

    async def alead(self, talk: Talk[T]) -> T:
        """Carry a conversation out; as `lead`."""
        sender = self._sender()

        async def exchange(commands: Sequence[Command]) -> Replies:
            async with sender.lookup_lock:  # not for the whole talk, which may pause
                return await sender.lookup.exchange(commands)

        return await alead(exchange, talk)
