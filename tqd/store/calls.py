"""Calls of scripts as values: what stores, claims and keeps; those that settle are in `settling`.

Pure: no connection, no time. The async and the sync shells send the same commands.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.task.claim import Claim
from tqd.task.queue_limit import QueueLimit
from tqd.task.uniqueness import UniqueKey

Command = tuple[str | bytes | int | float, ...]

MAX_BATCH = 1000
"""Tasks in one call of a script: Lua's `unpack` ends at about 8000 values."""

PROMOTE_LIMIT = 200
_MOST_HEADS = 256
PRODUCER_TTL_S = 3600

REACH = 20_000
"""How far a list is looked through, from either end, for a task that is to be replaced or cancelled."""

_ENQUEUE = sha("enqueue")
_SCHEDULE = sha("schedule")
_ENQUEUE_UNIQUE = sha("enqueue_unique")
_CLAIM = sha("claim")
_UNPARK = sha("unpark")
_LEASE = sha("lease")
_CLAIMED = sha("claimed")
_FRONT = sha("front")
_PRUNE = sha("prune")
_LIMIT = sha("limit")


class NewTask:
    """One task on its way into Redis.

    `due_ms` 0: ready at once. `delay_ms` is turned into `due_ms` by the sender, by Redis's clock. `unique`
    None: any number of such tasks may wait.
    """

    __slots__ = ("delay_ms", "due_ms", "envelope", "queue", "task_id", "unique")

    def __init__(
        self,
        task_id: bytes,
        queue: str,
        envelope: bytes,
        due_ms: int = 0,
        delay_ms: int = 0,
        unique: UniqueKey | None = None,
    ) -> None:
        self.task_id = task_id
        self.queue = queue
        self.envelope = envelope
        self.due_ms = due_ms
        self.delay_ms = delay_ms
        self.unique = unique


def group_new(tasks: Sequence[NewTask]) -> list[list[NewTask]]:
    """Split new tasks into calls: one queue, ready, scheduled or unique, at most `MAX_BATCH` in each."""
    groups: dict[tuple[str, bool | None], list[NewTask]] = {}
    for task in tasks:
        kind = task.due_ms > 0 if task.unique is None else None
        groups.setdefault((task.queue, kind), []).append(task)
    return [rows[i : i + MAX_BATCH] for rows in groups.values() for i in range(0, len(rows), MAX_BATCH)]


def store_new(keys: Keys, producer: str, number: int, group: Sequence[NewTask]) -> Command:
    """Return the call that stores one group; `number` rises with every call of the producer."""
    queue = group[0].queue
    if group[0].unique is not None:
        return _enqueue_unique(keys, producer, number, queue, group)
    if group[0].due_ms > 0:
        return _schedule(keys, producer, number, queue, group)
    head: list[str | bytes | int | float] = [
        "EVALSHA", _ENQUEUE, 5, keys.producer(producer), keys.task, keys.ready(queue), keys.bell(queue),
        keys.limits, number, PRODUCER_TTL_S,
    ]  # fmt: skip
    for task in group:
        head.append(task.task_id)
        head.append(task.envelope)
    return tuple(head)


def _schedule(keys: Keys, producer: str, number: int, queue: str, group: Sequence[NewTask]) -> Command:
    head: list[str | bytes | int | float] = [
        "EVALSHA", _SCHEDULE, 5, keys.producer(producer), keys.task, keys.due(queue), keys.bell(queue),
        keys.limits, number, PRODUCER_TTL_S,
    ]  # fmt: skip
    for task in group:
        head += (task.task_id, task.envelope, task.due_ms)
    return tuple(head)


def _enqueue_unique(keys: Keys, producer: str, number: int, queue: str, group: Sequence[NewTask]) -> Command:
    # What is remembered of it holds an answer as well: under a name that the other calls do not use.
    head: list[str | bytes | int | float] = [
        "EVALSHA", _ENQUEUE_UNIQUE, 11, keys.producer(f"{producer}u"), keys.task, keys.attempts, keys.errors,
        keys.cancels, keys.unique, keys.keyed, keys.ready(queue), keys.due(queue), keys.bell(queue),
        keys.limits, number, PRODUCER_TTL_S, REACH,
    ]  # fmt: skip
    for task in group:
        assert task.unique is not None
        head += (task.task_id, task.envelope, task.due_ms, task.unique.held, int(task.unique.replace))
    return tuple(head)


def note_answer(group: Sequence[NewTask], reply: Sequence[bytes]) -> None:
    """Note in unique tasks what became of each: `reply` is id and word for each of them, in order."""
    fields = iter(reply)
    for task, task_id, word in zip(group, fields, fields, strict=True):
        assert task.unique is not None
        task.unique.answered(task_id, word)


