"""No simulated task is lost or doubled, and seconds add up, whatever the workers do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tqd.simulate.plant import Plant
from tqd.simulate.shape import Memory, Outage, Shape
from tqd.simulate.trace import Arrival, as_csv, read

TIMES_S = st.integers(0, 400).map(lambda quarters: quarters / 4)
TASKS = st.lists(
    st.builds(Arrival, TIMES_S, TIMES_S, st.sampled_from(["high", "low", "other"]), st.sampled_from("ab")),
    max_size=30,
).map(sorted)
SHAPES = st.builds(
    Shape,
    slots=st.integers(1, 3),
    boot_s=st.sampled_from([0.0, 0.5, 7.0]),
    queues=st.just(("high", "low")),
    max_retries=st.integers(0, 2),
    outages=st.lists(
        st.builds(
            Outage, start_s=TIMES_S, end_s=TIMES_S, names=st.sampled_from([frozenset(), frozenset("a")])
        ),
        max_size=2,
    ).map(tuple),
    memory=st.sampled_from([None, Memory(worker_bytes=10, task_bytes={"a": 50}, limit_bytes=130)]),
)


@settings(max_examples=150, deadline=None)
@given(TASKS, SHAPES, st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_every_task_ends_once_and_seconds_add_up(
    tasks: list[Arrival], shape: Shape, numbers: list[int]
) -> None:
    plant = Plant(shape, iter(tasks), 1)
    busy_s = run_s = 0.0
    for at, number in enumerate([*numbers, 2], 1):
        before_s = plant.crew.worker_s
        plant.advance(at * 5.0)
        counts = plant.take()
        busy_s += counts.busy_slot_s
        run_s += sum(total_s for _, total_s in counts.runs.values())
        assert 0 <= counts.busy_slot_s <= counts.slot_s + 1e-6
        assert counts.slot_s <= (plant.crew.worker_s - before_s) * shape.slots + 1e-6
        fates = plant.tasks
        assert fates.arrived == fates.done + fates.dead + fates.waiting + fates.running + fates.scheduled
        assert fates.waiting == sum(len(queue.waiting) for queue in plant.queues.values())
        assert fates.running == sum(worker.busy for worker in plant.crew.workers)
        assert not (plant.crew.free and fates.waiting), "a free slot takes what is ready"
        plant.scale(number)
        assert plant.crew.wanted == number
    plant.advance(1e7)
    counts = plant.take()
    busy_s += counts.busy_slot_s
    run_s += sum(total_s for _, total_s in counts.runs.values())
    assert plant.resting and plant.tasks.done + plant.tasks.dead == len(tasks)
    if not (shape.outages or plant.tasks.kills):
        assert plant.tasks.dead == 0
        assert busy_s == pytest.approx(run_s) == pytest.approx(sum(task.run_s for task in tasks))


@given(TASKS.filter(bool))
def test_a_trace_is_read_as_it_was_written(tasks: list[Arrival]) -> None:
    assert list(read(as_csv(tasks))) == tasks
