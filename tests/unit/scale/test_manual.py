"""`tqd scale N`: an operator's number holds for a while beside the autoscaler's own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scale_samples import EAGER, busy, decide, idle, kinds, sample, settings, steps
from tqd.scale.decision import Rule
from tqd.scale.manual import HOLD_S, MOST_WORKERS, order
from tqd.scale.state import State

NOW = 1000.0


def ordered(workers: int, present: int) -> State:
    return State(order=order(workers, present, NOW))


@pytest.mark.parametrize("workers", [0, 1, 2, 9, 20, 30])
def test_an_order_is_carried_out_at_once_even_outside_the_bounds(workers: int) -> None:
    decision = decide(sample(), ordered(workers, 4), min_workers=1, max_workers=20)
    assert (decision.rule, decision.to_workers) == (Rule.MANUAL, workers)


def test_an_order_that_binds_no_more_than_the_bounds_do_is_not_named() -> None:
    assert decide(sample(workers=30), ordered(25, 20), max_workers=20).rule is Rule.MANUAL
    assert decide(sample(workers=30), ordered(20, 30), max_workers=20).rule is Rule.ABOVE_MAX


@pytest.mark.parametrize(("asked", "meant"), [(-5, 0), (99_999, MOST_WORKERS)])
def test_an_order_has_its_own_bounds(asked: int, meant: int) -> None:
    assert order(asked, 4, NOW).workers == meant


def test_a_floor_keeps_its_workers_although_nothing_needs_them() -> None:
    decision = decide(idle(workers=9, slot_s=450.0), ordered(9, 4))
    assert (decision.to_workers, kinds(decision)) == (9, ["manual"])
    assert "an operator set 9, which holds for 600 s more" in decision.sentence


def test_a_floor_ends_when_the_load_asks_for_more() -> None:
    state, (decision,) = steps([busy()], settings(**EAGER), ordered(4, 2))
    assert decision.to_workers == 6
    assert state.order is None
    assert "outgrown" in decision.sentence


def test_a_lid_holds_against_votes() -> None:
    decision = decide(busy(), ordered(4, 9))
    assert (decision.to_workers, kinds(decision)) == (4, ["manual"])


def test_a_lid_ends_when_the_wait_goal_is_missed() -> None:
    state, (decision,) = steps([busy(oldest_s=30.0)], settings(**EAGER), ordered(4, 9))
    assert (decision.to_workers, state.order) == (6, None)


def test_below_a_lid_it_may_shrink() -> None:
    assert decide(idle(), ordered(4, 9)).to_workers == 3


def test_an_order_for_none_at_all_is_ended_by_time_alone() -> None:
    waiting: dict[str, Any] = {"workers": 0, "ready": 500, "oldest_s": 300.0, "slot_s": 0.0}
    state, decisions = steps([sample(**waiting)] * 9, settings(), ordered(0, 4))
    assert {decision.to_workers for decision in decisions} == {0}
    assert state.order is not None


def test_an_order_ends_after_its_time_and_the_bounds_count_again() -> None:
    rules, lid = settings(min_workers=2), ordered(0, 4)
    _, (before,) = steps([sample(workers=0)], rules, lid, NOW + HOLD_S - 0.1)
    after, (decision,) = steps([sample(workers=0)], rules, lid, NOW + HOLD_S)
    assert (before.to_workers, decision.to_workers, decision.rule) == (0, 2, Rule.BELOW_MIN)
    assert after.order is None


def test_an_order_holds_while_nothing_can_be_trusted() -> None:
    assert decide(sample(beats_age_s=None), ordered(9, 4)).to_workers == 9


def test_a_new_order_takes_the_place_of_the_old_one() -> None:
    state = ordered(9, 4)._replace(order=order(2, 9, NOW + 5))
    assert decide(sample(workers=9), state, now=NOW + 5).to_workers == 2