class Claimed:
    """The reply to a claim.

    `next_due_ms` is when to look again, as a task is due or a limit may have room; 0: no such time.
    `work_left`: more was ready than was taken. `held_back`: all that is left is held back by limits.
    `dropped` counts ids that had no task. `bad_queue` names a queue whose keys are of another kind.
    `cancelled`: id → mark of claims that are not to be run, but ended.
    """

    __slots__ = (
        "bad_queue", "cancelled", "claims", "dropped", "fenced", "held_back", "next_due_ms", "work_left",
    )  # fmt: skip

    def __init__(self, reply: list[object]) -> None:
        self.fenced = len(reply) == 1
        self.claims: list[Claim] = []
        self.next_due_ms = 0
        self.work_left = False
        self.held_back = False
        self.dropped = 0
        self.bad_queue = ""
        self.cancelled: dict[bytes, bytes] = {}
        if not self.fenced:
            self._read(reply)

    def _read(self, reply: list[object]) -> None:
        next_due, left, dropped, bad, marks = reply[:5]
        assert isinstance(next_due, int) and isinstance(dropped, int) and isinstance(bad, bytes)
        assert isinstance(marks, list)
        if marks:
            self.cancelled = dict(zip(marks[::2], marks[1::2], strict=True))
        self.next_due_ms = max(0, next_due)
        self.work_left = left == 1
        self.held_back = left == 2
        self.dropped = dropped
        self.bad_queue = bad.decode()
        fields = iter(reply[5:])
        self.claims = [Claim(*row) for row in zip(fields, fields, fields, strict=True)]  # type: ignore[arg-type]


class Claimant:
    """Who claims: the parts of a claim call that stay the same from call to call.

    A `probe` claims the suspects of the same queues, and nothing else.
    """

    __slots__ = ("_heads", "keys", "node", "probe", "worker")

    def __init__(self, keys: Keys, node: str, worker: str, *, probe: bool = False) -> None:
        self.keys = keys
        self.node = node
        self.worker = worker
        self.probe = probe
        self._heads: dict[tuple[str, ...], Command] = {}

    def claim(self, now_ms: int, credit: int, caps: Sequence[tuple[str, int]]) -> Command:
        """Return the call that claims up to `credit` tasks; `caps` are queue and limit, in order."""
        order = tuple(queue for queue, _ in caps)
        head = self._heads.get(order)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            head = self._heads[order] = self._head(order)
        limits = (value for cap in caps for value in cap)
        return (*head, self.worker, now_ms, min(credit, MAX_BATCH), PROMOTE_LIMIT, *limits)

    def _head(self, order: tuple[str, ...]) -> Command:
        keys = self.keys
        names = [
            keys.workers(self.node), keys.claims(self.worker), keys.task, keys.attempts, keys.paused,
            keys.limits,
        ]  # fmt: skip
        for queue in order:
            if self.probe:
                names += (keys.suspect(queue), keys.suspect_due, keys.suspect_bell)
            else:
                names += (keys.ready(queue), keys.due(queue), keys.bell(queue))
        names += (keys.unique, keys.keyed, keys.cancels)
        return ("EVALSHA", _CLAIM, len(names), *names)


def lease(keys: Keys, node: str, end_ms: int, worker: str = "") -> Command:
    """Return the call that sets a node's lease and, for a worker, gives it the right to claim."""
    return ("EVALSHA", _LEASE, 2, keys.nodes, keys.workers(node), node, end_ms, worker)


def claimed(keys: Keys, workers: Sequence[str], limit: int) -> Command:
    """Return the call that counts what workers (at least one) hold, by token."""
    return ("EVALSHA", _CLAIMED, len(workers), *map(keys.claims, workers), limit)


def fronts(keys: Keys, queues: Sequence[str], now_ms: int, ids: int, most_bytes: int) -> Command:
    """Return the call that looks at what waits in each queue; see `fronts.Front`."""
    return (
        "EVALSHA", _FRONT, 3 + 3 * len(queues), keys.task, keys.attempts, keys.limits,
        *(key for queue in queues for key in (keys.ready(queue), keys.due(queue), keys.rate(queue))),
        now_ms, ids, most_bytes, *queues,
    )  # fmt: skip


def unpark(keys: Keys, name: str, queue: str, ids: Sequence[bytes]) -> Command:
    """Return the call that makes parked tasks ready."""
    return (
        "EVALSHA", _UNPARK, 4, keys.parked(name), keys.ready(queue), keys.bell(queue), keys.arrived, *ids,
    )  # fmt: skip


def prune(keys: Keys, max_count: int, oldest_ms: int, limit: int) -> Command:
    """Return the call that removes dead letters beyond a number, and those from before `oldest_ms`."""
    return ("EVALSHA", _PRUNE, 2, keys.dead, keys.failure, max_count, oldest_ms, limit)


def limit(keys: Keys, publisher: str, limits: Sequence[QueueLimit], *, take_over: bool) -> Command:
    """Return the call that publishes a daemon's limits; `take_over`: also of queues that another limits."""
    texts = (text for one in limits for text in (one.queue, one.record()))
    return ("EVALSHA", _LIMIT, 1, keys.limits, publisher, int(take_over), *texts)
