"""The picture of the daemon that `tqd status` shows: pure, from what the master has in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tqd.master.crew import Depths, Member, Totals
from tqd.master.events import Role
from tqd.master.fleet import KEEPER, ChildState, Fleet, Phase, Seat

HUNG_AFTER_S = 5.0
"""A worker without a beat for so long is shown as not answering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the daemon is."""

    pid: int
    node: str
    version: str
    runtime_dir: str
    app: str
    redis_url: str
    queues: tuple[str, ...]


def picture(
    who: Identity,
    fleet: Fleet,
    crew: Mapping[str, Member],
    totals: Totals,
    depths: Depths,
    since: float,
    now: float,
) -> dict[str, object]:
    """Return the status as plain data: durations in s, memory in bytes; null is what is not known."""
    workers = [
        _worker(seat, crew.get(seat.name), now) for seat in fleet.seats.values() if seat.role is Role.WORKER
    ]
    problems = _problems(fleet, workers)
    return {
        "state": "degraded" if problems else fleet.phase.value,
        "problems": problems,
        "master": {
            "pid": who.pid,
            "uptime_s": round(now - since, 1),
            "node": who.node,
            "version": who.version,
            "runtime_dir": who.runtime_dir,
            "app": who.app,
            "redis_url": who.redis_url,
        },
        "keeper": _keeper(fleet, crew, now),
        "workers": workers,
        "queues": _queues(who, depths),
        "dead_letters": depths.sample.dead if depths.sample else None,
        "sampled_s_ago": round(now - depths.at, 3) if depths.sample else None,
        "totals": {
            "done": totals.done,
            "failed": totals.failed,
            "retried": totals.retried,
            "released": totals.released,
            "superseded": totals.superseded,
            "reclaimed": totals.reclaimed,
            "run_p50_s": totals.runs.quantile_s(0.5),
            "run_p95_s": totals.runs.quantile_s(0.95),
        },
    }


def _worker(seat: Seat, member: Member | None, now: float) -> dict[str, object]:
    beat = member.beat if member is not None else None
    return {
        "id": seat.name,
        "pid": seat.pid or None,
        "state": seat.state.value,
        "slots": beat.slots if beat else None,
        "busy": beat.busy if beat else None,
        "done": beat.done if beat else None,
        "failed": beat.failed if beat else None,
        "retried": beat.retried if beat else None,
        "rss_bytes": beat.rss_bytes if beat else None,
        "lag_ms": beat.lag_ms if beat else None,
        "oldest_s": beat.oldest_s if beat else None,
        "uptime_s": round(now - member.since, 1) if member else None,
        "beat_s_ago": round(now - member.beat_at, 1) if member and beat else None,
    }


def _keeper(fleet: Fleet, crew: Mapping[str, Member], now: float) -> dict[str, object]:
    seat = fleet.seats[KEEPER]
    member = crew.get(KEEPER)
    beat = member.keeper_beat if member is not None else None
    return {
        "pid": seat.pid or None,
        "state": seat.state.value,
        "rss_bytes": beat.rss_bytes if beat else None,
        "beat_s_ago": round(now - member.beat_at, 1) if member and beat else None,
    }


def _queues(who: Identity, depths: Depths) -> list[dict[str, object]]:
    if depths.sample is None:
        return []
    return [
        {"name": name, "ready": ready, "scheduled": scheduled}
        for name, (ready, scheduled) in zip(who.queues, depths.sample.queues, strict=True)
    ]


def _problems(fleet: Fleet, workers: list[dict[str, object]]) -> list[str]:
    if fleet.phase is not Phase.RUNNING:
        return []
    problems = [
        f"{seat.name} is {seat.state.value}" + (f" after {seat.failures} failures" if seat.failures else "")
        for seat in fleet.seats.values()
        if seat.state in (ChildState.EMPTY, ChildState.STARTING)
    ]
    for worker in workers:
        age_s = worker["beat_s_ago"]
        if isinstance(age_s, float) and age_s > HUNG_AFTER_S and worker["state"] == ChildState.READY.value:
            problems.append(f"{worker['id']} has not answered for {age_s:.0f} s: a task may block its loop")
    return problems
