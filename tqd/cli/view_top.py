"""The frame of `tqd top`: a status in so many lines of so many columns. Pure."""

from __future__ import annotations

from typing import Any

from tqd.cli import view_events, view_head, view_tables
from tqd.cli.lines import PLAIN, Line, Style, Tone, line, printable, render
from tqd.cli.view_head import NOT_RUNNING, Status

SPACED = 20
"""From so many lines on, sections are set off by blank ones."""
EVENTS_MOST = 20

_TITLES = 3  # the tables' headers and the line of dead letters
_ROUND = (0, 1, 0, 2)  # who gets the next free line: workers, queues, workers, events


def frame(status: Status, width: int, height: int, style: Style = PLAIN) -> list[str]:
    """Return at most `height` lines of at most `width` columns.

    What does not fit is counted ("… 12 more"); workers that are not ready and queues that hold tasks
    come first then.
    """
    if status.get("state") == NOT_RUNNING:
        lines = _waiting(status)
    elif not status.get("master"):
        lines = [line(f"tqd: {printable(str(status.get('state', '?')))}", Tone.BAD), *_news(status, height)]
    else:
        lines = _full(status, width, height)
    return [render(one, width, style) for one in lines[:height]]


def _waiting(status: Status) -> list[Line]:
    return [
        line("tqd is not running, waiting for a start", Tone.NOTE),
        line(f"runtime directory {printable(str(status.get('runtime_dir', '-')))}", Tone.FAINT),
    ]


def _full(status: Status, width: int, height: int) -> list[Line]:
    head = [
        view_head.title(status, width),
        view_head.memory(status, width, drawn=True),
        view_head.tasks(status, width),
        *([lately] if (lately := view_head.lately(status, width)) else []),
        *_news(status, height),
    ]
    workers, queues = status.get("workers") or [], status.get("queues") or []
    events = (status.get("events") or [])[-EVENTS_MOST:]
    gap = [line("")] if height >= SPACED else []
    room = height - len(head) - _TITLES - 3 * len(gap)
    rows = shares((len(workers), len(queues), len(events)), room)
    return [
        *head,
        *gap,
        *_workers(workers, rows[0], width),
        *gap,
        *_queues(queues, rows[1], width),
        view_tables.dead(status),
        *(gap if rows[2] else []),
        *(view_events.event(one, dated=False) for one in events[len(events) - rows[2] :]),
    ]


def _workers(workers: list[Any], room: int, width: int) -> list[Line]:
    if room < min(2, len(workers)):
        return [view_tables.workers_together(workers)]
    shown = _first(view_tables.by_need(workers) if room < len(workers) else workers, room)
    return [*view_tables.workers(shown, width, drawn=True), *_more(len(workers), room)]


def _queues(queues: list[Any], room: int, width: int) -> list[Line]:
    if room < min(2, len(queues)):
        return [view_tables.queues_together(queues)]
    shown = _first(view_tables.by_work(queues) if room < len(queues) else queues, room)
    return [*view_tables.queues(shown, width), *_more(len(queues), room)]


def shares(wants: tuple[int, int, int], room: int) -> tuple[int, int, int]:
    """Return how many lines workers, queues and events get of the room, taking turns."""
    got = [0, 0, 0]
    while room > 0 and got != list(wants):
        for part in _ROUND:
            if got[part] < wants[part] and room > 0:
                got[part] += 1
                room -= 1
    return got[0], got[1], got[2]


def _first(rows: list[Any], room: int) -> list[Any]:
    """Return the rows that fit; when not all do, one line is kept for the number of the others."""
    return rows if len(rows) <= room else rows[: room - 1]


def _more(count: int, room: int) -> list[Line]:
    return [] if count <= room else [line(f"… {count - room + 1} more", Tone.FAINT)]


def _news(status: Status, height: int) -> list[Line]:
    """Return what one has to know, in at most a quarter of the lines; on a low screen in one."""
    news = [(printable(" ".join(text.split())), tone) for text, tone in view_head.news(status, old=False)]
    room = height // 4 if height >= SPACED else 1
    if len(news) <= room:
        return [line(text, tone) for text, tone in news]
    if room == 1:
        return [line(f"(1 of {len(news)}) {news[0][0]}", news[0][1])]
    more = f"… {len(news) - room + 1} more; tqd status tells them"
    return [*(line(text, tone) for text, tone in news[: room - 1]), line(more, Tone.NOTE)]
