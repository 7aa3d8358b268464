"""Every call of a script as a value: the command to send, made from keys and arguments.

Pure: no connection, no time. The async and the sync shells send the same commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.task.claim import Claim
from tqd.task.model import TaskState
from tqd.task.settle import Bury, Complete, Completes, Dismiss, Finish, Park, Release, RetryAt, Settlement
from tqd.wire.history import HISTORY_BYTES, HISTORY_TASKS, encode_past
from tqd.wire.records import FailureRecord, ResultRecord

T = TypeVar("T")
Command = tuple[str | bytes | int | float, ...]

MAX_BATCH = 1000
"""Tasks in one call of a script: Lua's `unpack` ends at about 8000 values."""

SETTLE_BATCH = 500
PROMOTE_LIMIT = 200
PRODUCER_TTL_S = 3600

_ENQUEUE = sha("enqueue")
_SCHEDULE = sha("schedule")
_CLAIM = sha("claim")
_COMPLETE = sha("complete")
_FINISH = sha("finish")
_RETRY = sha("retry")
_RELEASE = sha("release")
_PARK = sha("park")
_UNPARK = sha("unpark")
_BURY = sha("bury")
_LEASE = sha("lease")
_CLAIMED = sha("claimed")
_PRUNE = sha("prune")


class NewTask:
    """One task on its way into Redis.

    `due_ms` 0: ready at once. `delay_ms` is turned into `due_ms` by the sender, by Redis's clock.
    """

    __slots__ = ("delay_ms", "due_ms", "envelope", "queue", "task_id")

    def __init__(
        self, task_id: bytes, queue: str, envelope: bytes, due_ms: int = 0, delay_ms: int = 0
    ) -> None:
        self.task_id = task_id
        self.queue = queue
        self.envelope = envelope
        self.due_ms = due_ms
        self.delay_ms = delay_ms


def group_new(tasks: Sequence[NewTask]) -> list[list[NewTask]]:
    """Split new tasks into calls: one queue, ready or scheduled, at most `MAX_BATCH` in each."""
    groups: dict[tuple[str, bool], list[NewTask]] = {}
    for task in tasks:
        groups.setdefault((task.queue, task.due_ms > 0), []).append(task)
    return [rows[i : i + MAX_BATCH] for rows in groups.values() for i in range(0, len(rows), MAX_BATCH)]


def store_new(keys: Keys, producer: str, number: int, group: Sequence[NewTask]) -> Command:
    """Return the call that stores one group; `number` rises with every call of the producer."""
    queue = group[0].queue
    if group[0].due_ms > 0:
        return _schedule(keys, producer, number, queue, group)
    head: list[str | bytes | int | float] = [
        "EVALSHA", _ENQUEUE, 4, keys.producer(producer), keys.task, keys.ready(queue), keys.bell(queue),
        number, PRODUCER_TTL_S,
    ]  # fmt: skip
    for task in group:
        head.append(task.task_id)
        head.append(task.envelope)
    return tuple(head)


def _schedule(keys: Keys, producer: str, number: int, queue: str, group: Sequence[NewTask]) -> Command:
    head: list[str | bytes | int | float] = [
        "EVALSHA", _SCHEDULE, 4, keys.producer(producer), keys.task, keys.due(queue), keys.bell(queue),
        number, PRODUCER_TTL_S,
    ]  # fmt: skip
    for task in group:
        head += (task.task_id, task.envelope, task.due_ms)
    return tuple(head)


class Claimed:
    """The reply to a claim.

    `next_due_ms` is 0 when nothing is scheduled. `work_left`: more was ready than was taken.
    `dropped` counts ids that had no task. `bad_queue` names a queue whose keys are of another kind.
    """

    __slots__ = ("bad_queue", "claims", "dropped", "fenced", "next_due_ms", "work_left")

    def __init__(self, reply: list[object]) -> None:
        self.fenced = len(reply) == 1
        self.claims: list[Claim] = []
        self.next_due_ms = 0
        self.work_left = False
        self.dropped = 0
        self.bad_queue = ""
        if not self.fenced:
            self._read(reply)

    def _read(self, reply: list[object]) -> None:
        next_due, left, dropped, bad = reply[:4]
        assert isinstance(next_due, int) and isinstance(dropped, int) and isinstance(bad, bytes)
        self.next_due_ms = max(0, next_due)
        self.work_left = left == 1
        self.dropped = dropped
        self.bad_queue = bad.decode()
        fields = iter(reply[4:])
        self.claims = [Claim(*row) for row in zip(fields, fields, fields, strict=True)]  # type: ignore[arg-type]


