"""The picture of the daemon that `tqd status` shows: pure, from what the master has in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tqd.config.diff import sentences
from tqd.master import performance
from tqd.master.crew import ARRIVED, Depths, Member, Totals
from tqd.master.events import Role
from tqd.master.fleet import Fleet, Phase
from tqd.master.reloads import Reloads, progress
from tqd.master.seats import AT_WORK, KEEPER, ChildState, Seat
from tqd.master.telemetry import Telemetry
from tqd.system.memory import MemoryState

SILENT_AFTER_S = 5.0
"""A worker without a beat for so long is shown as not answering."""

REDIS_DOWN_S = 2.0
"""A shorter pause of Redis is no problem of the daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the daemon is."""

    pid: int
    node: str
    version: str
    runtime_dir: str
    app: str
    redis_url: str


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the picture is made of."""

    fleet: Fleet
    crew: Mapping[str, Member]
    totals: Totals
    depths: Depths
    reloads: Reloads
    memory: MemoryState
    events: list[dict[str, object]]
    master_rss_bytes: int | None
    telemetry: Telemetry
    autoscaler: dict[str, object]


def picture(who: Identity, sight: Sight, since: float, now: float) -> dict[str, object]:
    """Return the status as plain data: durations in s, memory in bytes; null is what is not known."""
    fleet, crew, depths = sight.fleet, sight.crew, sight.depths
    problems = find_problems(fleet, crew, now)
    probes = _probes(fleet, crew, now)
    return {
        "state": state(fleet, problems),
        "healthy": fleet.phase is Phase.RUNNING and not problems,
        "problems": problems,
        "notes": list(sentences(sight.reloads.for_restart)) if sight.reloads.for_restart else [],
        "master": {
            "pid": who.pid,
            "uptime_s": round(now - since, 1),
            "node": who.node,
            "version": who.version,
            "runtime_dir": who.runtime_dir,
            "app": who.app,
            "redis_url": who.redis_url,
            "rss_bytes": sight.master_rss_bytes,
        },
        "target": fleet.wanted.workers,
        "generation": fleet.wanted.generation,
        "reload": _reload(fleet),
        "last_reload": _last_reload(sight.reloads, now),
        "memory": {
            "limit_bytes": sight.memory.limit_bytes,
            "used_bytes": sight.memory.used_bytes,
            "headroom_bytes": sight.memory.free_bytes,
            "origin": sight.memory.origin,
            "pressure_some_avg10": sight.memory.pressure_some_avg10,
        },
        "keeper": _keeper(fleet, crew, now),
        "workers": [_worker(seat, crew.get(seat.name), now) for seat in fleet.seats.workers()],
        "probe": next(iter(probes), None),
        "probes": probes,
        "suspects": fleet.wanted.suspects,
        "queues": _queues(depths, sight.telemetry, now),
        "dead_letters": depths.sample.dead if depths.sample else None,
        "sampled_s_ago": round(now - depths.at, 3) if depths.sample else None,
        "namespace": {
            "nodes": _known(depths.sample.nodes) if depths.sample else None,
            "workers": _known(depths.sample.workers) if depths.sample else None,
        },
        "totals": _totals(sight.totals),
        "tasks": performance.tasks(sight.telemetry),
        "windows": performance.windows(sight.telemetry, now),
        "autoscaler": sight.autoscaler,
        "events": sight.events,
    }


def state(fleet: Fleet, problems: list[str]) -> str:
    """Return the daemon's state as one word."""
    if fleet.phase is not Phase.RUNNING:
        return fleet.phase.value
    if fleet.breaker.open:
        return "crash-looping"
    if problems:
        return "degraded"
    if fleet.rollout.roll is not None:
        return "reloading"
    return "quiet" if fleet.wanted.quiet else "running"


def find_problems(fleet: Fleet, crew: Mapping[str, Member], now: float) -> list[str]:
    """Return in words what is not as it should be; nothing before the daemon is ready, or as it stops."""
    if fleet.phase is not Phase.RUNNING:
        return []
    problems = []
    if fleet.breaker.open:
        problems.append("the workers crash again and again: one alone is tried until it stays (see tqd why)")
    for seat in fleet.seats:
        problems += _problem(seat, fleet, crew.get(seat.name), now)
    member = crew.get(KEEPER)
    down_s = member.keeper_beat.redis_down_s if member and member.keeper_beat else 0.0
    if down_s >= REDIS_DOWN_S:
        silence = f"redis has not answered, or has taken no writes, for {down_s:.0f} s"
        problems.append(f"{silence}: tasks wait, and nothing is lost")
    return problems


def _problem(seat: Seat, fleet: Fleet, member: Member | None, now: float) -> list[str]:
    awaited = seat.generation == fleet.wanted.generation and not seat.leaving
    if seat.role is Role.PROBE:
        awaited = bool(seat.failures and fleet.wanted.suspects)  # one that comes and goes is no problem
    replacing = any(other.replaced_by == seat.name for other in fleet.seats.workers())
    if seat.state in (ChildState.EMPTY, ChildState.STARTING) and awaited and not replacing:
        after = f" after {seat.failures} failures" if seat.failures else ""
        return [f"{seat.name} is {seat.state.value}{after}"]
    if seat.state is ChildState.HUNG:
        return [f"{seat.name} hangs: {seat.killed_for}"]
    silent_s = now - member.beat_at if member is not None else 0.0
    if seat.state is ChildState.READY and silent_s > SILENT_AFTER_S and member and member.beat:
        return [f"{seat.name} has not answered for {silent_s:.0f} s: a task may block its loop"]
    return []


