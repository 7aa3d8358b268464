"""Holds what is decided and not yet acknowledged by Redis.

Settlements wait here until the consumer's next exchange takes them all. A batch whose reply was lost
comes back and goes out again: Redis refuses what it has done already, by the claim. Nothing is
dropped before Redis has answered, or before this process ends and the keeper owns its claims.
"""

from __future__ import annotations

from collections.abc import Callable, Set

from tqd.task.settle import Bury, Completes, Settlement


class Settler:
    """Gathers settlements; `wake` is called when the first of a batch comes.

    `uncertain`: what waits was sent before, and Redis may have done it already.
    """

    __slots__ = ("_done", "_others", "uncertain", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self._done: list[bytes] = []
        self._others: list[Settlement] = []
        self.uncertain = False

    def __len__(self) -> int:
        return len(self._done) // 2 + len(self._others)

    def complete(self, task_id: bytes, token: bytes) -> None:
        """Hand in a task that is done and keeps no result."""
        if not self._done:
            self.wake()
        self._done += (task_id, token)

    def add(self, settlement: Settlement) -> None:
        """Hand in what follows from an attempt."""
        self._others.append(settlement)
        self.wake()

    def take(self) -> list[Settlement]:
        """Return all that waits, for one exchange."""
        batch, self._others = self._others, []
        if self._done:
            batch.append(Completes(self._done))
            self._done = []
        return batch

    def put_back(self, batch: list[Settlement], lost: Set[bytes] = frozenset()) -> None:
        """Keep a batch whose fate is unknown, for the next exchange; `uncertain` until that.

        Tasks that are `lost` have another owner or an end already: their settlements are dropped.
        """
        self._others = (_without(batch, lost) if lost else batch) + self._others
        self.uncertain = True

    def ids(self) -> set[bytes]:
        """Return the ids of all that waits."""
        return ids_of(self._others) | set(self._done[::2])


def ids_of(batch: list[Settlement]) -> set[bytes]:
    """Return the ids of all tasks that a batch settles."""
    return {task_id for settlement in batch for task_id in _ids(settlement)}


def _without(batch: list[Settlement], lost: Set[bytes]) -> list[Settlement]:
    kept: list[Settlement] = []
    for settlement in batch:
        if isinstance(settlement, Completes):
            pairs = zip(settlement.pairs[::2], settlement.pairs[1::2], strict=True)
            settlement = Completes([part for pair in pairs if pair[0] not in lost for part in pair])
        if set(_ids(settlement)) - lost:
            kept.append(settlement)
    return kept


def _ids(settlement: Settlement) -> list[bytes]:
    match settlement:
        case Completes():
            return settlement.pairs[::2]
        case Bury():
            return [settlement.claim.task_id]
        case _:
            return [settlement.task_id]
