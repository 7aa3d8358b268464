"""Schedules as lines and as JSON."""

from __future__ import annotations

import json

from tqd.cli import view_cron
from tqd.cli.lines import PLAIN, Line, render
from tqd.schedule.entry import Entry
from tqd.store.cron_table import Row

NOW_MS = 1_795_000_000_000  # 2026-11-18 11:06:40 UTC


def row(
    name: str = "n", spec: str = "every 1h", tz: str = "UTC", last_ms: int = NOW_MS, fired: bool = False
) -> Row:
    entry = Entry(name=name, task="shop.report", queue="low", spec=spec, tz=tz, kwargs={"secret": "x"})
    return Row(name, b"", "shop:tq", entry, "", last_ms, fired)


BROKEN = Row("bro\x1bken", b"", "", None, "schedule: no app is named", 0, False)


def text(lines: list[Line], width: int | None = None) -> str:
    return "\n".join(render(one, width, PLAIN) for one in lines)


def test_a_table_has_a_line_for_each_and_their_number() -> None:
    rows = [row(fired=True, last_ms=NOW_MS - 60_000), row("nightly", "30 3 * * *", "Europe/Vienna")]
    head, first, second, end = text(view_cron.table_of(rows, NOW_MS, None)).splitlines()
    assert head.split() == ["schedule", "when", "zone", "next", "last", "task", "queue"]
    assert first.split()[-5:] == ["0", "s", "ago", "shop.report", "low"] and "in 53 min" in first
    assert "Europe/Vienna" in second and "in 15 h 23 min" in second and " - " in second
    assert end == "2 schedules"


def test_arguments_are_nowhere() -> None:
    assert "secret" not in text(view_cron.table_of([row()], NOW_MS, None)) + json.dumps(
        view_cron.facts(row(), NOW_MS)
    )


def test_what_cannot_be_used_is_shown_with_what_is_wrong_and_cannot_write_on_the_terminal() -> None:
    rows = [BROKEN, row("elsewhere", "* * * * *", "Mars/Olympus")]
    shown = text(view_cron.table_of(rows, NOW_MS, None))
    assert "no app is named" in shown and 'time zone "Mars/Olympus" is not known' in shown
    assert "\x1b" not in shown
    facts = view_cron.facts(BROKEN, NOW_MS)
    assert (facts["task"], facts["next_ms"], facts["problem"]) == (None, None, "schedule: no app is named")


def test_the_next_slot_is_later_than_the_last_that_was_fired() -> None:
    ahead = row(last_ms=NOW_MS + 7_200_000, fired=True)  # the clock of Redis was set back
    assert view_cron.facts(ahead, NOW_MS)["next_ms"] > NOW_MS + 7_200_000


def test_coming_slots_of_several_schedules_are_in_order() -> None:
    rows = [row("a", "every 40m"), row("b", "0 * * * *", "Asia/Kathmandu"), BROKEN]
    slots = view_cron.coming(rows, NOW_MS, 4)
    assert [(local[11:16], one.name) for _, local, one in slots] == [
        ("17:00", "b"), ("11:20", "a"), ("12:00", "a"), ("18:00", "b"),
    ]  # fmt: skip
    lines = text(view_cron.coming_lines(slots, NOW_MS, "")).splitlines()
    assert lines[0].split() == ["2026-11-18", "17:00:00+05:45", "in", "8", "min", "20", "s", "b"]
    assert text(view_cron.coming_lines(slots, NOW_MS, "b")).splitlines()[0].endswith("20 s")
