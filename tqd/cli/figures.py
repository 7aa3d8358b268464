"""How figures are written for a person. Pure. What is not known (None) is "-", never a zero."""

from __future__ import annotations

UNKNOWN = "-"

_MB = 1_048_576.0


def count(value: float | None) -> str:
    """Return a number with its thousands set off."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def size(value_bytes: float | None) -> str:
    """Return an amount of memory: MB, from 10 GB on GB."""
    if value_bytes is None:
        return UNKNOWN
    mb = value_bytes / _MB
    return f"{mb / 1024:,.1f} GB" if mb >= 10_240 else f"{mb:,.0f} MB" if mb >= 1000 else f"{mb:.1f} MB"


def rate(per_s: float | None) -> str:
    """Return a rate per second; below ten with a decimal."""
    if per_s is None:
        return UNKNOWN
    return f"{per_s:.1f}/s" if 0 < per_s < 9.95 else f"{per_s:,.0f}/s"


def millis(value_ms: float | None) -> str:
    """Return milliseconds; below ten with two decimals."""
    if value_ms is None:
        return UNKNOWN
    return f"{value_ms:.2f} ms" if value_ms < 9.995 else f"{value_ms:,.0f} ms"


def seconds(value_s: float | None) -> str:
    """Return a duration that may be short: milliseconds, from 10 s on `12 s`, `3 min 4 s`."""
    if value_s is None:
        return UNKNOWN
    return millis(value_s * 1000) if value_s < 10.0 else span(value_s)


def share(part: float | None, whole: float | None) -> str:
    """Return a part in per cent of the whole."""
    return UNKNOWN if part is None or not whole else f"{100 * part / whole:.0f} %"


def span(seconds: float | None) -> str:
    """Return a duration in words: `12 s`, `3 min 4 s`, `2 h 5 min`, `4 d 3 h`."""
    return _parts(seconds, (" d", " h", " min", " s"), " ")


def age(seconds: float | None) -> str:
    """Return a duration for a table: `12s`, `3m04s`, `2h05m`, `4d03h`."""
    return _parts(seconds, ("d", "h", "m", "s"), "")


def _parts(seconds: float | None, units: tuple[str, str, str, str], between: str) -> str:
    if seconds is None:
        return UNKNOWN
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    values = (days, hours, minutes, s)
    first = next((place for place, value in enumerate(values) if value), 3)
    text = f"{values[first]}{units[first]}"
    if first == 3:
        return text
    second = values[first + 1]
    return f"{text}{between}{second}{units[first + 1]}" if between else f"{text}{second:02}{units[first + 1]}"


def bar(part: float | None, whole: float | None, width: int) -> str:
    """Return a bar of `width` columns; anything above nothing shows at least one block."""
    filled = 0
    if part and whole:
        filled = min(width, max(1, int(width * part / whole)))
    return "█" * filled + "░" * (width - filled)
