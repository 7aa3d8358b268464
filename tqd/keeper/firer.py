"""Fires schedules: enqueues a task at each slot of this daemon's app, on Redis's clock.

The keeper has no user code; it goes by what workers have published. All keepers of an app try each slot and
one succeeds: a slot is lost only when none of them is there. Nothing polls for slots: a timer is set for the
next one. Whether schedules have changed is asked when a worker of this daemon says so, and once in `tick_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

from tqd.clock import monotonic
from tqd.errors import QueueFull, StoreError, StoreUnavailable
from tqd.log import Log
from tqd.schedule.due import LATE_MS, due_slots
from tqd.schedule.entry import CatchUp, Entry
from tqd.schedule.timetable import ScheduleError, Timetable, first_slot, timetable
from tqd.store.cron_table import MAX_FIRED, CronStore, Fired, Row
from tqd.task.identity import NOISE_BYTES, task_ids
from tqd.wire.cron_entry import entry_envelope, trust_entry
from tqd.wire.seal import Seal, Untrusted

RETRY_S = 0.5
REFUSED_S = 5.0
"""After Redis has refused to fire a schedule: it or the queue is full, or a key is of another kind."""

CHANGED_S = 0.05
"""After a schedule turned out to be another one: then all are read anew."""

MOST_BYTES = 8 * 1_048_576
"""In one call, but for a single task that is larger: others wait for Redis meanwhile."""

_EARLY_S = 1.0
_CLOCK_OFF_MS = 50


class _Schedule:
    """One schedule: what stands in Redis, and when its next slot is. `next_ms` None: never."""

    __slots__ = ("entry", "last_ms", "next_ms", "row", "table", "wait_until")

    def __init__(self, row: Row, entry: Entry, table: Timetable, now_ms: int) -> None:
        self.row = row
        self.entry = entry
        self.table = table
        self.last_ms = row.last_ms or now_ms
        self.next_ms = first_slot(table, self.last_ms)
        self.wait_until = 0.0


class Firer:
    """`run` until cancelled. Fires the schedules of `app`, at most `max_tasks` of one in one call."""

    def __init__(
        self,
        store: CronStore,
        app: str,
        tick_s: float,
        max_tasks: int,
        log: Log,
        seal: Seal | None = None,
    ) -> None:
        self._store = store
        self._seal = seal
        self._app = app
        self._tick_s = tick_s
        self._max_tasks = min(max_tasks, MAX_FIRED)
        self._log = log
        self._schedules: dict[str, _Schedule] = {}
        self._declared: bytes | None = None
        self._look_at = 0.0
        self._current = False
        self._complained: set[tuple[str, bytes]] = set()
        self._sooner = asyncio.Event()

    def look_soon(self) -> None:
        """Say that the schedules may be others now."""
        self._look_at = 0.0
        self._sooner.set()

    async def run(self) -> None:
        """Fire what is due, until cancelled; without Redis it waits for it."""
        told = False
        while True:
            try:
                wait_s = await self.step()
                told = False
            except StoreError as error:
                if not told:
                    self._log.warning("schedules wait for redis", error=str(error))
                told, self._current, wait_s = True, False, RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._sooner.wait()
            self._sooner.clear()

    async def step(self) -> float:
        """Take over what has changed, fire what is due; returns the s in which nothing is to be done."""
        if monotonic() >= self._look_at or not self._current:
            await self._look()
        for schedule in list(self._schedules.values()):
            next_ms = schedule.next_ms
            if next_ms is not None and next_ms <= self._store.now_ms() and monotonic() >= schedule.wait_until:
                await self._fire(schedule)
        return self._rest_s()

    def _rest_s(self) -> float:
        if not self._current:
            return CHANGED_S
        now, now_ms = monotonic(), self._store.now_ms()
        ends = [self._look_at - now]
        for schedule in self._schedules.values():
            if schedule.next_ms is not None:
                # A timer may come a little before its time.
                ends.append(max((schedule.next_ms - now_ms + 1) / 1000, schedule.wait_until - now))
        return max(0.0, min(ends))

    # -- what stands in Redis --------------------------------------------------------------------

    async def _look(self) -> None:
        declared = await self._store.declared(self._app)
        if declared != self._declared or not self._current:
            rows = await self._store.table()
            known = self._schedules
            self._schedules = {}
            for row in rows:
                schedule = self._of(row, known.get(row.name))
                if schedule is not None:
                    self._schedules[row.name] = schedule
            self._declared, self._current = declared, True
            self._complained &= {(row.name, row.value) for row in rows}
        self._look_at = monotonic() + self._tick_s

    def _of(self, row: Row, known: _Schedule | None) -> _Schedule | None:
        if row.entry is None:
            self._complain(row, row.problem)
            return None
        if row.app != self._app:
            return None
        if known is not None and known.row.value == row.value and known.last_ms == row.last_ms:
            return known
        try:
            trust_entry(row.name, row.value, self._seal)
            return _Schedule(row, row.entry, timetable(row.entry.spec, row.entry.tz), self._store.now_ms())
        except (ScheduleError, Untrusted) as error:
            self._complain(row, str(error))
            return None

    def _complain(self, row: Row, problem: str) -> None:
        if (row.name, row.value) not in self._complained:
            self._complained.add((row.name, row.value))
            self._log.error("a schedule cannot be used here", schedule=row.name, error=problem)

    # -- firing ----------------------------------------------------------------------------------

    async def _fire(self, schedule: _Schedule) -> None:
        entry, now_ms = schedule.entry, self._store.now_ms()
        found = due_slots(schedule.table, schedule.last_ms, now_ms, entry.catch_up, entry.catch_up_limit)
        self._tell_missed(schedule, found, now_ms)
        if not found:
            schedule.next_ms = first_slot(schedule.table, max(schedule.last_ms, now_ms))
            return
        slots = found[: max(1, min(self._max_tasks, MOST_BYTES // len(schedule.row.value)))]
        ids = task_ids(now_ms, 0, os.urandom(NOISE_BYTES * len(slots)))
        firings = [
            (slot, task_id, self._signed(task_id, entry_envelope(entry, now_ms, schedule.table.local(slot))))
            for slot, task_id in zip(slots, ids, strict=True)
        ]
        try:
            fired = await self._store.fire(schedule.row, entry, firings)
        except StoreUnavailable:
            raise
        except StoreError as error:
            schedule.wait_until = monotonic() + REFUSED_S
            self._log.error("a schedule cannot be fired yet", schedule=entry.name, error=str(error))
            return
        await self._heard(schedule, fired)

    def _signed(self, task_id: bytes, envelope: bytes) -> bytes:
        return envelope if self._seal is None else self._seal.seal(task_id, envelope)

    async def _heard(self, schedule: _Schedule, fired: Fired) -> None:
        if fired.changed:
            self._current = False  # declared anew, or gone
            self._schedules.pop(schedule.row.name, None)
        elif fired.early_ms > 0:
            schedule.wait_until = monotonic() + min(fired.early_ms / 1000, _EARLY_S)
            if fired.early_ms > _CLOCK_OFF_MS:
                await self._store.synchronise()
        else:
            schedule.last_ms = max(schedule.last_ms, fired.last_ms)
            schedule.next_ms = first_slot(schedule.table, schedule.last_ms)
            if fired.depth:
                schedule.wait_until = monotonic() + REFUSED_S
                entry = schedule.entry
                full = str(QueueFull(entry.queue, fired.waiting, fired.depth, None))
                self._log.warning("a schedule cannot be fired yet", schedule=entry.name, error=full)

    def _tell_missed(self, schedule: _Schedule, found: list[int], now_ms: int) -> None:
        oldest_ms = schedule.next_ms
        if oldest_ms is None or oldest_ms > now_ms - LATE_MS:
            return
        runs = len(found)
        if schedule.entry.catch_up is CatchUp.SKIP:
            runs = 0
        self._log.info(
            "slots of a schedule were missed", schedule=schedule.entry.name,
            first=schedule.table.local(oldest_ms), catch_up=schedule.entry.catch_up.value, made_up_for=runs,
        )  # fmt: skip
