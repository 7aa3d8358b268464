"""Durations in fixed logarithmic buckets: cheap to count, exact to merge, good to about 12 %."""

from __future__ import annotations

_STEPS = 4
"""Buckets per doubling."""


class Histogram:
    """Counts of durations by bucket. Bucket bounds are the same everywhere, so counts just add."""

    __slots__ = ("counts",)

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        self.counts = {} if counts is None else counts

    def add(self, duration_s: float) -> None:
        """Count one duration, in s, at a resolution of 4 µs or 25 %, whichever is coarser."""
        us = int(duration_s * 1_000_000)
        # As bucket_of, without the call: this runs once for every task.
        bits = us.bit_length()
        bucket = (bits << 2) | ((us >> (bits - 3)) & 3) if bits > 2 else 0
        counts = self.counts
        counts[bucket] = counts.get(bucket, 0) + 1

    def merge(self, other: dict[int, int]) -> None:
        """Add another histogram's counts."""
        for bucket, count in other.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def take(self) -> dict[int, int]:
        """Return the counts since the last take and begin anew."""
        counts, self.counts = self.counts, {}
        return counts

    def quantile_s(self, share: float) -> float | None:
        """Return the duration in s that `share` of all stay under; None without any."""
        total = sum(self.counts.values())
        if total == 0:
            return None
        rank, seen = share * total, 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                break
        low, high = bounds_us(bucket)
        return (low + high) / 2 / 1_000_000


def bucket_of(us: int) -> int:
    """Return the bucket of a duration in µs: four to a doubling, by the two bits below the first."""
    if us < _STEPS:
        return 0
    bits = us.bit_length()
    return (bits << 2) | ((us >> (bits - 3)) & 3)


def bounds_us(bucket: int) -> tuple[int, int]:
    """Return the smallest duration of a bucket and the smallest of the next, in µs."""
    if bucket == 0:
        return 0, _STEPS
    bits, step = bucket >> 2, bucket & 3
    low = (4 + step) << (bits - 3)
    return low, low + (1 << (bits - 3))
