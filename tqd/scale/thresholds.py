"""The thresholds that count: what the user set, moved by what was learned. Pure.

One factor moves all demand thresholds together, and the utilization aimed at with them: a missed goal does
not say which of the signals came too late, and a signal that votes earlier is of no use when the target
says that the workers are enough. The brake and the ceiling are the user's alone and never move.
"""

from __future__ import annotations

from typing import NamedTuple

from tqd.scale.settings import ScaleSettings

LEAST_FACTOR, MOST_FACTOR = 0.5, 1.25
"""The bounds of what can be learned: half of what was set is twice the workers for the same load. To the
lazy side the room is smaller: being wrong there costs tasks their goal, here it costs workers."""

MOST_UTILIZATION = 0.95
"""Above that a threshold of utilization could hardly be reached at all."""

MOST_TARGET = 0.9

DOWN_PRESSURE, DOWN_UTILIZATION, DOWN_COMPLEXITY = 0.3, 0.4, 0.5
"""Below this share of its threshold a signal votes for fewer. Between the two it does not vote: with one
worker less the utilization at most doubles, and 2 × 0.4 is still below the threshold."""


class Thresholds(NamedTuple):
    """The thresholds of the demand signals, and the utilization aimed at (shares of 1)."""

    queue_pressure: float
    worker_utilization: float
    task_complexity: float
    target_utilization: float


class Shown(NamedTuple):
    """One threshold for a reader: as it was set, as it counts, and the bounds of what can be learned."""

    name: str
    configured: float
    effective: float
    low: float
    high: float


def thresholds(settings: ScaleSettings, factor: float) -> Thresholds:
    """Return the thresholds that count when `factor` was learned."""
    triggers = settings.scaling_triggers
    utilization = triggers.worker_utilization_threshold * factor
    target = settings.target_sla.target_worker_utilization
    return Thresholds(
        queue_pressure=triggers.queue_pressure_threshold * factor,
        # What the user set above a bound stays where it was set.
        worker_utilization=min(utilization, max(MOST_UTILIZATION, triggers.worker_utilization_threshold)),
        # Learning moves how far above the usual: tasks that take as long as ever never ask for more.
        task_complexity=1.0 + (triggers.task_complexity_threshold - 1.0) * factor,
        target_utilization=min(target * factor, max(MOST_TARGET, target)),
    )


def shown(settings: ScaleSettings, factor: float) -> tuple[Shown, ...]:
    """Return each threshold with its bounds, for `tqd thresholds show`."""
    low, high = thresholds(settings, LEAST_FACTOR), thresholds(settings, MOST_FACTOR)
    plain, now = thresholds(settings, 1.0), thresholds(settings, factor)
    names = ("queue_pressure", "worker_utilization", "task_complexity", "target_utilization")
    return tuple(
        Shown(
            name=name,
            configured=getattr(plain, name),
            effective=getattr(now, name),
            low=getattr(low, name),
            high=getattr(high, name),
        )
        for name in names
    )
