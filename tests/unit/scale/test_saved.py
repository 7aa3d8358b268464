"""The state outside the process: as plain values, and back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.support.scale_samples import busy, idle, sample, settings, steps
from tqd.scale.autoscaler import step
from tqd.scale.manual import order
from tqd.scale.sample import Runs
from tqd.scale.saved import VERSION, dump, load
from tqd.scale.state import State

RULES = settings(adaptation_window_minutes=1.0)


def lived() -> tuple[State, float]:
    """Return a state in which nothing is as at the beginning, and its moment."""
    moments = [busy(oldest_s=20.0, failed=1)] * 20 + [idle(pss_bytes=(9_000,))] * 90 + [busy()] * 3
    state, _ = steps(moments, RULES)
    state, _ = steps([sample()], RULES, state._replace(order=order(4, 4, 1500.0)), 1600.0)
    return state, 1600.0


def test_it_comes_back_as_it_was_but_for_the_moments_of_the_last_step() -> None:
    state, now = lived()
    back, reason = load(json.loads(json.dumps(dump(state, now))), now)
    assert reason == ""
    assert dump(back, now) == dump(state, now)
    assert (back.at, back.records.at) == (None, None)


def test_cooldowns_go_on_on_the_clock_of_another_process() -> None:
    rules = settings()
    state, _ = steps([busy(), busy()], rules)
    plain = dump(state, 1005.0)
    early, _ = load(plain, 7.0, away_s=30.0)
    late, _ = load(plain, 7.0, away_s=60.0)
    left = [steps([busy()], rules, found, now=7.0)[1][0].cooldown_left_s for found in (early, late)]
    assert left == pytest.approx([30.0, 0.0])


def test_what_is_a_matter_of_moments_is_not_known_after_a_time_away() -> None:
    state, now = lived()
    assert state.records.usual_per_s and state.records.busy_slots and state.records.peak_pss_bytes
    plain = dump(state, now)
    soon, _ = load(plain, now + 5.0, away_s=5.0)
    assert soon.records.busy_slots == state.records.busy_slots
    late, _ = load(plain, now, away_s=7 * 86_400.0)
    records = late.records
    assert (records.arrivals_per_s, records.usual_per_s, records.busy_slots) == (None, None, None)
    assert records.peak_pss_bytes < 1
    assert (late.changes.streak, late.turns, late.cramped) == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("grown_ago", -1e9), ("changed_ago", -5), ("regret_ago", -1e9), ("order", [0, False, -1e9])],
)
def test_no_moment_is_believed_that_would_hold_for_ever(name: str, wrong: Any) -> None:
    state, now = lived()
    back, reason = load(dump(state, now) | {name: wrong}, now)
    assert back == State() and name.removesuffix("_ago")[:3] in reason


def test_the_time_away_is_evidence_of_nothing() -> None:
    state, _ = steps([busy(oldest_s=20.0)] * 3, RULES)
    back, _ = load(dump(state, 1010.0), 50_000.0, away_s=40_000.0)
    after, _ = steps([busy(oldest_s=20.0)], RULES, back, now=50_000.0)
    assert after.learned.factor == 1.0


def test_what_was_learned_is_not_forgotten() -> None:
    state, _ = steps([busy(oldest_s=20.0)] * 20, RULES)
    back, _ = load(dump(state, 1100.0), 5.0)
    assert back.learned.factor == state.learned.factor < 1.0
    assert len(back.learned.history) == 1


@pytest.mark.parametrize("plain", [None, 7, "x", [], {}, {"version": 0}, {"version": VERSION + 1}])
def test_what_is_no_state_of_this_version_starts_fresh_with_a_reason(plain: object) -> None:
    state, reason = load(plain, 1000.0)
    assert state == State()
    assert reason.startswith("the saved state is ")


WRONG = [None, "x", -1, math.nan, math.inf, 10**400, [], {}, True, [[1]], {"a": 1}, [[math.nan] * 5]]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", sorted(set(dump(State(), 0.0)) - {"version"}))
def test_a_state_with_a_wrong_value_never_raises_and_never_counts(name: str, wrong: Any) -> None:
    state, now = lived()
    back, reason = load(dump(state, now) | {name: wrong}, now)
    if reason:
        assert back == State()
        assert name.removesuffix("_ago")[:3] in reason or "evidence" in reason
    for given in (sample(), busy(), idle()):
        step(RULES, back, given, now)


def test_a_state_with_a_missing_value_starts_fresh() -> None:
    state, now = lived()
    for name in ("means", "finished", "factor", "frozen", "streak", "history", "turns"):
        plain = dump(state, now)
        del plain[name]
        assert load(plain, now)[0] == State()


def test_it_stays_small_however_many_names_and_samples_there_are() -> None:
    state = State()
    for number in range(300):
        runs = {f"task-{number}-{each}": Runs(1, 1.0) for each in range(20)}
        state, _ = step(RULES, state, sample(runs=runs), 1000.0 + number * 0.01)
    plain = json.dumps(dump(state, 2000.0))
    assert len(state.records.means) == 200
    assert len(plain) < 60_000
