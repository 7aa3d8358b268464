"""From a call to a task that can be stored."""

from __future__ import annotations

from typing import Any

import pytest

from tqd.app import Handler
from tqd.client.options import PLAIN, placement
from tqd.client.submission import new_task, queue_of
from tqd.client.task_function import Call
from tqd.errors import RegistrationError, Unserialisable
from tqd.task.identity import created_ms, shard_of
from tqd.task.model import NO_OPTIONS, TaskOptions
from tqd.wire.envelope import decode_envelope

NOISE = b"noisyyyy"


def job(number: int) -> None: ...


def call(
    *args: Any, declared: str | None = None, options: TaskOptions = NO_OPTIONS, **when: Any
) -> Call[Any]:
    handler = Handler("job", job, TaskOptions(queue=declared))
    given = {"delay": None, "eta": None, "headers": None} | when
    return Call("job", handler, placement(options, **given), args, {})


def test_a_task_has_an_id_of_its_time_and_shard() -> None:
    task = new_task(call(1), NOISE, 5000, 3, 10_000)
    assert (created_ms(task.task_id), shard_of(task.task_id), task.task_id[8:]) == (5000, 3, NOISE)


def test_its_envelope_holds_the_call() -> None:
    envelope = decode_envelope(new_task(call(1), NOISE, 5000, 0, 10_000).envelope)
    assert (envelope.name, envelope.args, envelope.enqueued_ms, envelope.queue) == (
        "job", [1], 5000, "default",
    )  # fmt: skip


def test_the_calls_queue_wins_over_the_declared_over_the_default() -> None:
    assert queue_of(call(declared="a", options=TaskOptions(queue="b"))) == "b"
    assert queue_of(call(declared="a")) == "a"
    assert queue_of(call()) == queue_of(Call("job", None, PLAIN, (), {})) == "default"


def test_a_delay_is_dated_later_by_whoever_knows_the_time() -> None:
    task = new_task(call(1, delay=2), NOISE, 5000, 0, 10_000)
    assert (task.due_ms, task.delay_ms) == (0, 2000)


def test_a_call_that_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError):
        new_task(call(1, 2), NOISE, 5000, 0, 10_000)
    with pytest.raises(Unserialisable):
        new_task(call(object()), NOISE, 5000, 0, 10_000)
    with pytest.raises(Unserialisable):
        new_task(call("x" * 100), NOISE, 5000, 0, 50)


def test_a_task_without_a_name_is_refused() -> None:
    with pytest.raises(RegistrationError, match="without a name"):
        new_task(Call("", None, PLAIN, (), {}), NOISE, 5000, 0, 10_000)
