"""Small traces and plants, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from tqd.scale.sample import Sample
from tqd.simulate.plant import Plant
from tqd.simulate.run import Choice, Outcome, simulate
from tqd.simulate.shape import Shape
from tqd.simulate.trace import Arrival

NEVER_S = 1e6


def task(arrival_s: float, run_s: float, queue: str = "default", name: str = "work") -> Arrival:
    return Arrival(arrival_s, run_s, queue, name)


def plant(*tasks: Arrival, workers: int = 1, **shape: object) -> Plant:
    """Return a plant with one slot per worker, unless told otherwise."""
    return Plant(Shape(**{"slots": 1, **shape}), iter(tasks), workers)  # type: ignore[arg-type]


class Script:
    """A policy that says what it was told, one number after another; the last for ever."""

    interval_s = 5.0

    def __init__(self, *numbers: int) -> None:
        self._numbers = list(numbers)
        self.samples: list[Sample] = []

    def choose(self, sample: Sample, now: float) -> Choice:
        self.samples.append(sample)
        number = self._numbers.pop(0) if len(self._numbers) > 1 else self._numbers[0]
        return Choice(number, f"as told at {now:g}")


def run(tasks: Sequence[Arrival], *numbers: int, workers: int = 1, **shape: object) -> Outcome:
    """Run a trace with a script."""
    return simulate(iter(tasks), Shape(**{"slots": 1, **shape}), Script(*numbers), workers, {})  # type: ignore[arg-type]
