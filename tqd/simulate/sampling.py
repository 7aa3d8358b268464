"""What a live daemon would measure of the plant: the sample that a policy decides by. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tqd.scale.sample import QueueReading, Runs, Sample, Window
from tqd.simulate.counts import Counts
from tqd.simulate.crew import Life
from tqd.simulate.plant import Plant


class Sampler:
    """Takes one sample after another, each of what happened since the one before.

    All is known, and measured at this moment: telemetry that is late or missing is not simulated.
    """

    def __init__(self, plant: Plant, weights: Mapping[str, float]) -> None:
        self.latest = Counts()
        self._plant = plant
        self._weights = weights
        self._since = plant.now

    def take(self) -> Sample:
        """Return the sample of this moment; `latest` holds the counts since the last."""
        plant, crew = self._plant, self._plant.crew
        passed_s, self._since = plant.now - self._since, plant.now
        self.latest = plant.take()
        ready, starting, draining = crew.lives()
        memory = plant.shape.memory
        limit_bytes = memory.limit_bytes if memory else None
        return Sample(
            workers=ready + starting,
            slots=plant.shape.slots,
            ready_workers=ready,
            starting=starting,
            draining=draining,
            nodes=1,
            rank=0,
            others=0,
            queues=tuple(self._queues()),
            window=_window(self.latest, passed_s),
            pss_bytes=tuple(one.memory_bytes for one in crew.workers if one.life is Life.READY and memory),
            headroom_bytes=None if limit_bytes is None else limit_bytes - crew.memory_bytes,
            limit_bytes=limit_bytes,
            beats_age_s=0.0,
            queues_age_s=0.0,
            since_start_s=plant.now,
        )

    def _queues(self) -> Iterator[QueueReading]:
        now = self._plant.now
        for name, queue in self._plant.queues.items():
            yield QueueReading(
                name=name,
                weight=self._weights.get(name, 1.0),
                ready=len(queue.waiting),
                claimed=queue.claimed,
                scheduled=queue.scheduled,
                oldest_s=now - queue.waiting[0][0] if queue.waiting else None,
            )


def _window(counts: Counts, passed_s: float) -> Window:
    return Window(
        busy_slot_s=counts.busy_slot_s,
        slot_s=counts.slot_s,
        arrivals_per_s=counts.arrivals / passed_s if passed_s else None,
        finished=counts.finished,
        failed=counts.failed,
        runs={name: Runs(int(count), total_s) for name, (count, total_s) in counts.runs.items()},
        wait_p95_s=counts.waits.quantile_s(0.95),
        run_p95_s=counts.run_times.quantile_s(0.95),
    )
