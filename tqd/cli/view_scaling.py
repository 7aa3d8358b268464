"""Scaling decisions and thresholds as lines. Pure."""

from __future__ import annotations

from typing import Any

from tqd.cli.figures import UNKNOWN, span
from tqd.cli.lines import Column, Line, Piece, Tone, line, printable, table

_TONES = {"up": Tone.GOOD, "down": Tone.NOTE}

_SIGNALS = (
    Column("signal", right=False),
    Column("measured"),
    Column("votes up above"),
    Column("down below"),
    Column("vote", right=False),
)
_THRESHOLDS = (
    Column("threshold", right=False),
    Column("set to"),
    Column("learned"),
    Column("least"),
    Column("most"),
)
_LARGEST = 1e300
"""Larger integers are no floats, and cannot be written as such."""

_LESSONS = (Column("ago"), Column("factor"), Column("missed"), Column("wasted"))


def standing(answer: Any, decisions: list[Any]) -> list[Line]:
    """Return in a line why the last of these decisions is not one of now; nothing when it is."""
    off = answer.get("mode") == "off"
    if answer.get("current", True) and not off:
        return []
    said = "auto-scaling is off" if off else "auto-scaling has not decided anything yet"
    if not decisions:
        return [line(said)]
    at, start = str(decisions[-1].get("at", "")), str(answer.get("started_at", ""))
    which = "the decision below" if len(decisions) == 1 else "the last decision below"
    before = "this start" if at < start else "it was turned off"
    return [line(printable(f"{said}; {which} is of {at}, before {before}"))]


def decision(one: Any) -> Line:
    """Return a decision in one line: when, and its sentence."""
    return [
        (printable(str(one.get("at", ""))), Tone.FAINT),
        ("  ", Tone.PLAIN),
        (printable(str(one.get("sentence", ""))), _TONES.get(str(one.get("action")), Tone.PLAIN)),
    ]


def signals(one: Any) -> list[Line]:
    """Return a table of what a decision was made from; anybody may have noted it in Redis."""
    found = one.get("signals")
    items = found.items() if isinstance(found, dict) else ()
    rows = [_signal(name, row if isinstance(row, dict) else {}) for name, row in items]
    return table(_SIGNALS, rows, None) if rows else []


def thresholds(answer: Any) -> list[Line]:
    """Return each threshold as it was set and as it was learned, with its bounds, and the lessons."""
    frozen = ", frozen" if answer.get("frozen") else ""
    state = "adaptive" if answer.get("adaptive") else "fixed: autoscaler.enable_adaptive_thresholds is off"
    rows = [
        [
            (printable(str(row.get("name", UNKNOWN))), Tone.PLAIN),
            *((_number(row.get(key)), Tone.PLAIN) for key in ("configured", "effective", "low", "high")),
        ]
        for row in answer.get("thresholds") or []
    ]
    lines = [line(f"autoscaler: {answer.get('mode')}; thresholds: {state}{frozen}"), line("")]
    lines += table(_THRESHOLDS, rows, None)
    history = answer.get("history") or []
    if history:
        lines += [line(""), line("what was learned, the newest last")]
        lines += table(_LESSONS, [_lesson(row) for row in history], None)
    return lines


def _signal(name: str, row: dict[str, Any]) -> list[Piece]:
    vote = row.get("vote")
    word = "up" if vote == 1 else "down" if vote == -1 else ""
    if row.get("on"):
        word = "no growth"
    elif row.get("value") is None:
        word = f"not known: {row.get('unknown')}" if row.get("unknown") else "not known"
    unit = printable(f" {row.get('unit')}") if row.get("unit") else ""
    return [
        (printable(name), Tone.PLAIN),
        (_number(row.get("value")) + unit, Tone.PLAIN),
        (_number(row.get("threshold")) + unit, Tone.PLAIN),
        (_number(row.get("low")), Tone.PLAIN),
        (printable(word), _TONES.get(word, Tone.PLAIN)),
    ]


def _lesson(row: Any) -> list[Piece]:
    before, after = _number(row.get("before")), _number(row.get("after"))
    return [
        (span(row.get("s_ago")), Tone.PLAIN),
        (f"{before} → {after}", Tone.PLAIN),
        (_share(row.get("missed")), Tone.PLAIN),
        (_share(row.get("wasted")), Tone.PLAIN),
    ]


def _number(value: Any) -> str:
    fits = isinstance(value, int | float) and abs(value) <= _LARGEST
    return f"{value:.3g}" if fits else UNKNOWN


def _share(value: Any) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) else UNKNOWN
