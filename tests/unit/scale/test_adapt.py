"""What is learned, when, how much, and when nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scale_samples import busy, idle, sample, settings, steps
from tqd.scale.adapt import Evidence, Learned, Proof, freeze, learn, reset
from tqd.scale.sample import Sample
from tqd.scale.settings import ScaleSettings
from tqd.scale.state import State
from tqd.scale.thresholds import LEAST_FACTOR, MOST_FACTOR, shown, thresholds

WINDOW_S = 600.0
RULES = settings(adaptation_window_minutes=10.0)
WINDOW = int(WINDOW_S / 5)
"""Samples in one window."""


def taught(
    evidence: list[Evidence], learned: Learned | None = None, rate: float = 0.1, miss: float = 2.0
) -> Learned:
    """Return what is learned when each piece of evidence holds for a tenth of a window."""
    learned = learned or Learned()
    start = learned.since if learned.since is not None else 0.0
    learned = learn(learned, Proof(Evidence.NONE), 0.0, start, window_s=WINDOW_S, rate=rate)
    for number, each in enumerate(evidence):
        now = start + (number + 1) * WINDOW_S / 10
        learned = learn(learned, Proof(each, miss), WINDOW_S / 10, now, window_s=WINDOW_S, rate=rate)
    return learned


def factor(samples: list[Sample], rules: ScaleSettings = RULES, state: State | None = None) -> float:
    return steps(samples, rules, state)[0].learned.factor


def test_a_missed_goal_with_busy_workers_makes_the_thresholds_more_eager() -> None:
    assert taught([Evidence.MISSED] * 10).factor == pytest.approx(0.9)
    assert taught([Evidence.MISSED] * 5 + [Evidence.MET] * 5).factor == pytest.approx(0.95)


def test_a_met_goal_with_idle_workers_makes_them_less_eager() -> None:
    assert taught([Evidence.WASTED] * 10).factor == pytest.approx(1.1)


def test_missed_time_counts_more_than_wasted_time() -> None:
    assert taught([Evidence.MISSED] + [Evidence.WASTED] * 9).factor < 1.0


def test_with_goals_met_and_workers_at_work_nothing_moves() -> None:
    assert taught([Evidence.MET] * 100).factor == 1.0
    assert taught(([Evidence.WASTED] * 5 + [Evidence.MET] * 5) * 10).factor == 1.0


def test_nothing_is_learned_before_a_window_is_over() -> None:
    assert taught([Evidence.MISSED] * 9).factor == 1.0


def test_nothing_is_learned_from_too_little() -> None:
    assert taught([Evidence.MISSED] * 2 + [Evidence.NONE] * 8).factor == 1.0
    assert taught([Evidence.MISSED] * 3 + [Evidence.NONE] * 7).factor == pytest.approx(0.9)


def test_it_never_leaves_its_bounds() -> None:
    learned = Learned()
    for number in range(100):
        learned = taught([Evidence.MISSED] * 10, learned, rate=1.0, miss=1000.0 * 0.9**number)
    assert learned.factor == LEAST_FACTOR
    assert taught([Evidence.WASTED] * 1000, rate=1.0).factor == MOST_FACTOR
    assert len(taught([Evidence.WASTED] * 1000, rate=0.001).history) == 50


def lessons(misses: list[float]) -> list[float]:
    """Return the factor after each window that is missed as a whole, by so many times the goal."""
    learned, factors = Learned(), []
    for miss in misses:
        learned = taught([Evidence.MISSED] * 10, learned, miss=miss)
        factors.append(round(learned.factor, 4))
    return factors


def test_when_more_workers_do_not_help_it_goes_back_to_what_was_set() -> None:
    assert lessons([2.4] * 6) == [0.9, 0.99, 1.0, 1.0, 1.0, 1.0]


def test_late_tasks_make_it_more_eager_as_long_as_they_are_late() -> None:
    learned, factors = Learned(), []
    for _ in range(8):
        learned = taught([Evidence.LATE] * 10, learned)
        factors.append(round(learned.factor, 3))
    assert factors == [0.9, 0.81, 0.729, 0.656, 0.59, 0.531, 0.5, 0.5]


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_it_settles_where_tasks_are_late_no_more_however_slowly_it_learns(rate: float) -> None:
    learned = Learned()
    for _ in range(200):
        late = round(10 * max(0.0, min(1.0, (learned.factor - 0.7) / 0.3)))
        learned = taught([Evidence.LATE] * late + [Evidence.MET] * (10 - late), learned, rate=rate)
    assert 0.68 < learned.factor < 0.73


def test_as_long_as_it_helps_it_goes_on() -> None:
    assert lessons([2.4, 2.3, 2.2, 2.1]) == [0.9, 0.81, 0.729, 0.6561]


def test_when_the_miss_grows_it_tries_again() -> None:
    assert lessons([2.4] * 6 + [3.0])[-1] == 0.9


def test_a_window_without_a_miss_begins_anew() -> None:
    learned = taught([Evidence.MET] * 10, taught([Evidence.MISSED] * 60))
    assert (learned.factor, learned.futile) == (1.0, 0)
    assert taught([Evidence.MISSED] * 10, learned).factor == pytest.approx(0.9)


def test_each_turn_halves_the_step_so_that_it_settles() -> None:
    learned, moved = Learned(), []
    for turn in range(8):
        before = learned.factor
        learned = taught([Evidence.MISSED if turn % 2 else Evidence.WASTED] * 10, learned)
        moved.append(abs(learned.factor / before - 1))
    assert moved[:4] == pytest.approx([0.1, 0.05, 0.025, 0.0125])
    assert moved[-1] == pytest.approx(0.0125)


def test_what_was_learned_is_told_with_its_reasons() -> None:
    (lesson,) = taught([Evidence.MISSED] * 4 + [Evidence.MET] * 6).history
    assert (lesson.before, lesson.missed, lesson.wasted) == (1.0, 0.4, 0.0)
    assert lesson.after == pytest.approx(0.96)


def test_frozen_nothing_is_learned_and_what_was_still_counts() -> None:
    eager = freeze(taught([Evidence.MISSED] * 10), True)
    assert taught([Evidence.MISSED] * 50, eager) == eager
    assert taught([Evidence.MISSED] * 10, freeze(eager, False), miss=1.5).factor < eager.factor


def test_a_reset_forgets_what_was_learned_and_stays_frozen() -> None:
    assert reset(freeze(taught([Evidence.MISSED] * 10), True)) == Learned(frozen=True)


# -- what is evidence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missed", [{"run_p95_s": 5.1}, {"wait_p95_s": 10.1}, {"oldest_s": 10.1}, {"finished": 100, "failed": 6}]
)
def test_each_goal_that_is_missed_by_busy_workers_teaches(missed: dict[str, Any]) -> None:
    assert factor([busy(**missed)] * (WINDOW + 1)) == pytest.approx(0.9)


def test_a_task_that_waits_beyond_its_goal_teaches_though_nothing_ends() -> None:
    assert factor([busy(oldest_s=20.0, finished=0)] * (WINDOW + 1)) == pytest.approx(0.9)


def test_tasks_that_take_as_long_as_ever_never_ask_for_more_however_eager_it_is() -> None:
    eager = thresholds(settings(task_complexity_threshold=1.2), LEAST_FACTOR)
    assert eager.task_complexity == pytest.approx(1.1)


@pytest.mark.parametrize("missed", [{"run_p95_s": 5.1}, {"finished": 20, "failed": 6}])
def test_a_goal_that_is_missed_by_idle_workers_teaches_nothing(missed: dict[str, Any]) -> None:
    assert factor([idle(**missed)] * (WINDOW + 1), RULES) == 1.0


def test_a_goal_that_is_missed_at_the_maximum_teaches_nothing() -> None:
    rules = settings(adaptation_window_minutes=10.0, max_workers=4)
    assert factor([busy(oldest_s=20.0)] * (WINDOW + 1), rules) == 1.0


def test_idle_workers_above_the_minimum_teach_to_be_less_eager() -> None:
    assert factor([idle()] * (WINDOW + 1)) == pytest.approx(1.1)


def test_idle_workers_at_the_minimum_teach_nothing() -> None:
    assert factor([idle(workers=1, slot_s=50.0, busy_slot_s=5.0)] * (WINDOW + 1)) == 1.0


@pytest.mark.parametrize(
    "nothing",
    [idle(finished=0), idle(finished=None), busy(finished=0), idle(busy_slot_s=None), idle(beats_age_s=99.0)],
)
def test_without_traffic_or_telemetry_nothing_drifts(nothing: Sample) -> None:
    assert factor([nothing] * (WINDOW * 5)) == 1.0


def test_a_day_of_work_as_it_should_be_moves_nothing() -> None:
    assert factor([sample()] * (WINDOW * 20)) == 1.0


def test_switched_off_nothing_is_learned_and_what_was_learned_does_not_count() -> None:
    rules = settings(enable_adaptive_thresholds=False, adaptation_window_minutes=10.0)
    learned = taught([Evidence.MISSED] * 10)
    state, decisions = steps([busy()] * (WINDOW + 1), rules, State(learned=learned))
    assert state.learned == learned
    assert decisions[0].signals is not None
    assert decisions[0].signals.worker_utilization.threshold == 0.8


def test_what_was_learned_moves_the_demand_and_nothing_else() -> None:
    state = State(learned=Learned(factor=0.5))
    _, (decision,) = steps([sample()], settings(), state)
    found = decision.signals
    assert found is not None
    assert [signal.threshold for signal in found] == pytest.approx([0.375, 0.4, 1.25, 10.0, 0.05, 512.0])
    assert decision.needed == pytest.approx(20 / (10 * 0.35))


def test_the_learned_thresholds_are_shown_with_their_bounds() -> None:
    rows = {row.name: row for row in shown(settings(), 0.8)}
    assert rows["worker_utilization"] == ("worker_utilization", 0.8, pytest.approx(0.64), 0.4, 0.95)
    assert rows["target_utilization"].high == pytest.approx(0.875)


def test_no_threshold_of_utilization_is_learned_that_could_not_be_reached() -> None:
    high = settings(worker_utilization_threshold=0.9, target_worker_utilization=0.85)
    limits = thresholds(high, MOST_FACTOR)
    assert (limits.worker_utilization, limits.target_utilization) == (0.95, 0.9)
    own = thresholds(settings(worker_utilization_threshold=0.99), MOST_FACTOR)
    assert own.worker_utilization == 0.99


# -- on a plant ------------------------------------------------------------------------------------


def plant(settle: float, windows: int) -> list[float]:
    """Return the factors of a plant whose goals are missed above `settle`, and that wastes far below it."""
    learned, factors = Learned(), []
    for _ in range(windows):
        evidence = Evidence.MET
        if learned.factor > settle:
            evidence = Evidence.MISSED
        elif learned.factor < settle * 0.85:
            evidence = Evidence.WASTED
        learned = taught([evidence] * 10, learned, miss=learned.factor / settle)
        factors.append(learned.factor)
    return factors


@pytest.mark.parametrize("settle", [0.55, 0.7, 0.85, 1.0, 1.15, 1.3])
def test_on_a_plant_it_settles_where_the_goals_are_just_met(settle: float) -> None:
    factors = plant(settle, 60)
    assert len(set(factors[-20:])) == 1
    assert settle * 0.85 <= factors[-1] <= settle


@pytest.mark.parametrize("settle", [0.6, 0.8, 1.0])
def test_on_a_plant_without_a_resting_place_it_hunts_in_a_narrow_band(settle: float) -> None:
    learned, factors = Learned(), []
    for _ in range(100):
        evidence = Evidence.MISSED if learned.factor > settle else Evidence.WASTED
        learned = taught([evidence] * 10, learned, miss=learned.factor / settle)
        factors.append(learned.factor)
    assert max(factors[-30:]) / min(factors[-30:]) < 1.06
