"""How many workers are needed, how many fit into memory, and whose turn it is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.scale_samples import busy, decide, idle, kinds, sample, settings, steps
from tqd.scale.sample import QueueReading, Runs
from tqd.scale.target import share

MB = 1_048_576


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        # (20/s + 0) × 1 s ÷ (10 × 0.7)
        ({}, 20 / 7),
        # (20/s + 100 ÷ 10 s) × 1 s ÷ 7
        ({"ready": 100}, 30 / 7),
        ({"ready": 100, "runs": {"mail": Runs(50, 100.0)}}, 60 / 7),
        ({"arrivals_per_s": 0.0}, 0.0),
    ],
)
def test_the_need_is_load_and_backlog_over_what_a_worker_does(fields: dict[str, Any], needed: float) -> None:
    assert decide(sample(**fields)).needed == pytest.approx(needed)


def test_a_backlog_is_no_more_slots_than_it_has_tasks() -> None:
    # Four tasks of 600 s wait: not 4 ÷ 10 s × 600 s = 240 slots, but 4.
    given = sample(ready=4, arrivals_per_s=0.0, runs={"render": Runs(2, 1200.0)})
    assert decide(given).needed == pytest.approx(4 / 7)


@pytest.mark.parametrize("why", [{"held": "at its own limit"}, {"slowed": "at the limits of its keys"}])
def test_queues_that_something_else_holds_back_count_as_far_as_they_run(why: dict[str, str]) -> None:
    held = QueueReading(name="api", ready=0, claimed=7, **why)
    given = sample(queues=(QueueReading(name="mail", ready=0, claimed=13), held))
    assert decide(given).needed == pytest.approx(20 / 7 + 7 / 7)


def test_a_step_for_tasks_of_unknown_length_is_no_larger_than_those_that_wait_could_fill() -> None:
    given = busy(runs={}, finished=0, ready=11, oldest_s=20.0)
    assert decide(given, scale_up_count=20).to_workers == 4 + max(2, -(-11 // 10))


def test_the_targets_of_the_user_are_in_the_need() -> None:
    given = sample(ready=100)
    rules = {"max_queue_wait_time_ms": 5000.0, "target_worker_utilization": 0.5}
    assert decide(given, **rules).needed == pytest.approx((20 + 100 / 5) / 5)


@pytest.mark.parametrize("lacking", [{"arrivals_per_s": None}, {"runs": {}}])
def test_busy_slots_stand_for_arrivals_or_run_times_that_are_not_known(lacking: dict[str, Any]) -> None:
    decision = decide(busy(ready=31, **lacking))
    assert decision.needed is not None
    assert decision.needed >= 40 / 7
    assert "reckoned from the busy slots" in decision.sentence


def test_a_backlog_whose_run_time_is_not_known_asks_for_a_whole_step() -> None:
    decision = decide(busy(runs={}, finished=0), scale_up_count=3)
    assert decision.to_workers == 7
    assert "at least" in decision.sentence


def test_long_tasks_that_have_not_finished_still_get_one_worker_more() -> None:
    # All slots are held by tasks of an hour, the few that finish take a moment: the mean says 1 is enough.
    given = busy(arrivals_per_s=1.0, runs={"mail": Runs(5, 0.5)}, ready=10, oldest_s=30.0)
    decision = decide(given)
    assert decision.to_workers == 5
    assert "at least 5.0 workers are needed, and there are 4" in decision.sentence


def test_no_shrink_takes_slots_that_were_busy_lately() -> None:
    # Tasks of an hour hold 21 slots; the few that finish are short, and ask for a single worker.
    held = {"busy_slot_s": 105.0, "arrivals_per_s": 4.0, "finished": 20, "runs": {"mail": Runs(20, 2.0)}}
    _, decisions = steps([*[sample()] * 3, *[sample(**held)] * 20], settings(scale_down_count=5))
    shrink = next(decision for decision in decisions if decision.changes)
    assert (shrink.from_workers, shrink.to_workers) == (4, 3), "21 slots are three workers at 70 %"


def test_a_burst_is_met_by_what_is_needed_and_by_no_more() -> None:
    assert decide(busy(), scale_up_count=50, max_workers=100).to_workers == 10


def test_no_step_is_larger_than_the_user_allows() -> None:
    assert decide(busy()).to_workers == 6
    assert decide(idle(workers=9, slot_s=450.0), scale_down_count=3).to_workers == 6


def test_the_workers_that_are_enough_are_not_added_to() -> None:
    decision = decide(busy(arrivals_per_s=20.0))
    assert (decision.to_workers, kinds(decision)) == (4, ["enough"])


def test_the_workers_that_are_needed_are_kept() -> None:
    decision = decide(idle(arrivals_per_s=27.0))
    assert (decision.to_workers, kinds(decision)) == (4, ["needed"])


def test_a_need_that_is_not_known_lets_nobody_go() -> None:
    decision = decide(idle(arrivals_per_s=None, ready=None, busy_slot_s=0.0, runs={"mail": Runs(20, 5.0)}))
    assert decision.to_workers == 4


def test_what_may_be_chance_in_the_arrivals_is_smoothed() -> None:
    _, decisions = steps([sample(), sample(arrivals_per_s=24.0)], settings())
    assert decisions[1].needed == pytest.approx((24 - 4 * math.exp(-5 / 15)) / 7)


def test_a_burst_that_is_no_chance_counts_at_once() -> None:
    _, decisions = steps([sample(), sample(arrivals_per_s=200.0)], settings())
    assert decisions[1].needed == pytest.approx((200 - 2 * math.sqrt(1000) / 5) / 7)


def test_a_lull_of_a_few_seconds_lets_nobody_go_who_is_usually_needed() -> None:
    rules = settings(consecutive_signals_required=1, scale_down_cooldown_seconds=300.0)
    lull = idle(arrivals_per_s=2.0)
    _, decisions = steps([*[sample(arrivals_per_s=27.0)] * 40, *[lull] * 3], rules)
    assert decisions[-1].votes_down == 2
    assert (decisions[-1].to_workers, kinds(decisions[-1])) == (4, ["needed"])
    _, later = steps([*[sample(arrivals_per_s=27.0)] * 40, *[lull] * 12], rules)
    assert later[-1].from_workers - min(decision.to_workers for decision in later) == 1


@pytest.mark.parametrize(
    ("headroom_mb", "limit_mb", "allowed"),
    [(1000, 2000, 12), (150, 1000, 4), (99, 1000, 3), (-150, 1000, 1), (-500, 1000, 0), (1000, None, 12)],
)
def test_as_many_workers_are_allowed_as_fit_when_all_have_grown(
    headroom_mb: int, limit_mb: int | None, allowed: int
) -> None:
    given = sample(
        pss_bytes=(100 * MB,) * 4,
        headroom_bytes=headroom_mb * MB,
        limit_bytes=None if limit_mb is None else limit_mb * MB,
    )
    assert decide(given).allowed == allowed


def test_young_workers_are_taken_to_become_as_large_as_the_largest() -> None:
    given = sample(pss_bytes=(100 * MB, 10 * MB, 10 * MB, 10 * MB), headroom_bytes=270 * MB, limit_bytes=0)
    assert decide(given).allowed == 4


def test_the_largest_worker_is_remembered_when_it_was_recycled() -> None:
    grown = sample(pss_bytes=(100 * MB,) * 4, headroom_bytes=400 * MB, limit_bytes=0)
    young = sample(pss_bytes=(10 * MB,) * 4, headroom_bytes=760 * MB, limit_bytes=0)
    _, decisions = steps([grown, young], settings())
    assert [decision.allowed for decision in decisions] == [8, 8]


@pytest.mark.parametrize("growing", [True, False])
@pytest.mark.parametrize("nodes", [1, 2, 3, 7])
@pytest.mark.parametrize("step", [0, 1, 2, 5, 14])
def test_the_shares_of_all_daemons_are_the_step(step: int, nodes: int, growing: bool) -> None:
    parts = [share(step, nodes, rank, 0, growing=growing) for rank in range(nodes)]
    assert sum(parts) == step
    assert max(parts) - min(parts) <= 1


def test_the_first_grows_first_and_the_last_shrinks_first() -> None:
    assert [share(1, 3, rank, 0, growing=True) for rank in range(3)] == [1, 0, 0]
    assert [share(1, 3, rank, 0, growing=False) for rank in range(3)] == [0, 0, 1]


def test_who_was_passed_over_moves_up() -> None:
    assert [share(1, 3, 2, turns, growing=True) for turns in range(4)] == [0, 0, 1, 1]


def test_a_daemon_that_knows_nothing_of_the_others_takes_one_at_most() -> None:
    assert share(5, None, None, 0, growing=True) == 1
    assert share(1, 3, None, 0, growing=True) == 0


# -- sizes that are not all known ------------------------------------------------------------------


@pytest.mark.parametrize(("headroom_mb", "allowed"), [(400, None), (150, 4)])
def test_while_a_size_is_not_read_nobody_goes_and_growth_needs_room_for_the_largest(
    headroom_mb: int, allowed: int | None
) -> None:
    given = busy(pss_bytes=(200 * MB,) * 3, headroom_bytes=headroom_mb * MB, limit_bytes=0)
    assert decide(given).allowed == allowed


def test_without_any_size_nothing_is_started_where_no_memory_is_left() -> None:
    given = busy(pss_bytes=(), headroom_bytes=0, limit_bytes=1000 * MB)
    assert (decide(given).to_workers, kinds(decide(given))) == (4, ["memory"])
