"""Each signal is one measurement against one threshold, and what is not known does not vote."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scale_samples import decide, idle, sample, settings, steps
from tqd.scale.decision import Decision, Signal
from tqd.scale.sample import QueueReading, Runs, Sample

MB = 1_048_576


def signal(name: str, given: Sample, **rules: Any) -> Signal:
    signals = decide(given, **rules).signals
    assert signals is not None
    found: Signal = getattr(signals, name)
    return found


def of(decision: Decision, name: str) -> Signal:
    assert decision.signals is not None
    found: Signal = getattr(decision.signals, name)
    return found


def three_queues(high: int, default: int, low: int) -> tuple[QueueReading, ...]:
    rows = (("high", 3.0, high), ("default", 1.0, default), ("low", 0.3, low))
    return tuple(QueueReading(name=n, weight=w, ready=r, claimed=0) for n, w, r in rows)


def test_queue_pressure_is_the_weighted_backlog_per_slot() -> None:
    found = signal("queue_pressure", sample(queues=three_queues(10, 20, 100)))
    assert found.value == pytest.approx((3 * 10 + 20 + 0.3 * 100) / 40)
    assert found.vote == 1


@pytest.mark.parametrize(("ready", "vote"), [(0, -1), (8, -1), (9, 0), (30, 0), (31, 1)])
def test_pressure_votes_up_above_its_threshold_and_down_below_three_tenths_of_it(
    ready: int, vote: int
) -> None:
    assert signal("queue_pressure", sample(ready=ready)).vote == vote


@pytest.mark.parametrize(("busy_slot_s", "vote"), [(63.9, -1), (64.1, 0), (160, 0), (160.1, 1)])
def test_utilization_votes_up_above_its_threshold_and_down_below_four_tenths_of_it(
    busy_slot_s: float, vote: int
) -> None:
    found = signal("worker_utilization", sample(busy_slot_s=busy_slot_s))
    assert found.value == pytest.approx(busy_slot_s / 200)
    assert found.vote == vote


@pytest.mark.parametrize(("total_s", "vote"), [(74, -1), (75, 0), (150, 0), (151, 1)])
def test_complexity_votes_up_above_its_threshold_and_down_below_half_of_it(total_s: float, vote: int) -> None:
    usual = sample(runs={"mail": Runs(100, 100.0)})
    unusual = sample(runs={"mail": Runs(100, total_s)})
    _, (_, second) = steps([usual, unusual], settings())
    assert of(second, "task_complexity").value == pytest.approx(total_s / 100)
    assert of(second, "task_complexity").vote == vote


def test_a_change_of_the_mix_alone_is_no_change_of_complexity() -> None:
    mixed = {"short": Runs(90, 9.0), "long": Runs(10, 100.0)}
    turned = {"short": Runs(10, 1.0), "long": Runs(90, 900.0)}
    _, (_, second) = steps([sample(runs=mixed), sample(runs=turned)], settings())
    assert of(second, "task_complexity").value == pytest.approx(1.0)


def test_a_task_that_was_never_seen_before_counts_for_no_complexity() -> None:
    runs = {"mail": Runs(100, 200.0), "new": Runs(1000, 9000.0)}
    _, (_, second) = steps([sample(), sample(runs=runs)], settings())
    assert of(second, "task_complexity").value == pytest.approx(2.0)


def test_complexity_looks_back_until_there_are_attempts_enough_to_tell() -> None:
    few = [sample(runs={"mail": Runs(10, total_s)}) for total_s in (10.0, 20.0, 30.0)]
    _, decisions = steps([sample(), *few, sample(runs={"mail": Runs(30, 30.0)})], settings())
    found = [of(decision, "task_complexity").value for decision in decisions[1:]]
    assert found[:2] == pytest.approx([1.0, 1.5])
    assert found[3] == pytest.approx(1.0, rel=0.25)


def test_the_queue_wait_is_the_longer_of_the_p95_and_the_oldest_age() -> None:
    by_age = signal("queue_wait", sample(wait_p95_s=3.0, ready=1, oldest_s=12.4))
    assert (by_age.value, by_age.subject, by_age.vote) == (12.4, "mail", 1)
    by_p95 = signal("queue_wait", sample(wait_p95_s=12.5, ready=1, oldest_s=1.0))
    assert (by_p95.value, by_p95.subject, by_p95.vote) == (12.5, "", 1)


def test_a_short_wait_never_votes_for_fewer() -> None:
    assert signal("queue_wait", idle(wait_p95_s=0.0)).vote == 0


def test_the_error_rate_is_that_of_the_last_minute() -> None:
    bad, good = sample(finished=100, failed=31), sample(finished=100, failed=0)
    _, decisions = steps([bad, *[good] * 13], settings())
    rates = [of(decision, "error_rate").value for decision in decisions]
    assert rates[0] == pytest.approx(0.31)
    assert rates[11] == pytest.approx(31 / 1200)
    assert rates[12] == 0.0


def test_memory_pressure_is_the_mean_pss_of_a_worker_in_mb() -> None:
    found = signal("memory_pressure", sample(pss_bytes=(500 * MB, 540 * MB)))
    assert found.value == pytest.approx(520)
    assert found.on
    assert not signal("memory_pressure", sample(pss_bytes=(500 * MB, 524 * MB))).on


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("queue_pressure", {"ready": None}),
        ("queue_pressure", {"queues": ()}),
        ("queue_pressure", {"nodes": None, "others": None}),
        ("queue_pressure", {"nodes": 3, "others": None}),
        ("queue_pressure", {"slots": 0}),
        ("worker_utilization", {"busy_slot_s": None}),
        ("worker_utilization", {"slot_s": 0.0}),
        ("task_complexity", {"runs": {}}),
        ("queue_wait", {"wait_p95_s": None, "oldest_s": None}),
        ("error_rate", {"finished": None}),
        ("error_rate", {"finished": 0}),
        ("memory_pressure", {"pss_bytes": ()}),
    ],
)
def test_what_is_not_known_has_no_value_no_vote_and_a_reason(name: str, fields: dict[str, Any]) -> None:
    found = signal(name, sample(**fields))
    assert (found.value, found.vote, found.on) == (None, 0, False)
    assert found.unknown


def test_the_tasks_of_a_queue_that_more_workers_would_not_help_count_for_nothing() -> None:
    held = QueueReading(name="slow", weight=3.0, ready=9000, claimed=1, oldest_s=900.0, held="paused")
    free = QueueReading(name="mail", ready=10, claimed=1, oldest_s=1.0)
    given = sample(queues=(held, free))
    assert signal("queue_pressure", given).value == pytest.approx(0.25)
    assert signal("queue_wait", given).value == 1.0


def test_pressure_is_measured_against_the_workers_of_all_hosts() -> None:
    # 12 workers in Redis, 4 of them this daemon's, which wants 6: so there will be 14.
    given = sample(workers=6, ready_workers=4, nodes=3, rank=0, others=8, ready=70)
    assert signal("queue_pressure", given).value == pytest.approx(70 / 140)