class Claimant:
    """Who claims: the parts of a claim call that stay the same from call to call."""

    __slots__ = ("_heads", "keys", "node", "worker")

    def __init__(self, keys: Keys, node: str, worker: str) -> None:
        self.keys = keys
        self.node = node
        self.worker = worker
        self._heads: dict[tuple[str, ...], Command] = {}

    def claim(self, now_ms: int, credit: int, caps: Sequence[tuple[str, int]]) -> Command:
        """Return the call that claims up to `credit` tasks; `caps` are queue and limit, in order."""
        order = tuple(queue for queue, _ in caps)
        head = self._heads.get(order)
        if head is None:
            head = self._heads[order] = self._head(order)
        limits = (value for cap in caps for value in cap)
        return (*head, self.worker, now_ms, min(credit, MAX_BATCH), PROMOTE_LIMIT, *limits)

    def _head(self, order: tuple[str, ...]) -> Command:
        keys = self.keys
        names = [keys.workers(self.node), keys.claims(self.worker), keys.task, keys.attempts]
        for queue in order:
            names += (keys.ready(queue), keys.due(queue), keys.bell(queue))
        return ("EVALSHA", _CLAIM, len(names), *names)


class Settler:
    """Who settles: whose claims they are, and how many dead letters are kept."""

    __slots__ = ("_complete", "keys", "max_dead", "worker")

    def __init__(self, keys: Keys, worker: str, max_dead: int) -> None:
        self.keys = keys
        self.worker = worker
        self.max_dead = max_dead
        self._complete: Command = (
            "EVALSHA", _COMPLETE, 4, keys.claims(worker), keys.task, keys.attempts, keys.errors,
        )  # fmt: skip

    def settle(self, settlements: Sequence[Settlement], now_ms: int) -> list[Command]:
        """Return the calls for a batch; each answers with the ids whose claim was lost."""
        commands: list[Command] = []
        for s in settlements:
            match s:
                case Completes():
                    commands += self._completes(s.pairs)
                case Finish():
                    commands.append(self._finish(s))
                case Dismiss():
                    commands += self._dismiss(s, now_ms)
                case Bury():
                    commands.append(self._bury(s, now_ms))
        singles = [field for s in settlements if isinstance(s, Complete) for field in (s.task_id, s.token)]
        commands += self._completes(singles)
        commands += self._retries([s for s in settlements if isinstance(s, RetryAt)])
        commands += release(self.keys, self.worker, [s for s in settlements if isinstance(s, Release)])
        commands += self._parks([s for s in settlements if isinstance(s, Park)])
        return commands

    def _completes(self, pairs: Sequence[bytes]) -> list[Command]:
        return [(*self._complete, *rows) for rows in _batches(pairs, 2 * MAX_BATCH)]

    def _finish(self, s: Finish) -> Command:
        keys = self.keys
        return (
            "EVALSHA", _FINISH, 5, keys.claims(self.worker), keys.task, keys.attempts, keys.result(s.task_id),
            keys.errors, s.task_id, s.token, s.ttl_ms, s.result,
        )  # fmt: skip

    def _dismiss(self, s: Dismiss, now_ms: int) -> list[Command]:
        # To Redis its end is that of a task that is done: with a result record if somebody asked for one.
        if not s.ttl_ms:
            return self._completes((s.task_id, s.token))
        record = ResultRecord(state=TaskState.CANCELLED, error_message=s.reason, finished_ms=now_ms)
        return [self._finish(Finish(s.task_id, s.token, s.ttl_ms, record.encode()))]

    def _bury(self, s: Bury, now_ms: int) -> Command:
        keys, claim = self.keys, s.claim
        return (
            "EVALSHA", _BURY, 7, keys.claims(self.worker), keys.task, keys.attempts, keys.dead, keys.failure,
            keys.result(claim.task_id), keys.errors, claim.task_id, claim.token, now_ms, self.max_dead,
            _failure(s, now_ms, self.worker).encode_head(), s.ttl_ms, _dead(s, now_ms).encode(),
        )  # fmt: skip

    def _retries(self, settlements: Sequence[RetryAt]) -> list[Command]:
        keys = self.keys
        return [
            (
                "EVALSHA", _RETRY, 5, keys.claims(self.worker), keys.attempts, keys.due(queue),
                keys.bell(queue), keys.errors, HISTORY_TASKS, HISTORY_BYTES,
                *(f for s in rows for f in (s.task_id, s.token, s.due_ms, s.counts.record(), _past(s))),
            )
            for queue, group in _by(settlements, _queue) for rows in _batches(group, SETTLE_BATCH)
        ]  # fmt: skip

    def _parks(self, settlements: Sequence[Park]) -> list[Command]:
        keys = self.keys
        return [
            (
                "EVALSHA", _PARK, 3, keys.claims(self.worker), keys.attempts, keys.parked(name),
                *(f for s in rows for f in (s.task_id, s.token, s.counts.record())),
            )
            for name, group in _by(settlements, _name) for rows in _batches(group, SETTLE_BATCH)
        ]  # fmt: skip


