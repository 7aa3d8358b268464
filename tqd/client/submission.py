"""From a call to a task that can be stored: pure, given a time and an id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tqd.client.task_function import Call
from tqd.store.calls import NewTask
from tqd.task.uniqueness import UniqueKey, UniqueScope
from tqd.wire.envelope import encode_envelope
from tqd.wire.fingerprint import fingerprint
from tqd.wire.seal import Seal


def new_task(
    call: Call[Any], task_id: bytes, now_ms: int, max_bytes: int, seal: Seal | None = None
) -> NewTask:
    """Return the task that a call becomes.

    `now_ms` is Redis's clock as far as known; `seal` signs. TypeError and Unserialisable: the arguments
    cannot be called with, or cannot travel. ValueError: signed, and to take the place of another.
    """
    route = call.route
    args, kwargs = route.signature.encode(call.args, call.kwargs)
    options = route.options
    if route.eta_ms > now_ms:
        options = replace(options, delay_s=(route.eta_ms - now_ms) / 1000)
    limit_key = limit_key_of(call) if route.limited else ""
    envelope = encode_envelope(
        route.name, args, kwargs, route.queue, now_ms, options, route.headers, max_bytes, limit_key
    )
    unique = unique_key(call)
    if seal is not None:
        if unique is not None and unique.replace:
            # The signature covers the id, and what is replaced keeps its own.
            raise ValueError(
                f'task "{route.name}": unique_replace does not go together with signing keys, as the newest '
                "call's signature would not fit the waiting task's id; leave unique_replace out"
            )
        envelope = seal.seal(task_id, envelope)
    return NewTask(task_id, route.queue, envelope, route.eta_ms, route.delay_ms, unique)


def limit_key_of(call: Call[Any]) -> str:
    """Return the limit key of a call, "" when it has none; TypeError when its argument can be none."""
    route = call.route
    if route.limit_key or route.limit_by is None:
        return route.limit_key
    return route.limit_by.key(route.signature.by_name(call.args, call.kwargs))


def unique_key(call: Call[Any]) -> UniqueKey | None:
    """Return the key of a call; None when it is not unique."""
    route, rules = call.route, call.route.unique
    if rules is None:
        return None
    # A key that somebody gives is never one that is made of arguments.
    key = (
        f"={rules.key}"
        if rules.key is not True
        else f"#{fingerprint(route.signature, call.args, call.kwargs)}"
    )
    return UniqueKey(route.name, key, rules.scope or UniqueScope.UNTIL_DONE, rules.replace is True)
