"""Figures as a reader of a sentence has them: short, and unlike a limit that they are beyond. Pure."""

from __future__ import annotations

_MORE_DIGITS = 4


def percent(share: float, limit: float | None = None) -> str:
    """Return a share of 1: `31 %`, `0.4 %` when it is that small, `5.2 %` beside a limit of 5 %."""
    value = share * 100
    return f"{apart(value, None if limit is None else limit * 100, 1 if 0 < value < 0.95 else 0)} %"


def short(value: float, limit: float | None = None) -> str:
    """Return a plain figure in two digits, or as a whole number from 100 on: `0.75`, `1.5`, `183`."""
    text = f"{value:.0f}" if value >= 100 else f"{value:.2g}"
    return text if limit is None or not _alike(text, value, limit) else apart(value, limit, 2)


def apart(value: float, limit: float | None, digits: int) -> str:
    """Return a figure with so many digits after the point, or as many more as tell it from the limit."""
    text = f"{value:.{digits}f}"
    for more in range(1, _MORE_DIGITS + 1):
        if limit is None or not _alike(text, value, limit):
            break
        text = f"{value:.{digits + more}f}"
    return text


def _alike(text: str, value: float, limit: float) -> bool:
    """Tell whether the text reads like the limit, though the value is another."""
    return abs(value - limit) > 1e-9 and float(text) == round(limit, _MORE_DIGITS)
