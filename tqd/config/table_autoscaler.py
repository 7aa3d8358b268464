"""The settings of the section `autoscaler`, a part of `table`. What they mean is decided in `tqd.scale`."""

from __future__ import annotations

from tqd.config.setting import Kind, Reload, Setting
from tqd.scale.settings import ScaleSettings, TargetSla, Triggers

_RULES = ScaleSettings()
_TRIGGERS = Triggers()
_SLA = TargetSla()


def _number(
    name: str,
    default: float,
    low: float,
    high: float,
    unit: str,
    effect: str,
    *,
    whole: bool = False,
    environment: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
) -> Setting:
    return Setting(
        key=f"autoscaler.{name}",
        kind=Kind.INTEGER if whole else Kind.NUMBER,
        default=default,
        unit=unit,
        low=low,
        high=high,
        reload=Reload.LIVE,
        effect=effect,
        environment=environment,
        flags=flags,
    )


AUTOSCALER: tuple[Setting, ...] = (
    Setting(
        key="autoscaler.enabled",
        kind=Kind.SWITCH,
        default=False,
        reload=Reload.LIVE,
        effect="Let the number of worker processes follow the load.",
        environment=("TASK_QUEUE_AUTOSCALER_ENABLED",),
        flags=("--enable-autoscaler", "-a"),
    ),
    Setting(
        key="autoscaler.mode",
        kind=Kind.TEXT,
        default=str(_RULES.mode),
        choices=("act", "advise", "off"),
        reload=Reload.LIVE,
        effect="act: decide and do it. advise: decide and only tell it. off: as without enabled.",
    ),
    _number(
        "interval", _RULES.interval, 0.5, 3600, "seconds",
        "How often it is looked at the load and decided.",
    ),
    _number(
        "min_workers", _RULES.min_workers, 0, 1024, "processes",
        "There are never fewer workers than this; 0: none while nothing waits.", whole=True,
        environment=("TASK_QUEUE_AUTOSCALER_MIN_WORKERS",), flags=("--autoscaler-min-workers",),
    ),
    _number(
        "max_workers", _RULES.max_workers, 1, 1024, "processes",
        "There are never more workers than this.", whole=True,
        environment=("TASK_QUEUE_AUTOSCALER_MAX_WORKERS",), flags=("--autoscaler-max-workers",),
    ),
    _number(
        "scale_up_count", _RULES.scale_up_count, 1, 1024, "processes",
        "By how many workers the number grows in one step at most.", whole=True,
    ),
    _number(
        "scale_down_count", _RULES.scale_down_count, 1, 1024, "processes",
        "By how many workers the number shrinks in one step at most.", whole=True,
    ),
    _number(
        "scale_up_cooldown_seconds", _RULES.scale_up_cooldown_seconds, 0, 86_400, "seconds",
        "After a growth, how long there is no other for the load's sake.",
    ),
    _number(
        "scale_down_cooldown_seconds", _RULES.scale_down_cooldown_seconds, 0, 86_400, "seconds",
        "After any change, how long the number does not shrink.",
    ),
    _number(
        "consecutive_signals_required", _RULES.consecutive_signals_required, 1, 20, "decisions",
        "How many decisions in a row have to ask for the same before it is done.", whole=True,
        flags=("--autoscaler-consecutive-signals",),
    ),
    Setting(
        key="autoscaler.enable_adaptive_thresholds",
        kind=Kind.SWITCH,
        default=_RULES.enable_adaptive_thresholds,
        reload=Reload.LIVE,
        effect="Move the demand thresholds, within bounds, by where the targets were missed.",
        environment=("TASK_QUEUE_ADAPTIVE_THRESHOLDS",),
    ),
    _number(
        "learning_rate", _RULES.learning_rate, 0.001, 1, "share per window",
        "By how much the thresholds move at the end of a window at most.",
    ),
    _number(
        "adaptation_window_minutes", _RULES.adaptation_window_minutes, 1, 1440, "minutes",
        "Over how long is looked before the thresholds move.",
    ),
    _number(
        "scaling_triggers.queue_pressure_threshold", _TRIGGERS.queue_pressure_threshold, 0.01, 1000,
        "tasks per slot",
        "Above so many ready tasks per slot, weighted by queue, pressure votes for more workers.",
        flags=("--autoscaler-scale-up-threshold",),
    ),
    _number(
        "scaling_triggers.worker_utilization_threshold", _TRIGGERS.worker_utilization_threshold, 0.05, 1,
        "share",
        "Above this share of busy slots, utilization votes for more workers.",
    ),
    _number(
        "scaling_triggers.task_complexity_threshold", _TRIGGERS.task_complexity_threshold, 1, 100, "times",
        "Above so many times their usual run time, the tasks vote for more workers.",
    ),
    _number(
        "scaling_triggers.error_rate_threshold", _TRIGGERS.error_rate_threshold, 0, 1, "share",
        "Above this share of failed attempts in a minute, there is no growth.",
    ),
    _number(
        "scaling_triggers.memory_pressure_threshold", _TRIGGERS.memory_pressure_threshold, 1, 1_048_576, "MB",
        "Above so much memory (mean PSS of the workers), there is no growth, and the largest is replaced.",
    ),
    _number(
        "target_sla.max_p95_latency_ms", _SLA.max_p95_latency_ms, 1, 86_400_000, "ms",
        "How long the slowest twentieth of the attempts may run, for the learning.",
    ),
    _number(
        "target_sla.min_success_rate", _SLA.min_success_rate, 0, 1, "share",
        "How many of the attempts are to end well, for the learning.",
    ),
    _number(
        "target_sla.max_queue_wait_time_ms", _SLA.max_queue_wait_time_ms, 1, 86_400_000, "ms",
        "How long a ready task may wait; longer, that alone asks for more workers.",
    ),
    _number(
        "target_sla.target_worker_utilization", _SLA.target_worker_utilization, 0.05, 1, "share",
        "How busy the workers shall be: what the number of workers is reckoned with.",
    ),
)  # fmt: skip
