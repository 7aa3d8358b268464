"""The sample that the master makes for the autoscaler: what is known, and None for what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.fleet_world import World
from tests.unit.master.builders import config
from tqd.master.crew import Depths
from tqd.master.measuring import Moment, holds, measure
from tqd.master.telemetry import Recent
from tqd.metrics.histogram import Histogram
from tqd.scale.sample import QueueReading, Runs, Sample
from tqd.system.memory import MemoryState
from tqd.task.queue_limit import OTHER_WEIGHT
from tqd.wire.messages import Sampled

NOW = 2000.0
NOTHING = Recent(
    span_s=5.0, busy_slot_s=0.0, slot_s=0.0, finished=0, failed=0, runs={}, waits={}, run_p95_s=None,
    beats_age_s=None, queues_age_s=1.0,
)  # fmt: skip
ROOMY = MemoryState(
    limit_bytes=1000, used_bytes=300, origin="machine", pressure_some_avg10=None, free_bytes=700
)


def row(
    ready: int = 0,
    claimed: int = 0,
    oldest_ms: int = -1,
    paused: int = 0,
    arrived: int = 0,
    held: int = 0,
    throttled: int = 0,
) -> list[int]:
    return [ready, 0, claimed, oldest_ms, paused, arrived, held, throttled]


def moment(*rows: list[int], names: tuple[str, ...] = ("default",), **fields: Any) -> Moment:
    """Return a moment; each row is what one sample says of the queue, the last one a second ago."""
    depths = Depths(names)
    for number, one in enumerate(rows):
        at = NOW - 1.0 - 5.0 * (len(rows) - 1 - number)
        depths.take(Sampled([one] * len(names), 0, company=[2, 1, 7, 2500, -1], at=at), at)
    values: dict[str, Any] = {
        "depths": depths, "recent": NOTHING, "memory": ROOMY, "queues": config().queues, "slots": 4,
        "before": {}, "since_start_s": 100.0, "since_reload_s": None,
    }  # fmt: skip
    return Moment(**(values | fields))


def look(*rows: list[int], **fields: Any) -> Sample:
    world = World(2)
    world.start()
    world.all_ready()
    return measure(world.fleet, {}, moment(*rows, **fields), NOW)


def queue(*rows: list[int], **fields: Any) -> QueueReading:
    return look(*rows, **fields).queues[0]


def limited(**limits: Any) -> Any:
    return config(queues__limits={"default": limits}).queues


def test_the_fleet_and_the_namespace_are_counted() -> None:
    found = look(row())
    assert (found.workers, found.ready_workers, found.starting, found.draining) == (2, 2, 0, 0)
    assert (found.nodes, found.others, found.rank, found.slots) == (2, 7, 1, 4)
    assert (found.others_grown_s, found.others_changed_s) == (2.5, None)
    assert (found.headroom_bytes, found.limit_bytes, found.queues_age_s) == (700, 1000, 1.0)


def test_before_the_first_sample_nothing_is_known_of_redis() -> None:
    found = look()
    assert (found.nodes, found.rank, found.others, found.queues) == (None, None, None, ())


def test_minus_one_is_not_known() -> None:
    found = queue([-1, -1, -1, -1, -1, -1, 0, 0])
    assert (found.ready, found.claimed, found.scheduled, found.oldest_s) == (None, None, None, None)
    assert found.held == ""


def test_a_queue_is_read_with_its_weight_and_age() -> None:
    found = queue(row(ready=5, claimed=3, oldest_ms=1500), names=("high_priority",))
    assert (found.name, found.weight, found.ready, found.oldest_s) == ("high_priority", 3.0, 5, 1.5)


def test_suspects_are_told() -> None:
    world = World(2)
    world.start()
    world.all_ready()
    world.suspects(3)
    assert measure(world.fleet, {}, moment(row()), NOW).suspects == 3


def test_a_queue_that_the_weights_do_not_name_weighs_one_as_it_does_for_the_workers() -> None:
    weights = config(queues__weights={"mail": 7}).queues
    assert queue(row(1), names=("high_priority",), queues=weights).weight == OTHER_WEIGHT


def test_weights_of_the_configuration_count() -> None:
    queues = config(queues__weights={"default": 7}).queues
    assert queue(row(), queues=queues).weight == 7.0


def test_workers_that_start_and_leave_are_no_ready_ones() -> None:
    world = World(2)
    world.start()
    world.ready("worker-1")
    found = measure(world.fleet, {}, moment(row()), NOW)
    assert (found.ready_workers, found.starting) == (1, 1)


def test_without_ready_workers_nobody_is_missed() -> None:
    world = World(0)
    world.start()
    world.all_ready()
    assert measure(world.fleet, {}, moment(row()), NOW).beats_age_s == 0.0
    assert look(row()).beats_age_s is None


def test_a_paused_queue_and_one_at_its_concurrency_are_not_helped_by_workers() -> None:
    assert queue(row(paused=1)).held == "paused"
    assert queue(row(claimed=3), queues=limited(concurrency=3)).held == "at its own limit"
    assert queue(row(claimed=2), queues=limited(concurrency=3)).held == ""


def test_a_queue_whose_rate_lets_none_of_its_tasks_start_is_held_by_that() -> None:
    limits = limited(rate="10/s")
    assert queue(row(ready=5, throttled=1), queues=limits).held == "at its own limit"
    assert queue(row(ready=5), queues=limits).held == queue(row(throttled=1), queues=limits).held == ""
    assert queue(row(ready=5, throttled=1)).held == "", "the limit has just been taken away"


def test_a_queue_at_its_limit_counts_as_held_for_one_sample_more() -> None:
    """Each task that ends takes it below for a moment, and what starts then has waited for the limit."""
    limits = limited(concurrency=3)
    first = holds(look(row(claimed=3), queues=limits))
    second = look(row(claimed=2), queues=limits, before=first)
    assert second.queues[0].held == "at its own limit just now"
    assert look(row(claimed=2), queues=limits, before=holds(second)).queues[0].held == ""


def test_a_daemon_that_starts_nothing_says_why() -> None:
    found = look(row(ready=100), suspended="the daemon is quiet")
    assert (found.suspended, found.queues[0].held, found.queues[0].ready) == ("the daemon is quiet", "", 100)


def test_arrivals_and_waits_of_queues_that_workers_would_not_help_are_left_out() -> None:
    slow = Histogram()
    slow.add(100.0)
    fast = Histogram()
    fast.add(0.1)
    recent = replace(NOTHING, waits={"a": slow, "b": fast})
    rows = row(arrived=0), row(arrived=100)
    both = look(*rows, names=("a", "b"), recent=recent).window
    assert both.arrivals_per_s == 40.0 and both.wait_p95_s is not None and both.wait_p95_s > 80
    keyed = row(arrived=100, held=1)
    depths = Depths(("a", "b"))
    for at, found in ((NOW - 6, [row(), row()]), (NOW - 1, [keyed, row(arrived=100)])):
        depths.take(Sampled(found, 0, at=at), at)
    window = look(row(), recent=recent, depths=depths).window
    assert window.arrivals_per_s == 20.0 and window.wait_p95_s is not None and window.wait_p95_s < 0.2


def test_without_a_queue_that_workers_would_help_nothing_arrives() -> None:
    window = look(row(arrived=0, paused=1), row(arrived=100, paused=1)).window
    assert (window.arrivals_per_s, window.wait_p95_s) == (0, None)


def test_what_happened_since_is_taken_over() -> None:
    recent = replace(
        NOTHING, busy_slot_s=3.0, slot_s=8.0, finished=4, failed=1, runs={"mail": (4, 2.0)},
        run_p95_s=0.7, beats_age_s=0.3,
    )  # fmt: skip
    found = look(row(), recent=recent)
    window = found.window
    assert (window.busy_slot_s, window.slot_s, window.finished, window.failed) == (3.0, 8.0, 4, 1)
    assert (window.runs, window.run_p95_s, window.span_s) == ({"mail": Runs(4, 2.0)}, 0.7, 5.0)
    assert found.beats_age_s == 0.3


def test_what_waits_for_its_key_is_not_helped_by_workers() -> None:
    found = queue(row(ready=10, held=10, oldest_ms=60_000))
    assert (found.ready, found.oldest_s) == (0, None)
    assert queue(row(ready=10, held=4, oldest_ms=60_000)).ready == 6
    assert found.slowed == "at the limits of its keys"
