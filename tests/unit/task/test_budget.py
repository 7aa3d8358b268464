"""The retry budget of a name."""

from __future__ import annotations

import pytest

from tqd.task.budget import (
    FEWEST_FAILURES,
    LONGEST_STRETCH,
    WINDOW_S,
    RetryBudget,
    failed_again,
    failed_share,
    stretch,
)


def after(failures: int, done: int, now: float = 100.0, budget: RetryBudget | None = None) -> RetryBudget:
    """Return the budget after so many failures in one moment; before the second, `done` ended well."""
    budget = failed_again(budget, now, 0)
    for _ in range(failures - 1):
        budget = failed_again(budget, now, done)
    return budget


def test_a_few_failures_are_no_storm() -> None:
    assert stretch(after(FEWEST_FAILURES - 1, 0), 0) == 1.0


def test_when_all_fail_the_delays_are_stretched_most() -> None:
    assert stretch(after(FEWEST_FAILURES, 0), 0) == LONGEST_STRETCH


def test_as_many_that_end_well_keep_the_budget() -> None:
    assert failed_share(after(40, 40), 40) == 0.5
    assert stretch(after(40, 40), 40) == 1.0


def test_the_stretch_grows_with_the_share() -> None:
    stretches = [stretch(after(60, done), done) for done in (60, 40, 20, 0)]
    assert stretches == sorted(stretches)
    assert stretches[1] == pytest.approx(1 + 9 * (0.6 - 0.5) / 0.5)


def test_what_failed_in_the_window_before_counts() -> None:
    budget = failed_again(after(40, 0), 100.0 + WINDOW_S, 5)
    assert (budget.failed, budget.earlier_failed, budget.earlier_done) == (1, 40, 5)
    assert failed_share(budget, 5) == 41 / 46
    assert stretch(budget, 5) > 1.0


def test_a_quiet_time_makes_the_budget_new() -> None:
    budget = failed_again(after(100, 0), 100.0 + 2 * WINDOW_S, 5)
    assert stretch(budget, 5) == 1.0
    assert failed_share(budget, 5) == 1.0


def test_a_name_that_recovers_is_slowed_no_longer() -> None:
    budget, done, now = after(100, 0), 0, 100.0
    while stretch(budget, done) > 1.0:
        now += 10.0
        done += 20
        budget = failed_again(budget, now, done)
        assert now < 100.0 + 3 * WINDOW_S
    assert stretch(failed_again(budget, now + 1.0, done), done) == 1.0
