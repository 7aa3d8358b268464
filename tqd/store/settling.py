"""The calls that settle claims, as values: what a batch of settlements is to Redis.

Pure: no connection, no time. The worker and the keeper send the same commands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from tqd.store.calls import MAX_BATCH, Command
from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.task.model import TaskState
from tqd.task.settle import (
    Bury,
    Complete,
    Completes,
    Dismiss,
    Expire,
    Finish,
    Park,
    Release,
    RetryAt,
    Settlement,
)
from tqd.wire.history import HISTORY_BYTES, HISTORY_TASKS, encode_past
from tqd.wire.records import FailureRecord, ResultRecord

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

SETTLE_BATCH = 500

_COMPLETE = sha("complete")
_FINISH = sha("finish")
_RETRY = sha("retry")
_RELEASE = sha("release")
_PARK = sha("park")
_BURY = sha("bury")


class Settler:
    """Who settles: whose claims they are, and how many dead letters are kept."""

    __slots__ = ("_complete", "keys", "max_dead", "worker")

    def __init__(self, keys: Keys, worker: str, max_dead: int) -> None:
        self.keys = keys
        self.worker = worker
        self.max_dead = max_dead
        self._complete: Command = (
            "EVALSHA", _COMPLETE, 7, keys.claims(worker), keys.task, keys.attempts, keys.errors, keys.unique,
            keys.keyed, keys.cancels,
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
                    commands += self._ended_without(s, TaskState.CANCELLED, now_ms)
                case Expire():
                    commands += self._ended_without(s, TaskState.EXPIRED, now_ms)
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
            "EVALSHA", _FINISH, 8, keys.claims(self.worker), keys.task, keys.attempts, keys.result(s.task_id),
            keys.errors, keys.unique, keys.keyed, keys.cancels, s.task_id, s.token, s.ttl_ms, s.result,
        )  # fmt: skip

    def _ended_without(self, s: Dismiss | Expire, state: TaskState, now_ms: int) -> list[Command]:
        # To Redis its end is that of a task that is done: with a result record if somebody asked for one.
        if not s.ttl_ms:
            return self._completes((s.task_id, s.token))
        record = ResultRecord(state=state, error_message=s.reason, finished_ms=now_ms)
        return [self._finish(Finish(s.task_id, s.token, s.ttl_ms, record.encode()))]

    def _bury(self, s: Bury, now_ms: int) -> Command:
        keys, claim = self.keys, s.claim
        return (
            "EVALSHA", _BURY, 10, keys.claims(self.worker), keys.task, keys.attempts, keys.dead, keys.failure,
            keys.result(claim.task_id), keys.errors, keys.unique, keys.keyed, keys.cancels,
            claim.task_id, claim.token, now_ms, self.max_dead,
            _failure(s, now_ms, self.worker).encode_head(), s.ttl_ms, _dead(s, now_ms).encode(),
        )  # fmt: skip

    def _retries(self, settlements: Sequence[RetryAt]) -> list[Command]:
        keys = self.keys
        return [
            (
                "EVALSHA", _RETRY, 6, keys.claims(self.worker), keys.attempts, keys.due(queue),
                keys.bell(queue), keys.errors, keys.cancels, HISTORY_TASKS, HISTORY_BYTES,
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

    A suspect goes to the suspects of its queue, whoever gives it back: what it has cost is on its record,
    and nobody but the probe may take it. Each call puts its tasks in front of those of the call before it,
    so the last tasks go first.
    """
    return [
        (
            "EVALSHA", _RELEASE, 4, keys.claims(worker), keys.attempts, *_home(keys, queue, suspect),
            *(f for s in rows for f in (s.task_id, s.token, s.counts.record())),
        )
        for (queue, suspect), group in _by(settlements, _kept_as)
        for rows in reversed(list(_batches(group, SETTLE_BATCH)))
    ]  # fmt: skip


def _home(keys: Keys, queue: str, suspect: bool) -> tuple[str, str]:
    if suspect:
        return keys.suspect(queue), keys.suspect_bell
    return keys.ready(queue), keys.bell(queue)


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


def _queue(s: RetryAt) -> str:
    return s.queue


def _kept_as(s: Release) -> tuple[str, bool]:
    return s.queue, s.counts.suspect


def _name(s: Park) -> str:
    return s.name


def _by(rows: Sequence[T], key: Callable[[T], K]) -> Iterable[tuple[K, list[T]]]:
    groups: dict[K, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups.items()


def _batches(rows: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (rows[i : i + size] for i in range(0, len(rows), size))
