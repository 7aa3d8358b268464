"""The configuration as the rest of tqd reads it: one frozen value per section, in one `Config`.

No defaults, no rules and no I/O here: `table` says what is allowed, `parse` builds these values.
Durations are in seconds. A test holds the fields equal to the rows of `table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tqd.task.queue_limit import QueueLimit, QueueWeight


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfig:
    url: str
    password_file: str
    ca_file: str
    cert_file: str
    key_file: str
    namespace: str
    connection_timeout: float
    command_timeout: float
    embedded: bool
    data_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersConfig:
    initial_count: int
    max_concurrent_tasks: int
    shutdown_grace_period: float
    orphan_grace_period: float
    prefix: str
    hung_after: float
    boot_timeout: float
    max_tasks_per_child: int
    max_age: float
    max_rss_mb: float
    max_pss_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksConfig:
    app: str
    modules: tuple[str, ...]
    directory: str
    cancel_grace: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuesConfig:
    names: tuple[str, ...]
    starvation_after: float
    order: str
    weights: tuple[QueueWeight, ...]
    limits: tuple[QueueLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettersConfig:
    max_count: int
    max_age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    enabled: bool
    tick_interval: float
    max_tasks_per_tick: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalerConfig:
    """The settings of `scaling_triggers` and `target_sla` are fields like the others."""

    enabled: bool
    mode: str
    interval: float
    min_workers: int
    max_workers: int
    scale_up_count: int
    scale_down_count: int
    scale_up_cooldown_seconds: float
    scale_down_cooldown_seconds: float
    consecutive_signals_required: int
    enable_adaptive_thresholds: bool
    learning_rate: float
    adaptation_window_minutes: float
    queue_pressure_threshold: float
    worker_utilization_threshold: float
    task_complexity_threshold: float
    error_rate_threshold: float
    memory_pressure_threshold: float
    max_p95_latency_ms: float
    min_success_rate: float
    max_queue_wait_time_ms: float
    target_worker_utilization: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    name: str
    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityConfig:
    max_payload_size_mb: float
    signing_keys_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingConfig:
    level: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    runtime_dir: str


SECTIONS: Mapping[str, type] = {
    "redis": RedisConfig,
    "workers": WorkersConfig,
    "tasks": TasksConfig,
    "queues": QueuesConfig,
    "dead_letters": DeadLettersConfig,
    "scheduler": SchedulerConfig,
    "autoscaler": AutoscalerConfig,
    "node": NodeConfig,
    "security": SecurityConfig,
    "logging": LoggingConfig,
    "daemon": DaemonConfig,
}

DEFAULT_ORIGIN = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, checked; `origins` maps each key to where its value came from.

    An origin is `default`, the path of a file, `environment NAME` or `flag --name`. `warnings` tell of
    settings that were understood although they stand elsewhere, or under an older name.
    """

    redis: RedisConfig
    workers: WorkersConfig
    tasks: TasksConfig
    queues: QueuesConfig
    dead_letters: DeadLettersConfig
    scheduler: SchedulerConfig
    autoscaler: AutoscalerConfig
    node: NodeConfig
    security: SecurityConfig
    logging: LoggingConfig
    daemon: DaemonConfig
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def explicit(self, key: str) -> bool:
        """Tell whether somebody chose this setting's value; `key` is like `redis.url`."""
        return self.origins[key] != DEFAULT_ORIGIN
