"""Figures for a person."""

from __future__ import annotations

import pytest

from tqd.cli.figures import age, bar, count, millis, rate, share, size, span


def test_what_is_not_known_is_a_dash() -> None:
    shown = [count(None), size(None), rate(None), millis(None), span(None), age(None), share(None, 5)]
    assert shown == ["-"] * 7
    assert share(5, None) == "-" and share(5, 0) == "-"


@pytest.mark.parametrize(
    ("seconds", "words", "short"),
    [
        (0, "0 s", "0s"),
        (-3, "0 s", "0s"),
        (59.9, "59 s", "59s"),
        (60, "1 min 0 s", "1m00s"),
        (184, "3 min 4 s", "3m04s"),
        (3600, "1 h 0 min", "1h00m"),
        (7_500, "2 h 5 min", "2h05m"),
        (86_400, "1 d 0 h", "1d00h"),
        (4 * 86_400 + 3 * 3600, "4 d 3 h", "4d03h"),
        (400 * 86_400, "400 d 0 h", "400d00h"),
    ],
)
def test_durations(seconds: float, words: str, short: str) -> None:
    assert (span(seconds), age(seconds)) == (words, short)


@pytest.mark.parametrize(
    ("value_bytes", "text"),
    [
        (0, "0.0 MB"),
        (61_000_000, "58.2 MB"),
        (2 << 30, "2,048 MB"),
        (10 << 30, "10.0 GB"),
        (3 << 40, "3,072.0 GB"),
    ],
)
def test_memory(value_bytes: int, text: str) -> None:
    assert size(value_bytes) == text


@pytest.mark.parametrize(
    ("per_s", "text"),
    [(0.0, "0/s"), (0.04, "0.0/s"), (9.94, "9.9/s"), (9.96, "10/s"), (12_345.6, "12,346/s")],
)
def test_rates(per_s: float, text: str) -> None:
    assert rate(per_s) == text


@pytest.mark.parametrize(("value_ms", "text"), [(0.4, "0.40 ms"), (9.99, "9.99 ms"), (1234.5, "1,234 ms")])
def test_milliseconds(value_ms: float, text: str) -> None:
    assert millis(value_ms) == text


@pytest.mark.parametrize(
    ("part", "whole", "filled"),
    [
        (0, 32, 0),
        (None, 32, 0),
        (5, 0, 0),
        (5, None, 0),
        (1, 32, 1),
        (16, 32, 4),
        (31, 32, 7),
        (32, 32, 8),
        (40, 32, 8),
    ],
)
def test_a_bar_shows_something_as_soon_as_there_is_something_and_is_full_only_when_all_is(
    part: float | None, whole: float | None, filled: int
) -> None:
    assert bar(part, whole, 8) == "█" * filled + "░" * (8 - filled)
