"""What was measured at one moment, as one value: all that a scaling decision may know of the world.

None is "not known" and never stands for nothing; no default here pretends to be a reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Runs(NamedTuple):
    """Attempts of one task name that finished in a window: how many, and their run times added up."""

    attempts: int
    total_s: float


_NO_RUNS: Mapping[str, Runs] = MappingProxyType({})


class QueueReading(NamedTuple):
    """One queue of the namespace, as Redis has it.

    `oldest_s` is the age of the oldest ready task; None when nothing is ready, or when it is not known.
    `held` says why more workers would not help it ("paused", "at its own limit"); empty when they would.
    `slowed` says why they would not help all of it: `ready` and `oldest_s` are of those that they would,
    `keyed` are those that wait for their keys.
    """

    name: str
    weight: float = 1.0
    ready: int | None = None
    claimed: int | None = None
    scheduled: int | None = None
    oldest_s: float | None = None
    held: str = ""
    slowed: str = ""
    keyed: int = 0


class Window(NamedTuple):
    """What happened since the sample before, `span_s` ago.

    Of this daemon: `busy_slot_s` of `slot_s` slot-seconds, attempts `finished` and of them `failed` (those
    that will be retried, too), `runs` by task name. `wait_p95_s`: ready → started; `run_p95_s`: run times.
    Of the namespace: `arrivals_per_s`, tasks that became ready. `wait_p95_s` and `arrivals_per_s` leave out
    the queues that are held or slowed: what waits there waits for something else than a worker.
    """

    span_s: float | None = None
    busy_slot_s: float | None = None
    slot_s: float | None = None
    arrivals_per_s: float | None = None
    finished: int | None = None
    failed: int | None = None
    runs: Mapping[str, Runs] = _NO_RUNS
    wait_p95_s: float | None = None
    run_p95_s: float | None = None


class Sample(NamedTuple):
    """One moment of one daemon and of the namespace that it serves.

    `workers` is how many this daemon wants at the moment; `ready_workers`, `starting` and `draining` are
    processes. `suspects` wait for a probe, which comes only where workers are. `slots` are those of one
    worker. `nodes` daemons share the work and scale themselves, this one included; `rank` is its place among
    them, from 0, where the one that wants the fewest workers comes first and names decide between equals.
    `others` are the workers of all other daemons that share the work, as they want them where they say so;
    `others_grown_s` and `others_changed_s` are for how long none of those has grown, or changed its number.

    `pss_bytes`: one reading for each ready worker that has one. `headroom_bytes`: what is left until
    `limit_bytes`, the host's or the cgroup's. `beats_age_s` and `queues_age_s`: how old the words of the
    workers, of which half are younger, and the reading of the queues are. `suspended` says why no worker
    would start anything, however many there are ("the daemon is quiet"); empty when they would.
    `since_reload_s` is None when there was no reload.
    """

    workers: int
    slots: int
    ready_workers: int | None = None
    starting: int = 0
    draining: int = 0
    suspects: int = 0
    nodes: int | None = None
    rank: int | None = None
    others: int | None = None
    others_grown_s: float | None = None
    others_changed_s: float | None = None
    queues: tuple[QueueReading, ...] = ()
    window: Window = Window()
    pss_bytes: tuple[int, ...] = ()
    headroom_bytes: int | None = None
    limit_bytes: int | None = None
    beats_age_s: float | None = None
    queues_age_s: float | None = None
    suspended: str = ""
    reloading: bool = False
    since_start_s: float | None = None
    since_reload_s: float | None = None
