"""Holds what is decided and not yet acknowledged by Redis.

Settlements wait here until the consumer's next exchange takes them all. A batch whose reply was lost
comes back and goes out again: Redis refuses what it has done already, by the claim. Nothing is
dropped before Redis has answered, or before this process ends and the keeper owns its claims.
"""

from __future__ import annotations

from collections.abc import Callable

from tqd.task.settle import Settlement


class Settler:
    """Gathers settlements; `wake` is called for each one that comes.

    `uncertain`: what waits was sent before, and Redis may have done it already.
    """

    __slots__ = ("_pending", "uncertain", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self._pending: list[Settlement] = []
        self.uncertain = False

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, settlement: Settlement) -> None:
        """Hand in what follows from an attempt."""
        self._pending.append(settlement)
        self.wake()

    def take(self) -> list[Settlement]:
        """Return all that waits, for one exchange."""
        batch, self._pending = self._pending, []
        return batch

    def put_back(self, batch: list[Settlement]) -> None:
        """Keep a batch whose fate is unknown, for the next exchange; `uncertain` until that."""
        self._pending = batch + self._pending
        self.uncertain = True

    def ids(self) -> set[bytes]:
        """Return the ids of all that waits."""
        return {task_id_of(settlement) for settlement in self._pending}


def task_id_of(settlement: Settlement) -> bytes:
    """Return the task that is settled."""
    claim = getattr(settlement, "claim", None)
    return claim.task_id if claim is not None else settlement.task_id  # type: ignore[no-any-return, union-attr]
