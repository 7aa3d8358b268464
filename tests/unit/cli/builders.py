"""The status of a daemon as the control socket gives it; a test says only what it is about."""

from __future__ import annotations

from typing import Any


def worker(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"worker-{number}",
        "pid": 4000 + number,
        "state": "ready",
        "generation": 1,
        "slots": 32,
        "busy": 8,
        "done": 1200 * number,
        "failed": 0,
        "retried": 2,
        "rate_per_s": 310.4,
        "rss_bytes": 61_000_000,
        "pss_bytes": 22_000_000,
        "lag_ms": 0.4,
        "oldest_s": 3.2,
        "uptime_s": 3725.0,
        "beat_s_ago": 0.4,
        "failures": 0,
        "names": [["shop.tasks.mail", 3], ["shop.tasks.resize", 1]],
        **changes,
    }


def unknown_worker(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A worker of which nothing is known yet."""
    row = dict.fromkeys(worker())
    return {**row, "id": f"worker-{number}", "state": "empty", "failures": 2, "names": [], **changes}


def queue(name: str = "default", **changes: Any) -> dict[str, Any]:
    return {"name": name, "ready": 1200, "scheduled": 30, "claimed": 16, "oldest_s": 4.6, **changes}


def event(name: str = "worker ready", level: str = "info", **fields: Any) -> dict[str, Any]:
    return {"at": "2026-11-23T04:00:00.123Z", "level": level, "event": name, "fields": fields}


def status(**changes: Any) -> dict[str, Any]:
    """A healthy daemon with two workers; a change of a section is merged into it."""
    picture: dict[str, Any] = {
        "state": "running",
        "healthy": True,
        "problems": [],
        "notes": [],
        "master": {
            "pid": 3999,
            "uptime_s": 11_530.0,
            "node": "web-1",
            "version": "0.2.0",
            "runtime_dir": "/run/tqd",
            "app": "shop.tasks:tq",
            "redis_url": "redis://localhost:6379",
            "rss_bytes": 31_000_000,
        },
        "target": 2,
        "generation": 1,
        "reload": None,
        "last_reload": None,
        "memory": {
            "limit_bytes": 2_147_483_648,
            "used_bytes": 812_000_000,
            "origin": "cgroup v2 /system.slice/tqd.service",
            "pressure_some_avg10": 0.0,
        },
        "keeper": {
            "pid": 4000,
            "state": "ready",
            "rss_bytes": 33_000_000,
            "beat_s_ago": 0.3,
            "redis_down_s": 0.0,
        },
        "workers": [worker(1), worker(2)],
        "probe": None,
        "probes": [],
        "suspects": 0,
        "queues": [queue("high_priority"), queue("default"), queue("low_priority")],
        "dead_letters": 0,
        "sampled_s_ago": 0.01,
        "totals": {
            "done": 123_456,
            "failed": 3,
            "retried": 12,
            "released": 0,
            "superseded": 0,
            "reclaimed": 1,
            "rate_per_s": 620.8,
            "run_p50_s": 0.0012,
            "run_p95_s": 0.02,
        },
        "events": [
            event("worker ready", seat="worker-1", pid=4001),
            event("worker died", "warning", seat="worker-2", signal="SIGKILL"),
        ],
    }
    for key, value in changes.items():
        merged = isinstance(picture.get(key), dict) and isinstance(value, dict)
        picture[key] = {**picture[key], **value} if merged else value
    return picture
