"""Conversations with Redis: generators that say what to send and when to pause, and hold no connection.

The blocking and the async clients lead the same ones. Every command of a conversation may be repeated:
it reads, or its script does a thing once. So a broken connection is tried again for a while, except at
the first exchange: a Redis that is not there is told at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

from tqd.clock import monotonic, pause
from tqd.errors import StoreUnavailable
from tqd.store.calls import Command
from tqd.store.connection import Replies, SyncLink, accept

T = TypeVar("T")

PATIENCE_S = 5.0
_RETRY_S = 0.2


class Pause:
    """Wait for so many seconds before going on."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


Talk = Generator[list[Command] | Pause, Replies, T]
Exchange = Callable[[Sequence[Command]], Awaitable[Replies]]


def lead(link: SyncLink, talk: Talk[T]) -> T:
    """Carry a conversation out, blocking; a refusal of Redis ends it with its StoreError."""
    replies: Replies = []
    patient = False
    try:
        step = next(talk)
        while True:
            if isinstance(step, Pause):
                pause(step.seconds)
                replies = []
            else:
                replies = _insist(link, step) if patient else link.exchange(step)
                patient = True
            step = talk.send([accept(reply) for reply in replies])
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def alead(exchange: Exchange, talk: Talk[T]) -> T:
    """Carry a conversation out; as `lead`."""
    replies: Replies = []
    patient = False
    try:
        step = next(talk)
        while True:
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                replies = []
            else:
                replies = await (_ainsist(exchange, step) if patient else exchange(step))
                patient = True
            step = talk.send([accept(reply) for reply in replies])
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _insist(link: SyncLink, commands: list[Command]) -> Replies:
    end = monotonic() + PATIENCE_S
    while True:
        try:
            return link.exchange(commands)
        except StoreUnavailable:
            if monotonic() >= end:
                raise
            pause(_RETRY_S)


async def _ainsist(exchange: Exchange, commands: list[Command]) -> Replies:
    end = monotonic() + PATIENCE_S
    while True:
        try:
            return await exchange(commands)
        except StoreUnavailable:
            if monotonic() >= end:
                raise
            await asyncio.sleep(_RETRY_S)
