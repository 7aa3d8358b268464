"""In which order a worker's queues are served when each has its share: by weights, and nobody starves.

What may be claimed is dealt to the queues that are thought to have tasks, by their weights; what the deal
leaves over as a fraction is remembered, so that in the long run each gets its share exactly. A queue that had
nothing when it was its turn gets no share until it has something again: it is asked first then, for the
share it would have. What a queue does not take, any other may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_DEFAULT_WEIGHT = 1.0


class WeightedOrder:
    """Remembers which queues had tasks, and what each is owed in parts of a task."""

    def __init__(self, queues: Sequence[str], weights: Mapping[str, float]) -> None:
        self._queues = tuple(queues)
        self._weights = {queue: weights.get(queue, _DEFAULT_WEIGHT) for queue in queues}
        self._owed = dict.fromkeys(queues, 0.0)
        self._idle: set[str] = set()
        self._asked: set[str] = set()

    def caps(self, credit: int, now: float) -> list[tuple[str, int]]:
        """Return the queues in the order to serve them, each with the most to take from it.

        Each is named twice: for its share, and for what the others leave. `now` is not looked at.
        """
        shares = self._deal(credit)
        for queue in self._idle:
            share = credit * self._weights[queue] / sum(self._weights.values())
            shares[queue] = max(1, round(share))
        self._asked = {queue for queue, share in shares.items() if share}
        # Those that had nothing come first: behind the others no credit would be left to find them by.
        ordered = sorted(self._queues, key=lambda queue: queue not in self._idle)
        return [(queue, shares[queue]) for queue in ordered] + [(queue, credit) for queue in self._queues]

    def served(self, queues: Iterable[str], work_left: bool, now: float) -> None:
        """Note from which queues tasks came; without work left, no queue has anything waiting."""
        if not work_left:
            self._idle.clear()
            self._owed = dict.fromkeys(self._queues, 0.0)
            return
        givers = set(queues)
        for queue in self._asked | givers:
            if queue in givers:
                self._idle.discard(queue)
            else:
                self._idle.add(queue)
                self._owed[queue] = 0.0

    def _deal(self, credit: int) -> dict[str, int]:
        """Deal the credit among those that are not idle; the whole of it, unless all are."""
        shares = dict.fromkeys(self._queues, 0)
        active = [queue for queue in self._queues if queue not in self._idle]
        total = sum(self._weights[queue] for queue in active)
        for queue in active:
            exact = credit * self._weights[queue] / total
            shares[queue] = int(exact)
            self._owed[queue] += exact - int(exact)
        for _ in range(credit - sum(shares.values()) if active else 0):
            next_one = max(active, key=self._owed.__getitem__)
            shares[next_one] += 1
            self._owed[next_one] -= 1.0
        return shares
