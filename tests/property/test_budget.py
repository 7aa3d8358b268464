"""The retry budget, for all histories of a name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tqd.task.budget import FEWEST_FAILURES, LONGEST_STRETCH, RetryBudget, failed_again, failed_share, stretch

STEPS = st.lists(st.tuples(st.floats(0.0, 200.0), st.integers(0, 50)), min_size=1, max_size=200)


@given(STEPS)
def test_a_stretch_is_always_between_one_and_ten(steps: list[tuple[float, int]]) -> None:
    budget: RetryBudget | None = None
    now, done = 0.0, 0
    for passed_s, ended_well in steps:
        now, done = now + passed_s, done + ended_well
        budget = failed_again(budget, now, done)
        assert 0.0 < failed_share(budget, done) <= 1.0
        assert 1.0 <= stretch(budget, done) <= LONGEST_STRETCH


@given(st.integers(1, 200), st.integers(1, 10))
def test_a_name_of_which_half_end_well_is_never_slowed(failures: int, well: int) -> None:
    budget, done = failed_again(None, 0.0, 0), 0
    for _ in range(failures):
        done += well
        budget = failed_again(budget, 0.0, done)
        if failures >= FEWEST_FAILURES and done > budget.failed:
            assert stretch(budget, done) == 1.0
