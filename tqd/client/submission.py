"""From a call to a task that can be stored: pure, given a time and an id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tqd.client.task_function import Call
from tqd.store.calls import NewTask
from tqd.wire.envelope import encode_envelope
from tqd.wire.seal import Seal


def new_task(
    call: Call[Any], task_id: bytes, now_ms: int, max_bytes: int, seal: Seal | None = None
) -> NewTask:
    """Return the task that a call becomes.

    `now_ms` is Redis's clock as far as known; `seal` signs. TypeError and Unserialisable: the arguments
    cannot be called with, or cannot travel.
    """
    route = call.route
    args, kwargs = route.signature.encode(call.args, call.kwargs)
    options = route.options
    if route.eta_ms > now_ms and route.clocked:
        options = replace(options, delay_s=(route.eta_ms - now_ms) / 1000)
    envelope = encode_envelope(
        route.name, args, kwargs, route.queue, now_ms, options, route.headers, max_bytes
    )
    if seal is not None:
        envelope = seal.seal(task_id, envelope)
    return NewTask(task_id, route.queue, envelope, route.eta_ms, route.delay_ms)
