"""What the fleet shall be: values that come from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a worker is replaced; 0 means never. Ages in s, memory in bytes."""

    max_tasks: int = 0
    max_age_s: float = 0.0
    max_rss_bytes: int = 0
    max_pss_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """How many workers, how they are named, and the deadlines of their lives in s.

    `grace_s`: what running tasks have at a stop. `overlap`: how many workers may live beyond the wanted
    number while a generation replaces another; None for as many as there are. `starts`: how many of a
    generation are on their way at a time; the next one is forked when one of them is ready.
    """

    workers: int
    embedded_redis: bool
    grace_s: float
    prefix: str = "worker"
    boot_timeout_s: float = 60.0
    hung_after_s: float = 30.0
    keeper_hung_after_s: float = 5.0
    limits: Limits = field(default_factory=Limits)
    overlap: int | None = None
    starts: int = 8
