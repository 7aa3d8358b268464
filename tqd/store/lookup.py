"""Where a task is now, as a conversation: a generator that yields commands and is sent replies.

It does no I/O, so that the async and the sync client share it. The answer is a moment's picture, put
together from up to three exchanges, and not a lock.
"""

from __future__ import annotations

from collections.abc import Generator

from tqd.errors import WireError
from tqd.store.calls import Command
from tqd.store.connection import Replies
from tqd.store.keys import Keys, texts
from tqd.task.model import TaskState
from tqd.wire.envelope import decode_envelope
from tqd.wire.records import RESULT_HEAD_BYTES, ended_as

Conversation = Generator[list[Command], Replies, TaskState | None]

PARKED_DEPTH = 1000
"""How many parked tasks of a name, and suspects of a queue, are looked through."""


def state_of(keys: Keys, identity: bytes) -> Conversation:
    """Find the state of a task; None when there is no trace of it.

    No trace: it was done and kept no result, the result's time is over, or it never existed.
    """
    envelope, dead, result, nodes = yield [
        ("HGET", keys.task, identity),
        ("ZSCORE", keys.dead, identity),
        ("GETRANGE", keys.result(identity), 0, RESULT_HEAD_BYTES - 1),
        ("ZRANGE", keys.nodes, 0, -1),
    ]
    if envelope is None:
        if dead is not None:
            return TaskState.DEAD
        return ended_as(result) if result else None
    try:
        task = decode_envelope(envelope)
    except WireError:
        name, queue = "", ""
    else:
        name, queue = task.name, task.queue
    due, parked, suspect, *crews = yield [
        ("ZSCORE", keys.due(queue), identity),
        ("LPOS", keys.parked(name), identity, "MAXLEN", PARKED_DEPTH),
        ("LPOS", keys.suspect(queue), identity, "MAXLEN", PARKED_DEPTH),
        *(("SMEMBERS", keys.workers(node)) for node in texts(nodes)),
    ]
    if due is not None:
        return TaskState.SCHEDULED
    if parked is not None:
        return TaskState.PARKED
    if suspect is not None:
        return TaskState.SUSPECT
    workers = [worker for crew in crews for worker in texts(crew)]
    held = yield [("HEXISTS", keys.claims(worker), identity) for worker in workers]
    return TaskState.CLAIMED if any(held) else TaskState.READY
