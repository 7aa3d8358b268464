"""Options and their levels."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

from tqd.task.model import DEFAULT_QUEUES, DEFAULTS, NO_OPTIONS, TaskOptions, seconds


def test_gaps_are_filled_from_the_level_below() -> None:
    options = TaskOptions(timeout_s=5.0).over(TaskOptions(timeout_s=9.0, max_retries=1))
    assert options == TaskOptions(timeout_s=5.0, max_retries=1)


def test_nothing_and_no_are_two_things() -> None:
    options = TaskOptions(max_retries=0, timeout_s=0.0, queue="q").over(DEFAULTS)
    assert (options.max_retries, options.timeout_s, options.queue) == (0, 0.0, "q")


def test_the_lowest_level_has_no_gaps() -> None:
    complete = NO_OPTIONS.over(DEFAULTS)
    assert complete == DEFAULTS
    assert all(getattr(complete, field.name) is not None for field in fields(complete))


def test_high_priority_is_served_before_default_before_low_priority() -> None:
    assert DEFAULT_QUEUES == ("high_priority", "default", "low_priority")


def test_a_duration_is_seconds_or_a_timedelta() -> None:
    assert seconds(5) == seconds(5.0) == seconds(timedelta(seconds=5)) == 5.0
