"""A sample for the autoscaler, out of what the master knows at one moment. Pure.

What is not known is None: a number that somebody made up would be decided upon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqd.config.model import QueuesConfig
from tqd.master.crew import ARRIVED, HELD, THROTTLED, Depths, Member
from tqd.master.fleet import Fleet
from tqd.master.seats import ChildState, Seat
from tqd.master.telemetry import Recent
from tqd.metrics.histogram import Histogram
from tqd.scale.sample import QueueReading, Runs, Sample, Window
from tqd.store.company import Company
from tqd.system.memory import MemoryState
from tqd.task.queue_limit import OTHER_WEIGHT, QueueLimit
from tqd.wire.messages import Sampled

READY, CLAIMED = 0, 2
"""Places of a row of a sample; see `Sampled`."""

AT_ITS_LIMIT, JUST_NOW, BY_KEYS = "at its own limit", "at its own limit just now", "at the limits of its keys"
"""Why workers would not help a queue, or not all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a sample is made of besides the fleet: the namespace, what happened since, memory, time.

    `before`: what held each queue back at the sample before, by name. `slots` are those of one worker.
    `suspended` says why no worker would start anything; empty when they would.
    """

    depths: Depths
    recent: Recent
    memory: MemoryState
    queues: QueuesConfig
    slots: int
    before: Mapping[str, str]
    since_start_s: float
    since_reload_s: float | None
    suspended: str = ""


def measure(fleet: Fleet, crew: Mapping[str, Member], moment: Moment, now: float) -> Sample:
    """Return what is known at `now` (monotonic)."""
    seats, recent, depths = fleet.seats.workers(), moment.recent, moment.depths
    told = depths.sample
    ready = [seat for seat in seats if seat.state is ChildState.READY and not seat.leaving]
    queues = tuple(_readings(moment))
    return Sample(
        workers=fleet.wanted.workers,
        slots=moment.slots,
        ready_workers=len(ready),
        starting=sum(seat.state is ChildState.STARTING for seat in seats),
        suspects=fleet.wanted.suspects,
        suspended=moment.suspended,
        draining=sum(seat.leaving or seat.state is ChildState.DRAINING for seat in seats),
        **_company(told),
        queues=queues,
        window=_window(moment, queues),
        pss_bytes=tuple(_pss(ready, crew)),
        headroom_bytes=moment.memory.free_bytes,
        limit_bytes=moment.memory.limit_bytes,
        beats_age_s=recent.beats_age_s if ready else 0.0,  # nobody is there to be heard
        queues_age_s=recent.queues_age_s,
        reloading=not fleet.rollout.settled,
        since_start_s=moment.since_start_s,
        since_reload_s=moment.since_reload_s,
    )


def _company(told: Sampled | None) -> dict[str, Any]:
    if told is None:
        return {}
    company = Company(*told.company)
    return {
        "nodes": _known(company.sharing),
        "rank": _known(company.rank),
        "others": _known(company.others),
        "others_grown_s": None if company.grown_ms < 0 else company.grown_ms / 1000,
        "others_changed_s": None if company.changed_ms < 0 else company.changed_ms / 1000,
    }


def holds(sample: Sample) -> dict[str, str]:
    """Return what held queues back in a sample, by name: the `before` of the next one."""
    return {one.name: one.held or one.slowed for one in sample.queues if one.held or one.slowed}


def _readings(moment: Moment) -> Iterable[QueueReading]:
    depths, queues = moment.depths, moment.queues
    if depths.sample is None or len(depths.sample.queues) != len(depths.names):
        return
    weights = {one.queue: one.weight for one in queues.weights}
    limits = {one.queue: one for one in queues.limits}
    for name, row in zip(depths.names, depths.sample.queues, strict=True):
        ready, scheduled, claimed, oldest_ms, paused = row[:ARRIVED]
        # No worker could start what waits for its key.
        startable = max(0, ready - row[HELD]) if ready >= 0 else ready
        before = moment.before.get(name, "")
        yield QueueReading(
            name=name,
            weight=weights.get(name, OTHER_WEIGHT),
            ready=_known(startable),
            claimed=_known(claimed),
            scheduled=_known(scheduled),
            oldest_s=None if oldest_ms < 0 or not startable else oldest_ms / 1000,
            held="paused" if paused == 1 else _held(limits.get(name), row, before),
            keyed=max(0, row[HELD]),
            slowed=BY_KEYS if row[HELD] > 0 or before == BY_KEYS else "",
        )


def _held(limit: QueueLimit | None, row: Sequence[int], before: str) -> str:
    """Return why more workers would not help a queue.

    One that is at its limit is below it for a moment whenever a task ends, and so counts as held for one
    sample more: what was started meanwhile had waited for the limit.
    """
    if limit is None:
        return ""
    at_most = limit.concurrency and row[CLAIMED] >= limit.concurrency
    at_rate = limit.rate_per_s and row[THROTTLED] == 1 and row[READY] > 0
    if at_most or at_rate:
        return AT_ITS_LIMIT
    return JUST_NOW if before == AT_ITS_LIMIT else ""


def _window(moment: Moment, queues: Sequence[QueueReading]) -> Window:
    recent = moment.recent
    held = {one.name for one in queues if one.held or one.slowed}
    waits = Histogram()
    for name, found in recent.waits.items():
        if name not in held:
            waits.merge(found.counts)
    return Window(
        span_s=recent.span_s,
        busy_slot_s=recent.busy_slot_s,
        slot_s=recent.slot_s,
        arrivals_per_s=_arrivals_per_s(moment, queues),
        finished=recent.finished,
        failed=recent.failed,
        runs={name: Runs(count, total_s) for name, (count, total_s) in recent.runs.items()},
        wait_p95_s=waits.quantile_s(0.95),
        run_p95_s=recent.run_p95_s,
    )


def _arrivals_per_s(moment: Moment, queues: Sequence[QueueReading]) -> float | None:
    """Return how many tasks a second arrived where more workers could start more; None: it is not known."""
    arrivals = moment.depths.arrivals
    rates = [
        arrivals.per_s(place, moment.recent.span_s)
        for place, one in enumerate(queues)
        if not (one.held or one.slowed)
    ]
    known = [rate for rate in rates if rate is not None]
    if not queues or len(known) < len(rates):
        return None
    return sum(known)


def _pss(ready: Sequence[Seat], crew: Mapping[str, Member]) -> Iterable[int]:
    for seat in ready:
        member = crew.get(seat.name)
        if member is not None and member.pss_bytes:
            yield member.pss_bytes


def _known(count: int) -> int | None:
    return None if count < 0 else count
