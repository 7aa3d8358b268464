"""What is to be fired now. Pure: the moment is passed in.

A slot that is late by no more than `LATE_MS` is not missed: a keeper was replaced, or Redis restarted, and
each is fired. When the oldest slot that was not fired is later than that, nothing of the app was there, and
the entry's `catch_up` decides; the newest slot still counts when it is not late itself.
"""

from __future__ import annotations

from tqd.schedule.entry import CatchUp
from tqd.schedule.timetable import Timetable, first_slot

LATE_MS = 10_000
_WIDER = 4


def due_slots(table: Timetable, last_ms: int, now_ms: int, catch_up: CatchUp, limit: int) -> list[int]:
    """Return the slots to fire at `now_ms`, in order; all up to `last_ms` were fired, or given up.

    At most `limit` of those that were missed, the newest.
    """
    oldest_ms = first_slot(table, last_ms, now_ms)
    if oldest_ms is None:
        return []
    if oldest_ms > now_ms - LATE_MS:
        return list(table.slots(last_ms, now_ms))
    match catch_up:
        case CatchUp.SKIP:
            return newest_slots(table, max(last_ms, now_ms - LATE_MS), now_ms, 1)
        case CatchUp.ONCE:
            return newest_slots(table, last_ms, now_ms, 1)
        case CatchUp.ALL:
            return newest_slots(table, last_ms, now_ms, limit)


def newest_slots(table: Timetable, after_ms: int, until_ms: int, count: int) -> list[int]:
    """Return the last `count` slots later than `after_ms` up to `until_ms`, in order."""
    width_ms = LATE_MS
    while True:
        begin_ms = max(after_ms, until_ms - width_ms)
        found = list(table.slots(begin_ms, until_ms))
        if len(found) >= count or begin_ms == after_ms:
            return found[-count:]
        width_ms *= _WIDER
