"""What is said about a loop that was blocked, and how often. Pure."""

from __future__ import annotations

import math
from collections import Counter

WORTH_SAYING_S = 0.5
"""From here on a delay of the loop is a warning: every task of the worker stood still for so long."""

QUIET_S = 10.0
"""Between two warnings of one worker; those in between are counted."""

MOST_NAMES = 5
LONGEST_NAME = 100


class LagReport:
    """Remembers when the last warning was, and what has been left out since."""

    __slots__ = ("_left_out", "_said")

    def __init__(self) -> None:
        self._said = -math.inf
        self._left_out = 0

    def due(self, lag_s: float, now: float) -> int | None:
        """Return how many warnings were left out before this one, or None when nothing is to be said."""
        if lag_s <= WORTH_SAYING_S:
            return None
        if now - self._said < QUIET_S:
            self._left_out += 1
            return None
        left_out, self._left_out, self._said = self._left_out, 0, now
        return left_out


def most(names: Counter[str]) -> list[tuple[str, int]]:
    """Return the names that are there most often, at most 5, each cut to 100 characters."""
    return [
        (name[:LONGEST_NAME].encode(errors="replace").decode(), count)
        for name, count in names.most_common(MOST_NAMES)
    ]


def spoken(names: Counter[str]) -> str:
    """Return names for a log line: `shop.mail ×3, shop.resize ×1, and 2 more`."""
    text = ", ".join(f"{name} ×{count}" for name, count in most(names))
    rest = len(names) - MOST_NAMES
    return f"{text}, and {rest} more" if rest > 0 else text
