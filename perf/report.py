"""Figures against their budgets: as a table for a terminal, as Markdown, and as JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perf.budgets import Budget, Direction, Verdict
from perf.figure import Figure

BEGIN, END = "<!-- perf:begin -->", "<!-- perf:end -->"

_SPOKEN = (
    ("drain_1", "per_s", "one worker drained", " tasks/s"),
    ("drain_1", "bare_1_link_per_s", "the bare loop", "/s"),
    ("drain_2", "per_s", "two workers", "/s"),
    ("bulk", "per_s", "aenqueue_many stored", "/s"),
    ("idle_latency_p50", "bare_ms", "the bare way of an idle task took", " ms (p50)"),
)
"""The notes that readers of the table are told: figure, note, words, unit."""

_HEAD = ("figure", "bound", "measured", "spread", "verdict")
_SIGNS = {Direction.AT_LEAST: "≥", Direction.AT_MOST: "≤"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure with its budget and the verdict."""

    figure: Figure
    budget: Budget
    verdict: Verdict


def rows(figures: Iterable[Figure], budgets: Mapping[str, Budget]) -> list[Row]:
    """Return a row for each figure; KeyError when one has no budget."""
    pairs = [(figure, budgets[figure.name]) for figure in figures]
    return [Row(figure=f, budget=b, verdict=b.judge(f)) for f, b in pairs]


def table(found: Sequence[Row]) -> str:
    """Return the table for a terminal, each figure followed by its notes."""
    cells = [_HEAD, *((row.figure.name, *_cells(row)) for row in found)]
    widths = [max(len(cell[column]) for cell in cells) for column in range(len(_HEAD))]
    lines = []
    for row, cell in zip((None, *found), cells, strict=True):
        text = "  ".join(part.ljust(width) for part, width in zip(cell, widths, strict=True))
        lines.append(text.rstrip())
        if row is not None and row.figure.notes:
            lines.append(f"    {_notes(row.figure)}")
    return "\n".join(lines)


def markdown(found: Sequence[Row], machine: Mapping[str, str]) -> str:
    """Return the table as Markdown, in words for readers who do not know the figures' names."""
    lines = ["| what | bound | measured | spread | |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join((row.budget.what, *_cells(row)))} |" for row in found]
    notes = {row.figure.name: row.figure.notes for row in found}
    rates = [
        f"{words} {number(notes[name][key])}{unit}"
        for name, key, words, unit in _SPOKEN
        if key in notes.get(name, {})
    ]
    if rates:
        lines += ["", f"In this run: {'; '.join(rates)}."]
    lines += ["", "Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items()) + "."]
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """Return a document with `table` between its two marks; ValueError when it has none."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} and {END} to write between")
    return f"{head}{begin}\n{table}\n{end}{tail}"


def as_json(found: Sequence[Row], machine: Mapping[str, str]) -> str:
    """Return all that was measured, for machines and for `figures_from`."""
    document = {"machine": dict(machine), "figures": [_record(row) for row in found]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def figures_from(text: str) -> tuple[list[Figure], dict[str, str]]:
    """Return the figures and the machine of a JSON report."""
    document = json.loads(text)
    figures = [
        Figure(name=r["name"], value=r["value"], readings=tuple(r["readings"]), notes=r["notes"])
        for r in document["figures"]
    ]
    return figures, document["machine"]


def missed(found: Iterable[Row]) -> list[str]:
    """Return the names of the figures that miss their bound without excuse."""
    return [row.figure.name for row in found if row.verdict is Verdict.MISS]


def number(value: float) -> str:
    """Return a number with three digits that count, or with its thousands."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cells(row: Row) -> tuple[str, str, str, str]:
    figure, budget = row.figure, row.budget
    low, high = figure.spread
    spread = f"{number(low)} – {number(high)}" if len(figure.readings) > 1 else "–"
    excuse = budget.excuse
    excused = row.verdict is Verdict.EXCUSED and excuse is not None
    verdict = f"{row.verdict.value}: {excuse.says}" if excused and excuse else row.verdict.value
    bound = f"{_SIGNS[budget.direction]} {number(budget.bound)} {budget.unit}"
    return bound, number(figure.value), spread, verdict


def _notes(figure: Figure) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in figure.notes.items())


def _record(row: Row) -> dict[str, Any]:
    figure, budget = row.figure, row.budget
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": budget.unit,
        "readings": list(figure.readings),
        "notes": dict(figure.notes),
        "bound": budget.bound,
        "direction": budget.direction.value,
        "verdict": row.verdict.value,
    }
