"""Declaring tasks: names, options, and what a declared task still is."""

from __future__ import annotations

import functools
import inspect
from datetime import timedelta
from typing import Any

import pytest

from tqd import RegistrationError, Task, TaskQueue
from tqd.client.task_class import OWNERS, UNCLAIMED


@pytest.fixture
def tq() -> TaskQueue:
    return TaskQueue()


def plain(number: int, *, flag: bool = False) -> int:
    """Doubles."""
    return 2 * number


async def coroutine(number: int) -> int:
    return number


def test_a_task_is_named_by_its_module_and_function(tq: TaskQueue) -> None:
    assert tq.task(plain).name == f"{plain.__module__}.plain"

    @tq.task
    def inner() -> None: ...

    assert "<locals>" not in inner.name and inner.name.endswith(".inner")


def test_options_are_taken_with_and_without_a_name(tq: TaskQueue) -> None:
    task = tq.task(name="mail", queue="q", max_retries=1, timeout=timedelta(seconds=3))(plain)
    handler = tq.registry.get("mail")
    assert task.name == "mail" and handler is task.handler
    assert (handler.options.queue, handler.options.max_retries, handler.options.timeout_s) == ("q", 1, 3.0)
    assert handler.options.retry_delay_s == 1.0, "the rest are the defaults"


def test_both_ways_of_decorating_give_the_same(tq: TaskQueue) -> None:
    assert tq.task(plain).name == tq.task()(plain).name


def test_a_declared_task_looks_like_its_function(tq: TaskQueue) -> None:
    task = tq.task(plain)
    assert (task.__name__, task.__doc__, task.__wrapped__) == ("plain", "Doubles.", plain)
    assert inspect.signature(task) == inspect.signature(plain)
    assert task(4, flag=True) == 8
    assert repr(task) == f"<task function {task.name}>"


def test_async_and_plain_functions_are_told_apart(tq: TaskQueue) -> None:
    assert tq.task(coroutine).handler.asynchronous
    assert not tq.task(plain).handler.asynchronous
    assert tq.task(name="p")(functools.partial(coroutine, 1)).handler.asynchronous


def test_a_wrong_option_is_refused_where_it_is_written(tq: TaskQueue) -> None:
    with pytest.raises(RegistrationError, match="max_retries"):
        tq.task(max_retries=-1)
    with pytest.raises(RegistrationError, match="is no function"):
        tq.task("mail")  # type: ignore[call-overload]
    with pytest.raises(RegistrationError, match=r"^delay is -1"):
        tq.named("x").using(delay=-1)


def test_a_name_means_one_function(tq: TaskQueue) -> None:
    tq.task(name="job")(plain)
    with pytest.raises(RegistrationError, match=r'two tasks are named "job": .*plain and .*coroutine'):
        tq.task(name="job")(coroutine)


def test_nothing_is_connected_by_declaring_or_making_calls(tq: TaskQueue) -> None:
    call = tq.task(plain).using(queue="q", delay=5).call(1, flag=True)
    assert (call.args, call.kwargs, call.route.delay_ms) == ((1,), {"flag": True}, 5000)
    tq.close()


def test_using_changes_nothing_of_the_task(tq: TaskQueue) -> None:
    task = tq.task(plain)
    task.using(queue="q")
    assert task.call(1).route.queue == "default"


def test_a_class_task_registers_itself_once(tq: TaskQueue) -> None:
    def declare() -> Any:
        class Job(Task):
            number: int

            def execute(self) -> int:
                return self.number

        return Job

    before = len(UNCLAIMED)
    declare()
    again = declare()
    assert len(UNCLAIMED) == before + 1, "the same definition executed again replaces the older one"
    tq.adopt_class_tasks()
    handler = tq.registry.get(again.__handler__.name)
    assert handler is again.__handler__
    UNCLAIMED.remove(again)


def test_a_queue_that_is_gone_owns_nothing() -> None:
    TaskQueue()
    alive = TaskQueue()
    assert alive in [reference() for reference in OWNERS]
