"""The time in which a wait goal was missed: some task had been ready for longer than the goal. Pure.

Tasks that are late at the same time are one miss: seconds are counted once, whoever waits.
"""

from __future__ import annotations


class Misses:
    """Adds up spans that may overlap. They come in the order of their ends, as tasks start."""

    __slots__ = ("_apart_s", "_spans", "late")

    def __init__(self) -> None:
        self.late = 0
        self._spans: list[tuple[float, float]] = []
        self._apart_s = 0.0

    def add(self, start_s: float, end_s: float) -> None:
        """Count a task that was late from `start_s` on and began at `end_s`, no earlier than those before."""
        self.late += 1
        spans = self._spans
        while spans and spans[-1][1] >= start_s:
            start_s = min(start_s, spans.pop()[0])
        spans.append((start_s, end_s))

    def settle(self) -> None:
        """Forget the spans one by one, when nothing waits: what is late later begins to be late later."""
        if self._spans:
            self._apart_s = self.total_s
            self._spans.clear()

    @property
    def total_s(self) -> float:
        """Return the seconds that are covered."""
        return self._apart_s + sum(end_s - start_s for start_s, end_s in self._spans)
