"""Values for tests of the master that take only what the case is about."""

from __future__ import annotations

from typing import Any

from tqd.config.model import Config
from tqd.config.parse import parse
from tqd.master.launch import ChildMains, Launch
from tqd.master.plan import FleetPlan
from tqd.wire.messages import Beat, KeeperBeat

_IDLE: dict[str, Any] = {
    "slots": 4, "busy": 0, "done": 0, "failed": 0, "retried": 0, "released": 0, "superseded": 0,
    "discarded": 0,
    "expired": 0,
    "lag_ms": 0.0, "rss_bytes": 1000, "oldest_s": 0.0, "claiming": True, "names": [], "busy_slot_s": 0.0,
    "slot_s": 0.0,
}  # fmt: skip


def beat(**fields: Any) -> Beat:
    return Beat(**_IDLE | fields)


def keeper_beat(reclaimed: int = 0, rss_bytes: int = 1000, redis_down_s: float = 0.0) -> KeeperBeat:
    return KeeperBeat(reclaimed, rss_bytes, redis_down_s)


def config(**values: Any) -> Config:
    """Return a configuration; `workers__prefix` stands for `workers.prefix`."""
    return parse([], {}, {key.replace("__", "."): value for key, value in values.items()}, 2)


def launch(**values: Any) -> Launch:
    """Return a launch by such a configuration; its children are never started."""
    return Launch(
        config=config(**values),
        plan=FleetPlan(workers=2, embedded_redis=False, grace_s=30.0),
        mains=ChildMains(worker=_never, probe=_never, keeper=_never, redis=None),
    )


def _never(*_: object) -> Any:
    raise AssertionError("a unit test starts no child")
