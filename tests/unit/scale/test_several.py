"""Several daemons on one Redis see the same namespace and share a step."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.support.scale_samples import EAGER, busy, decide, idle, kinds, sample, settings, steps
from tqd.scale.hysteresis import Changes
from tqd.scale.sample import Sample
from tqd.scale.settings import ScaleSettings
from tqd.scale.state import State


def among(nodes: int, rank: int, everywhere: int, given: Any = busy, **fields: Any) -> Sample:
    moment: Sample = given(nodes=nodes, rank=rank, **fields)
    return moment._replace(others=everywhere - moment.workers)


def test_three_daemons_together_grow_by_one_step() -> None:
    # 12 workers, 22 are needed.
    to = [decide(among(3, rank, 12, arrivals_per_s=154.0, ready=100)).to_workers for rank in range(3)]
    assert sum(to) - 12 == 2


def test_three_daemons_together_shrink_by_one_step() -> None:
    to = [decide(among(3, rank, 12, idle)).to_workers for rank in range(3)]
    assert to == [4, 4, 3]


def test_the_step_of_another_is_told_and_waited_for() -> None:
    decision = decide(among(3, 2, 12, arrivals_per_s=154.0, ready=100), scale_up_count=2)
    assert kinds(decision) == ["share"]
    assert decision.share == 0
    assert "the step of 2 that 3 daemons share is another's this time" in decision.sentence


def test_when_the_first_cannot_grow_the_next_one_does_after_a_while() -> None:
    given = among(3, 1, 12, arrivals_per_s=154.0, ready=100)
    _, decisions = steps([given] * 4, settings(**EAGER | {"scale_up_count": 1}))
    assert [decision.to_workers for decision in decisions] == [4, 5, 4, 5]


@pytest.mark.parametrize(("everywhere", "grown"), [(12, 2), (13, 1), (14, 0)])
def test_together_they_grow_to_what_is_needed_and_no_further(everywhere: int, grown: int) -> None:
    rules = {"arrivals_per_s": 84.0, "ready": 110}  # 13.6 are needed
    to = [decide(among(3, rank, everywhere, **rules)).to_workers for rank in range(3)]
    assert sum(to) - 12 == grown


def run_together(nodes: int, rules: ScaleSettings, load: float, rounds: int) -> list[int]:
    """Return the workers of the namespace, round by round, when all daemons see the same load (in slots)."""
    own, states, history, backlog = [1] * nodes, [State()] * nodes, [], 0.0
    for number in range(rounds):
        everywhere = sum(own)
        served = min(load + backlog / 5, everywhere * 10)
        backlog += (load - served) * 5
        order, seen = sorted(range(nodes), key=lambda node: (own[node], node)), list(own)
        for rank, node in enumerate(order):
            given = busy(
                workers=seen[node], nodes=nodes, rank=rank, others=everywhere - seen[node],
                busy_slot_s=served / everywhere * seen[node] * 5, slot_s=seen[node] * 50.0,
                arrivals_per_s=load, ready=int(backlog), oldest_s=None,
            )  # fmt: skip
            states[node], own[node] = _step(rules, states[node], given, 1000.0 + 5 * number)
        history.append(sum(own))
    return history


def _step(rules: ScaleSettings, state: State, given: Sample, now: float) -> tuple[State, int]:
    after, (decision,) = steps([given], rules, state, now)
    return after, decision.to_workers


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_as_many_workers_come_of_many_daemons_as_of_one(nodes: int) -> None:
    rules = settings(scale_up_cooldown_seconds=10.0, max_workers=100)
    alone = run_together(1, rules, load=140.0, rounds=200)
    together = run_together(nodes, rules, load=140.0, rounds=200)
    assert 20 <= max(together) <= alone[-1]
    assert together[-1] == max(together)
    grown = [after - before for before, after in pairwise(together)]
    assert max(grown) == rules.scale_up_count


def test_a_daemon_that_does_not_know_the_others_goes_one_at_a_time() -> None:
    decision = decide(busy(nodes=None, rank=None, oldest_s=60.0), scale_up_count=5)
    assert decision.to_workers == 5


def test_the_cooldown_of_one_holds_for_all() -> None:
    heavy: dict[str, Any] = {"arrivals_per_s": 154.0, "ready": 100}
    rules = {"scale_up_cooldown_seconds": 60.0, "scale_down_cooldown_seconds": 300.0}
    decision = decide(busy(**heavy, nodes=2, rank=0, others=4, others_grown_s=20.0), **rules)
    assert (decision.to_workers, kinds(decision)) == (4, ["cooldown"])
    assert decision.cooldown_left_s == 40.0
    assert decide(busy(**heavy, nodes=2, rank=0, others=4, others_grown_s=61.0), **rules).changes
    calm = decide(idle(nodes=2, rank=1, others=4, others_changed_s=200.0), **rules)
    assert (calm.to_workers, kinds(calm)) == (4, ["cooldown"])


def test_a_shrink_that_another_daemon_undoes_is_regretted_here() -> None:
    rules = settings(consecutive_signals_required=1)
    state, _ = steps([idle(nodes=2, rank=1, others=4)], rules)
    assert state.changes.shrunk_at == 1000.0
    state, _ = steps([busy(nodes=2, rank=1, others=5, others_grown_s=2.0)], rules, state, 1100.0)
    assert state.changes.regrets == (1098.0,)


def test_a_moment_that_comes_back_from_others_some_ms_off_is_no_other_one() -> None:
    state = State(changes=Changes(grown_at=990.0, changed_at=990.0))
    for number in range(50):
        given = sample(
            nodes=2, rank=0, others=4, others_grown_s=9.9 + 5 * number, others_changed_s=9.9 + 5 * number
        )
        state, _ = steps([given], settings(), state, 1000.0 + 5 * number)
    assert (state.changes.grown_at, state.changes.changed_at) == (990.0, 990.0)


def test_workers_of_daemons_that_do_not_scale_themselves_are_there_and_take_no_share() -> None:
    decision = decide(busy(nodes=1, rank=0, others=4, arrivals_per_s=154.0, ready=100))
    assert (decision.fleet, decision.share, decision.to_workers) == (8, None, 6)
    assert "there are 8 on all hosts" in decision.sentence
