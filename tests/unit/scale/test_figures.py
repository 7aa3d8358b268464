"""Figures in a sentence."""

from __future__ import annotations

import pytest

from tqd.scale.figures import apart, percent, short


@pytest.mark.parametrize(
    ("share", "limit", "text"),
    [
        (0.31, 0.05, "31 %"),
        (0.052, 0.05, "5.2 %"),
        (0.05, 0.05, "5 %"),
        (0.0501, 0.05, "5.01 %"),
        (0.004, None, "0.4 %"),
        (0.0, None, "0 %"),
        (1.0, 0.8, "100 %"),
    ],
)
def test_a_share_is_told_so_that_it_does_not_look_like_its_limit(
    share: float, limit: float | None, text: str
) -> None:
    assert percent(share, limit) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.225, "0.23"), (0.7501, "0.7501"), (1.5, "1.5"), (183.2, "183")]
)
def test_a_plain_figure_has_two_digits_or_more(value: float, text: str) -> None:
    assert short(value, 0.75) == text


def test_a_need_is_told_apart_from_what_there_is() -> None:
    assert (apart(1.02, 1, 1), apart(1.0, 1, 1), apart(3.25, 4, 1)) == ("1.02", "1.0", "3.2")
