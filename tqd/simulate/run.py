"""A whole run: the plant, a policy that is asked at each interval, and what came of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tqd.metrics.histogram import Histogram
from tqd.scale.sample import Sample
from tqd.simulate.changes import Change, Changes
from tqd.simulate.plant import Plant, Tasks
from tqd.simulate.sampling import Sampler
from tqd.simulate.series import Series, Span
from tqd.simulate.shape import Shape
from tqd.simulate.trace import Arrival

PATIENCE_S = 86_400.0
"""How long a run goes on after the last arrival when its tasks do not end."""


IDLE_S = 5.0
"""Without workers and tasks, looks that can only find that are left out for so long: a day has 172,800."""


class Choice(NamedTuple):
    """What a policy decides: how many workers are meant to stay, and why, in a sentence."""

    workers: int
    why: str


class Policy(Protocol):
    """Chooses the number of workers; it is asked each `interval_s`, first when one has passed.

    While there is no worker and nothing waits it may be asked less often, but at once when something comes.
    """

    @property
    def interval_s(self) -> float:
        """How long it is until it is asked again, in s; it may depend on what was chosen."""

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return the number of workers for what was measured."""


class Constant:
    """The policy that always has the same number of workers."""

    interval_s = 5.0

    def __init__(self, workers: int) -> None:
        self._choice = Choice(workers, "the number is fixed")

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return the number."""
        return self._choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run. It lasts until the last task has ended, and at least as long as the trace.

    `miss_s`: seconds in which a ready task had waited for longer than the goal. `worker_s`: process-seconds
    of all workers, those that start or drain included. `asked`: how often the policy was.
    """

    seconds: float
    tasks: Tasks
    late: int
    miss_s: float
    worker_s: float
    most_workers: int
    waits: Histogram
    changes: Changes
    series: Series
    asked: int
    queues: tuple[str, ...]

    @property
    def worker_hours(self) -> float:
        """Return what the workers cost."""
        return self.worker_s / 3600


def simulate(
    arrivals: Iterator[Arrival],
    shape: Shape,
    policy: Policy,
    workers: int,
    weights: Mapping[str, float],
) -> Outcome:
    """Run a trace with a policy, starting with so many workers, which are ready when it begins.

    Raises what reading the arrivals raises.
    """
    plant = Plant(shape, arrivals, workers)
    sampler, record = Sampler(plant, weights), _Record()
    asked, now, last_s = 0, 0.0, 0.0
    while True:
        asked += 1
        now += _pause_s(policy.interval_s, plant)
        plant.advance(now)
        last_s = now if plant.arriving else last_s
        sample = sampler.take()
        record.note(plant, sample, sampler.latest.waits)
        if not plant.arriving and (plant.resting or now - last_s > PATIENCE_S):
            return record.outcome(plant, asked)
        choice = policy.choose(sample, now)
        if choice.workers != plant.crew.wanted:
            record.changes.add(Change(now, plant.crew.wanted, choice.workers, choice.why))
            plant.scale(choice.workers)


def _pause_s(interval_s: float, plant: Plant) -> float:
    """Return when the policy is asked next: of an empty plant not before something happens, or `IDLE_S`."""
    if plant.crew.workers or plant.tasks.waiting:
        return interval_s
    return interval_s * max(1, math.ceil(min(plant.next_s - plant.now, IDLE_S) / interval_s))


class _Record:
    """What is kept of a run while it goes on."""

    def __init__(self) -> None:
        self.changes = Changes()
        self._series = Series()
        self._waits = Histogram()
        self._most_workers = 0
        self._since = 0.0

    def note(self, plant: Plant, sample: Sample, waits: Histogram) -> None:
        """Take in one interval."""
        workers, window = len(plant.crew.workers), sample.window
        self._most_workers = max(self._most_workers, workers)
        self._waits.merge(waits.counts)
        self._series.add(
            Span(
                start_s=self._since,
                end_s=plant.now,
                workers=workers,
                waiting=plant.tasks.waiting,
                oldest_s=max((queue.oldest_s or 0.0 for queue in sample.queues), default=0.0),
                busy_slot_s=window.busy_slot_s or 0.0,
                slot_s=window.slot_s or 0.0,
            )
        )
        self._since = plant.now

    def outcome(self, plant: Plant, asked: int) -> Outcome:
        """Return what came of it all; what still waits is late as far as it is."""
        plant.count_waiting()
        return Outcome(
            seconds=plant.now,
            tasks=plant.tasks,
            late=plant.misses.late,
            miss_s=plant.misses.total_s,
            worker_s=plant.crew.worker_s,
            most_workers=self._most_workers,
            waits=self._waits,
            changes=self.changes,
            series=self._series,
            asked=asked,
            queues=tuple(plant.queues),
        )
