"""What keeps the number of workers still."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.support.scale_samples import busy, idle, kinds, sample, settings, steps
from tqd.scale.decision import Decision
from tqd.scale.hysteresis import regret_s
from tqd.scale.sample import Sample
from tqd.scale.settings import Mode, ScaleSettings
from tqd.scale.state import State


def numbers(decisions: list[Decision]) -> list[int]:
    return [decision.to_workers for decision in decisions]


def follow(
    moments: list[tuple[float, Sample]], rules: ScaleSettings, state: State | None = None
) -> list[tuple[float, int]]:
    """Return when the number changes, and to what, if the decisions are carried out."""
    state, changes = state or State(), []
    for now, moment in moments:
        state, (decision,) = steps([moment], rules, state, now)
        if decision.changes:
            changes.append((now, decision.to_workers))
    return changes


def test_it_takes_as_many_samples_in_a_row_as_the_user_says() -> None:
    _, decisions = steps([busy()] * 3, settings(consecutive_signals_required=3))
    assert numbers(decisions) == [4, 4, 6]
    assert [decision.streak for decision in decisions] == [1, 2, 3]
    assert [kinds(decision) for decision in decisions] == [["streak"], ["streak"], []]


def test_a_calm_sample_breaks_the_row() -> None:
    _, decisions = steps([busy(), sample(), busy(), busy()], settings())
    assert numbers(decisions) == [4, 4, 4, 6]


def test_the_opposite_breaks_the_row() -> None:
    _, decisions = steps([busy(), idle(), busy(), busy()], settings())
    assert numbers(decisions) == [4, 4, 4, 6]


def test_one_reading_of_the_queues_is_one_sample_however_often_it_is_decided_upon() -> None:
    """Redis is away: the queues are as they were read before the last decision."""
    rules = settings(consecutive_signals_required=2)
    old = [busy(queues_age_s=0.5 + 5.0 * number) for number in range(3)]
    _, decisions = steps(old, rules)
    assert numbers(decisions) == [4, 4, 4]
    assert [decision.streak for decision in decisions] == [1, 1, 1]
    _, decisions = steps([*old, busy()], rules)
    assert numbers(decisions) == [4, 4, 4, 6]


def test_what_was_only_advised_starts_no_cooldown_for_what_is_done() -> None:
    advise, act = settings(mode=Mode.ADVISE), settings()
    state, told = steps([busy()] * 3, advise)
    assert numbers(told) == [4, 6, 4] and "the cooldown after the last advice" in told[2].sentence
    _, done = steps([busy()] * 2, act, state, 1015.0)
    assert numbers(done) == [4, 6]


def test_a_wait_that_is_missed_needs_its_row_too() -> None:
    _, decisions = steps([busy(oldest_s=60.0)] * 2, settings())
    assert numbers(decisions) == [4, 6]


def test_growth_waits_for_the_cooldown_of_growth() -> None:
    rules = settings(scale_up_cooldown_seconds=60.0)
    _, decisions = steps([busy()] * 15, rules)
    grown = [1000.0 + 5 * number for number, decision in enumerate(decisions) if decision.changes]
    assert grown == [1005.0, 1065.0]
    assert decisions[2].cooldown_left_s == 55.0
    assert "cooldown" in kinds(decisions[3])


def test_shrinking_waits_for_its_own_cooldown() -> None:
    rules = settings(scale_down_cooldown_seconds=20.0)
    _, decisions = steps([idle()] * 8, rules)
    assert [number for number, decision in enumerate(decisions) if decision.changes] == [1, 5]


def test_growth_does_not_wait_for_the_cooldown_of_shrinking() -> None:
    rules = settings(scale_down_cooldown_seconds=300.0)
    _, decisions = steps([idle(), idle(), busy(), busy()], rules)
    assert numbers(decisions) == [4, 3, 4, 6]


def test_what_was_just_added_is_not_taken_away_before_the_cooldown_of_shrinking() -> None:
    rules = settings(scale_down_cooldown_seconds=20.0, scale_up_cooldown_seconds=0.0)
    _, decisions = steps([busy(), busy(), *[idle()] * 5], rules)
    assert numbers(decisions) == [4, 6, 4, 4, 4, 3, 4]


def test_a_shrink_that_was_undone_is_not_repeated_for_two_and_a_half_cooldowns() -> None:
    rules = settings(
        scale_down_cooldown_seconds=20.0, scale_up_cooldown_seconds=0.0, consecutive_signals_required=1
    )
    assert regret_s(rules) == 50.0
    moments = [(1000.0, idle()), (1005.0, busy()), *[(1010.0 + 5 * n, idle()) for n in range(50)]]
    assert follow(moments, rules)[:3] == [(1000.0, 3), (1005.0, 6), (1055.0, 3)]


def test_a_shrink_that_was_right_for_long_is_not_regretted() -> None:
    rules = settings(
        scale_down_cooldown_seconds=20.0, scale_up_cooldown_seconds=0.0, consecutive_signals_required=1
    )
    moments = [(1000.0, idle()), (1025.0, busy()), (1046.0, idle())]
    assert follow(moments, rules) == [(1000.0, 3), (1025.0, 6), (1046.0, 3)]


def test_no_more_than_two_shrinks_are_regretted_in_an_hour_whatever_the_rhythm_of_the_load() -> None:
    """Each sample asks for the opposite of the last change, as soon as that is allowed."""
    rules = settings(scale_up_cooldown_seconds=0.0, consecutive_signals_required=1)
    state, workers, changes = State(), 4, []
    for number in range(int(6 * 3600 / 5)):
        now = 1000.0 + 5 * number
        asked = busy(workers=workers) if changes and changes[-1][1] < 0 else idle(workers=workers)
        state, (decision,) = steps([asked], rules, state, now)
        if decision.changes:
            changes.append((now, decision.to_workers - workers))
            workers = min(5, max(3, decision.to_workers))
    back = [now for (then, down), (now, up) in pairwise(changes) if down < 0 < up and now - then < 300]
    assert all(later - first >= 3600 for first, later in zip(back, back[2:], strict=False))
    assert len(back) == 12


def test_a_shrink_is_regretted_once_however_many_growths_follow_it() -> None:
    rules = settings(scale_up_cooldown_seconds=0.0, consecutive_signals_required=1)
    state, _ = steps([idle(), busy(), busy(workers=5), busy(workers=7)], rules)
    assert state.changes.regrets == (1005.0,)
    assert state.changes.regret_until == 1015.0 + regret_s(rules)


def test_no_regret_lasts_longer_than_an_hour() -> None:
    assert regret_s(settings()) == pytest.approx(750.0)
    assert regret_s(settings(scale_down_cooldown_seconds=86_400.0)) == 3600.0
    assert regret_s(settings(scale_down_cooldown_seconds=0.0)) == 0.0


def test_what_the_bounds_bring_about_starts_no_cooldown_of_growth() -> None:
    rules = settings(min_workers=2)
    _, decisions = steps([busy(workers=1), busy(workers=2), busy(workers=2)], rules)
    assert numbers(decisions) == [2, 2, 4]
