"""What a generation is started from: its configuration, the fleet's plan, what its children do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tqd.config.diff import Change
from tqd.config.model import Config
from tqd.master.plan import FleetPlan
from tqd.system.fork import ChildPipes

ChildMain = Callable[[ChildPipes], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildMains:
    """What the children of each role do. A worker, or a probe, is told its name, for how many s it may
    wait for Redis, and whether it is to be quiet; the keeper url and namespace of the app."""

    worker: Callable[[str, float, bool], ChildMain]
    probe: Callable[[str, float, bool], ChildMain]
    keeper: Callable[[str, str], ChildMain]
    redis: ChildMain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that a generation of children needs. The `mains` have the keys: they tell whether those changed."""

    config: Config
    plan: FleetPlan
    mains: ChildMains
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)


Relaunch = Callable[[Launch], tuple[Launch, tuple[Change, ...]]]
"""Reads the configuration anew: what the next generation is started from, and what has changed since the
given one. Raises ConfigError when something in it is wrong."""
