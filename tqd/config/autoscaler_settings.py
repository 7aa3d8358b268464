"""The section `autoscaler` as the autoscaler wants it, and what is taken for a setting of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tqd.config.model import AutoscalerConfig
from tqd.config.table_autoscaler import AUTOSCALER
from tqd.scale.settings import Mode, ScaleSettings, TargetSla, Triggers

SECTION = "autoscaler"
OTHER_SECTIONS = ("scaling_triggers", "target_sla", "adaptive_thresholds", "adaptive")
"""Tables that belong into `[autoscaler]`, and where other documents put its settings."""

_ADAPTIVE = ("adaptive_thresholds", "adaptive")
"""Tables of which `enabled` is about the thresholds, not about the autoscaler."""

OLDER = {
    "scale_up_threshold": "autoscaler.scaling_triggers.queue_pressure_threshold",
    "evaluation_interval": "autoscaler.interval",
}
OBSOLETE = {
    "scale_down_threshold": "the number shrinks below 0.3 × queue_pressure_threshold, with another vote",
}
_PLACES = {setting.field: setting.key for setting in AUTOSCALER}


def scale_settings(config: AutoscalerConfig) -> ScaleSettings:
    """Return the rules of the autoscaler."""
    return ScaleSettings(
        mode=Mode(config.mode) if config.enabled else Mode.OFF,
        interval=config.interval,
        min_workers=config.min_workers,
        max_workers=config.max_workers,
        scale_up_count=config.scale_up_count,
        scale_down_count=config.scale_down_count,
        scale_up_cooldown_seconds=config.scale_up_cooldown_seconds,
        scale_down_cooldown_seconds=config.scale_down_cooldown_seconds,
        consecutive_signals_required=config.consecutive_signals_required,
        enable_adaptive_thresholds=config.enable_adaptive_thresholds,
        learning_rate=config.learning_rate,
        adaptation_window_minutes=config.adaptation_window_minutes,
        scaling_triggers=Triggers(
            queue_pressure_threshold=config.queue_pressure_threshold,
            worker_utilization_threshold=config.worker_utilization_threshold,
            task_complexity_threshold=config.task_complexity_threshold,
            error_rate_threshold=config.error_rate_threshold,
            memory_pressure_threshold=config.memory_pressure_threshold,
        ),
        target_sla=TargetSla(
            max_p95_latency_ms=config.max_p95_latency_ms,
            min_success_rate=config.min_success_rate,
            max_queue_wait_time_ms=config.max_queue_wait_time_ms,
            target_worker_utilization=config.target_worker_utilization,
        ),
    )


def meant(table: str, name: str) -> str:
    """Return the key of the setting that a name in a table of the section means; or nothing."""
    if name == "enabled" and table.rpartition(".")[2] in _ADAPTIVE:
        return "autoscaler.enable_adaptive_thresholds"
    return OLDER.get(name) or _PLACES.get(name, "")


def contradictions(values: Mapping[str, object]) -> Iterator[tuple[str, object, str]]:
    """Yield (key, value, rule) for settings that do not go together."""
    low, high = values["autoscaler.min_workers"], values["autoscaler.max_workers"]
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield "autoscaler.min_workers", low, f"must be at most autoscaler.max_workers, which is {high}"