def release(keys: Keys, worker: str, settlements: Sequence[Release]) -> list[Command]:
    """Return the calls that give a worker's tasks back to the head of their queue, in this order.

    Each call puts its tasks in front of those of the call before it, so the last tasks go first.
    """
    return [
        (
            "EVALSHA", _RELEASE, 4, keys.claims(worker), keys.attempts, keys.ready(queue), keys.bell(queue),
            *(f for s in rows for f in (s.task_id, s.token, s.counts.record())),
        )
        for queue, group in _by(settlements, _queue) for rows in reversed(list(_batches(group, SETTLE_BATCH)))
    ]  # fmt: skip


def lease(keys: Keys, node: str, end_ms: int, worker: str = "") -> Command:
    """Return the call that sets a node's lease and, for a worker, gives it the right to claim."""
    return ("EVALSHA", _LEASE, 2, keys.nodes, keys.workers(node), node, end_ms, worker)


def claimed(keys: Keys, workers: Sequence[str], limit: int) -> Command:
    """Return the call that counts what workers (at least one) hold, by token."""
    return ("EVALSHA", _CLAIMED, len(workers), *map(keys.claims, workers), limit)


def unpark(keys: Keys, name: str, queue: str, ids: Sequence[bytes]) -> Command:
    """Return the call that makes parked tasks ready."""
    return ("EVALSHA", _UNPARK, 3, keys.parked(name), keys.ready(queue), keys.bell(queue), *ids)


def prune(keys: Keys, max_count: int, oldest_ms: int, limit: int) -> Command:
    """Return the call that removes dead letters beyond a number, and those from before `oldest_ms`."""
    return ("EVALSHA", _PRUNE, 2, keys.dead, keys.failure, max_count, oldest_ms, limit)


def _past(s: RetryAt) -> bytes:
    return b"" if s.error is None else encode_past(s.error)


def _failure(s: Bury, now_ms: int, worker: str) -> FailureRecord:
    return FailureRecord(
        task_id=s.claim.task_id,
        envelope=s.claim.envelope,
        reason=s.reason,
        errors=tuple((e.type, e.message, e.traceback) for e in s.errors),
        attempts=s.attempts,
        failed_ms=now_ms,
        worker=worker,
    )


def _dead(s: Bury, now_ms: int) -> ResultRecord:
    error = s.errors[0]
    return ResultRecord(
        state=TaskState.DEAD,
        value=None,
        error_type=error.type,
        error_message=error.message,
        finished_ms=now_ms,
    )


def _queue(s: RetryAt | Release) -> str:
    return s.queue


def _name(s: Park) -> str:
    return s.name


def _by(rows: Sequence[T], key: Callable[[T], str]) -> Iterable[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups.items()


def _batches(rows: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (rows[i : i + size] for i in range(0, len(rows), size))
