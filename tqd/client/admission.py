"""Which of several calls still fit into a queue that refused them together. Pure.

Concurrent `aenqueue` calls share a call of a script, which stores all its tasks or none. When the queue has
room for some of the callers, they are not to fail because of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqd.errors import QueueFull
from tqd.store.calls import NewTask
from tqd.store.producer import Refusals


def still_fitting(calls: Sequence[Sequence[NewTask]], refused: Refusals) -> list[NewTask]:
    """Return the refused tasks of the first calls for which there was room, each call's all or none."""
    if len(calls) < 2:
        return []  # it was refused alone
    rooms: dict[str, int] = {}
    fitting: list[NewTask] = []
    for tasks in calls:
        wanted: dict[str, list[NewTask]] = {}
        for task in tasks:
            error = refused.get(task.task_id)
            if isinstance(error, QueueFull):
                rooms.setdefault(task.queue, max(0, error.limit - error.depth))
                wanted.setdefault(task.queue, []).append(task)
        for queue, group in wanted.items():
            if len(group) <= rooms[queue]:
                rooms[queue] -= len(group)
                fitting += group
    return fitting
