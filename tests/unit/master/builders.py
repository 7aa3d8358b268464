"""Values for tests of the master that take only what the case is about."""

from __future__ import annotations

from typing import Any

from tqd.wire.messages import Beat

_IDLE: dict[str, Any] = {
    "slots": 4, "busy": 0, "done": 0, "failed": 0, "retried": 0, "released": 0, "superseded": 0,
    "lag_ms": 0.0, "rss_bytes": 1000, "oldest_s": 0.0, "runs": {},
}  # fmt: skip


def beat(**fields: Any) -> Beat:
    return Beat(**_IDLE | fields)
