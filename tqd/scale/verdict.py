"""What a rule says: a number of workers, and what stood against another. Values, and clauses for both."""

from __future__ import annotations

from typing import NamedTuple

from tqd.scale.decision import Rule, Veto, VetoKind
from tqd.scale.figures import apart
from tqd.scale.hysteresis import turns
from tqd.scale.manual import Order
from tqd.scale.target import share
from tqd.scale.view import View


class Verdict(NamedTuple):
    """A number of workers, by a rule.

    `part` is this daemon's share of a step that several take together, else None. `order_ends`: the load
    has outgrown an operator's order.
    """

    rule: Rule
    to: int
    vetoes: tuple[Veto, ...] = ()
    part: int | None = None
    order_ends: bool = False


def several(view: View) -> bool:
    """Tell whether this daemon is not alone, as far as is known."""
    return view.sample.nodes is not None and view.sample.nodes > 1


def part_of(view: View, step: int, *, growing: bool) -> int:
    """Return this daemon's share of a step of the whole namespace."""
    if step <= 0:
        return 0
    sample = view.sample
    taken = turns(view.state.turns, view.settings)
    return share(step, sample.nodes, sample.rank, taken, growing=growing)


def not_ours(view: View, step: int) -> Veto:
    """Return why a step that is due is not taken here."""
    text = f"the step of {step} that {view.sample.nodes} daemons share is another's this time"
    return Veto(VetoKind.SHARE, text)


def ordered(view: View, order: Order) -> Veto:
    """Return what an operator's order stands against."""
    text = f"an operator set {order.workers}, which holds for {order.until - view.now:.0f} s more"
    return Veto(VetoKind.MANUAL, text)


def needs(view: View) -> str:
    """Return `3.2 workers are needed, and there are 4`, with what it was reckoned from if not the usual."""
    if view.need.workers is None:
        return "how many workers are needed is not known"
    alone = view.seen.fleet == view.sample.workers and not several(view)
    there = f"there are {view.seen.fleet}" + ("" if alone else " on all hosts")
    by = " (reckoned from the busy slots)" if view.need.by_slots else ""
    least = "at least " if view.need.at_least else ""
    return f"{least}{apart(view.need.workers, view.seen.fleet, 1)} workers are needed{by}, and {there}"
