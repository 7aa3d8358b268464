"""From a call to a task that can be stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tqd.app import Handler
from tqd.client.options import PLAIN, placement
from tqd.client.route import Route
from tqd.client.submission import new_task
from tqd.client.task_function import Call
from tqd.errors import RegistrationError, Unserialisable
from tqd.task.model import NO_OPTIONS, TaskOptions
from tqd.task.uniqueness import Uniqueness
from tqd.wire.envelope import decode_envelope
from tqd.wire.seal import Seal

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


def delay_s(*, known: bool, options: TaskOptions = NO_OPTIONS, **when: Any) -> float | None:
    handler = Handler("job", job, NO_OPTIONS) if known else None
    route = Route("job", handler, placement(options, **{"delay": None, "eta": None, "headers": None} | when))
    return decode_envelope(new_task(Call(route, (1,), {}), ID, 5000, 10_000).envelope).options.delay_s


def test_a_delay_travels_only_when_clocks_count_from_it_or_may() -> None:
    eta = datetime.fromtimestamp(12.5, UTC)
    assert delay_s(known=True, delay=2) is None
    assert delay_s(known=True, eta=eta) is None
    assert delay_s(known=True, options=TaskOptions(expires_s=60.0), delay=2) == 2.0
    assert delay_s(known=True, options=TaskOptions(deadline_s=60.0), eta=eta) == 7.5
    assert delay_s(known=False, delay=2) == 2.0
    assert delay_s(known=False) is None


def test_the_time_of_the_enqueue_has_to_be_exact_for_tasks_that_may_have_clocks() -> None:
    assert not call().route.clocked
    assert call(options=TaskOptions(expires_s=5.0)).route.clocked
    assert not call(options=TaskOptions(expires_s=0.0)).route.clocked
    assert Route("job", None, PLAIN).clocked


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


def test_what_is_signed_takes_no_waiting_tasks_place() -> None:
    seal = Seal([b"k" * 16])
    for replaces, fits in ((False, True), (True, False)):
        unique = Uniqueness(key="k", replace=replaces)
        signed = call(1, uniqueness=unique)
        if fits:
            assert new_task(signed, ID, 5000, 10_000, seal).unique is not None
        else:
            with pytest.raises(ValueError, match="signing keys"):
                new_task(signed, ID, 5000, 10_000, seal)
