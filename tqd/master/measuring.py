"""A sample for the autoscaler, out of what the master knows at one moment. Pure.

What is not known is None: a number that somebody made up would be decided upon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tqd.config.model import QueuesConfig
from tqd.master.crew import ARRIVED, HELD, Depths, Member
from tqd.master.fleet import Fleet
from tqd.master.seats import ChildState, Seat
from tqd.master.telemetry import Recent
from tqd.scale.sample import QueueReading, Runs, Sample, Window
from tqd.system.memory import MemoryState
from tqd.task.queue_limit import OTHER_WEIGHT, QueueLimit

AT_ITS_RATE = 0.9
"""A queue from which so much of its own rate is taken is held back by that, and not by want of workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a sample is made of besides the fleet: the namespace, what happened since, memory, time.

    `before`: how many were ready in each queue at the sample before, by name, and `since_s` how long ago
    that was. `slots` are those of one worker. `held` says why no queue would be helped by more workers;
    empty when they would.
    """

    depths: Depths
    recent: Recent
    memory: MemoryState
    queues: QueuesConfig
    slots: int
    before: Mapping[str, int]
    since_s: float
    since_start_s: float
    since_reload_s: float | None
    held: str = ""


def measure(fleet: Fleet, crew: Mapping[str, Member], moment: Moment, now: float) -> Sample:
    """Return what is known at `now` (monotonic)."""
    seats, recent, depths = fleet.seats.workers(), moment.recent, moment.depths
    told = depths.sample
    ready = [seat for seat in seats if seat.state is ChildState.READY and not seat.leaving]
    return Sample(
        workers=fleet.wanted.workers,
        slots=moment.slots,
        ready_workers=len(ready),
        starting=sum(seat.state is ChildState.STARTING for seat in seats),
        suspects=0 if moment.held else fleet.wanted.suspects,
        draining=sum(seat.leaving or seat.state is ChildState.DRAINING for seat in seats),
        nodes=_known(told.nodes) if told else None,
        rank=_known(told.rank) if told else None,
        workers_everywhere=_known(told.workers) if told else None,
        queues=tuple(_readings(moment)),
        window=_window(moment),
        pss_bytes=tuple(_pss(ready, crew)),
        headroom_bytes=moment.memory.free_bytes,
        limit_bytes=moment.memory.limit_bytes,
        beats_age_s=recent.beats_age_s if ready else 0.0,  # nobody is there to be heard
        queues_age_s=recent.queues_age_s,
        reloading=fleet.rollout.roll is not None,
        since_start_s=moment.since_start_s,
        since_reload_s=moment.since_reload_s,
    )


def ready_counts(depths: Depths) -> dict[str, int]:
    """Return how many tasks are ready in each queue, those that are not known left out."""
    if depths.sample is None or len(depths.sample.queues) != len(depths.names):
        return {}
    return {name: row[0] for name, row in zip(depths.names, depths.sample.queues, strict=True) if row[0] >= 0}


def _readings(moment: Moment) -> Iterable[QueueReading]:
    depths, queues = moment.depths, moment.queues
    if depths.sample is None or len(depths.sample.queues) != len(depths.names):
        return
    weights = {one.queue: one.weight for one in queues.weights}
    limits = {one.queue: one for one in queues.limits}
    for place, (name, row) in enumerate(zip(depths.names, depths.sample.queues, strict=True)):
        ready, scheduled, claimed, oldest_ms, paused = row[:ARRIVED]
        # No worker could start what waits for its key.
        startable = max(0, ready - row[HELD]) if ready >= 0 else ready
        taken = _taken_per_s(moment, place, name, ready)
        yield QueueReading(
            name=name,
            weight=weights.get(name, OTHER_WEIGHT),
            ready=_known(startable),
            claimed=_known(claimed),
            scheduled=_known(scheduled),
            oldest_s=None if oldest_ms < 0 or not startable else oldest_ms / 1000,
            held="paused" if paused == 1 else moment.held or _held(limits.get(name), claimed, taken),
        )


def _taken_per_s(moment: Moment, place: int, name: str, ready: int) -> float | None:
    """Return how many tasks a second were lately taken from a queue, by all daemons."""
    arrivals, before = moment.depths.arrivals.per_s(place, moment.since_s), moment.before.get(name)
    if arrivals is None or before is None or ready < 0 or moment.since_s <= 0:
        return None
    return arrivals - (ready - before) / moment.since_s


def _held(limit: QueueLimit | None, claimed: int, taken_per_s: float | None) -> str:
    if limit is None:
        return ""
    at_most = limit.concurrency and claimed >= limit.concurrency
    at_rate = limit.rate_per_s and taken_per_s is not None and taken_per_s >= AT_ITS_RATE * limit.rate_per_s
    return "at its own limit" if at_most or at_rate else ""


def _window(moment: Moment) -> Window:
    recent = moment.recent
    return Window(
        busy_slot_s=recent.busy_slot_s,
        slot_s=recent.slot_s,
        arrivals_per_s=recent.arrivals_per_s,
        finished=recent.finished,
        failed=recent.failed,
        runs={name: Runs(count, total_s) for name, (count, total_s) in recent.runs.items()},
        wait_p95_s=recent.wait_p95_s,
        run_p95_s=recent.run_p95_s,
    )


def _pss(ready: Sequence[Seat], crew: Mapping[str, Member]) -> Iterable[int]:
    for seat in ready:
        member = crew.get(seat.name)
        if member is not None and member.pss_bytes:
            yield member.pss_bytes


def _known(count: int) -> int | None:
    return None if count < 0 else count
