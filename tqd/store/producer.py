"""Storing new tasks so that each is stored once, whatever happens to the replies.

Every call carries its producer's name and a rising number; Redis notes the last number it stored and
answers a repeated call without doing it again. One producer has one call in flight. When its
connection breaks the same call is sent again until the patience of the caller ends.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from tqd.clock import RedisClock, chance, monotonic, pause
from tqd.errors import AdmissionError, QueueFull, StoreError, StoreUnavailable
from tqd.store.calls import Command, NewTask, group_new, note_answer, store_new
from tqd.store.connection import Endpoint, Link, Replies, SyncLink, accept
from tqd.store.keys import Keys
from tqd.task.queue_limit import taken_per_s

PATIENCE_S = 5.0
"""How long a broken connection is tried again before the caller gets StoreUnavailable, in s."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_CLOCK_AGE_S = 60.0


Refusals = dict[bytes, StoreError | AdmissionError]
"""What Redis has against tasks, by their id."""

_SOONEST_S = 0.01


class _Numbers:
    """The name of a producer and the number of its next call."""

    __slots__ = ("_name", "_number")

    def __init__(self) -> None:
        self._name = os.urandom(8).hex()
        self._number = 0

    def commands(self, keys: Keys, groups: Sequence[Sequence[NewTask]]) -> list[Command]:
        """Return the commands of one call, one for each group.

        Each place in the call has a memory of its own in Redis: when a script turns out to be
        missing, its command alone is sent again after later ones of the same call were stored.
        """
        self._number += 1
        return [
            store_new(keys, f"{self._name}.{place}", self._number, group)
            for place, group in enumerate(groups)
        ]


class _Patience:
    """Decides after each broken try whether, and after which pause, there is another."""

    __slots__ = ("_end", "_failures")

    def __init__(self, now: float) -> None:
        self._end = now + PATIENCE_S
        self._failures = 0

    def pause_s(self, now: float, chance: float) -> float | None:
        """Return the pause before the next try in s, or None when patience is over."""
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**self._failures) * (0.5 + chance / 2)
        self._failures += 1
        return pause_s if now + pause_s < self._end else None


class Producer:
    """Stores new tasks over one asyncio connection, one call at a time."""

    def __init__(self, endpoint: Endpoint, keys: Keys) -> None:
        self._keys = keys
        self._link = Link(endpoint)
        self._numbers = _Numbers()
        self._clock_end = 0.0

    @property
    def clock(self) -> RedisClock:
        """Redis's clock as last measured by this connection."""
        return self._link.clock

    async def store(self, tasks: Sequence[NewTask]) -> Refusals:
        """Store the tasks; returns those that Redis refused, when it has acknowledged all others.

        StoreUnavailable: nobody answered for 5 s; the tasks may or may not be stored.
        """
        groups = group_new(tasks)
        replies = await self._insist(self._numbers.commands(self._keys, groups))
        return _refusals(groups, replies, self._link.clock)

    async def now_ms(self) -> int:
        """Return Redis's time in epoch ms, measured at most a minute ago."""
        if monotonic() > self._clock_end:
            await self._insist([])
            await self._link.synchronise()
            self._clock_end = monotonic() + _CLOCK_AGE_S
        return self._link.clock.now_ms()

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    async def _insist(self, commands: list[Command]) -> Replies:
        patience = _Patience(monotonic())
        while True:
            try:
                return await self._link.exchange(commands)
            except StoreUnavailable:
                pause_s = patience.pause_s(monotonic(), chance())
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)


class SyncProducer:
    """Stores new tasks over one blocking connection, used by one thread at a time."""

    def __init__(self, endpoint: Endpoint, keys: Keys) -> None:
        self._keys = keys
        self._link = SyncLink(endpoint)
        self._numbers = _Numbers()
        self._clock_end = 0.0

    @property
    def clock(self) -> RedisClock:
        """Redis's clock as last measured by this connection."""
        return self._link.clock

    def store(self, tasks: Sequence[NewTask]) -> Refusals:
        """Store the tasks; as `Producer.store`."""
        groups = group_new(tasks)
        replies = self._insist(self._numbers.commands(self._keys, groups))
        return _refusals(groups, replies, self._link.clock)

    def now_ms(self) -> int:
        """Return Redis's time in epoch ms, measured at most a minute ago."""
        if monotonic() > self._clock_end:
            self._insist([])
            self._link.synchronise()
            self._clock_end = monotonic() + _CLOCK_AGE_S
        return self._link.clock.now_ms()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _insist(self, commands: list[Command]) -> Replies:
        patience = _Patience(monotonic())
        while True:
            try:
                return self._link.exchange(commands)
            except StoreUnavailable:
                pause_s = patience.pause_s(monotonic(), chance())
                if pause_s is None:
                    raise
                pause(pause_s)


def _refusals(groups: Sequence[Sequence[NewTask]], replies: Replies, clock: RedisClock) -> Refusals:
    refused: Refusals = {}
    for group, reply in zip(groups, replies, strict=True):
        error: StoreError | AdmissionError
        try:
            answer = accept(reply)
            full = isinstance(answer, list) and isinstance(answer[0], int)
            if not full and group[0].unique is not None:
                note_answer(group, answer)
            if not full:
                continue
            error = _full(group, answer, clock.now_ms())
        except StoreError as met:
            error = met
        refused.update((task.task_id, error) for task in group)
    return refused


def _full(group: Sequence[NewTask], answer: Sequence[Any], now_ms: int) -> QueueFull:
    depth, limit, flow = answer
    taken = taken_per_s(flow, now_ms)
    fits = len(group) <= limit
    after_s = max(_SOONEST_S, (depth + len(group) - limit) / taken) if taken and fits else None
    return QueueFull(group[0].queue, depth, limit, after_s)
