"""From a call to a task that can be stored."""

from __future__ import annotations

from typing import Any

import pytest

from tqd.app import Handler
from tqd.client.options import PLAIN, placement
from tqd.client.route import Route
from tqd.client.submission import new_task
from tqd.client.task_function import Call
from tqd.errors import RegistrationError, Unserialisable
from tqd.task.model import NO_OPTIONS, TaskOptions
from tqd.wire.envelope import decode_envelope

ID = bytes(16)


def job(number: int) -> None: ...


def call(
    *args: Any, declared: str | None = None, options: TaskOptions = NO_OPTIONS, **when: Any
) -> Call[Any]:
    handler = Handler("job", job, TaskOptions(queue=declared))
    given = {"delay": None, "eta": None, "headers": None} | when
    return Call(Route("job", handler, placement(options, **given)), args, {})


def test_its_envelope_holds_the_call() -> None:
    envelope = decode_envelope(new_task(call(1), ID, 5000, 10_000).envelope)
    assert (envelope.name, envelope.args, envelope.enqueued_ms, envelope.queue) == (
        "job", [1], 5000, "default",
    )  # fmt: skip


def test_the_calls_queue_wins_over_the_declared_over_the_default() -> None:
    assert call(declared="a", options=TaskOptions(queue="b")).route.queue == "b"
    assert call(declared="a").route.queue == "a"
    assert call().route.queue == Route("job", None, PLAIN).queue == "default"


def test_whether_a_result_will_come_is_known_but_for_tasks_declared_elsewhere() -> None:
    assert not call().route.keeps_result
    assert call(options=TaskOptions(result_ttl_s=5.0)).route.keeps_result
    assert not Route("job", None, placement(TaskOptions(result_ttl_s=0.0), None, None, None)).keeps_result
    assert Route("job", None, PLAIN).keeps_result


def test_a_delay_is_dated_later_by_whoever_knows_the_time() -> None:
    task = new_task(call(1, delay=2), ID, 5000, 10_000)
    assert (task.due_ms, task.delay_ms) == (0, 2000)


def test_a_call_that_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError):
        new_task(call(1, 2), ID, 5000, 10_000)
    with pytest.raises(Unserialisable):
        new_task(call(object()), ID, 5000, 10_000)
    with pytest.raises(Unserialisable):
        new_task(call("x" * 100), ID, 5000, 50)


def test_a_task_without_a_name_is_refused() -> None:
    with pytest.raises(RegistrationError, match="without a name"):
        Route("", None, PLAIN)
