"""Plots for a terminal: columns of blocks over time, as wide as there is room. Pure; knows nothing of tqd."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tqd.cli.lines import Line, Tone

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def resampled(values: Sequence[float], ends: Sequence[float], width: int) -> list[float]:
    """Return `width` values over equal times, each the most of those of its time; no values give none.

    Each of the `values` lasts until its place in `ends`, the first one from 0.
    """
    if not values:
        return []
    out = []
    for place in range(width):
        start = min(len(values) - 1, bisect_right(ends, ends[-1] * place / width))
        end = max(start + 1, bisect_right(ends, ends[-1] * (place + 1) / width))
        out.append(max(values[start:end]))
    return out


def plot(values: Sequence[float], height: int, most: float, blocks: bool, bad_above: float) -> list[Line]:
    """Return `height` lines, the highest first, with a column for each value; `most` fills a column.

    Any value above nothing shows. Columns of values above `bad_above` are marked by their colour.
    """
    return [_row(values, level, height, most, blocks, bad_above) for level in reversed(range(height))]


def _row(
    values: Sequence[float], level: int, height: int, most: float, blocks: bool, bad_above: float
) -> Line:
    """Return one line; pieces of one tone are written together."""
    out: Line = []
    for value in values:
        tone = Tone.BAD if value > bad_above else Tone.PLAIN
        char = _block(value, level, height, most, blocks)
        if out and out[-1][1] is tone:
            out[-1] = (out[-1][0] + char, tone)
        else:
            out.append((char, tone))
    return out


def _block(value: float, level: int, height: int, most: float, blocks: bool) -> str:
    """Return what a column shows in the line `level`, counted from the bottom."""
    if value <= 0 or most <= 0:
        return " "
    eighths = max(1, round(min(1.0, value / most) * height * 8)) - level * 8
    if not blocks:
        return "#" if eighths >= 4 or (level == 0 and eighths > 0) else " "
    return _EIGHTHS[max(0, min(8, eighths))]
