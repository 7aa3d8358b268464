"""Delays between attempts, for all numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tqd.task.retry import JITTER, retry_delay_s

DELAYS_S = st.floats(0.0, 1e9)
CHANCES = st.floats(0.0, 1.0, exclude_max=True)


@given(st.integers(0, 10_000), DELAYS_S, DELAYS_S, CHANCES)
def test_a_delay_is_between_three_quarters_and_all_of_what_it_is_without_chance(
    failures: int, base_s: float, max_s: float, chance: float
) -> None:
    full = retry_delay_s(failures, base_s, max_s, 0.0)
    assert full * (1 - JITTER) <= retry_delay_s(failures, base_s, max_s, chance) <= full <= max_s


@given(st.integers(0, 10_000), DELAYS_S, DELAYS_S)
def test_a_later_failure_never_waits_less(failures: int, base_s: float, max_s: float) -> None:
    assert retry_delay_s(failures, base_s, max_s, 0.0) <= retry_delay_s(failures + 1, base_s, max_s, 0.0)
