"""A run as an SVG picture: workers, utilization, what waits and for how long, over one time axis. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from tqd.simulate.series import Span

_WIDTH, _LEFT, _RIGHT, _TOP, _PANEL, _GAP = 960, 70, 20, 50, 90, 36
_INK, _GRID, _MISS = "#333", "#ddd", "#c0392b"


class _Panel(NamedTuple):
    title: str
    colour: str
    value: Callable[[Span], float]
    unit: str


_PANELS = (
    _Panel("workers", "#2c6fbb", lambda span: float(span.workers), ""),
    _Panel("utilization", "#3a8f5c", lambda span: 100 * span.utilization, " %"),
    _Panel("ready tasks", "#b7791f", lambda span: float(span.waiting), ""),
    _Panel("age of the oldest ready task", "#7d3c98", lambda span: span.oldest_s, " s"),
)


def picture(title: str, spans: Sequence[Span], goal_s: float) -> str:
    """Return an SVG document of the spans; where the goal was missed, the time is marked."""
    height = _TOP + len(_PANELS) * (_PANEL + _GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="26" font-size="15">{escape(_plain(title))}</text>',
    ]
    seconds = spans[-1].end_s if spans else 1.0
    for place, panel in enumerate(_PANELS):
        parts += _panel(panel, _TOP + place * (_PANEL + _GAP), spans, seconds, goal_s)
    parts.append(_clock(height - 14, seconds))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: _Panel, top: int, spans: Sequence[Span], seconds: float, goal_s: float) -> Iterator[str]:
    most = max((panel.value(span) for span in spans), default=0.0) or 1.0
    bottom = top + _PANEL
    yield f'<text x="{_LEFT}" y="{top - 5}">{panel.title}</text>'
    yield f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.4g}{panel.unit}</text>'
    yield f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
    for span in spans:
        if span.oldest_s > goal_s:
            start, end = _across(span.start_s, seconds), _across(span.end_s, seconds)
            yield (
                f'<rect x="{start:.1f}" y="{top}" width="{max(0.5, end - start):.1f}" height="{_PANEL}" '
                f'fill="{_MISS}" opacity="0.15"/>'
            )
    yield f'<path d="{_area(panel, spans, seconds, most, bottom)}" fill="{panel.colour}"/>'
    right = _WIDTH - _RIGHT
    yield f'<path d="M{_LEFT} {bottom}H{right}M{_LEFT} {top}H{right}" stroke="{_GRID}" fill="none"/>'
    if panel.unit == " s" and goal_s <= most:
        level = bottom - goal_s / most * _PANEL
        yield f'<path d="M{_LEFT} {level:.1f}H{right}" stroke="{_MISS}" stroke-dasharray="4 3" fill="none"/>'
        yield f'<text x="{right}" y="{level - 3:.1f}" text-anchor="end">goal {goal_s:g} s</text>'


def _area(panel: _Panel, spans: Sequence[Span], seconds: float, most: float, bottom: int) -> str:
    path = [f"M{_LEFT} {bottom}"]
    for span in spans:
        level = bottom - panel.value(span) / most * _PANEL
        path.append(f"V{level:.1f}H{_across(span.end_s, seconds):.1f}")
    return "".join([*path, f"V{bottom}Z"])


def _clock(level: int, seconds: float) -> str:
    """Return the labels of the time axis: the trace's hours, minutes or seconds, in six parts."""
    unit, name = (3600.0, "h") if seconds >= 7200 else (60.0, "min") if seconds >= 120 else (1.0, "s")
    labels = [
        f'<text x="{_across(seconds * part / 6, seconds):.1f}" y="{level}" text-anchor="middle">'
        f"{seconds * part / 6 / unit:.3g} {name}</text>"
        for part in range(7)
    ]
    return "".join(labels)


def _across(at_s: float, seconds: float) -> float:
    return _LEFT + at_s / seconds * (_WIDTH - _LEFT - _RIGHT)


def _plain(text: str) -> str:
    """Return the text without what XML has no way to write."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
