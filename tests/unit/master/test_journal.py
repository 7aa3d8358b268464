"""What the master tells, and what of it is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tqd.log import Log
from tqd.master.journal import KEPT, LONGEST_TEXT, Journal


class Written(Log):
    """A log that keeps its lines."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def info(self, event: str, /, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, /, **fields: object) -> None:
        self.lines.append(("error", event, fields))


def journal() -> tuple[Journal, Written]:
    log = Written()
    return Journal(log, lambda: "2026-11-23T04:00:00.123Z"), log


def kept(**fields: object) -> dict[str, Any]:
    """Return what is kept of an event's fields."""
    told, _ = journal()
    told.info("something", **fields)
    (event,) = told.last(1)
    assert json.loads(json.dumps(event)) == event
    return event["fields"]  # type: ignore[return-value]


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_each_event_is_logged_and_kept_at_its_level(level: str) -> None:
    told, log = journal()
    getattr(told, level)("worker ready", seat="worker-1", pid=12)
    told.tell(level, "worker gone", {"event": "of the field"})
    assert log.lines == [
        (level, "worker ready", {"seat": "worker-1", "pid": 12}),
        (level, "worker gone", {"event": "of the field"}),
    ]
    at = "2026-11-23T04:00:00.123Z"
    assert told.last(2) == [
        {"at": at, "level": level, "event": "worker ready", "fields": {"seat": "worker-1", "pid": 12}},
        {"at": at, "level": level, "event": "worker gone", "fields": {"event": "of the field"}},
    ]


def test_the_last_events_come_newest_last_and_no_more_than_wanted() -> None:
    told, _ = journal()
    assert told.last(5) == []
    for number in range(4):
        told.info(str(number))
    assert [event["event"] for event in told.last(2)] == ["2", "3"]
    assert [event["event"] for event in told.last(9)] == ["0", "1", "2", "3"]
    assert told.last(0) == [] == told.last(-1)


def test_only_so_many_are_kept() -> None:
    told, _ = journal()
    for number in range(KEPT + 1):
        told.info(str(number))
    events = told.last(KEPT + 5)
    assert (len(events), events[0]["event"], events[-1]["event"]) == (KEPT, "1", str(KEPT))


def test_a_traceback_is_logged_and_not_kept() -> None:
    told, log = journal()
    told.warning("stacks", seat="worker-1", traceback="a long one")
    assert log.lines[0][2]["traceback"] == "a long one"
    assert told.last(1)[0]["fields"] == {"seat": "worker-1"}


def test_a_long_text_is_kept_by_its_end() -> None:
    longest = "x" * LONGEST_TEXT
    assert kept(reason=longest) == {"reason": longest}
    assert kept(reason="begin" + longest[:-3] + "end") == {"reason": "[...]" + longest[:-3] + "end"}


def test_what_is_no_plain_value_is_kept_as_its_text() -> None:
    fields = {"none": None, "flag": True, "number": 1, "share": 0.5}
    assert kept(**fields) == fields
    assert kept(names=("a", "b"), many=["x" * LONGEST_TEXT]) == {
        "names": "('a', 'b')",
        "many": ("['" + "x" * LONGEST_TEXT)[:LONGEST_TEXT],
    }
