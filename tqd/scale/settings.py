"""The rules that the user sets for the number of workers. A value only; `tqd.config` fills it.

The names are those of the section `[autoscaler]`; the defaults stand here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

EMPTY_INTERVAL_S = 0.5
"""How often the load is looked at while there is no worker: nobody else hears that something waits."""


def pause_s(interval_s: float, workers: int) -> float:
    """Return how long it is until the next look at the load, with so many workers wanted."""
    return interval_s if workers else min(interval_s, EMPTY_INTERVAL_S)


class Mode(StrEnum):
    """What is done with a decision: carried out, only told, or none is made."""

    ACT = "act"
    ADVISE = "advise"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """The thresholds of the signals; memory is in MB (2²⁰ bytes) of PSS per worker."""

    queue_pressure_threshold: float = 0.75
    worker_utilization_threshold: float = 0.80
    task_complexity_threshold: float = 1.5
    error_rate_threshold: float = 0.05
    memory_pressure_threshold: float = 512.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSla:
    """What the user wants of the service: the scaler aims at it, and learns from where it is missed."""

    max_p95_latency_ms: float = 5000.0
    min_success_rate: float = 0.95
    max_queue_wait_time_ms: float = 10_000.0
    target_worker_utilization: float = 0.70

    @property
    def wait_goal_s(self) -> float:
        """Return how long a task may wait, in s."""
        return self.max_queue_wait_time_ms / 1000

    @property
    def latency_goal_s(self) -> float:
        """Return how long the slowest twentieth of the attempts may run at least, in s."""
        return self.max_p95_latency_ms / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSettings:
    """All of `[autoscaler]`. `mode` is `off`, too, when the section says `enabled = false`."""

    mode: Mode = Mode.ACT
    interval: float = 5.0
    min_workers: int = 1
    max_workers: int = 20
    scale_up_count: int = 2
    scale_down_count: int = 1
    scale_up_cooldown_seconds: float = 60.0
    scale_down_cooldown_seconds: float = 300.0
    consecutive_signals_required: int = 2
    scaling_triggers: Triggers = field(default_factory=Triggers)
    target_sla: TargetSla = field(default_factory=TargetSla)
    enable_adaptive_thresholds: bool = True
    learning_rate: float = 0.1
    adaptation_window_minutes: float = 30.0
