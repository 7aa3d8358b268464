"""Sliding windows of about 1, 5 and 15 minutes, of which each costs a few frames. Pure.

What comes is added to the frame of the present. A frame that is old enough is closed: its contents go into
the frame of the next, coarser tier as well, and it is kept while it may be part of a window.

    tier       frames of    kept    window
    minute           5 s      12       1 m
    five            25 s      12       5 m
    quarter         75 s      12      15 m

So a window reaches back by its length and up to one of its frames more, and by no more than there was.
Whoever makes a rate of it divides by the time that it really covers: `span_s`. Only what happened takes
room: a frame holds those keys that were active in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from tqd.metrics.ledger import Entry
from tqd.metrics.measures import Measures

Key = tuple[str, str]
"""A task name and a queue."""

TIERS = ((5.0, 12), (25.0, 12), (75.0, 12))

MINUTE, FIVE_MINUTES, QUARTER = range(3)
NAMES = {"1m": MINUTE, "5m": FIVE_MINUTES, "15m": QUARTER}


class Frame:
    """What happened from `began` (monotonic s) on; `busy_slot_s` of the `slot_s` there were."""

    __slots__ = ("began", "busy_slot_s", "measures", "slot_s")

    def __init__(self, began: float) -> None:
        self.began = began
        self.busy_slot_s = 0.0
        self.slot_s = 0.0
        self.measures: dict[Key, Measures] = {}

    def of(self, key: Key) -> Measures:
        """Return the measures of a key, to be added to."""
        found = self.measures.get(key)
        if found is None:
            found = self.measures[key] = Measures()
        return found

    def add(self, other: Frame) -> None:
        """Add another frame's contents."""
        self.busy_slot_s += other.busy_slot_s
        self.slot_s += other.slot_s
        for key, measures in other.measures.items():
            self.of(key).add(measures)


class Window(Frame):
    """All that happened in the last `span_s`, by key."""

    __slots__ = ("span_s",)

    def __init__(self, began: float, span_s: float) -> None:
        super().__init__(began)
        self.span_s = span_s

    @property
    def utilization(self) -> float | None:
        """Busy slot-seconds as a share of all slot-seconds, 0 to 1; None when there were none."""
        return min(1.0, self.busy_slot_s / self.slot_s) if self.slot_s > 0 else None

    def all(self) -> Measures:
        """Return the measures of all keys together."""
        return _together(self.measures.values())

    def per_s(self, count: float) -> float | None:
        """Return how many of something that makes a second; None for a window without any length."""
        return count / self.span_s if self.span_s > 0 else None


class Windows:
    """The frames of all tiers; `now` is monotonic s and never goes back."""

    __slots__ = ("_closed", "_open", "_since")

    def __init__(self, now: float) -> None:
        self._open = [Frame(now) for _ in TIERS]
        self._closed: list[deque[Frame]] = [deque(maxlen=kept) for _, kept in TIERS]
        self._since = Frame(now)

    def enter(self, key: Key, entry: Entry) -> None:
        """Add what a worker has counted of a key."""
        for frame in (self._open[0], self._since):
            frame.of(key).enter(entry)

    def used(self, busy_slot_s: float, slot_s: float) -> None:
        """Add slot-seconds, and how many of them were busy."""
        for frame in (self._open[0], self._since):
            frame.busy_slot_s += busy_slot_s
            frame.slot_s += slot_s

    def pass_to(self, now: float) -> None:
        """Close what is old enough; to be called about each second."""
        for tier, (length_s, _) in enumerate(TIERS):
            frame = self._open[tier]
            if now - frame.began < length_s:
                return
            self._closed[tier].append(frame)
            if tier + 1 < len(TIERS):
                self._open[tier + 1].add(frame)
            self._open[tier] = Frame(now)

    def window(self, tier: int, now: float) -> Window:
        """Return the window of a tier."""
        frames = [*self._closed[tier], *self._open[: tier + 1]]
        began = min(frame.began for frame in frames)
        return _window(frames, began, now)

    def take(self, now: float) -> Window:
        """Return what has happened since the last take, exactly; the windows keep it."""
        frame, self._since = self._since, Frame(now)
        return _window([frame], frame.began, now)


def _window(frames: Iterable[Frame], began: float, now: float) -> Window:
    window = Window(began, max(0.0, now - began))
    for frame in frames:
        window.add(frame)
    return window


def by_name(measures: Mapping[Key, Measures]) -> dict[str, Measures]:
    """Return the measures of each task name."""
    return _by(0, measures)


def by_queue(measures: Mapping[Key, Measures]) -> dict[str, Measures]:
    """Return the measures of each queue."""
    return _by(1, measures)


def _by(place: int, measures: Mapping[Key, Measures]) -> dict[str, Measures]:
    groups: dict[str, list[Measures]] = {}
    for key, one in measures.items():
        groups.setdefault(key[place], []).append(one)
    return {name: _together(group) for name, group in groups.items()}


def _together(measures: Iterable[Measures]) -> Measures:
    total = Measures()
    for one in measures:
        total.add(one)
    return total
