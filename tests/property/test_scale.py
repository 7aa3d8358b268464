"""The autoscaler under any samples: bounds, steps, brake, stillness, learning; its state, there and back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.scale_samples import sample, settings, steps
from tqd.scale.adapt import Learned
from tqd.scale.autoscaler import step
from tqd.scale.decision import Decision, Rule
from tqd.scale.manual import MOST_WORKERS, order
from tqd.scale.sample import QueueReading, Runs, Sample, Window
from tqd.scale.saved import dump, load
from tqd.scale.settings import ScaleSettings
from tqd.scale.state import State
from tqd.scale.thresholds import LEAST_FACTOR, MOST_FACTOR

MB = 1_048_576
AT_ONCE = (Rule.BELOW_MIN, Rule.ABOVE_MAX, Rule.FROM_ZERO, Rule.MANUAL)

few = hypothesis_settings(max_examples=25, deadline=None)
some = hypothesis_settings(max_examples=100, deadline=None)

BAD = st.one_of(
    st.sampled_from([0, -1, 1, 10**15, 10**300, math.nan, math.inf, -math.inf, 1e-300]),
    st.floats(allow_nan=True, allow_infinity=True),
)
HOSTILE = st.one_of(st.none(), BAD)
COUNT = st.one_of(st.none(), st.integers(0, 500), st.integers(0, 10**9))
SECONDS = st.one_of(st.none(), st.floats(0, 100), st.floats(0, 1e6))


def queues(
    number: st.SearchStrategy[Any], seconds: st.SearchStrategy[Any]
) -> st.SearchStrategy[QueueReading]:
    return st.builds(
        QueueReading,
        name=st.sampled_from(["mail", "slow"]),
        weight=st.sampled_from([3.0, 1.0, 0.3]),
        ready=number,
        claimed=number,
        scheduled=number,
        oldest_s=seconds,
        held=st.sampled_from(["", "", "paused"]),
    )


def samples(
    number: st.SearchStrategy[Any] = COUNT, seconds: st.SearchStrategy[Any] = SECONDS
) -> st.SearchStrategy[Sample]:
    """Return any sample; `workers` is set by whoever plays the fleet."""
    known = BAD if number is HOSTILE else st.integers(0, 10**6)
    runs = st.builds(Runs, known, known)
    window = st.builds(
        Window,
        busy_slot_s=seconds,
        slot_s=seconds,
        arrivals_per_s=seconds,
        finished=number,
        failed=number,
        runs=st.dictionaries(st.sampled_from(["a", "b", "c"]), runs, max_size=3),
        wait_p95_s=seconds,
        run_p95_s=seconds,
    )
    return st.builds(
        Sample,
        workers=st.integers(0, 60),
        slots=st.integers(0, 64),
        ready_workers=st.one_of(st.none(), st.integers(0, 60)),
        starting=st.integers(0, 3),
        draining=st.integers(0, 3),
        suspects=st.sampled_from([0, 0, 0, 1, 5]),
        nodes=st.sampled_from([None, 1, 1, 1, 2, 5]),
        rank=st.sampled_from([None, 0, 1, 4]),
        others=st.one_of(st.none(), st.integers(0, 200)),
        queues=st.lists(queues(number, seconds), max_size=2).map(tuple),
        window=window,
        pss_bytes=st.lists(st.integers(1, 2000 * MB), max_size=3).map(tuple),
        headroom_bytes=st.one_of(st.none(), st.integers(-(10**9), 10**11)),
        limit_bytes=st.one_of(st.none(), st.integers(0, 10**11)),
        beats_age_s=st.sampled_from([None, 0.1, 0.1, 0.1, 60.0]),
        queues_age_s=st.sampled_from([None, 0.1, 0.1, 0.1, 60.0]),
        reloading=st.sampled_from([False, False, False, True]),
        since_start_s=st.sampled_from([None, 1.0, 100.0, 100.0]),
        since_reload_s=st.sampled_from([None, None, 1.0]),
    )


RULES = st.builds(
    ScaleSettings,
    min_workers=st.integers(0, 10),
    max_workers=st.integers(1, 50),
    scale_up_count=st.integers(1, 9),
    scale_down_count=st.integers(1, 9),
    scale_up_cooldown_seconds=st.sampled_from([0.0, 10.0, 60.0]),
    scale_down_cooldown_seconds=st.sampled_from([0.0, 10.0, 300.0]),
    consecutive_signals_required=st.integers(1, 4),
    learning_rate=st.sampled_from([0.0, 0.1, 1.0]),
    adaptation_window_minutes=st.sampled_from([0.1, 1.0]),
)


def play(rules: ScaleSettings, moments: list[Sample], state: State | None = None) -> list[Decision]:
    """Return the decisions when each is carried out at once."""
    state, found = state or State(), []
    workers = moments[0].workers
    for number, moment in enumerate(moments):
        state, decision = step(rules, state, moment._replace(workers=workers), 1000.0 + 5 * number)
        found.append(decision)
        workers = decision.to_workers
    return found


@some
@given(RULES, st.lists(samples(), min_size=1, max_size=8))
def test_every_decision_keeps_to_the_bounds_the_steps_the_brake_and_the_holds(
    rules: ScaleSettings, moments: list[Sample]
) -> None:
    for moment, decision in zip(moments, play(rules, moments), strict=True):
        assert rules.min_workers <= decision.to_workers <= max(rules.min_workers, rules.max_workers)
        if decision.rule is Rule.FROM_ZERO:
            assert decision.to_workers <= rules.scale_up_count
        elif decision.rule not in AT_ONCE:
            change = decision.to_workers - decision.from_workers
            assert -rules.scale_down_count <= change <= rules.scale_up_count
            check_brakes(decision)
            check_holds(moment, decision)
        check_sentence(decision)


def check_brakes(decision: Decision) -> None:
    assert decision.signals is not None
    if decision.to_workers > decision.from_workers:
        assert not decision.signals.error_rate.on
        assert not decision.signals.memory_pressure.on
        assert decision.allowed is None or decision.to_workers <= decision.allowed


def check_holds(moment: Sample, decision: Decision) -> None:
    if decision.changes:
        assert moment.queues_age_s == 0.1
        assert not moment.reloading
        assert moment.since_start_s != 1.0 and moment.since_reload_s is None


def check_sentence(decision: Decision) -> None:
    verb = f"{decision.from_workers} → {decision.to_workers} workers: "
    assert decision.sentence.startswith(verb if decision.changes else f"held at {decision.from_workers}: ")
    assert "None" not in decision.sentence and "nan" not in decision.sentence
    json.dumps(decision.plain(), allow_nan=False)


@few
@given(RULES, st.lists(samples(HOSTILE, HOSTILE), min_size=1, max_size=6))
def test_hostile_samples_neither_raise_nor_leave_the_bounds(
    rules: ScaleSettings, moments: list[Sample]
) -> None:
    for decision in play(rules, moments):
        assert rules.min_workers <= decision.to_workers <= max(rules.min_workers, rules.max_workers)
        json.dumps(decision.plain(), allow_nan=False)


@few
@given(RULES, st.lists(samples(), min_size=1, max_size=6), st.integers(-5, 2000), st.integers(0, 60))
def test_an_order_stays_within_its_own_bounds(
    rules: ScaleSettings, moments: list[Sample], asked: int, present: int
) -> None:
    state = State(order=order(asked, present, 1000.0))
    high = max(rules.min_workers, rules.max_workers, min(asked, MOST_WORKERS))
    for decision in play(rules, moments, state):
        assert min(rules.min_workers, max(0, asked)) <= decision.to_workers <= high


def served(workers: int, load: float, slots: int) -> Sample:
    """Return what a daemon sees of a load (in slots) that its workers can carry, or cannot."""
    most = workers * slots
    carried = min(load, most)
    return sample(
        workers=workers, slots=slots, busy_slot_s=carried * 5, slot_s=most * 5.0, arrivals_per_s=load,
        ready=round((load - carried) * 5), claimed=round(carried), finished=max(1, round(carried * 5)),
        runs={"mail": Runs(max(1, round(carried * 5)), float(max(1, round(carried * 5))))},
        wait_p95_s=0.01 if carried == load else None,
    )  # fmt: skip


@some
@given(
    load=st.floats(0, 300),
    slots=st.sampled_from([1, 2, 8, 32]),
    first=st.integers(1, 20),
    up=st.integers(1, 5),
    down=st.integers(1, 5),
)
def test_on_a_constant_load_it_moves_in_one_direction_and_comes_to_rest(
    load: float, slots: int, first: int, up: int, down: int
) -> None:
    rules = settings(
        scale_up_count=up, scale_down_count=down, scale_up_cooldown_seconds=0.0,
        scale_down_cooldown_seconds=0.0, consecutive_signals_required=1, enable_adaptive_thresholds=False,
    )  # fmt: skip
    state, workers, moves = State(), first, []
    for number in range(60):
        state, decision = step(rules, state, served(workers, load, slots), 1000.0 + 5 * number)
        if decision.changes:
            moves.append((number, decision.to_workers - workers))
        workers = decision.to_workers
    assert len({change > 0 for _, change in moves}) <= 1
    assert all(number < 30 for number, _ in moves)


@few
@given(RULES, st.lists(samples(), min_size=1, max_size=10), st.floats(LEAST_FACTOR, MOST_FACTOR))
def test_learning_never_leaves_its_bounds(rules: ScaleSettings, moments: list[Sample], factor: float) -> None:
    state = State(learned=Learned(factor=factor))
    for number, moment in enumerate(moments):
        state, _ = step(rules, state, moment, 1000.0 + 5 * number)
        assert LEAST_FACTOR <= state.learned.factor <= MOST_FACTOR


@few
@given(RULES, st.lists(samples(), min_size=1, max_size=10), st.floats(LEAST_FACTOR, MOST_FACTOR))
def test_without_a_finished_attempt_nothing_is_learned(
    rules: ScaleSettings, moments: list[Sample], factor: float
) -> None:
    quiet = [moment._replace(window=moment.window._replace(finished=0)) for moment in moments]
    state, _ = steps(quiet, rules, State(learned=Learned(factor=factor)))
    assert state.learned.factor == factor


@few
@given(RULES, st.lists(samples(), min_size=1, max_size=6), st.lists(samples(), min_size=1, max_size=4))
def test_a_state_that_went_through_json_decides_the_same(
    rules: ScaleSettings, moments: list[Sample], later: list[Sample]
) -> None:
    state, _ = steps(moments, rules)
    now = 1000.0 + 5 * len(moments)
    back, reason = load(json.loads(json.dumps(dump(state, now), allow_nan=False)), now)
    assert reason == ""
    _, as_kept = steps(later, rules, state._replace(at=None), now + 5)
    _, as_loaded = steps(later, rules, back, now + 5)
    assert [d.votes_up - d.votes_down for d in as_kept] == [d.votes_up - d.votes_down for d in as_loaded]
    assert [d.cooldown_left_s for d in as_loaded] == pytest.approx([d.cooldown_left_s for d in as_kept])
