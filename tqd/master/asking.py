"""Who has asked for the status: answered once the figures of the queues are fresh, or soon after without."""

from __future__ import annotations

from collections.abc import Callable

from tqd.clock import monotonic
from tqd.master.children import Children
from tqd.master.control import Answer
from tqd.master.crew import Depths

SAMPLE_WAIT_S = 0.02
"""How long a status waits for fresh figures of the queues before it is answered with the last ones."""


class Asking:
    """Keeps those who wait; `picture` makes what they are answered."""

    def __init__(self, children: Children, depths: Depths, picture: Callable[[], dict[str, object]]) -> None:
        self._children = children
        self._depths = depths
        self._picture = picture
        self._waiting: list[tuple[Answer, float]] = []

    def ask(self, answer: Answer) -> None:
        """Answer with the picture, as fresh as it is to be had within 20 ms."""
        now = monotonic()
        if self._children.sample(now):
            self._waiting.append((answer, now + SAMPLE_WAIT_S))
        else:
            answer(self._picture())

    def next_deadline(self) -> float | None:
        """Return when `after` is wanted, on the monotonic clock."""
        return min((deadline for _, deadline in self._waiting), default=None)

    def after(self, now: float) -> None:
        """Answer those whose figures have come, or who have waited long enough."""
        fresh = self._depths.asked_at is None
        due = [answer for answer, deadline in self._waiting if fresh or now >= deadline]
        self._waiting = [pair for pair in self._waiting if not fresh and now < pair[1]]
        for answer in due:
            answer(self._picture())
