"""Which decisions are told: changes, refusals, new reasons; not the same again with other figures."""

from __future__ import annotations

from tests.support.scale_samples import busy, decide, idle, sample
from tqd.scale.telling import current_s, worth_telling


def test_the_first_decision_is_told() -> None:
    assert worth_telling(None, decide(sample()))


def test_the_same_again_with_other_figures_is_not() -> None:
    assert not worth_telling(decide(sample()), decide(sample(busy_slot_s=99.0)))


def test_each_change_is_told() -> None:
    up = decide(busy())
    assert up.changes and worth_telling(up, up._replace(from_workers=6, to_workers=8))


def test_a_refusal_is_told_once() -> None:
    refused = decide(busy(finished=100, failed=50))
    assert not refused.changes
    assert worth_telling(decide(sample()), refused)
    assert not worth_telling(refused, decide(busy(finished=100, failed=60)))


def test_another_reason_for_keeping_still_is_told() -> None:
    full = decide(busy(), max_workers=4)
    assert worth_telling(decide(busy(finished=100, failed=50)), full)
    assert worth_telling(full, decide(sample(queues_age_s=None)))
    assert worth_telling(decide(sample(queues_age_s=None)), decide(idle(workers=1)))


def test_a_decision_is_current_for_three_intervals_in_whole_seconds() -> None:
    assert [current_s(interval_s) for interval_s in (0.5, 5.0, 3600.0)] == [3, 16, 10_801]
