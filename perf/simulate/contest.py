"""Every policy on every trace. Deterministic, but for the seconds it took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from perf.simulate.policies import MOST, Celery, Depth, Hpa, Latency
from perf.simulate.traces import Load
from tqd.scale.settings import ScaleSettings
from tqd.simulate.own import Own
from tqd.simulate.run import Constant, Outcome, Policy, simulate

ORACLE, OWN, DEFAULTS = "fixed", "tqd", "tqd, defaults"
TOLERATED = 0.001
"""The oracle is the smallest fixed number that misses the goal for no more of the trace than this."""

TUNED = ScaleSettings(
    interval=2.0,
    scale_up_count=20,
    scale_up_cooldown_seconds=5.0,
    scale_down_count=20,
    scale_down_cooldown_seconds=330.0,
)
"""The settings of `tqd` in the table: those of somebody who wants bursts met. Steps go as far as is needed,
up within seconds, down after somewhat longer than a flap lasts. The rest are the defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one policy came to on one trace; `workers` is the oracle's number, else None."""

    load: str
    policy: str
    miss_s: float
    worker_hours: float
    flaps_per_hour: float
    kills: int
    most_workers: int
    workers: int | None
    cpu_s: float
    tasks: int
    asked: int


def contest(load: Load) -> Iterator[Result]:
    """Yield the oracle's result first, then those of the others."""
    yield oracle(load)
    baselines: Sequence[Depth | Celery | Hpa | Latency] = (
        Depth(),
        Celery(),
        Hpa(),
        Latency(load.shape.goal_s),
    )
    for policy in baselines:
        yield _result(load, policy.name, policy, 1, None)
    for name, settings in ((DEFAULTS, ScaleSettings()), (OWN, TUNED)):
        yield _result(load, name, Own(_fitting(settings, load)), 1, None)


def oracle(load: Load) -> Result:
    """Return the result of the smallest fixed number that is enough; without kills, where there is memory.

    Where none is, that of the number with the fewest kills, of those the least misses.
    """
    tried: dict[int, Result] = {}

    def with_workers(number: int) -> Result:
        if number not in tried:
            tried[number] = _result(load, ORACLE, Constant(number), number, number)
        return tried[number]

    if load.shape.memory is not None:
        results = [with_workers(number) for number in range(1, MOST + 1)]
        enough = [one for one in results if not one.kills and one.miss_s <= TOLERATED * load.seconds]
        return enough[0] if enough else min(results, key=lambda one: (one.kills, one.miss_s))
    low, high = 1, MOST
    while low < high:
        middle = (low + high) // 2
        if with_workers(middle).miss_s <= TOLERATED * load.seconds:
            high = middle
        else:
            low = middle + 1
    return with_workers(low)


def _fitting(settings: ScaleSettings, load: Load) -> ScaleSettings:
    """Return the settings with a limit for one worker's memory that its tasks fit into."""
    if load.worker_mb is None:
        return settings
    triggers = replace(settings.scaling_triggers, memory_pressure_threshold=load.worker_mb)
    return replace(settings, scaling_triggers=triggers)


def _result(load: Load, name: str, policy: Policy, begin: int, workers: int | None) -> Result:
    started_s = time.process_time()
    outcome = simulate(iter(load.arrivals), load.shape, policy, begin, {})
    cpu_s = time.process_time() - started_s
    return _told(load, name, outcome, workers, cpu_s)


def _told(load: Load, name: str, outcome: Outcome, workers: int | None, cpu_s: float) -> Result:
    return Result(
        load=load.name,
        policy=name,
        miss_s=outcome.miss_s,
        worker_hours=outcome.worker_hours,
        flaps_per_hour=outcome.changes.flaps / outcome.seconds * 3600,
        kills=outcome.tasks.kills,
        most_workers=outcome.most_workers,
        workers=workers,
        cpu_s=cpu_s,
        tasks=outcome.tasks.arrived,
        asked=outcome.asked,
    )


def best_baseline(results: Mapping[str, Result]) -> Result | None:
    """Return the baseline that missed its goal for the shortest time, of those whose workers were not killed.

    None when there is no such. The oracle is none of them: it knows the trace before it begins.
    """
    baselines = [one for name, one in results.items() if name not in (ORACLE, OWN, DEFAULTS)]
    unhurt = [one for one in baselines if not one.kills]
    return min(unhurt, key=lambda one: one.miss_s, default=None)
