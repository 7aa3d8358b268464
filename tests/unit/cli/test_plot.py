"""Columns of blocks: each value as high as it is, in as many columns as there are."""

from __future__ import annotations

from tqd.cli.lines import Style, Tone, render
from tqd.cli.plot import plot, resampled

NEVER = float("inf")


def text(values: list[float], height: int, most: float, blocks: bool = True) -> list[str]:
    return [render(row, None, Style(blocks=blocks)) for row in plot(values, height, most, blocks, NEVER)]


def test_each_value_is_as_high_as_its_share_of_the_most() -> None:
    assert text([0, 1, 2, 3, 4], 2, 4) == ["   ▄█", " ▄███"]


def test_anything_above_nothing_shows() -> None:
    assert text([0, 0.001, 1000], 1, 1000) == [" ▁█"]
    assert text([0, 0.001, 1000], 2, 1000, blocks=False) == ["  #", " ##"]


def test_no_value_is_higher_than_the_plot() -> None:
    assert text([9.0], 2, 3) == ["█", "█"]
    assert text([9.0, 0.0], 1, 0) == ["  "]


def test_what_is_above_the_bound_has_its_colour_and_pieces_of_one_colour_are_one() -> None:
    (row,) = plot([1, 1, 9, 9, 1], 1, 9, True, 5)
    assert row == [("▁▁", Tone.PLAIN), ("██", Tone.BAD), ("▁", Tone.PLAIN)]


def test_many_values_become_the_most_of_each_place_and_few_are_stretched() -> None:
    assert resampled([1, 5, 2, 2, 0, 9], [1, 2, 3, 4, 5, 6], 3) == [5, 2, 9]
    assert resampled([1, 2], [5, 10], 4) == [1, 1, 2, 2]
    assert resampled([], [], 3) == []


def test_a_value_takes_as_much_room_as_it_lasts() -> None:
    assert resampled([1, 2, 3], [6.0, 7.5, 8.0], 4) == [1, 1, 1, 3]
    assert resampled([1, 2], [0.5, 10.0], 5) == [1, 2, 2, 2, 2]
