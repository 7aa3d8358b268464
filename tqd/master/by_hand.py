"""What an operator has set since the start, held over what an earlier run has left. Pure.

The keeper starts after the first worker, and Redis may be away even then: meanwhile orders are taken. The
newest word of an operator counts, and all else is as it was left.
"""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum

from tqd.scale import adapt
from tqd.scale.state import State


class ByHand(StrEnum):
    """What can be set: a number of workers, whether it is learned, that what was learned is forgotten."""

    ORDER = "order"
    FROZEN = "frozen"
    RESET = "reset"


def kept(recalled: State, present: State, by_hand: Set[ByHand]) -> State:
    """Return what was recalled, with what was set by hand since the start as it is at present."""
    learned = recalled.learned
    if ByHand.RESET in by_hand:
        learned = adapt.reset(learned)
    if ByHand.FROZEN in by_hand:
        learned = adapt.freeze(learned, present.learned.frozen)
    order = present.order if ByHand.ORDER in by_hand else recalled.order
    return recalled._replace(learned=learned, order=order)
