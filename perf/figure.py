"""A measured figure, and the few statistics made of repeated readings. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure: its readings (of each repeat, or part of the samples), and the value that stands for it.

    `notes` are further readings by name, with their unit in it: rates in absolute numbers, shares.
    """

    name: str
    value: float
    readings: tuple[float, ...]
    notes: Mapping[str, float] = field(default_factory=dict)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest reading."""
        return min(self.readings), max(self.readings)


def figure(name: str, readings: Sequence[float], **notes: float) -> Figure:
    """Return the figure whose value is the median of its readings."""
    return Figure(name=name, value=median(readings), readings=tuple(readings), notes=notes)


def greatest(name: str, readings: Sequence[float], **notes: float) -> Figure:
    """Return the figure whose value is the greatest of its readings: for what must never be exceeded."""
    return Figure(name=name, value=max(readings), readings=tuple(readings), notes=notes)


def paired(dividends: Sequence[float], divisors: Sequence[float]) -> list[float]:
    """Return the ratios of readings that were taken next to one another."""
    return [one / other for one, other in zip(dividends, divisors, strict=True)]


def percentile(readings: Sequence[float], share: float) -> float:
    """Return the reading that `share` of all readings do not exceed (nearest rank)."""
    ranked = sorted(readings)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def sampled(name: str, samples: Sequence[float], share: float, **notes: float) -> Figure:
    """Return the figure whose value is a percentile of all samples, and its readings those of each fifth."""
    size = math.ceil(len(samples) / 5)
    parts = [samples[first : first + size] for first in range(0, len(samples), size)]
    readings = tuple(percentile(part, share) for part in parts)
    return Figure(name=name, value=percentile(samples, share), readings=readings, notes=notes)


Curve = Sequence[tuple[float, int]]
"""Readings of (monotonic s, tasks left), in the order of time; what is left never grows."""


def moment(curve: Curve, left: float) -> float:
    """Return when `left` tasks were left, in s, on the straight line between two readings."""
    for (before_s, before), (after_s, after) in pairwise(curve):
        if before >= left >= after and before > after:
            return before_s + (after_s - before_s) * (before - left) / (before - after)
    raise ValueError(f"the curve does not pass {left:g}: it goes from {curve[0][1]} to {curve[-1][1]}")


def rate_per_s(curve: Curve, high: float, low: float) -> float:
    """Return tasks per s between the moments when `high` and when `low` tasks were left."""
    return (high - low) / (moment(curve, low) - moment(curve, high))
