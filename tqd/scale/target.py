"""How many workers the load asks for, how many fit into memory, and whose turn it is. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tqd.scale.records import Records
from tqd.scale.sample import Sample
from tqd.scale.signals import utilization
from tqd.scale.thresholds import Thresholds

MEMORY_RESERVE = 0.1
"""The share of the memory limit that is never planned for: page cache, and what a worker grows at work."""

_NOTHING = 0.01
_WHOLE = 1e-9
_MOST = 1_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many workers the namespace needs.

    `workers` is None when it cannot be told. `at_least`: the backlog could not be counted in, as no attempt
    has finished yet. `by_slots`: the arrivals or the run times are not known, so the busy slots stand for
    them.
    """

    workers: float | None
    at_least: bool = False
    by_slots: bool = False


def needed(sample: Sample, records: Records, goal_s: float, limits: Thresholds) -> Need:
    """Return (arrival rate + backlog ÷ wait goal) × mean run time ÷ (slots × target utilization).

    While arrivals or run times are not known, the busy slots are the load instead: in a steady state they
    are the same. Long tasks that have not finished are in no mean: while a ready task is over its goal
    and the slots are busy, it is at least one more than there are.
    """
    per_worker = sample.slots * limits.target_utilization
    if per_worker <= 0:
        return Need(workers=None)
    run_s = records.run.mean_s if records.run is not None else None
    arrivals_per_s, backlog = records.arrivals_per_s, sample.backlog
    by_slots = arrivals_per_s is None or run_s is None
    load = _busy_slots(sample) if arrivals_per_s is None or run_s is None else arrivals_per_s * run_s
    if load is None or backlog is None:
        return Need(workers=None)
    load += backlog / goal_s * (run_s or 0.0)
    workers = min(load / per_worker, _MOST)
    fleet = sample.fleet
    if fleet is not None and _late_and_busy(sample, goal_s, limits):
        workers = max(workers, fleet + 1.0)
    return Need(workers=workers, at_least=run_s is None and backlog > 0, by_slots=by_slots)


def _busy_slots(sample: Sample) -> float | None:
    share, fleet = utilization(sample), sample.fleet
    if fleet == 0:
        return 0.0
    return None if share is None or fleet is None else share * fleet * sample.slots


def _late_and_busy(sample: Sample, goal_s: float, limits: Thresholds) -> bool:
    oldest, share = sample.oldest, utilization(sample)
    late = oldest is not None and (oldest.oldest_s or 0.0) > goal_s
    return late and share is not None and share > limits.worker_utilization


def whole(need: Need, sample: Sample) -> int | None:
    """Return the need as a number of workers; 0 only when nothing is ready and nothing runs."""
    if need.workers is None:
        return None
    if need.workers < _NOTHING:
        return 0 if _nothing_in_hand(sample) else 1
    return math.ceil(need.workers - _WHOLE)


def _nothing_in_hand(sample: Sample) -> bool:
    claimed = any(queue.claimed != 0 or queue.ready != 0 for queue in sample.serving)
    return not claimed and not sample.window.busy_slot_s


def allowed(sample: Sample, records: Records) -> int | None:
    """Return how many workers of this daemon fit into memory; None when that is not known.

    Each is taken to become as large as the largest was lately: the young ones are small only for now.
    """
    if sample.headroom_bytes is None or records.peak_pss_bytes <= 0:
        return None
    usable = sample.headroom_bytes + sum(sample.pss_bytes)
    limit = usable if sample.limit_bytes is None else sample.limit_bytes
    return max(0, math.floor((usable - MEMORY_RESERVE * limit) / records.peak_pss_bytes))


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
