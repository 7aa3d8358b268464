"""Workers and queues of a status as tables. Pure."""

from __future__ import annotations

from typing import Any

from tqd.cli.figures import UNKNOWN, age, bar, count, millis, rate, seconds, share, size, span
from tqd.cli.lines import Column, Line, Piece, Tone, line, printable, table
from tqd.cli.view_head import Status, tone_of

BAR = 8
OLD_SAMPLE_S = 2.0
"""Figures of the queues that are younger than this are as good as new."""

_WORKER = (
    Column("worker", right=False, least=8),
    Column("pid", least=7),
    Column("state", right=False, least=8),
    Column("slots", right=False),
    Column("rate", rank=1, least=6),
    Column("done", rank=3, least=7),
    Column("failed", rank=2),
    Column("RSS", rank=4, least=8),
    Column("PSS", rank=5, least=8),
    Column("lag", rank=6, least=7),
    Column("oldest", rank=8, least=6),
    Column("age", rank=7, least=6),
    Column("gen", rank=9),
)
_QUEUE = (
    Column("queue", right=False, least=16),
    Column("ready", least=9),
    Column("scheduled", least=9),
    Column("claimed", least=9),
    Column("oldest", least=7),
    Column("in", rank=3, least=6),
    Column("out", rank=2, least=6),
    Column("errors", rank=4),
    Column("run p95", rank=5),
    Column("wait p95", rank=1),
)
"""From "in" on: the last minute's."""


def workers(rows: list[Any], width: int | None, *, drawn: bool) -> list[Line]:
    """Return a header and a line for each worker; `drawn` adds bars."""
    return table(_WORKER, [_worker(row, drawn) for row in rows], width)


def workers_and_tasks(rows: list[Any]) -> list[Line]:
    """Return the same with failures, retried tasks, and the tasks in hand by name."""
    heads = (*_WORKER, Column("retried"), Column("restarts"), Column("tasks in hand", right=False))
    more = [
        [
            (count(row.get("retried")), Tone.PLAIN),
            (count(row.get("failures")), Tone.BAD if row.get("failures") else Tone.PLAIN),
            (in_hand([row]) or UNKNOWN, Tone.PLAIN),
        ]
        for row in rows
    ]
    return table(heads, [_worker(row, False) + extra for row, extra in zip(rows, more, strict=True)], None)


def workers_together(rows: list[Any]) -> Line:
    """Return all workers in one line, for where there is no room for more."""
    ready = sum(row.get("state") == "ready" for row in rows)
    busy = sum(row.get("busy") or 0 for row in rows)
    slots = sum(row.get("slots") or 0 for row in rows)
    return line(f"{len(rows)} workers: {ready} ready, {busy:,} of {slots:,} slots busy")


def in_hand(rows: list[Any], most: int = 5) -> str:
    """Return the tasks that workers run, by name with how many, the most frequent first."""
    counts: dict[str, int] = {}
    for row in rows:
        for name, number in row.get("names") or []:
            counts[str(name)] = counts.get(str(name), 0) + int(number)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = [printable(name) + (f" ×{number:,}" if number > 1 else "") for name, number in ordered[:most]]
    rest = len(ordered) - most
    return ", ".join(texts) + (f" and {rest} other kinds" if rest > 0 else "")


def by_need(rows: list[Any]) -> list[Any]:
    """Return the workers with those first that are not ready; they keep their order otherwise."""
    return sorted(rows, key=lambda row: row.get("state") == "ready")


def _worker(row: Any, drawn: bool) -> list[Piece]:
    state = printable(str(row.get("state", UNKNOWN)))
    failed, pid = row.get("failed"), row.get("pid")
    return [
        (printable(str(row.get("id", UNKNOWN))), Tone.PLAIN),
        (UNKNOWN if pid is None else str(pid), Tone.PLAIN),
        (state, tone_of(state)),
        (_slots(row.get("busy"), row.get("slots"), drawn), Tone.PLAIN),
        (rate(row.get("rate_per_s")), Tone.PLAIN),
        (count(row.get("done")), Tone.PLAIN),
        (count(failed), Tone.BAD if failed else Tone.PLAIN),
        (size(row.get("rss_bytes")), Tone.PLAIN),
        (size(row.get("pss_bytes")), Tone.PLAIN),
        (millis(row.get("lag_ms")), Tone.NOTE if (row.get("lag_ms") or 0) > 500 else Tone.PLAIN),
        (age(row.get("oldest_s") or None), Tone.PLAIN),
        (age(row.get("uptime_s")), Tone.PLAIN),
        (count(row.get("generation")), Tone.PLAIN),
    ]


def _slots(busy: int | None, slots: int | None, drawn: bool) -> str:
    if slots is None:
        return UNKNOWN
    figure = f"{UNKNOWN if busy is None else busy}/{slots}"
    return f"{bar(busy, slots, BAR)} {figure}" if drawn else figure


def queues(rows: list[Any], width: int | None) -> list[Line]:
    """Return a header and a line for each queue."""
    return table(_QUEUE, [_queue(row) for row in rows], width)


def queues_together(rows: list[Any]) -> Line:
    """Return all queues in one line, for where there is no room for more."""
    parts = [f"{count(_sum(rows, key))} {key}" for key in ("ready", "scheduled", "claimed")]
    return line(f"{len(rows)} queues: {', '.join(parts)}")


def _sum(rows: list[Any], key: str) -> int | None:
    """Return the sum; None when a part of it is not known."""
    figures = [row.get(key) for row in rows]
    return None if None in figures else sum(figures)


def by_work(rows: list[Any]) -> list[Any]:
    """Return the queues with those first that hold tasks; they keep their order otherwise."""
    return sorted(rows, key=lambda row: not (row.get("ready") or row.get("claimed") or row.get("scheduled")))


def _queue(row: Any) -> list[Piece]:
    figures = [count(row.get(key)) for key in ("ready", "scheduled", "claimed")]
    name = printable(str(row.get("name", UNKNOWN)))
    return [
        (f"{name} (paused)", Tone.NOTE) if row.get("paused") else (name, Tone.PLAIN),
        *((figure, Tone.PLAIN) for figure in figures),
        (age(row.get("oldest_s")), Tone.PLAIN),
        (rate(row.get("arrivals_per_s")), Tone.PLAIN),
        (rate(row.get("rate_per_s")), Tone.PLAIN),
        (share(row.get("error_rate"), 1.0), Tone.BAD if row.get("error_rate") else Tone.PLAIN),
        (seconds(row.get("run_p95_s")), Tone.PLAIN),
        (seconds(row.get("wait_p95_s")), Tone.PLAIN),
    ]


def dead(status: Status) -> Line:
    """Return the number of dead letters, and how old the figures of the queues are when they are."""
    number, ago_s = status.get("dead_letters"), status.get("sampled_s_ago")
    down_s = (status.get("keeper") or {}).get("redis_down_s")
    why = f"Redis has not served for {span(down_s)}" if down_s else ""
    if number is None:
        return line(f"the queues are not known: {why or 'no sample from Redis yet'}", Tone.NOTE)
    out = [(f"dead letters: {count(number)}", Tone.BAD if number else Tone.PLAIN)]
    if ago_s is not None and (ago_s > OLD_SAMPLE_S or why):
        reason = f": {why}" if why else ""
        out.append((f"; the queues' figures are {span(ago_s)} old{reason}", Tone.NOTE))
    return out
