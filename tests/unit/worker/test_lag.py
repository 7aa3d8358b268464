"""What is said about a blocked loop, and how often."""

from __future__ import annotations

from collections import Counter

import pytest

from tqd.worker.lag import QUIET_S, WORTH_SAYING_S, LagReport, most, spoken


@pytest.mark.parametrize("lag_s", [0.0, -0.001, WORTH_SAYING_S])
def test_a_short_delay_is_not_worth_a_word(lag_s: float) -> None:
    report = LagReport()
    assert report.due(lag_s, 0.0) is None
    assert report.due(WORTH_SAYING_S + 0.001, 0.0) == 0, "and was not counted"


def test_the_first_long_delay_is_said_at_once() -> None:
    assert LagReport().due(0.6, 0.0) == 0


def test_after_a_warning_the_next_ones_are_counted_for_a_while() -> None:
    report = LagReport()
    report.due(0.6, 100.0)
    assert [report.due(0.6, 100.0 + s) for s in (0.3, 5.0, QUIET_S - 0.001)] == [None] * 3
    assert report.due(0.1, 100.0 + QUIET_S) is None
    assert report.due(0.6, 100.0 + QUIET_S) == 3
    assert report.due(0.6, 101.0 + QUIET_S) is None
    assert report.due(0.6, 100.0 + 2 * QUIET_S) == 1


def test_the_names_that_are_there_most_often_are_told() -> None:
    names = Counter({f"n{number}": number for number in range(1, 9)})
    assert most(names) == [("n8", 8), ("n7", 7), ("n6", 6), ("n5", 5), ("n4", 4)]
    assert spoken(names) == "n8 ×8, n7 ×7, n6 ×6, n5 ×5, n4 ×4, and 3 more"


def test_few_names_are_all_told() -> None:
    assert spoken(Counter(["b", "a", "b"])) == "b ×2, a ×1"
    assert spoken(Counter("abcde")) == "a ×1, b ×1, c ×1, d ×1, e ×1"
    assert (most(Counter()), spoken(Counter())) == ([], "")


def test_a_long_name_is_cut_and_one_that_is_no_text_is_made_one() -> None:
    assert most(Counter(["x" * 101])) == [("x" * 100, 1)]
    assert most(Counter(["\ud800a"])) == [("?a", 1)]
