"""The plan: every number once, in the order of enqueuing, and a call for every kind."""

from __future__ import annotations

import pytest

from tqd.cli.demo_plan import FEED_S, MOST_FAILURES, Kind, call, plan
from tqd.cli.demo_tasks import flaky
from tqd.task.model import queues


@pytest.mark.parametrize("fast", [0, 1, 2000])
def test_the_numbers_are_those_from_zero_up_in_the_order_of_time(fast: int) -> None:
    works = plan(fast)
    assert [work.number for work in works] == list(range(len(works)))
    assert [work.at_s for work in works] == sorted(work.at_s for work in works)
    assert all(0 <= work.at_s <= FEED_S for work in works)
    assert sum(work.kind is Kind.FAST for work in works) == fast


def test_the_burst_enqueues_the_least_urgent_first() -> None:
    burst = [work.queue for work in plan(0) if work.kind is Kind.RANKED]
    assert list(dict.fromkeys(burst)) == [queues.LOW_PRIORITY, queues.DEFAULT, queues.HIGH_PRIORITY]


def test_every_kind_can_be_enqueued_and_says_its_number() -> None:
    works = {work.kind: work for work in plan(5)}
    assert set(works) == set(Kind)
    for work in works.values():
        assert call(work).args[0] == work.number
    assert call(works[Kind.DELAYED]).route.delay_ms == round(works[Kind.DELAYED].delay_s * 1000) > 0
    assert call(works[Kind.RANKED]).route.queue == works[Kind.RANKED].queue


def test_a_failing_task_may_be_retried_more_often_than_it_fails() -> None:
    assert (flaky.handler.options.max_retries or 0) >= MOST_FAILURES
