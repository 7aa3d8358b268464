"""What a sample comes to before anything is judged: sums and shares, each reckoned once. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tqd.scale.decision import HeldQueue
from tqd.scale.sample import QueueReading, Sample


class Seen(NamedTuple):
    """The figures that signals and target share; None: not known.

    `fleet`: the workers of the namespace, this daemon's counted as it wants them. `backlog`: ready tasks that
    workers could take, and `weighted` the same, each times the weight of its queue. `oldest`: the queue
    whose oldest ready task has waited longest, and `oldest_s` for how long. `utilization`: the share of
    this daemon's slot-seconds that were busy. `waiting`: the backlog, as far as it is known, and the
    suspects. `idle`: nothing waits and nothing runs. `bound`: slots of the namespace that run tasks of queues
    whose arrivals do not count, as something else than workers holds them back; `held` are those queues.
    """

    fleet: int | None
    backlog: int | None
    weighted: float | None
    oldest: str
    oldest_s: float | None
    utilization: float | None
    waiting: int
    idle: bool
    bound: int
    held: tuple[HeldQueue, ...]


def see(sample: Sample) -> Seen:
    """Return the figures of a sample; queues that more workers would not help count for nothing."""
    serving = [queue for queue in sample.queues if not queue.held]
    window, utilization = sample.window, None
    if window.busy_slot_s is not None and window.slot_s:
        utilization = min(1.0, window.busy_slot_s / window.slot_s)
    ready, weighted, known = _backlog(serving)
    known = known and bool(sample.queues)
    oldest, oldest_s = _oldest(serving)
    kept = [queue for queue in sample.queues if queue.held or queue.slowed]
    waiting = ready + sample.suspects
    return Seen(
        fleet=_fleet(sample),
        backlog=ready if known else None,
        weighted=weighted if known else None,
        oldest=oldest,
        oldest_s=oldest_s,
        utilization=utilization,
        waiting=waiting,
        idle=not waiting and not window.busy_slot_s and all(queue.claimed == 0 for queue in serving),
        bound=sum(queue.claimed or 0 for queue in kept) if kept else 0,
        held=_held(kept) if kept else (),
    )


def _held(kept: list[QueueReading]) -> tuple[HeldQueue, ...]:
    """Return the queues of which tasks wait that workers could not start."""
    found = (
        HeldQueue(queue.name, queue.held or queue.slowed, (queue.ready or 0) * bool(queue.held) + queue.keyed)
        for queue in kept
    )
    return tuple(one for one in found if one.ready)


def _fleet(sample: Sample) -> int | None:
    """Return the workers of the namespace; None when the others' are not known."""
    if sample.others is None:
        return sample.workers if sample.nodes == 1 else None
    return sample.workers + sample.others


def _backlog(serving: list[QueueReading]) -> tuple[int, float, bool]:
    """Return how many are ready, plain and weighted, as far as that is known, and whether it is of all."""
    backlog, weighted, known = 0, 0.0, True
    for queue in serving:
        ready = queue.ready
        if ready is None:
            known = False
        elif ready:
            backlog += ready
            weighted += queue.weight * ready
    return backlog, weighted, known


def _oldest(serving: list[QueueReading]) -> tuple[str, float | None]:
    name, longest_s = "", None
    for queue in serving:
        if queue.oldest_s is not None and (longest_s is None or queue.oldest_s > longest_s):
            name, longest_s = queue.name, queue.oldest_s
    return name, longest_s
