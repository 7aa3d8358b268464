"""From a call to a task that can be stored: pure, given a time and an id."""

from __future__ import annotations

from typing import Any

from tqd.client.task_function import Call
from tqd.errors import RegistrationError
from tqd.store.calls import NewTask
from tqd.task.identity import task_id
from tqd.task.model import queues
from tqd.wire.envelope import encode_envelope
from tqd.wire.signature import UNTYPED


def queue_of(call: Call[Any]) -> str:
    """Return the queue that a call goes to: this enqueue's, the declaration's, or the default."""
    declared = call.handler.options.queue if call.handler is not None else None
    return call.placement.options.queue or declared or queues.DEFAULT


def keeps_result(call: Call[Any]) -> bool:
    """Return whether there will be a result to wait for, as far as this process knows.

    The declaration of a task that is enqueued by name is elsewhere: it may keep one.
    """
    asked_s = call.placement.options.result_ttl_s
    if asked_s is None:
        if call.handler is None:
            return True
        asked_s = call.handler.options.result_ttl_s
    return bool(asked_s)


def new_task(call: Call[Any], noise: bytes, now_ms: int, shard: int, max_bytes: int) -> NewTask:
    """Return the task that a call becomes.

    `now_ms` is Redis's clock as far as known. TypeError and Unserialisable: the arguments cannot
    be called with, or cannot travel. RegistrationError: the task has no name.
    """
    if not call.name:
        raise RegistrationError("a task without a name: no worker could know it; give its name there")
    placement = call.placement
    signature = UNTYPED if call.handler is None else call.handler.signature
    args, kwargs = signature.encode(call.args, call.kwargs)
    queue = queue_of(call)
    envelope = encode_envelope(
        call.name, args, kwargs, queue, now_ms, placement.options, placement.headers, max_bytes
    )
    return NewTask(task_id(now_ms, shard, noise), queue, envelope, placement.eta_ms, placement.delay_ms)
