"""Which faults happen in a run, in which order, for how long: all of it follows from the seed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

SHORT_LEASE_S, DEFAULT_LEASE_S = 3.0, 15.0
DEFAULT_LEASE_EVERY = 5
"""Each fifth seed runs with the default lease, with which the loss of a host is slow."""

KINDS = {
    "worker_kill": "a worker is killed",
    "worker_pause": "a worker is stopped for a moment, and goes on",
    "worker_stop": "a worker is stopped until its master ends it as hung",
    "keeper_kill": "a keeper is killed",
    "keeper_pause": "a keeper is stopped for half a lease, and goes on",
    "master_kill": "a master is killed, and started again",
    "daemon_kill": "all processes of a daemon are killed; the other daemon takes over",
    "daemon_stop": "all processes of a daemon are stopped for longer than its lease, and go on",
    "redis_kill": "Redis is killed and started again",
    "redis_pause": "Redis is stopped, at times for longer than a lease, and goes on",
    "client_kill": "CLIENT KILL cuts all connections",
    "latency": "a daemon's way to Redis takes up to 0.15 s longer",
    "half_open": "a daemon's connections stay open, and nothing comes or goes",
    "redis_full": "Redis reaches maxmemory, and has room again",
}
"""Every kind of fault, in words."""

AT_ONCE = ("worker_kill", "keeper_kill", "client_kill")
"""What may happen on top of another fault."""

_ON_TOP = {
    "redis_pause",
    "redis_full",
    "latency",
    "client_kill",
    "worker_pause",
    "keeper_kill",
    "worker_kill",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `daemon` is which of the two it hits, where that matters; `on_top` happens meanwhile."""

    kind: str
    daemon: int
    pause_s: float
    hold_s: float
    amount: float
    on_top: str = ""


def lease_s(seed: int) -> float:
    """Return the lease of a run's daemons."""
    return SHORT_LEASE_S if seed % DEFAULT_LEASE_EVERY else DEFAULT_LEASE_S


def plan(seed: int, more: int = 3) -> list[Fault]:
    """Return each kind once and a few of them again, in an order of their own for each seed."""
    chance = Random(seed)
    kinds = [*KINDS, *chance.choices(list(KINDS), k=more)]
    chance.shuffle(kinds)
    return [_fault(kind, lease_s(seed), chance) for kind in kinds]


def _fault(kind: str, lease: float, chance: Random) -> Fault:
    longest_s = {
        "worker_pause": 1.0,
        "keeper_pause": lease / 2,
        "daemon_stop": lease + 2.0,
        "redis_kill": 1.0,
        "redis_pause": lease + 1.5 if lease == SHORT_LEASE_S else 6.0,
        "latency": 2.0,
        "half_open": lease + 2.5 if lease == SHORT_LEASE_S else 6.0,
        "redis_full": 2.0,
    }.get(kind, 0.0)
    least = 1.0 if kind == "daemon_stop" else 0.2
    on_top = chance.choice(AT_ONCE) if kind in _ON_TOP and chance.random() < 0.4 else ""
    return Fault(
        kind=kind,
        daemon=1 if kind in ("latency", "half_open") else chance.randrange(2),
        pause_s=chance.uniform(0.1, 0.8),
        hold_s=longest_s * chance.uniform(least, 1.0),
        amount=chance.random(),
        on_top=on_top if on_top != kind else "",
    )
