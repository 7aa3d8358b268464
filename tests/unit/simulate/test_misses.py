"""Seconds in which the goal was missed are counted once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tqd.simulate.misses import Misses


def test_spans_that_overlap_are_one() -> None:
    misses = Misses()
    for start_s, end_s in ((0, 5), (4, 6), (8, 9), (1, 9), (20, 21)):
        misses.add(start_s, end_s)
    assert (misses.total_s, misses.late) == (10, 5)


def test_what_was_settled_still_counts() -> None:
    misses = Misses()
    misses.add(0, 5)
    misses.settle()
    misses.settle()
    misses.add(7, 8)
    assert misses.total_s == 6


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30))))
def test_it_is_the_size_of_the_union(spans: list[tuple[int, int]]) -> None:
    misses = Misses()
    seconds: set[int] = set()
    for start, length in sorted(spans, key=sum):
        misses.add(start, start + length)
        seconds.update(range(start, start + length))
    assert misses.total_s == len(seconds)
