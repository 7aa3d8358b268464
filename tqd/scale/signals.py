"""The six signals, each exactly one measurement against one threshold. Pure.

Four are demand and vote; the error rate is a brake; memory is a ceiling. A signal that is not known does
not vote, and says why it is not known.
"""

from __future__ import annotations

from tqd.scale.decision import Role, Signal
from tqd.scale.records import Records, complexity, error_rate
from tqd.scale.sample import Sample
from tqd.scale.settings import ScaleSettings
from tqd.scale.thresholds import (
    DOWN_COMPLEXITY,
    DOWN_PRESSURE,
    DOWN_UTILIZATION,
    Thresholds,
)

PRESSURE, UTILIZATION, COMPLEXITY = "queue_pressure", "worker_utilization", "task_complexity"
WAIT, ERRORS, MEMORY = "queue_wait", "error_rate", "memory_pressure"

MB = 1_048_576


def measure(
    sample: Sample, settings: ScaleSettings, limits: Thresholds, before: Records, records: Records
) -> tuple[Signal, ...]:
    """Return the six signals; `before` are the records without this sample, `records` those with it."""
    return (
        _pressure(sample, limits.queue_pressure),
        _utilization(sample, limits.worker_utilization),
        _complexity(sample, before, limits.task_complexity),
        _wait(sample, settings.target_sla.wait_goal_s),
        _errors(records, settings.scaling_triggers.error_rate_threshold),
        _memory(sample, settings.scaling_triggers.memory_pressure_threshold),
    )


def utilization(sample: Sample) -> float | None:
    """Return the share of this daemon's slot-seconds that were busy; None without any."""
    busy_slot_s, slot_s = sample.window.busy_slot_s, sample.window.slot_s
    if busy_slot_s is None or not slot_s:
        return None
    return min(1.0, busy_slot_s / slot_s)


def _demand(
    name: str, value: float | None, threshold: float, low: float | None, unknown: str, subject: str = ""
) -> Signal:
    vote = 0
    if value is not None:
        vote = 1 if value > threshold else -1 if low is not None and value < low else 0
    return Signal(
        name=name,
        role=Role.DEMAND,
        value=value,
        threshold=threshold,
        low=low,
        unit="s" if name == WAIT else "",
        vote=vote,
        unknown="" if value is not None else unknown,
        subject=subject,
    )


def _pressure(sample: Sample, threshold: float) -> Signal:
    """Σ weight · ready ÷ (workers × slots) of the whole namespace."""
    value, unknown = None, ""
    fleet = sample.fleet
    ready = [(queue.weight, queue.ready) for queue in sample.serving]
    if any(count is None for _, count in ready) or not sample.queues:
        unknown = "the depth of a queue has not been read"
    elif fleet is None:
        unknown = "how many workers the other daemons have has not been read"
    elif not fleet or not sample.slots:
        unknown = "there are no slots"
    else:
        value = sum(weight * (count or 0) for weight, count in ready) / (fleet * sample.slots)
    return _demand(PRESSURE, value, threshold, threshold * DOWN_PRESSURE, unknown)


def _utilization(sample: Sample, threshold: float) -> Signal:
    unknown = "no worker has told its slots in the window"
    return _demand(UTILIZATION, utilization(sample), threshold, threshold * DOWN_UTILIZATION, unknown)


def _complexity(sample: Sample, before: Records, threshold: float) -> Signal:
    unknown = "nothing finished in the window that has a long-run mean"
    value = complexity(before, sample.window.runs)
    return _demand(COMPLEXITY, value, threshold, threshold * DOWN_COMPLEXITY, unknown)


def _wait(sample: Sample, goal_s: float) -> Signal:
    """The longer of two: the p95 of those that were started, and the age of the oldest that was not.

    It never votes for fewer: that nothing waits is how it should be, and the pressure says it already.
    """
    oldest, p95_s = sample.oldest, sample.window.wait_p95_s
    age_s = oldest.oldest_s if oldest is not None else None
    known = [value for value in (age_s, p95_s) if value is not None]
    value = max(known) if known else None
    subject = oldest.name if oldest is not None and value == age_s else ""
    return _demand(WAIT, value, goal_s, None, "nothing waits, and nothing was started in the window", subject)


def _errors(records: Records, threshold: float) -> Signal:
    value = error_rate(records)
    return Signal(
        name=ERRORS,
        role=Role.BRAKE,
        value=value,
        threshold=threshold,
        on=value is not None and value > threshold,
        unknown="" if value is not None else "no attempt finished in the last minute",
    )


def _memory(sample: Sample, threshold_mb: float) -> Signal:
    """Mean PSS of the workers, in MB. What fits into the memory that is left is `memory.allowed`."""
    sizes = sample.pss_bytes
    value = sum(sizes) / len(sizes) / MB if sizes else None
    return Signal(
        name=MEMORY,
        role=Role.CEILING,
        value=value,
        threshold=threshold_mb,
        unit="MB",
        on=value is not None and value > threshold_mb,
        unknown="" if value is not None else "no worker's memory has been read",
    )
