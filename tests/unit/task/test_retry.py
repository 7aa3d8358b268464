"""When a failed task is tried again."""

from __future__ import annotations

import pytest

from tqd.task.retry import JITTER, retry_delay_s


@pytest.mark.parametrize(("failures", "delay_s"), [(0, 1.0), (1, 2.0), (5, 32.0), (9, 512.0), (10, 600.0)])
def test_the_delay_doubles_up_to_its_limit(failures: int, delay_s: float) -> None:
    assert retry_delay_s(failures, 1.0, 600.0, 0.0) == delay_s


def test_a_quarter_at_most_is_taken_off() -> None:
    assert retry_delay_s(3, 1.0, 600.0, 1.0) == 8.0 * (1 - JITTER)


def test_any_number_of_failures_has_a_delay() -> None:
    assert retry_delay_s(10**9, 1.0, 600.0, 0.0) == 600.0


def test_a_base_beyond_the_limit_is_the_limit() -> None:
    assert retry_delay_s(0, 60.0, 10.0, 0.0) == 10.0


def test_a_stretched_delay_may_pass_its_limit() -> None:
    assert retry_delay_s(10, 1.0, 600.0, 0.0, stretch=10.0) == 6000.0


def test_no_delay_is_stretched_as_one_second_and_keeps_its_jitter() -> None:
    assert retry_delay_s(0, 0.0, 600.0, 0.0, stretch=4.0) == 4.0
    assert retry_delay_s(0, 0.0, 600.0, 1.0, stretch=4.0) == 4.0 * (1 - JITTER)