def summary(fleet: Fleet, crew: Mapping[str, Member], totals: Totals, reloads: Reloads) -> str:
    """Return the daemon in one line, for systemd."""
    beats = [member.beat for member in crew.values() if member.beat is not None]
    busy, slots = sum(beat.busy for beat in beats), sum(beat.slots for beat in beats)
    text = (
        f"{fleet.ready_workers} of {fleet.wanted.workers} workers ready, {busy} of {slots} slots busy, "
        f"{totals.done:,} tasks done"
    )
    if fleet.phase is Phase.STOPPING:
        return f"draining: {busy} tasks in {len(fleet.seats.alive(*AT_WORK))} workers"
    if fleet.breaker.open:
        text = f"crash-looping; {text}"
    if fleet.wanted.quiet:
        text = f"quiet; {text}"
    if reloads.last is not None and not reloads.last.ok:
        text += f"; the last reload was refused: {last_line(reloads.last.text)}"
    return text


def last_line(text: str) -> str:
    """Return the last line of a text that says something: of a traceback, the error."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def _reload(fleet: Fleet) -> str | None:
    roll = fleet.rollout.roll
    return progress(fleet, roll.generation) if roll is not None else None


def _last_reload(reloads: Reloads, now: float) -> dict[str, object] | None:
    last = reloads.last
    return None if last is None else {"ok": last.ok, "text": last.text, "s_ago": round(now - last.at, 1)}


def _worker(seat: Seat, member: Member | None, now: float) -> dict[str, object]:
    beat = member.beat if member is not None else None
    rate = member.rate.per_s() if member is not None else None
    rss_bytes, pss_bytes = member.sizes() if member is not None else (None, None)
    return {
        "id": seat.name,
        "pid": seat.pid or None,
        "state": seat.state.value,
        "generation": seat.generation,
        "claiming": beat.claiming if beat else None,
        "slots": beat.slots if beat else None,
        "busy": beat.busy if beat else None,
        "done": beat.done if beat else None,
        "failed": beat.failed if beat else None,
        "retried": beat.retried if beat else None,
        "rate_per_s": None if rate is None else round(rate, 2),
        "rss_bytes": rss_bytes,
        "pss_bytes": pss_bytes,
        "lag_ms": beat.lag_ms if beat else None,
        "oldest_s": beat.oldest_s if beat else None,
        "uptime_s": round(now - member.since, 1) if member else None,
        "beat_s_ago": round(now - member.beat_at, 1) if member and beat else None,
        "failures": seat.failures,
        "names": beat.names if beat else [],
    }


def _probes(fleet: Fleet, crew: Mapping[str, Member], now: float) -> list[dict[str, object]]:
    return [_worker(seat, crew.get(seat.name), now) for seat in fleet.seats.probes() if seat.alive]


def _keeper(fleet: Fleet, crew: Mapping[str, Member], now: float) -> dict[str, object]:
    seat = fleet.seats[KEEPER]
    member = crew.get(KEEPER)
    beat = member.keeper_beat if member is not None else None
    return {
        "pid": seat.pid or None,
        "state": seat.state.value,
        "rss_bytes": beat.rss_bytes if beat else None,
        "beat_s_ago": round(now - member.beat_at, 1) if member and beat else None,
        "redis_down_s": beat.redis_down_s if beat else None,
    }


def _queues(depths: Depths, telemetry: Telemetry, now: float) -> list[dict[str, object]]:
    lately = performance.of_queues(telemetry, now)
    if depths.sample is None or len(depths.sample.queues) != len(depths.names):
        return []  # of an earlier configuration
    return [
        {
            "name": name,
            "ready": _known(row[0]),
            "scheduled": _known(row[1]),
            "claimed": _known(row[2]),
            "oldest_s": None if row[3] < 0 else row[3] / 1000,
            "paused": None if row[4] < 0 else row[4] == 1,
            "arrived": _known(row[ARRIVED]),
            "arrivals_per_s": _rounded(depths.arrivals.per_s(place, 60.0)),
            **lately.get(name, performance.NOTHING),
        }
        for place, (name, row) in enumerate(zip(depths.names, depths.sample.queues, strict=True))
    ]


def _known(count: int) -> int | None:
    return None if count < 0 else count


def _rounded(per_s: float | None) -> float | None:
    return None if per_s is None else round(per_s, 3)


def _totals(totals: Totals) -> dict[str, object]:
    rate = totals.rate.per_s()
    return {
        "done": totals.done,
        "failed": totals.failed,
        "retried": totals.retried,
        "released": totals.released,
        "superseded": totals.superseded,
        "discarded": totals.discarded,
        "expired": totals.expired,
        "timed_out": totals.timed_out,
        "reclaimed": totals.reclaimed,
        "rate_per_s": None if rate is None else round(rate, 2),
        "run_p50_s": totals.runs.quantile_s(0.5),
        "run_p95_s": totals.runs.quantile_s(0.95),
    }
