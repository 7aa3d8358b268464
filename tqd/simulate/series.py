"""How the run went over time, in a bounded number of spans, for a picture. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 2048


@dataclass(slots=True)
class Span:
    """What was measured in a span of time: the most of each, and the sums of slot-seconds."""

    start_s: float
    end_s: float
    workers: int
    waiting: int
    oldest_s: float
    busy_slot_s: float
    slot_s: float

    @property
    def utilization(self) -> float:
        """Return which share of the slots was at work; 0 without slots."""
        return self.busy_slot_s / self.slot_s if self.slot_s > 0 else 0.0

    def join(self, later: Span) -> None:
        """Take in the span that follows."""
        self.end_s = later.end_s
        self.workers = max(self.workers, later.workers)
        self.waiting = max(self.waiting, later.waiting)
        self.oldest_s = max(self.oldest_s, later.oldest_s)
        self.busy_slot_s += later.busy_slot_s
        self.slot_s += later.slot_s


class Series:
    """Keeps at most `most` spans of equal length: when there are more, each two become one."""

    def __init__(self, most: int = MOST) -> None:
        self.spans: list[Span] = []
        self._most = most
        self._intervals = 1
        self._in_last = 0

    def add(self, interval: Span) -> None:
        """Add the interval that follows the last one."""
        if self.spans and self._in_last < self._intervals:
            self.spans[-1].join(interval)
            self._in_last += 1
            return
        if len(self.spans) == self._most:
            self._halve()
        self.spans.append(interval)
        self._in_last = 1

    def _halve(self) -> None:
        for span, later in zip(self.spans[::2], self.spans[1::2], strict=True):
            span.join(later)
        del self.spans[1::2]
        self._intervals *= 2
