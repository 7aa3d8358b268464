"""Cancelling tasks as a conversation: each ends at once when it waits, and is marked when it does not.

No I/O of its own. Every call may be repeated; a batch is not one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tqd.errors import WireError
from tqd.store.calls import REACH, Command
from tqd.store.connection import redis_ms
from tqd.store.keys import Keys
from tqd.store.scripts import sha
from tqd.store.talk import Talk
from tqd.task.cancelling import KEPT_S, CancelAnswer, CancelMark, spoken
from tqd.task.model import TaskState
from tqd.wire.dead_letter import MOST_BYTES
from tqd.wire.envelope import Envelope, decode_envelope
from tqd.wire.records import ResultRecord

BATCH = 100

_CANCEL = sha("cancel")

ResultTtl = Callable[[Envelope], float]
"""For how long a task keeps its result, in s, as far as the caller knows."""


def cancel(
    keys: Keys, identities: Sequence[bytes], reason: str, result_ttl_s: ResultTtl
) -> Talk[list[CancelAnswer]]:
    """Cancel tasks; returns what became of each, in order."""
    answers: list[CancelAnswer] = []
    for first in range(0, len(identities), BATCH):
        batch = identities[first : first + BATCH]
        time, envelopes = yield [("TIME",), ("HMGET", keys.task, *batch)]
        mark = CancelMark(asked_ms=int(redis_ms(time)), reason=reason)
        tasks = [_read(envelope) for envelope in envelopes]
        replies = yield [
            cancel_call(keys, one, task, mark, result_ttl_s(task) if task else 0.0)
            for one, task in zip(batch, tasks, strict=True)
        ]
        answers += [CancelAnswer(reply.decode()) for reply in replies]
    return answers


def cancel_call(
    keys: Keys, identity: bytes, task: Envelope | None, mark: CancelMark, result_ttl_s: float = 0.0
) -> Command:
    """Return the call that cancels one task; None: its envelope cannot be read, so it can only be marked."""
    name, queue = (task.name, task.queue) if task else ("", "")
    record = ResultRecord(
        state=TaskState.CANCELLED, error_message=spoken(mark), finished_ms=mark.asked_ms
    ).encode()
    lists = [keys.ready(queue), keys.parked(name), keys.suspect(queue)]
    if task and task.limit_key:
        lists.append(keys.held(queue, task.limit_key))
    return (
        "EVALSHA", _CANCEL, 9 + len(lists), keys.task, keys.attempts, keys.errors, keys.dead, keys.unique,
        keys.keyed, keys.cancels, keys.due(queue), keys.result(identity), *lists, identity, REACH,
        mark.encode(), round(max(KEPT_S, result_ttl_s) * 1000), record,
    )  # fmt: skip


def _read(envelope: bytes | None) -> Envelope | None:
    try:
        return decode_envelope(envelope, MOST_BYTES) if envelope is not None else None
    except WireError:
        return None
