"""From a call to a task that can be stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tqd.app import Handler
from tqd.client.options import PLAIN, key_parameter, placement
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


def test_a_delay_travels_as_clocks_and_the_wait_count_from_its_end() -> None:
    eta = datetime.fromtimestamp(12.5, UTC)
    assert delay_s(known=True, delay=2) == 2.0
    assert delay_s(known=True, eta=eta) == 7.5
    assert delay_s(known=True, eta=datetime.fromtimestamp(4.5, UTC)) is None
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


# -- limit keys ----------------------------------------------------------------------------------


def bill(customer: str | None, amount: int = 5, region: str = "eu") -> None: ...


def limited(by: str | None, *args: Any, key: str | None = None, **kwargs: Any) -> str:
    handler = Handler("bill", bill, NO_OPTIONS, limit_by=key_parameter(bill, by))
    route = Route("bill", handler, placement(NO_OPTIONS, None, None, None, limit_key=key))
    return decode_envelope(new_task(Call(route, args, kwargs), ID, 1, 10_000).envelope).limit_key


def test_the_limit_key_is_an_argument_or_its_default_or_what_the_call_says() -> None:
    assert limited("customer", "acme") == limited("customer", customer="acme") == "acme"
    assert limited("region", "acme") == "eu"
    assert limited("amount", "acme", 7) == "7"
    assert limited("customer", "acme", key="other") == limited(None, "acme", key="other") == "other"
    assert limited("customer", None) == limited(None, "acme") == ""


def test_an_argument_that_can_be_no_key_is_refused_with_its_name() -> None:
    def job(tags: list[str]) -> None: ...

    handler = Handler("job", job, NO_OPTIONS, limit_by=key_parameter(job, "tags"))
    with pytest.raises(TypeError, match="limit_by tags: a list is no limit key"):
        new_task(Call(Route("job", handler, PLAIN), (["a"],), {}), ID, 1, 10_000)


def test_limits_by_a_parameter_that_is_not_there_are_refused_where_they_are_written() -> None:
    def star(*args: int, **kwargs: int) -> None: ...

    for function, name in ((bill, "client"), (bill, ""), (bill, 5), (star, "args"), (star, "kwargs")):
        with pytest.raises(RegistrationError, match="the name of a parameter of the task, one of"):
            key_parameter(function, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", "x" * 201, 5, "\ud800"])
def test_a_limit_key_that_is_none_is_refused_where_it_is_written(key: Any) -> None:
    with pytest.raises(RegistrationError, match=r"limit_key is .*: it is a text of 1 to 200 characters"):
        placement(NO_OPTIONS, None, None, None, limit_key=key)
