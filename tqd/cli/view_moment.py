"""A moment as a person reads it: when it was or will be, and how far that is from now. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from tqd.cli.figures import span

_LAST_MS = 253_402_300_799_000
"""The end of the year 9999, after which there is no date."""


def moment(at_ms: int, now_ms: int) -> str:
    """Return `2026-11-23 09:45:12 UTC, 3 min 4 s ago`; empty for 0, which stands for none."""
    if at_ms <= 0:
        return ""
    away_s = (at_ms - now_ms) / 1000
    distance = f"in {span(away_s)}" if away_s >= 1 else f"{span(-away_s)} ago"
    if at_ms > _LAST_MS:
        return distance
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC, {distance}"
