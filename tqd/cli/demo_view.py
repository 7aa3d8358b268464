"""The demo's picture as lines: pure, from what is known at one moment. At most 80 columns, 22 lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

BAR = 30
EVENTS = 6


class Tone(Enum):
    """How a line is shown; the value is its ANSI code."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    BAD = "31"
    GOOD = "32"
    NOTE = "33"


class Line(NamedTuple):
    """One line and its tone."""

    text: str
    tone: Tone = Tone.PLAIN


class Happening(NamedTuple):
    """Something that happened, and when (s after the start)."""

    at_s: float
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that is shown. The counts are the journal's; `status` is what `tqd status --json` gives."""

    elapsed_s: float
    total: int
    enqueued: int
    done: int
    per_s: float
    running: int
    retried: int
    recovered: int
    status: dict[str, Any]
    happenings: Sequence[Happening]


def frame(picture: Picture, width: int, *, blocks: bool) -> list[Line]:
    """Return the live view; `blocks` when the terminal can show more than ASCII."""
    waiting, later = _depths(picture.status)
    lines = [
        Line(_progress(picture, blocks), Tone.STRONG),
        Line(
            f"{picture.per_s:,.0f}/s · {picture.running} running · {waiting:,} waiting · "
            f"{later:,} for later · {picture.retried:,} retried · {picture.recovered:,} recovered"
        ),
        Line(""),
        Line(f"{'worker':<12} {'pid':>8}  {'state':<9} {'busy':>7} {'done':>9} {'memory':>9}", Tone.FAINT),
        *(_worker(worker) for worker in picture.status["workers"]),
        Line(""),
        Line(f"{'queue':<14} {'ready':>8} {'scheduled':>10}", Tone.FAINT),
        *(
            Line(f"{queue['name']:<14} {queue['ready']:>8,} {queue['scheduled']:>10,}")
            for queue in picture.status["queues"]
        ),
        Line(""),
        *(happened(one) for one in picture.happenings[-EVENTS:]),
    ]
    return [Line(_fitted(line.text, width, blocks), line.tone) for line in lines]


def sentence(picture: Picture) -> str:
    """Return the same in one line, for an output that is no terminal."""
    waiting, later = _depths(picture.status)
    workers = ", ".join(
        f"{worker['id']} {worker['busy'] if worker['busy'] is not None else '-'}/{worker['slots'] or '-'}"
        for worker in picture.status["workers"]
    )
    return (
        f"{picture.elapsed_s:5.1f} s  {picture.done:,} of {picture.total:,} done, {picture.per_s:,.0f}/s, "
        f"{picture.running} running, {waiting:,} waiting, {later:,} for later ({workers})"
    )


def happened(happening: Happening) -> Line:
    """Return what happened as a line."""
    return Line(f"{happening.at_s:5.1f} s  {happening.text}", happening.tone)


def _progress(picture: Picture, blocks: bool) -> str:
    share = picture.done / picture.total if picture.total else 1.0
    full, empty = ("█", "░") if blocks else ("#", ".")
    filled = int(BAR * share)
    return (
        f"{full * filled}{empty * (BAR - filled)} {share:4.0%}  {picture.done:,} of {picture.total:,} done"
        f"  {picture.elapsed_s:.1f} s"
    )


def _worker(worker: dict[str, Any]) -> Line:
    busy = "-" if worker["slots"] is None else f"{worker['busy']}/{worker['slots']}"
    done = "-" if worker["done"] is None else f"{worker['done']:,}"
    memory = "-" if worker["rss_bytes"] is None else f"{worker['rss_bytes'] / 1_048_576:.1f} MB"
    text = (
        f"{worker['id']:<12} {worker['pid'] or '-':>8}  {worker['state']:<9} {busy:>7} {done:>9} {memory:>9}"
    )
    return Line(text, Tone.PLAIN if worker["state"] == "ready" else Tone.BAD)


def _depths(status: dict[str, Any]) -> tuple[int, int]:
    queues = status["queues"]
    return sum(queue["ready"] for queue in queues), sum(queue["scheduled"] for queue in queues)


def _fitted(text: str, width: int, blocks: bool) -> str:
    text = text if blocks else text.replace("·", "-")
    return text if len(text) <= width else text[: max(0, width - 1)] + ("…" if blocks else ">")
