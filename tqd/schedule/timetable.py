"""Timetables: which moments are slots. A cron expression in a time zone, or an interval.

Slots are epoch milliseconds. They are the same on every host: intervals count from the epoch, not from
a start. The module of cron expressions is loaded when the first one is met: whoever has none pays nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from typing import Protocol, cast

EVERY = "every "
LEAST_MS, MOST_MS = 1000, 366 * 86_400_000
HORIZON_MS = 50 * 366 * 86_400_000
"""An expression without a slot for so long has none."""

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)(ms|s|m|h|d|w)")


class Timetable(Protocol):
    """A sequence of moments, without a beginning or an end."""

    def slots(self, after_ms: int, until_ms: int) -> Iterator[int]:
        """Yield the slots later than `after_ms` up to `until_ms`, in order, each once."""

    def local(self, slot_ms: int) -> str:
        """Return a moment as ISO 8601 with the offset of the timetable's zone."""


class ScheduleError(ValueError):
    """Raised for an expression, a zone or an interval that is none; the message says what and why."""


class Interval:
    """Every so many milliseconds, counted from the epoch in UTC."""

    __slots__ = ("period_ms",)

    def __init__(self, period_ms: int) -> None:
        self.period_ms = period_ms

    def slots(self, after_ms: int, until_ms: int) -> Iterator[int]:
        """Yield the slots later than `after_ms` up to `until_ms`."""
        period_ms = self.period_ms
        return iter(range((after_ms // period_ms + 1) * period_ms, until_ms + 1, period_ms))

    def local(self, slot_ms: int) -> str:
        """Return a moment in UTC."""
        return cast(str, import_module("tqd.schedule.zone").iso(slot_ms, "UTC"))


def timetable(spec: str, tz: str) -> Timetable:
    """Return the timetable of an entry; ScheduleError when spec or zone is none."""
    if spec.startswith(EVERY):
        return Interval(_interval_ms(spec.removeprefix(EVERY)))
    return cast(Timetable, import_module("tqd.schedule.cron").Cron(spec, tz))


def interval_spec(period: str | float | timedelta) -> str:
    """Return `every 30s` for 30, "30s", "0.5m" or a timedelta; ScheduleError when it is no interval."""
    if isinstance(period, timedelta):
        period = period.total_seconds()
    if isinstance(period, bool) or not isinstance(period, (str, int, float)):
        raise ScheduleError(f"the interval {period!r} is none: it is like 30, '30s', '1h30m' or a timedelta")
    text = f"{period:.3f}s" if isinstance(period, (int, float)) else period
    period_ms = _interval_ms(text)
    unit = next(u for u in ("w", "d", "h", "m", "s", "ms") if period_ms % _UNITS_MS[u] == 0)
    return f"{EVERY}{period_ms // _UNITS_MS[unit]}{unit}"


def first_slot(table: Timetable, after_ms: int, until_ms: int | None = None) -> int | None:
    """Return the first slot after a moment, None when there is none until then, or in 50 years."""
    return next(table.slots(after_ms, after_ms + HORIZON_MS if until_ms is None else until_ms), None)


def _interval_ms(text: str) -> int:
    compact = text.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ScheduleError(f"the interval {text!r} is none: it is like 30, '30s', '1h30m' or a timedelta")
    total_ms = sum(float(number) * _UNITS_MS[unit] for number, unit in parts)
    if not LEAST_MS <= total_ms <= MOST_MS or total_ms != int(total_ms):
        raise ScheduleError(
            f"the interval {text!r} is out of range: it is from 1 s to 366 days, in whole milliseconds"
        )
    return int(total_ms)
