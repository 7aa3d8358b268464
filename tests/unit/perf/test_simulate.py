"""The contest of policies: each follows its model's rule, traces do not change, the table tells all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from perf.simulate import table
from perf.simulate.contest import DEFAULTS, ORACLE, OWN, Result, best_baseline, oracle
from perf.simulate.policies import Celery, Depth, Hpa, Latency
from perf.simulate.traces import LOADS, Load, on_off, spikes, step
from tqd.scale.sample import QueueReading, Sample, Window
from tqd.simulate.shape import Memory, Shape
from tqd.simulate.trace import Arrival


def sample(
    workers: int, ready: int = 0, claimed: int = 0, busy: float = 0.0, oldest_s: float = 0.0
) -> Sample:
    """Return a sample of workers with 4 slots; `busy` is their utilization."""
    queue = QueueReading(name="default", ready=ready, claimed=claimed, oldest_s=oldest_s or None)
    window = Window(busy_slot_s=busy * 100, slot_s=100.0)
    return Sample(workers=workers, slots=4, queues=(queue,), window=window)


def test_depth_adds_two_when_more_than_a_workers_worth_waits_for_each() -> None:
    assert Depth().choose(sample(2, ready=8), 5).workers == 2
    assert Depth().choose(sample(2, ready=9), 5).workers == 4
    assert Depth().choose(sample(19, ready=999), 5).workers == 20


def test_depth_takes_one_away_after_thirty_idle_seconds() -> None:
    depth = Depth()
    assert depth.choose(sample(3, ready=1), 10).workers == 3
    assert depth.choose(sample(3, claimed=8), 39).workers == 3
    assert depth.choose(sample(3, claimed=8), 40).workers == 2
    assert depth.choose(sample(3, claimed=9), 99).workers == 3


def test_celery_has_a_slot_for_each_task_in_hand_and_shrinks_half_a_minute_later() -> None:
    celery = Celery()
    assert celery.choose(sample(1, ready=9, claimed=4), 1).workers == 4
    assert celery.choose(sample(4, claimed=1), 31).workers == 4
    assert celery.choose(sample(4, claimed=1), 31.5).workers == 1
    assert celery.choose(sample(1, ready=999), 32).workers == 4, "it reserves four tasks for each slot"


def test_hpa_keeps_utilization_and_remembers_five_minutes() -> None:
    hpa = Hpa()
    assert hpa.choose(sample(4, busy=0.75), 15).workers == 4, "within its tolerance"
    assert hpa.choose(sample(4, busy=0.9), 30).workers == 6
    assert hpa.choose(sample(6, busy=0.1), 330).workers == 6
    assert hpa.choose(sample(6, busy=0.1), 331).workers == 1
    assert hpa.choose(sample(1, busy=0.0), 700).workers == 1


def test_latency_steps_grow_with_the_wait() -> None:
    latency = Latency(10.0)
    waits = [latency.choose(sample(3, oldest_s=wait_s), 10).workers for wait_s in (5, 6, 11, 21)]
    assert waits == [3, 4, 5, 7]
    assert latency.choose(sample(3), 309).workers == 3
    assert latency.choose(sample(3), 310).workers == 2


@pytest.mark.parametrize("make", [step, spikes, on_off], ids=lambda make: make.__name__)
def test_a_trace_is_the_same_each_time_and_in_order(make: Callable[[], Load]) -> None:
    one, two = make(), make()
    assert one.arrivals == two.arrivals and len(one.arrivals) > 10_000
    assert all(before.arrival_s <= after.arrival_s for before, after in pairwise(one.arrivals))


def test_every_trace_has_a_generator_of_its_own() -> None:
    assert len({make.__name__ for make in LOADS}) == len(LOADS) == 9


def load(shape: Shape | None = None) -> Load:
    # Four tasks of 30 s at once: one worker with one slot lets the last wait for 90 s, four let none wait.
    arrivals = tuple(Arrival(0.0, 30.0, "default", "big") for _ in range(4))
    end = Arrival(900.0, 0.0, "default", "end")
    return Load(name="small", what="by hand", arrivals=(*arrivals, end), shape=shape or Shape())


def test_the_oracle_is_the_smallest_number_that_is_enough() -> None:
    assert oracle(load(shape=Shape(slots=1))).workers == 4
    assert oracle(load(shape=Shape(slots=2))).workers == 2


def test_where_memory_is_short_the_oracle_kills_nobody() -> None:
    memory = Memory(worker_bytes=1, task_bytes={"big": 10}, limit_bytes=25)
    found = oracle(load(shape=Shape(slots=1, memory=memory)))
    assert (found.workers, found.kills) == (2, 0)


def result(policy: str, miss_s: float, hours: float = 10.0, **rest: object) -> Result:
    fields = {"flaps_per_hour": 0.0, "kills": 0, "most_workers": 9, "workers": None,
              "cpu_s": 2.0, "tasks": 1000, "asked": 17280}  # fmt: skip
    return Result(load="l", policy=policy, miss_s=miss_s, worker_hours=hours, **{**fields, **rest})  # type: ignore[arg-type]


RESULTS = {
    ORACLE: result(ORACLE, 0, workers=7),
    "Celery": result("Celery", 3, 8.0, flaps_per_hour=9.25),
    "HPA": result("HPA", 0, kills=5),
    DEFAULTS: result(DEFAULTS, 30),
    OWN: result(OWN, 2, 9.5, flaps_per_hour=1.0),
}
DIURNAL = replace(load(), name="diurnal")


def test_the_best_baseline_is_neither_the_oracle_nor_one_whose_workers_were_killed() -> None:
    assert best_baseline(RESULTS) is RESULTS["Celery"]
    assert best_baseline({**RESULTS, "Celery": result("Celery", 3, kills=1)}) is None


def test_the_table_has_all_figures_and_what_misses_a_bound() -> None:
    shown = table.markdown([(DIURNAL, RESULTS)])
    assert "| trace | fixed, oracle | Celery | HPA | tqd, defaults | tqd |" in shown
    assert "| 0 s · 1.00 · 7 workers | 3 s · 0.80 · 9.2 | 0 s · 1.00 · 0.0 · **5 killed** |" in shown
    assert "2.0 s of one core: 500 tasks/s" in shown and "misses its bound" not in shown
    assert table.against([(DIURNAL, RESULTS)]) == []


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        (result(OWN, 3.5), "diurnal: 4 s, Celery 3 s"),
        (result(OWN, 0, 11.1), "diurnal: 1.11 of the oracle's hours, bound 1.1"),
        (result(OWN, 0, flaps_per_hour=2.1), "diurnal: 2.1 flaps per hour, bound 2"),
        (result(OWN, 0, kills=1), "diurnal: 1 workers killed for want of memory"),
    ],
    ids=["misses", "hours", "flaps", "kills"],
)
def test_each_bound_is_held_against_the_policy(worse: Result, words: str) -> None:
    contests = [(DIURNAL, {**RESULTS, OWN: worse})]
    assert table.against(contests) == [words] and words in table.markdown(contests)


def test_the_table_is_written_between_its_marks() -> None:
    document = f"before {table.BEGIN} old {table.END} after"
    assert table.with_table(document, "new") == f"before {table.BEGIN}\nnew\n{table.END} after"
    with pytest.raises(ValueError, match="no <!-- simulate:begin -->"):
        table.with_table("nothing", "new")
