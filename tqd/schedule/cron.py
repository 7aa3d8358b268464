"""Cron expressions in a time zone. `cronsim` reads them; the slots are found here, by two written rules.

An expression whose minute and hour are both named (neither begins with `*`), like `30 2 * * *`, means a
time of the day: when clocks are put forward over it, it fires once, right after the gap; when they are put
back and show it twice, it fires the first time.

Every other one, like `*/5 * * * *`, means a rhythm: it fires whenever the clock shows a matching time, so
every real five minutes; times that the clock leaves out are left out, and those shown twice fire twice.

These are Debian cron's rules. Days are as there, too: with both day fields restricted, either will do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from cronsim import CronSim, CronSimError

from tqd.schedule.timetable import ScheduleError
from tqd.schedule.zone import DAY_S, iso, stretches, zone

MAX_CHARS = 100

_ALIASES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_FIELDS = {
    "second": "0-59", "minute": "0-59", "hour": "0-23", "day-of-month": "1-31, L or LW",
    "month": "1-12 or JAN-DEC", "day-of-week": "0-7 or SUN-SAT, 5#2 for the second Friday, 5L for the last",
}  # fmt: skip
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LOOK_BACK_S = 2 * DAY_S
"""No change of a clock is larger: it tells what a clock showed before."""

_LAST_S = 250_000_000_000
"""In the year 9892; dates end with 9999."""


class Cron:
    """The slots of one expression in one zone."""

    __slots__ = ("_hours", "_minutes", "_rhythm", "_seconds", "_sim", "_tz", "_zone")

    def __init__(self, expression: str, tz: str) -> None:
        """Raise ScheduleError when the expression or the zone is none."""
        self._tz = tz
        self._zone = zone(tz)
        self._sim = sim = _parsed(expression)
        self._seconds, self._minutes = sorted(sim.seconds), sorted(sim.minutes)
        self._hours = sorted(sim.hours)
        self._rhythm = sim.parts[1].startswith("*") or sim.parts[2].startswith("*")

    def slots(self, after_ms: int, until_ms: int) -> Iterator[int]:
        """Yield the slots later than `after_ms` up to `until_ms`."""
        after_s, last_s = after_ms // 1000, after_ms // 1000
        shown_s = -1  # the latest local time that the clock has shown so far
        known_s, end_s = max(0, after_s - _LOOK_BACK_S), min(until_ms // 1000 + 1, _LAST_S)
        if known_s >= end_s:
            return
        for begin_s, stop_s, offset_s in stretches(self._zone, known_s, end_s):
            if stop_s > after_s:
                for slot_s in self._within(begin_s, stop_s, offset_s, shown_s, after_s):
                    if slot_s > last_s:
                        yield slot_s * 1000
                        last_s = slot_s
            shown_s = max(shown_s, stop_s + offset_s)

    def local(self, slot_ms: int) -> str:
        """Return a moment in the zone."""
        return iso(slot_ms, self._tz)

    def _within(self, begin_s: int, stop_s: int, offset_s: int, shown_s: int, after_s: int) -> Iterator[int]:
        """Yield the slots of a stretch. A time of the day: also for what was left out before it, once."""
        from_s = begin_s + offset_s
        if not self._rhythm and shown_s >= 0:
            if next(self._times(shown_s, from_s), None) is not None:
                yield begin_s
            from_s = max(from_s, shown_s)
        for local_s in self._times(max(from_s, after_s + offset_s), stop_s + offset_s):
            yield local_s - offset_s

    def _times(self, from_s: int, to_s: int) -> Iterator[int]:
        """Yield the matching local times from `from_s` until before `to_s`, as if they were UTC."""
        for day in range(from_s // DAY_S, (to_s - 1) // DAY_S + 1):
            moment = date.fromordinal(_EPOCH_DAY + day)
            if moment.month not in self._sim.months or not self._sim.match_day(moment):
                continue
            for second in self._of_day(from_s - day * DAY_S):
                local_s = day * DAY_S + second
                if local_s >= to_s:
                    return
                yield local_s

    def _of_day(self, from_s: int) -> Iterator[int]:
        for hour in self._hours:
            if hour * 3600 + 3599 < from_s:
                continue
            for minute in self._minutes:
                start_s = hour * 3600 + minute * 60
                if start_s + 59 >= from_s:
                    yield from (start_s + second for second in self._seconds if start_s + second >= from_s)


def _parsed(expression: str) -> CronSim:
    text = _ALIASES.get(expression.strip().lower(), expression)
    if len(text) > MAX_CHARS:
        raise ScheduleError(f"a cron expression of {len(text)} characters: at most {MAX_CHARS} are read")
    parts = text.split()
    if parts and parts[0].startswith("@"):
        raise ScheduleError(f'the cron expression "{expression}" is not known: {", ".join(_ALIASES)} are')
    if len(parts) not in (5, 6):
        raise ScheduleError(
            f'the cron expression "{expression}" has {len(parts)} fields: it has five, minute hour '
            "day-of-month month day-of-week, or six, with the second before them"
        )
    try:
        return CronSim(text, datetime(2000, 1, 1))
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        places = list(_FIELDS)[6 - len(parts) :]
        wrong = f', "{parts[places.index(field)]}"' if field in places else ""
        raise ScheduleError(
            f'the cron expression "{expression}" has no valid {field}{wrong}: it is {_FIELDS.get(field, "")}'
            ", as a list (1,5), a range (1-5), with a step (*/5), or *"
        ) from None
