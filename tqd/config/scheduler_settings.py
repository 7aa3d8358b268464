"""The settings of cron and intervals, as rows of the table of settings."""

from __future__ import annotations

from tqd.config.setting import Kind, Reload, Setting

SCHEDULER: tuple[Setting, ...] = (
    Setting(
        key="scheduler.enabled",
        kind=Kind.SWITCH,
        default=True,
        reload=Reload.LIVE,
        effect="Fire the schedules of the app (cron and intervals) in this daemon.",
        environment=("TQD_SCHEDULER_ENABLED", "TASK_QUEUE_SCHEDULER", "ENABLE_SCHEDULER"),
        flags=("--enable-scheduler", "-s"),
    ),
    Setting(
        key="scheduler.tick_interval",
        kind=Kind.NUMBER,
        default=5.0,
        unit="seconds",
        low=0.1,
        high=3600,
        reload=Reload.LIVE,
        effect="How often it is asked whether schedules have changed; slots fire at their own time.",
    ),
    Setting(
        key="scheduler.max_tasks_per_tick",
        kind=Kind.INTEGER,
        default=100,
        unit="tasks",
        low=1,
        high=1000,
        reload=Reload.LIVE,
        effect="How many tasks of one schedule are stored in one step, when many slots were missed.",
    ),
)
