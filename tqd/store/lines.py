"""The lines of a queue in which ready tasks wait that the limits of their key hold back. No I/O of its own.

What is read is bounded, and a picture: a claim moves tasks from the ready list into lines at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tqd.store.keys import Keys, texts
from tqd.store.talk import Talk

PAGE = 100
"""Lines that are read at once."""


class HeldBack(NamedTuple):
    """One task that waits for the limits of its key; `position` counts from 1 in its line."""

    task_id: bytes
    queue: str
    key: str
    position: int

    @property
    def place(self) -> str:
        """The line as in Redis, without the prefix."""
        return f"held:{self.queue}:{self.key}"


def lines_of(keys: Keys, queue: str, first: int = 0) -> Talk[list[str]]:
    """Return up to 100 lines of a queue by their keys in Redis, from the `first` on, the next look first."""
    (found,) = yield [("ZRANGE", keys.held_keys(queue), first, first + PAGE - 1)]
    return [keys.held(queue, key) for key in texts(found)]


def held_of(reply: bytes | None) -> int:
    """Return how many tasks of a queue are in lines, as the count in Redis says; 0 for what is no count."""
    return int(reply) if reply is not None and reply.isdigit() and len(reply) <= 15 else 0


def held_back(keys: Keys, queues: Sequence[str], room: int) -> Talk[tuple[list[HeldBack], bool]]:
    """Return up to `room` tasks in the first 100 lines of each queue; True when there may be others."""
    found: list[HeldBack] = []
    more = False
    for queue in queues:
        lines = yield from lines_of(keys, queue)
        more |= len(lines) == PAGE
        for line in lines:
            key = line.removeprefix(keys.held(queue, ""))
            (ids,) = yield [("LRANGE", line, 0, room - len(found))]
            rows = [HeldBack(one, queue, key, place) for place, one in enumerate(ids, 1)]
            if len(found) + len(rows) > room:
                return [*found, *rows][:room], True
            found += rows
    return found, more
