"""How many workers the load asks for, how many fit into memory, and whose turn it is. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from tqd.scale.records import Records
from tqd.scale.sample import Sample
from tqd.scale.seen import Seen
from tqd.scale.thresholds import Thresholds

MEMORY_RESERVE = 0.1
"""The share of the memory limit that is never planned for: page cache, and what a worker grows at work."""

_NOTHING = 0.01
_WHOLE = 1e-9
_MOST = 1_000_000.0


class Need(NamedTuple):
    """How many workers the namespace needs.

    `workers` is None when it cannot be told. `at_least`: it may be more, as long tasks that have not ended
    are in no run time. `by_slots`: the arrivals or the run times are not known, so the busy slots stand for
    them.
    """

    workers: float | None
    at_least: bool = False
    by_slots: bool = False


def needed(slots: int, seen: Seen, records: Records, goal_s: float, limits: Thresholds) -> Need:
    """Return (arrival rate + backlog ÷ wait goal) × mean run time ÷ (slots × target utilization).

    The backlog is no more slots than it has tasks, however long they run. Tasks of queues that something
    else than workers holds back count as far as they run. While arrivals or run times are not known, the
    busy slots are the load instead: in a steady state they are the same. Long tasks that have not finished
    are in no mean: while a ready task is over its goal, and the slots are busy or there are none, it is at
    least one worker more than there are.
    """
    per_worker = slots * limits.target_utilization
    run_s = records.run.mean_s if records.run is not None else None
    arrivals_per_s, backlog = records.arrivals_per_s, seen.backlog
    by_slots = arrivals_per_s is None or run_s is None
    load = _busy_slots(slots, seen) if arrivals_per_s is None or run_s is None else arrivals_per_s * run_s
    if load is None or backlog is None or per_worker <= 0:
        return Need(workers=None)
    load += min(float(backlog), backlog / goal_s * (run_s or 0.0))
    load += 0.0 if by_slots else seen.bound
    workers, at_least = min(load / per_worker, _MOST), run_s is None and backlog > 0
    if seen.fleet is not None and workers < seen.fleet + 1.0 and _late_and_busy(seen, goal_s, limits):
        workers, at_least = seen.fleet + 1.0, True
    return Need(workers=workers, at_least=at_least, by_slots=by_slots)


def kept(need: Need, slots: int, workers: int, seen: Seen, records: Records, limits: Thresholds) -> Need:
    """Return the need to shrink by: no less than what the slots that were busy lately ask for.

    Tasks of many minutes are in no mean run time before they end; but the slots that they hold are seen.
    """
    per_worker = slots * limits.target_utilization
    if need.workers is None or records.busy_slots is None or not workers or per_worker <= 0:
        return need
    # The others' slots are as busy as this daemon's.
    busy = records.busy_slots * (seen.fleet or workers) / workers
    return need._replace(workers=max(need.workers, min(busy / per_worker, _MOST)))


def _busy_slots(slots: int, seen: Seen) -> float | None:
    if seen.fleet == 0:
        return 0.0
    known = seen.utilization is not None and seen.fleet is not None
    return (seen.utilization or 0.0) * (seen.fleet or 0) * slots if known else None


def _late_and_busy(seen: Seen, goal_s: float, limits: Thresholds) -> bool:
    late = seen.oldest_s is not None and seen.oldest_s > goal_s
    return late and (seen.utilization is None or seen.utilization > limits.worker_utilization)


def whole(need: Need, seen: Seen) -> int | None:
    """Return the need as a number of workers; 0 only when nothing waits and nothing runs."""
    if need.workers is None:
        return None
    if need.workers < _NOTHING:
        return 0 if seen.idle else 1
    return math.ceil(need.workers - _WHOLE)


def allowed(sample: Sample, records: Records) -> int | None:
    """Return how many workers of this daemon fit into memory; None when that is not known.

    Each is taken to become as large as the largest was lately: the young ones are small only for now. While
    the size of one has not been read, no more than there are fit, unless another one surely does.
    """
    free, peak = sample.headroom_bytes, records.peak_pss_bytes
    if free is None:
        return None
    usable = free + sum(sample.pss_bytes)
    limit = usable if sample.limit_bytes is None else sample.limit_bytes
    if peak <= 0 or len(sample.pss_bytes) < (sample.ready_workers or 0):
        return None if free - MEMORY_RESERVE * limit > peak else sample.workers
    return max(0, math.floor((usable - MEMORY_RESERVE * limit) / peak))


def share(step: int, nodes: int | None, rank: int | None, turns: int, *, growing: bool) -> int:
    """Return this daemon's part of a step that all daemons of the namespace take together.

    What cannot be divided goes to the first in growing, to the last in shrinking: ranks begin with the
    one that has the fewest workers. `turns` is how often the others were let go first: whoever stands
    in front may be unable to do its part, so each turn moves one place up.
    """
    if nodes is None or nodes <= 1:
        return step if nodes == 1 else min(step, 1)
    place = nodes - 1 if rank is None else min(rank, nodes - 1)
    if rank is not None and not growing:
        place = nodes - 1 - place
    whole_parts, rest = divmod(step, nodes)
    return whole_parts + (1 if max(0, place - turns) < rest else 0)
