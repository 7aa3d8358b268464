"""What an operator has set since the start holds over what an earlier run has left."""

from __future__ import annotations

from tqd.master.by_hand import ByHand, kept
from tqd.scale.adapt import Learned
from tqd.scale.manual import Order
from tqd.scale.state import State

OLD = Order(workers=2, floor=False, until=500.0)
NEW = Order(workers=5, floor=True, until=900.0)
RECALLED = State(learned=Learned(factor=0.8, evidence_s=7.0), order=OLD, turns=3)


def test_without_anything_by_hand_all_is_as_it_was_left() -> None:
    assert kept(RECALLED, State(order=NEW), frozenset()) == RECALLED


def test_an_order_replaces_the_one_that_was_left_even_when_it_has_ended() -> None:
    assert kept(RECALLED, State(order=NEW), {ByHand.ORDER}) == RECALLED._replace(order=NEW)
    assert kept(RECALLED, State(), {ByHand.ORDER}).order is None


def test_freezing_keeps_what_was_learned() -> None:
    frozen = kept(RECALLED, State(learned=Learned(frozen=True)), {ByHand.FROZEN})
    assert (frozen.learned.frozen, frozen.learned.factor, frozen.order) == (True, 0.8, OLD)


def test_thawing_ends_a_freeze_that_was_left() -> None:
    left = RECALLED._replace(learned=Learned(factor=0.8, frozen=True))
    assert not kept(left, State(), {ByHand.FROZEN}).learned.frozen


def test_what_was_reset_is_not_learned_again_by_the_recall() -> None:
    left = RECALLED._replace(learned=Learned(factor=0.8, frozen=True))
    assert kept(left, State(), {ByHand.RESET}).learned == Learned(frozen=True)
    assert kept(left, State(), {ByHand.RESET, ByHand.FROZEN}).learned == Learned()
