"""Durations in buckets."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tqd.metrics.histogram import Histogram, bounds_us, bucket_of


@pytest.mark.parametrize("us", [0, 1, 3, 4, 5, 7, 8, 9, 100, 1023, 1024, 10**6, 10**9, 10**15])
def test_a_duration_is_inside_the_bounds_of_its_bucket(us: int) -> None:
    low, high = bounds_us(bucket_of(us))
    assert low <= us < high
    assert high - low <= max(4, us / 4)


def test_buckets_follow_one_another_without_a_gap() -> None:
    buckets = sorted({bucket_of(us) for us in range(100_000)})
    edges = [bounds_us(bucket) for bucket in buckets]
    assert edges[0][0] == 0
    assert all(high == low for (_, high), (low, _) in pairwise(edges))


def test_a_negative_duration_counts_as_none() -> None:
    assert bucket_of(-5) == 0


def test_quantiles_are_good_to_an_eighth() -> None:
    histogram = Histogram()
    for ms in range(1, 1001):
        histogram.add(ms / 1000)
    for share in (0.1, 0.5, 0.95, 0.99, 1.0):
        quantile = histogram.quantile_s(share)
        assert quantile is not None and abs(quantile / share - 1) <= 0.13


def test_nothing_counted_has_no_quantile() -> None:
    assert Histogram().quantile_s(0.5) is None


def test_one_duration_is_every_quantile() -> None:
    histogram = Histogram()
    histogram.add(1.0)
    assert histogram.quantile_s(0.0) == histogram.quantile_s(1.0)


def test_merged_counts_add() -> None:
    one, other = Histogram(), Histogram()
    one.add(0.001)
    other.add(0.001)
    other.add(5.0)
    one.merge(other.counts)
    assert sum(one.counts.values()) == 3
    assert len(one.counts) == 2


def test_a_take_begins_anew() -> None:
    histogram = Histogram()
    histogram.add(1.0)
    assert sum(histogram.take().values()) == 1
    assert histogram.counts == {}
