"""The rules that decide before, and against, the votes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scale_samples import EAGER, busy, decide, idle, kinds, sample, settings, steps
from tqd.scale.decision import Action, Rule
from tqd.scale.manual import order
from tqd.scale.sample import QueueReading, Runs, Sample
from tqd.scale.settings import Mode
from tqd.scale.state import State

MB = 1_048_576
FAILING = {"finished": 100, "failed": 31}
UNTRUSTED: list[dict[str, Any]] = [
    {"beats_age_s": None},
    {"beats_age_s": 15.1},
    {"queues_age_s": None},
    {"queues_age_s": 15.1},
    {"since_start_s": 4.9},
    {"reloading": True},
    {"since_reload_s": 4.9},
]


def test_one_vote_proposes_nothing() -> None:
    decision = decide(sample(busy_slot_s=190.0, ready=20, arrivals_per_s=60.0))
    assert (decision.rule, decision.votes_up, decision.to_workers) == (Rule.QUIET, 1, 4)


def test_two_votes_up_propose_more() -> None:
    decision = decide(busy())
    assert (decision.action, decision.rule, decision.to_workers) == (Action.UP, Rule.VOTES, 6)


def test_complexity_is_as_good_a_vote_as_another() -> None:
    slow = sample(busy_slot_s=200.0, runs={"mail": Runs(500, 1000.0)})
    _, (_, decision) = steps([sample(), slow], settings(consecutive_signals_required=1))
    assert decision.votes_up == 2
    assert decision.to_workers == 6


def test_a_missed_wait_goal_alone_proposes_more() -> None:
    decision = decide(sample(ready=20, oldest_s=12.4, arrivals_per_s=64.0))
    assert (decision.votes_up, decision.rule, decision.to_workers) == (1, Rule.WAIT_SLA, 6)


def test_two_votes_down_propose_fewer() -> None:
    decision = decide(idle())
    assert (decision.action, decision.rule, decision.to_workers) == (Action.DOWN, Rule.VOTES, 3)


def test_one_vote_up_is_enough_against_fewer() -> None:
    decision = decide(idle(wait_p95_s=11.0))
    assert decision.votes_down == 2
    assert decision.to_workers == 4


def test_tasks_that_take_long_are_enough_against_fewer() -> None:
    # Few tasks wait and few slots are busy, but what runs takes long, and the wait is as it should be.
    slow = idle(runs={"mail": Runs(20, 100.0)})
    _, (_, decision) = steps([sample(), slow], settings(**EAGER))
    assert (decision.votes_up, decision.votes_down, decision.to_workers) == (1, 2, 4)


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("untrusted", [{}, *UNTRUSTED])
def test_below_the_minimum_it_grows_at_once_whatever_is_known(untrusted: dict[str, Any]) -> None:
    decision = decide(sample(workers=1, **untrusted), min_workers=5, consecutive_signals_required=9)
    assert (decision.rule, decision.to_workers) == (Rule.BELOW_MIN, 5)


def test_below_the_minimum_failures_are_no_brake() -> None:
    assert decide(sample(workers=1, **FAILING), min_workers=5).to_workers == 5


def test_above_the_maximum_it_shrinks_at_once() -> None:
    decision = decide(busy(workers=9), max_workers=5, scale_down_cooldown_seconds=300.0)
    assert (decision.rule, decision.to_workers) == (Rule.ABOVE_MAX, 5)


def test_it_never_grows_beyond_the_maximum() -> None:
    assert decide(busy(), max_workers=5).to_workers == 5
    decision = decide(busy(), max_workers=4)
    assert (decision.to_workers, kinds(decision)) == (4, ["max"])


def test_it_never_shrinks_below_the_minimum() -> None:
    assert decide(idle(workers=4), min_workers=3, scale_down_count=3).to_workers == 3
    decision = decide(idle(workers=4), min_workers=4)
    assert (decision.to_workers, kinds(decision)) == (4, ["min"])


def test_a_minimum_above_the_maximum_counts_for_both() -> None:
    assert decide(busy(workers=2), min_workers=5, max_workers=3).to_workers == 5


# -- from zero and to zero -------------------------------------------------------------------------


def from_zero(**fields: Any) -> Sample:
    nobody: dict[str, Any] = {
        "workers": 0, "ready": 1, "claimed": 0, "busy_slot_s": 0.0, "slot_s": 0.0, "finished": 0, "runs": {},
        "beats_age_s": None, "oldest_s": 0.1, "wait_p95_s": None, "run_p95_s": None,
    }  # fmt: skip
    return sample(**(nobody | fields))


@pytest.mark.parametrize("untrusted", [{}, {"since_start_s": 0.0}, {"reloading": True}])
def test_from_zero_with_work_waiting_it_starts_at_once_without_votes(untrusted: dict[str, Any]) -> None:
    decision = decide(from_zero(**untrusted), min_workers=0, consecutive_signals_required=9)
    assert (decision.rule, decision.to_workers) == (Rule.FROM_ZERO, 1)


def test_from_zero_it_starts_what_is_needed_up_to_a_step() -> None:
    rules = settings(min_workers=0)
    state, _ = steps([sample()], rules)
    _, (decision,) = steps([from_zero(ready=500, arrivals_per_s=50.0)], rules, state, now=1005.0)
    assert decision.to_workers == 2


def test_from_zero_failures_let_one_start() -> None:
    rules = settings(min_workers=0)
    state, _ = steps([sample(**FAILING)], rules)
    _, (decision,) = steps([from_zero(ready=500, arrivals_per_s=50.0)], rules, state, now=1005.0)
    assert decision.to_workers == 1


@pytest.mark.parametrize(
    "fields", [{"ready": 0}, {"ready": None}, {"held": "paused"}, {"queues_age_s": 60.0}]
)
def test_at_zero_without_work_that_is_known_of_nothing_starts(fields: dict[str, Any]) -> None:
    assert decide(from_zero(**fields), min_workers=0).to_workers == 0


def test_from_zero_a_suspect_is_work_like_any_other() -> None:
    """Its probe comes only where workers are."""
    decision = decide(from_zero(ready=0, oldest_s=None, suspects=1), min_workers=0)
    assert (decision.rule, decision.to_workers) == (Rule.FROM_ZERO, 1)
    assert decision.sentence.endswith("none is at work, and 1 task waits")


def test_at_zero_the_workers_of_another_host_do_the_work() -> None:
    given = from_zero(nodes=2, rank=0, others=3)
    assert decide(given, min_workers=0).to_workers == 0


def test_at_zero_one_starts_here_when_those_of_other_hosts_leave_a_task_beyond_its_goal() -> None:
    """They may serve other queues, be quiet, or have their hands full."""
    given = from_zero(nodes=2, rank=1, others=3, oldest_s=10.1, ready=50)
    decision = decide(given, min_workers=0)
    assert (decision.rule, decision.to_workers) == (Rule.FROM_ZERO, 1)
    assert decision.sentence == (
        '0 → 1 workers: none is at work here, and the oldest ready task of "mail" waited 10.1 s, goal 10 s'
    )


def test_from_zero_no_more_start_than_fit_into_memory() -> None:
    rules = settings(min_workers=0, scale_up_count=10)
    state, _ = steps([sample(pss_bytes=(1000 * MB,) * 4, headroom_bytes=0, limit_bytes=0)], rules)
    given = from_zero(ready=500, arrivals_per_s=50.0, headroom_bytes=1500 * MB, limit_bytes=0)
    _, (decision,) = steps([given], rules, state, now=1005.0)
    assert (decision.allowed, decision.to_workers) == (1, 1)


def test_from_zero_a_queue_that_cannot_be_read_hides_no_other() -> None:
    queues = (QueueReading(name="a"), QueueReading(name="b", ready=50, claimed=0, oldest_s=3.0))
    assert decide(from_zero(queues=queues), min_workers=0).to_workers == 1


def test_at_zero_an_order_that_lets_none_start_is_told() -> None:
    decision = decide(from_zero(), State(order=order(0, 4, 1000.0)), min_workers=0)
    assert (decision.to_workers, kinds(decision)) == (0, ["manual"])
    assert "1 task waits, but an operator set 0" in decision.sentence


@pytest.mark.parametrize("given", [busy(), idle(), sample(), busy(workers=0, claimed=0)])
def test_a_daemon_whose_workers_start_nothing_holds_and_says_why(given: Sample) -> None:
    """What they do not do is no sign of how many there should be."""
    quiet = given._replace(suspended="the daemon is quiet")
    decision = decide(quiet, min_workers=0)
    assert (decision.rule, decision.changes) == (Rule.SUSPENDED, False)
    assert "the daemon is quiet" in decision.sentence


def test_at_zero_on_all_hosts_the_first_of_them_starts() -> None:
    to = [decide(from_zero(nodes=3, rank=rank, others=0), min_workers=0).to_workers for rank in range(3)]
    assert to == [1, 0, 0]


@pytest.mark.parametrize(
    ("fields", "to"), [({}, 0), ({"claimed": 1}, 1), ({"busy_slot_s": 0.1}, 1), ({"suspects": 1}, 1)]
)
def test_the_last_worker_goes_only_when_nothing_waits_and_nothing_runs(
    fields: dict[str, Any], to: int
) -> None:
    quiet = {"arrivals_per_s": 0.0, "claimed": 0, "busy_slot_s": 0.0, "finished": 0, "wait_p95_s": None}
    assert decide(idle(workers=1, **(quiet | fields)), min_workers=0).to_workers == to


# -- what cannot be trusted ------------------------------------------------------------------------


@pytest.mark.parametrize("untrusted", UNTRUSTED)
@pytest.mark.parametrize("moment", [busy, idle])
def test_it_holds_on_telemetry_that_cannot_be_trusted(moment: Any, untrusted: dict[str, Any]) -> None:
    decision = decide(moment(**untrusted))
    assert decision.rule in (Rule.STALE, Rule.STARTING, Rule.RELOADING)
    assert decision.to_workers == 4


@pytest.mark.parametrize(
    "trusted",
    [{"beats_age_s": 14.9}, {"queues_age_s": 14.9}, {"since_start_s": 5.0}, {"since_reload_s": 5.0}],
)
def test_it_acts_again_as_soon_as_the_telemetry_can_be_trusted(trusted: dict[str, Any]) -> None:
    assert decide(busy(**trusted)).to_workers == 6


def test_a_sample_that_cannot_be_trusted_breaks_the_row() -> None:
    _, decisions = steps([busy(), busy(beats_age_s=60.0), busy(), busy()], settings())
    assert [decision.to_workers for decision in decisions] == [4, 4, 4, 6]


def test_stale_telemetry_is_not_remembered_a_second_time() -> None:
    state, _ = steps([sample()], settings())
    after, _ = steps([sample(beats_age_s=60.0)] * 9, settings(), state, now=1005.0)
    assert after.records == state.records


# -- brake and ceiling -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [busy(**FAILING), sample(ready=99, oldest_s=60.0, arrivals_per_s=64.0, **FAILING)]
)
def test_failures_above_the_threshold_let_nothing_grow(given: Sample) -> None:
    decision = decide(given)
    assert (decision.to_workers, kinds(decision)) == (4, ["errors"])


def test_failures_do_not_keep_it_from_shrinking() -> None:
    assert decide(idle(finished=20, failed=20)).to_workers == 3


def test_failures_at_the_threshold_are_no_brake() -> None:
    assert decide(busy(finished=100, failed=5)).to_workers == 6


def test_workers_that_are_too_large_let_nothing_grow_and_are_to_be_recycled() -> None:
    decision = decide(busy(pss_bytes=(600 * MB,) * 4))
    assert (decision.to_workers, kinds(decision), decision.recycle) == (4, ["memory"], True)


def test_memory_bounds_how_far_it_grows() -> None:
    given = busy(pss_bytes=(100 * MB,) * 4, headroom_bytes=150 * MB, limit_bytes=0)
    decision = decide(given)
    assert (decision.to_workers, decision.allowed) == (5, 5)
    full = decide(busy(pss_bytes=(100 * MB,) * 4, headroom_bytes=90 * MB, limit_bytes=0))
    assert (full.to_workers, kinds(full), full.recycle) == (4, ["memory"], False)


def short_of_memory(**fields: Any) -> Sample:
    room: dict[str, Any] = {"pss_bytes": (100 * MB,) * 4, "headroom_bytes": -90 * MB, "limit_bytes": 0}
    return sample(**(room | fields))


def test_workers_that_no_longer_fit_go_one_by_one_and_are_to_be_recycled() -> None:
    _, decisions = steps([short_of_memory()] * 2, settings())
    assert [decision.to_workers for decision in decisions] == [4, 3]
    assert (decisions[1].rule, decisions[1].recycle) == (Rule.MEMORY, True)


def test_the_next_one_goes_only_when_the_last_one_has_gone() -> None:
    _, decisions = steps([short_of_memory(draining=1)] * 5, settings())
    assert {decision.to_workers for decision in decisions} == {4}


def test_for_want_of_memory_the_last_worker_never_goes() -> None:
    given = short_of_memory(workers=1, pss_bytes=(100 * MB,))
    _, decisions = steps([given] * 5, settings(min_workers=0))
    assert {decision.to_workers for decision in decisions} == {1}


# -- modes -----------------------------------------------------------------------------------------


def test_advice_decides_the_same_and_says_that_it_is_advice() -> None:
    acting, advising = decide(busy()), decide(busy(), mode=Mode.ADVISE)
    assert advising.to_workers == acting.to_workers
    assert advising.sentence == f"advice only: {acting.sentence}"


def test_off_decides_nothing_and_remembers_nothing() -> None:
    state, (decision,) = steps([busy(workers=99)], settings(mode=Mode.OFF))
    assert (decision.rule, decision.changes, state) == (Rule.OFF, False, State())
