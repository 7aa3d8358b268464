"""The six signals, each exactly one measurement against one threshold. Pure.

Four are demand and vote; the error rate is a brake; memory is a ceiling. A signal that is not known does
not vote, and says why it is not known.
"""

from __future__ import annotations

from tqd.scale.decision import Role, Signal, Signals
from tqd.scale.records import Records, complexity, error_rate
from tqd.scale.sample import Sample
from tqd.scale.seen import Seen
from tqd.scale.settings import ScaleSettings
from tqd.scale.thresholds import DOWN_COMPLEXITY, DOWN_PRESSURE, DOWN_UTILIZATION, Thresholds

MB = 1_048_576


def measure(
    sample: Sample, seen: Seen, settings: ScaleSettings, limits: Thresholds, records: Records
) -> Signals:
    """Return the six signals; the records have this sample in them."""
    return Signals(
        queue_pressure=_pressure(sample, seen, limits.queue_pressure),
        worker_utilization=_utilization(seen, limits.worker_utilization),
        task_complexity=_complexity(records, limits.task_complexity),
        queue_wait=_wait(sample, seen, settings.target_sla.wait_goal_s),
        error_rate=_errors(records, settings.scaling_triggers.error_rate_threshold),
        memory_pressure=_memory(sample, settings.scaling_triggers.memory_pressure_threshold),
    )


def _vote(value: float | None, threshold: float, low: float) -> int:
    if value is None:
        return 0
    return 1 if value > threshold else -1 if value < low else 0


def _pressure(sample: Sample, seen: Seen, threshold: float) -> Signal:
    """Σ weight · ready ÷ (workers × slots) of the whole namespace."""
    value, unknown = None, ""
    if seen.weighted is None:
        unknown = "the depth of a queue has not been read"
    elif seen.fleet is None:
        unknown = "how many workers the other daemons have has not been read"
    elif not seen.fleet or not sample.slots:
        unknown = "there are no slots"
    else:
        value = seen.weighted / (seen.fleet * sample.slots)
    low = round(threshold * DOWN_PRESSURE, 9)
    vote = _vote(value, threshold, low)
    return Signal("queue_pressure", Role.DEMAND, value, threshold, low, "", vote, False, unknown)


def _utilization(seen: Seen, threshold: float) -> Signal:
    value, low = seen.utilization, round(threshold * DOWN_UTILIZATION, 9)
    unknown = "" if value is not None else "no worker has told its slots in the window"
    vote = _vote(value, threshold, low)
    return Signal("worker_utilization", Role.DEMAND, value, threshold, low, "", vote, False, unknown)


def _complexity(records: Records, threshold: float) -> Signal:
    value, low = complexity(records), round(threshold * DOWN_COMPLEXITY, 9)
    unknown = "" if value is not None else "too few attempts finished that have a long-run mean"
    vote = _vote(value, threshold, low)
    return Signal("task_complexity", Role.DEMAND, value, threshold, low, "", vote, False, unknown)


def _wait(sample: Sample, seen: Seen, goal_s: float) -> Signal:
    """The longer of two: the p95 of those that were started, and the age of the oldest that was not.

    It never votes for fewer: that nothing waits is how it should be, and the pressure says it already.
    """
    value, subject = sample.window.wait_p95_s, ""
    if seen.oldest_s is not None and (value is None or seen.oldest_s >= value):
        value, subject = seen.oldest_s, seen.oldest
    unknown = (
        ""
        if value is not None
        else "nothing waits that a worker could start, and nothing was started in the window"
    )
    vote = 1 if value is not None and value > goal_s else 0
    return Signal("queue_wait", Role.DEMAND, value, goal_s, None, "s", vote, False, unknown, subject)


def _errors(records: Records, threshold: float) -> Signal:
    value = error_rate(records)
    return Signal(
        name="error_rate",
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
        name="memory_pressure",
        role=Role.CEILING,
        value=value,
        threshold=threshold_mb,
        unit="MB",
        on=value is not None and value > threshold_mb,
        unknown="" if value is not None else "no worker's memory has been read",
    )
