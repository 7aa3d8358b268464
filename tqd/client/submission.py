"""From a call to a task that can be stored: pure, given a time and an id."""

from __future__ import annotations

from typing import Any

from tqd.client.task_function import Call
from tqd.store.calls import NewTask
from tqd.task.uniqueness import UniqueKey, Uniqueness, UniqueScope
from tqd.wire.envelope import encode_envelope
from tqd.wire.fingerprint import fingerprint


def new_task(call: Call[Any], task_id: bytes, now_ms: int, max_bytes: int) -> NewTask:
    """Return the task that a call becomes.

    `now_ms` is Redis's clock as far as known. TypeError and Unserialisable: the arguments cannot
    be called with, or cannot travel.
    """
    route = call.route
    args, kwargs = route.signature.encode(call.args, call.kwargs)
    envelope = encode_envelope(
        route.name, args, kwargs, route.queue, now_ms, route.options, route.headers, max_bytes
    )
    unique = None if route.unique is None else _unique_key(call, route.unique)
    return NewTask(task_id, route.queue, envelope, route.eta_ms, route.delay_ms, unique)


def _unique_key(call: Call[Any], rules: Uniqueness) -> UniqueKey:
    route = call.route
    # A key that somebody gives is never one that is made of arguments.
    key = (
        f"={rules.key}"
        if rules.key is not True
        else f"#{fingerprint(route.signature, call.args, call.kwargs)}"
    )
    return UniqueKey(route.name, key, rules.scope or UniqueScope.UNTIL_DONE, rules.replace is True)
