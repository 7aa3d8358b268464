"""Time zones: stretches of time in which a zone's clocks go on evenly, and their names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from tqd.schedule.timetable import ScheduleError

DAY_S = 86_400


@cache
def zone(name: str) -> tzinfo:
    """Return a zone; ScheduleError when there is none of that name. UTC needs no database."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        if not known:
            hint = "; this system has no time zones: install the Python package tzdata"
        raise ScheduleError(
            f'the time zone "{name}" is not known: it is a name like Europe/Vienna{hint}'
        ) from None


def iso(slot_ms: int, name: str) -> str:
    """Return a moment as ISO 8601 with the offset of a zone: `2026-03-29T03:00:00.000+02:00`."""
    moment = datetime.fromtimestamp(slot_ms // 1000, zone(name)).replace(microsecond=slot_ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")


def stretches(where: tzinfo, begin_s: int, end_s: int) -> Iterator[tuple[int, int, int]]:
    """Yield (begin, end, offset) in epoch s, end not included, without gaps and at most a day long.

    The offset is what a zone's clocks show less UTC; it is the same all through a stretch.
    """
    offset_s = _offset_s(where, begin_s)
    while begin_s < end_s:
        stop_s = min(begin_s + DAY_S, end_s)
        next_s = _offset_s(where, stop_s)
        if next_s != offset_s:
            stop_s = _change(where, begin_s, stop_s, offset_s)
            next_s = _offset_s(where, stop_s)
        yield begin_s, stop_s, offset_s
        begin_s, offset_s = stop_s, next_s


def _change(where: tzinfo, same_s: int, other_s: int, offset_s: int) -> int:
    """Return the first second with another offset than `same_s` has."""
    while other_s - same_s > 1:
        middle_s = (same_s + other_s) // 2
        if _offset_s(where, middle_s) == offset_s:
            same_s = middle_s
        else:
            other_s = middle_s
    return other_s


def _offset_s(where: tzinfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, where).utcoffset()
    assert offset is not None
    return offset.days * DAY_S + offset.seconds
