"""What decides about a failure, as numbers."""

from __future__ import annotations

import pytest

from tqd.task.model import DEFAULTS, TaskOptions
from tqd.task.policy import options_of, policy
from tqd.task.verdict import RetryRules

CHOSEN = TaskOptions(
    max_retries=7, retry_delay_s=1.5, max_retry_delay_s=60.0, result_ttl_s=3600.0, deadline_s=2e9
)


def test_a_policy_is_retries_delays_the_results_time_and_the_deadline() -> None:
    assert policy(CHOSEN.over(DEFAULTS)) == [7, 1.5, 60.0, 3600.0, 2e9]
    assert policy(TaskOptions()) == [0, 0.0, 0.0, 0.0, 0.0]


def test_who_does_not_retry_a_timeout_is_not_retried_when_killed_for_one() -> None:
    assert policy(CHOSEN, RetryRules(give_up_on=(TimeoutError,))) == [0, 1.5, 60.0, 3600.0, 2e9]
    assert policy(CHOSEN, RetryRules(retry_on=(ValueError,)))[0] == 0
    assert policy(CHOSEN, RetryRules(retry_on=(OSError,)))[0] == 7, "a TimeoutError is an OSError"


def test_options_survive_the_way_there_and_back() -> None:
    assert options_of(policy(CHOSEN)) == CHOSEN
    assert type(options_of([7.0, 0, 0, 0, 0]).max_retries) is int


@pytest.mark.parametrize(
    "numbers", [[], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, "5"], [None] * 5, [True, 1, 1, 1, 1]]
)
def test_what_is_no_policy_is_refused(numbers: list[object]) -> None:
    with pytest.raises(ValueError, match="a policy is 5 numbers"):
        options_of(numbers)
