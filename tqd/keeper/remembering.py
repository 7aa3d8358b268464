"""What the master wants to know after a restart, kept in Redis: it cannot ask Redis itself.

The keeper does not know what it means. The newest value wins; one that is on its way when Redis goes away is
written when it is back. Decisions are a list, of which the last ones are kept; the very last one is also kept
by itself, for as long as it says how things are. When there was no daemon of this name for `KEPT_S`, all is
forgotten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from tqd.errors import StoreError, StoreMismatch
from tqd.log import Log
from tqd.scale.telling import MOST_DECISIONS
from tqd.wire.messages import MOST_DECISION_BYTES, Decided, Message, Remember
from tqd.wire.parts import MOST_PARTS, PART_BYTES, Whole, parted

KEPT_S = 30 * 86_400
RECALLED_DECISIONS = 20
RETRY_S = 1.0
MOST_WAITING = 100
"""Decisions that wait for Redis; the oldest are dropped."""


class MemoryStore(Protocol):
    """One value and one list for each daemon's name."""

    async def remembered(self) -> bytes:
        """Return what is kept for this daemon's name; empty when nothing is."""

    async def remember(self, data: bytes, kept_s: int) -> None:
        """Keep a value for this daemon's name."""

    async def decisions(self, count: int) -> list[bytes]:
        """Return the last decisions that were noted, the newest last."""

    async def note_decision(self, data: bytes, most: int, kept_s: int) -> None:
        """Note a decision."""

    async def keep_current(self, data: bytes, kept_s: int) -> None:
        """Keep the very last decision; without data there is none."""


class Remembering:
    """`recall` once, `take` and `note` at any time; `run` until cancelled writes what was given."""

    def __init__(self, store: MemoryStore, log: Log) -> None:
        self._store = store
        self._log = log
        self._data: bytes | None = None
        self._notes: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._refused = False
        self._current: Decided | None = None
        self._given = asyncio.Event()
        self._whole = Whole()

    async def recall(self) -> list[Message]:
        """Return what an earlier run has left, the state first; StoreUnavailable without Redis."""
        data, noted = b"", list[bytes]()
        try:
            data = await self._store.remembered()
        except StoreMismatch as error:
            self._log.error("what an earlier run has learnt cannot be read", error=str(error))
        try:
            noted = await self._store.decisions(RECALLED_DECISIONS)
        except StoreMismatch as error:
            self._log.error("the decisions of an earlier run cannot be read", error=str(error))
        if len(data) > MOST_PARTS * PART_BYTES:
            data = b""  # nobody of ours wrote this
        return [*parted(data), *(Decided(one) for one in noted if len(one) <= MOST_DECISION_BYTES)]

    def take(self, part: Remember) -> None:
        """Take in a part; the last one has the value written, instead of one that was not written yet."""
        data = self._whole.take(part)
        if data is not None:
            self._data = data
            self._given.set()

    def note(self, decision: Decided) -> None:
        """Have a decision kept as the very last one, and noted if it is to be."""
        if decision.noted and decision.data:
            self._notes.append(decision.data)
        self._current = decision
        self._given.set()

    async def run(self) -> None:
        """Write what is given, until cancelled."""
        told = False
        while True:
            await self._given.wait()
            self._given.clear()
            try:
                await self._write()
                told = False
            except StoreError as error:
                if not told:
                    self._log.warning("what was learnt is not kept yet", error=str(error))
                told = True
                self._given.set()
                await asyncio.sleep(RETRY_S)

    async def _write(self) -> None:
        """Write the state, then the decisions: each has a key of its own, and may be refused alone."""
        refused: StoreMismatch | None = None
        try:
            await self._write_state()
        except StoreMismatch as error:
            refused = error
        await self._write_notes()
        await self._write_current()
        if refused is not None:
            raise refused

    async def _write_current(self) -> None:
        current = self._current
        if current is not None:
            await self._store.keep_current(current.data, current.current_s)
            if self._current is current:
                self._current = None

    async def _write_state(self) -> None:
        data = self._data
        if data is not None:
            await self._store.remember(data, KEPT_S)
            if self._data is data:
                self._data = None

    async def _write_notes(self) -> None:
        while self._notes:
            note = self._notes.popleft()  # before the wait: a full list drops its first meanwhile
            try:
                await self._store.note_decision(note, MOST_DECISIONS, KEPT_S)
                self._refused = False
            except StoreMismatch as error:
                self._notes.clear()
                if not self._refused:
                    self._log.error("decisions are not noted", error=str(error))
                self._refused = True
            except StoreError:
                if len(self._notes) < MOST_WAITING:
                    self._notes.appendleft(note)
                raise
