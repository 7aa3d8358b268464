"""Which calls still fit when a full queue has refused them together."""

from __future__ import annotations

from tqd.client.admission import still_fitting
from tqd.errors import QueueFull, StoreFull, TqdError
from tqd.store.calls import NewTask


def call(*numbers: int, queue: str = "mail") -> list[NewTask]:
    return [NewTask(bytes([number]), queue, b"") for number in numbers]


def fitting(calls: list[list[NewTask]], error: TqdError, queue: str = "mail") -> list[int]:
    refused = {task.task_id: error for tasks in calls for task in tasks if task.queue == queue}
    return [task.task_id[0] for task in still_fitting(calls, refused)]  # type: ignore[arg-type]


def full(room: int) -> QueueFull:
    return QueueFull("mail", 10 - room, 10, None)


def test_the_first_calls_fit_as_far_as_there_is_room() -> None:
    assert fitting([call(1), call(2), call(3)], full(2)) == [1, 2]
    assert fitting([call(1), call(2)], full(0)) == []


def test_a_call_fits_whole_or_not_and_a_smaller_one_behind_it_may() -> None:
    assert fitting([call(1, 2), call(3, 4), call(5)], full(3)) == [1, 2, 5]


def test_a_call_that_was_refused_alone_is_not_tried_again() -> None:
    assert fitting([call(1)], full(5)) == []


def test_other_queues_and_other_refusals_are_left_alone() -> None:
    assert fitting([call(1), call(2, queue="push")], full(5)) == [1]
    assert fitting([call(1), call(2)], StoreFull("full")) == []


def test_a_queue_with_more_than_it_may_hold_has_no_room() -> None:
    assert fitting([call(1), call(2)], QueueFull("mail", 50, 10, None)) == []
