"""The policies that tqd's own is compared with, each by the rule that its model is known for.

All may have 1 to `most` workers and are shown the same, exact samples. Their constants are those of their
models' documentation where it has them, and were not changed after the first run.
"""

from __future__ import annotations

import math
from collections import deque

from tqd.scale.sample import Sample
from tqd.simulate.run import Choice

LEAST, MOST = 1, 20


def _bounded(workers: int) -> int:
    return min(MOST, max(LEAST, workers))


def _ready(sample: Sample) -> int:
    return sum(queue.ready or 0 for queue in sample.queues)


def _in_hand(sample: Sample) -> int:
    """Return how many tasks are ready or running."""
    return _ready(sample) + sum(queue.claimed or 0 for queue in sample.queues)


class Depth:
    """A threshold of queue depth: two more when more than a worker's worth waits for each worker.

    One fewer when nothing has waited for 30 s and what runs has room in one worker fewer.
    """

    name = "queue depth"
    interval_s = 5.0

    def __init__(self) -> None:
        self._busy_at = 0.0

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return two more, one fewer, or the same."""
        ready = _ready(sample)
        if ready > sample.slots * sample.workers:
            self._busy_at = now
            return Choice(_bounded(sample.workers + 2), "too deep")
        if ready or _in_hand(sample) > sample.slots * (sample.workers - 1):
            self._busy_at = now
        if now - self._busy_at >= 30:
            return Choice(_bounded(sample.workers - 1), "empty")
        return Choice(sample.workers, "")


class Celery:
    """Celery's --autoscale: each second as many as there are tasks in hand, fewer 30 s after the last rise.

    Celery counts what its consumer has reserved, four tasks for each process; here, for each slot.
    """

    name = "Celery"
    interval_s = 1.0

    def __init__(self) -> None:
        self._rose_at = -math.inf

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return a slot for each task in hand."""
        reserved = min(_in_hand(sample), 4 * sample.slots * sample.workers)
        wanted = _bounded(math.ceil(reserved / sample.slots))
        if wanted > sample.workers:
            self._rose_at = now
            return Choice(wanted, "more in hand")
        if wanted < sample.workers and now - self._rose_at > 30:
            return Choice(wanted, "fewer in hand")
        return Choice(sample.workers, "")


class Hpa:
    """Kubernetes' HorizontalPodAutoscaler on utilization: 70 %, each 15 s, tolerance 0.1.

    Up by four or to twice as many at a time; down to the most that was recommended in the last 5 minutes.
    """

    name = "HPA"
    interval_s = 15.0

    def __init__(self) -> None:
        self._past: deque[tuple[float, int]] = deque()

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return workers in proportion to how busy they were."""
        window, workers = sample.window, sample.workers
        ratio = (window.busy_slot_s or 0.0) / window.slot_s / 0.7 if window.slot_s else 1.0
        asked = workers if abs(ratio - 1) <= 0.1 else math.ceil(workers * ratio)
        self._past.append((now, asked))
        while self._past[0][0] < now - 300:
            self._past.popleft()
        if asked > workers:
            return Choice(_bounded(min(asked, max(workers + 4, workers * 2))), "busy")
        return Choice(_bounded(min(workers, max(count for _, count in self._past))), "idle")


class Latency:
    """Steps of queue time, like Judoscale: one more above half of the goal, two above it, four above twice.

    Looked at each 10 s; one fewer when it was below a tenth of the goal for 5 minutes.
    """

    name = "queue latency"
    interval_s = 10.0

    def __init__(self, goal_s: float) -> None:
        self._goal_s = goal_s
        self._slow_at = 0.0

    def choose(self, sample: Sample, now: float) -> Choice:
        """Return more by how long tasks waited."""
        oldest_s = max((queue.oldest_s or 0.0 for queue in sample.queues), default=0.0)
        waited_s = max(sample.window.wait_p95_s or 0.0, oldest_s)
        share = waited_s / self._goal_s
        if share >= 0.1:
            self._slow_at = now
        more = 4 if share > 2 else 2 if share > 1 else 1 if share > 0.5 else 0
        if more:
            return Choice(_bounded(sample.workers + more), "slow")
        if now - self._slow_at >= 300:
            self._slow_at = now
            return Choice(_bounded(sample.workers - 1), "fast")
        return Choice(sample.workers, "")
