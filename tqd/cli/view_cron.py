"""Schedules as lines for a person and as values for JSON. Pure.

A schedule that this host cannot read, or whose zone it does not know, is shown with what is wrong.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from tqd.cli.figures import count, span
from tqd.cli.lines import Column, Line, Piece, Tone, line, printable, table
from tqd.schedule.timetable import HORIZON_MS, ScheduleError, Timetable, timetable
from tqd.store.cron_table import Row

Coming = tuple[int, str, Row]
"""A slot in ms, the same with the clock of its zone, and the schedule."""

_HEADS = (
    Column("schedule", right=False),
    Column("when", right=False, rank=1),
    Column("zone", right=False, rank=3),
    Column("next", rank=0),
    Column("last", rank=2),
    Column("task", right=False, rank=4),
    Column("queue", right=False, rank=5),
)


def facts(row: Row, now_ms: int) -> dict[str, Any]:
    """Return a schedule for JSON."""
    next_ms, local, problem = _next_of(row, now_ms)
    entry = row.entry
    return {
        "name": row.name,
        "app": row.app or None,
        "task": entry and entry.task,
        "queue": entry and entry.queue,
        "spec": entry and entry.spec,
        "tz": entry and entry.tz,
        "catch_up": entry and entry.catch_up.value,
        "catch_up_limit": entry and entry.catch_up_limit,
        "next_ms": next_ms,
        "next": local,
        "last_ms": row.last_ms if row.fired else None,
        "problem": problem or None,
    }


def table_of(rows: Sequence[Row], now_ms: int, width: int | None) -> list[Line]:
    """Return the schedules as a table."""
    if not rows:
        return [line("no schedules: workers publish those of @tq.cron and @tq.every when they start")]
    shown = "1 schedule" if len(rows) == 1 else f"{count(len(rows))} schedules"
    return [*table(_HEADS, [_row(row, now_ms) for row in rows], width), line(shown, Tone.FAINT)]


def _row(row: Row, now_ms: int) -> list[Piece]:
    next_ms, _, problem = _next_of(row, now_ms)
    entry = row.entry
    coming: Piece = (
        (f"in {span((next_ms - now_ms) / 1000)}", Tone.PLAIN) if next_ms else ("never", Tone.FAINT)
    )
    last = f"{span((now_ms - row.last_ms) / 1000)} ago" if row.fired else "-"
    return [
        (printable(row.name), Tone.STRONG),
        (printable(entry.spec if entry else "?"), Tone.PLAIN),
        (printable(entry.tz if entry else "?"), Tone.PLAIN),
        (printable(problem), Tone.BAD) if problem else coming,
        (last, Tone.PLAIN),
        (printable(entry.task if entry else "?"), Tone.PLAIN),
        (printable(entry.queue if entry else "?"), Tone.PLAIN),
    ]


def coming(rows: Sequence[Row], now_ms: int, most: int) -> list[Coming]:
    """Return the next slots of all these schedules together, the soonest first."""
    streams = [_slots(row, table, now_ms) for row in rows if (table := _timetable(row)[0]) is not None]
    return list(islice(heapq.merge(*streams, key=lambda one: one[0]), most))


def coming_lines(slots: Sequence[Coming], now_ms: int, name: str) -> list[Line]:
    """Return slots as lines: by the clock of the zone, how far away, and whose, unless it is of one."""
    if not slots:
        return [line("no slots are coming")]
    lines = []
    for slot, local, row in slots:
        pieces: Line = [
            (f"{local[:10]} {local[11:19]}{local[23:]}", Tone.STRONG),
            (f"  in {span((slot - now_ms) / 1000)}", Tone.PLAIN),
        ]
        lines.append(pieces if name else [*pieces, (f"  {printable(row.name)}", Tone.FAINT)])
    return lines


def _slots(row: Row, table: Timetable, now_ms: int) -> Iterator[Coming]:
    after_ms = max(now_ms, row.last_ms)
    return ((slot, table.local(slot), row) for slot in table.slots(after_ms, now_ms + HORIZON_MS))


def _next_of(row: Row, now_ms: int) -> tuple[int | None, str | None, str]:
    table, problem = _timetable(row)
    slot = None if table is None else next(_slots(row, table, now_ms), None)
    return (None, None, problem) if slot is None else (slot[0], slot[1], problem)


def _timetable(row: Row) -> tuple[Timetable | None, str]:
    if row.entry is None:
        return None, row.problem
    try:
        return timetable(row.entry.spec, row.entry.tz), ""
    except ScheduleError as error:
        return None, str(error)
