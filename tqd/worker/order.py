"""In which order a worker's queues are served: strictly, but nobody starves.

The first queue gives all it has before the next is asked. A queue that had tasks waiting and got
nothing for `starvation_after_s` is served first, once, with up to a quarter of the credit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tqd.config.model import QueuesConfig
from tqd.worker.weighted import WeightedOrder

_SHARE = 4


class Order(Protocol):
    """Says in which order the queues are served, and learns what came of it."""

    def caps(self, credit: int, now: float) -> list[tuple[str, int]]:
        """Return the queues in the order to serve them, each with the most to take from it."""

    def served(self, queues: Iterable[str], work_left: bool, now: float) -> None:
        """Note from which queues tasks came; without work left, no queue has anything waiting."""


def order_of(queues: QueuesConfig, now: float) -> Order:
    """Return the order that is configured."""
    if queues.order == "weighted":
        return WeightedOrder(queues.names, {one.queue: one.weight for one in queues.weights})
    return QueueOrder(queues.names, queues.starvation_after, now)


class QueueOrder:
    """Remembers when each queue was last served, or seen empty."""

    def __init__(self, queues: Sequence[str], starvation_after_s: float, now: float) -> None:
        self._queues = tuple(queues)
        self._patience_s = starvation_after_s
        self._served = dict.fromkeys(queues, now)
        self._favoured: str | None = None

    def caps(self, credit: int, now: float) -> list[tuple[str, int]]:
        """Return the queues in the order to serve them, each with the most to take from it."""
        caps = [(queue, credit) for queue in self._queues]
        starving = [queue for queue in self._queues if now - self._served[queue] >= self._patience_s]
        self._favoured = min(starving, key=self._served.__getitem__) if starving else None
        if self._favoured is not None:
            caps.insert(0, (self._favoured, max(1, credit // _SHARE)))
        return caps

    def served(self, queues: Iterable[str], work_left: bool, now: float) -> None:
        """Note from which queues tasks came; without work left, no queue has anything waiting."""
        if not work_left:
            self._served = dict.fromkeys(self._queues, now)
            return
        givers = set(queues)
        if self._favoured is not None:
            # It was asked first: it gave, or it has nothing.
            givers.add(self._favoured)
        elif givers:
            # What comes before a queue that gave tasks had been emptied first.
            last = max(map(self._queues.index, givers))
            givers.update(self._queues[:last])
        for queue in givers:
            self._served[queue] = now
