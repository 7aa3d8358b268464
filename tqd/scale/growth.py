"""What the votes bring about: growing and shrinking, and all that may stand against either. Pure."""

from __future__ import annotations

from tqd.scale import hysteresis
from tqd.scale.decision import Rule, Veto, VetoKind
from tqd.scale.figures import apart, percent
from tqd.scale.records import MINUTE_S
from tqd.scale.verdict import Verdict, needs, not_ours, ordered, part_of, several
from tqd.scale.view import View


def by_votes(view: View) -> Verdict | None:
    """Return what the votes come to; None when they propose nothing."""
    if view.direction > 0:
        return _grow(view)
    return _shrink(view) if view.direction < 0 else None


def _grow(view: View) -> Verdict:
    rule = Rule.WAIT_SLA if view.breach else Rule.VOTES
    present, ends = view.sample.workers, _outgrown(view)
    high = max(view.settings.min_workers, view.settings.max_workers) if ends else view.high
    step = _step_up(view)
    part = part_of(view, step, growing=True)
    found = (
        *_brakes(view),
        *_lid(view, high, ends),
        *_enough(view, step),
        *hysteresis.vetoes(view.changes, view.settings, 1, view.now),
        *((not_ours(view, step),) if step > 0 and not part else ()),
    )
    told = part if several(view) else None
    if found:
        return Verdict(rule=rule, to=present, vetoes=found, part=told)
    most = high if view.allowed is None else min(high, view.allowed)
    return Verdict(rule=rule, to=min(present + part, most), part=told, order_ends=ends)


def _step_up(view: View) -> int:
    """Return by how many the namespace may grow in one step: what is needed, as far as that is known.

    Without the others' number it is a whole step; then the cooldown gives time to see more. So it is with
    tasks of unknown length, but for no more workers than those that wait could fill.
    """
    most, fleet, slots = view.settings.scale_up_count, view.seen.fleet, max(1, view.sample.slots)
    if view.target is None or fleet is None:
        return most
    if view.need.at_least:
        return min(most, max(view.target - fleet, -(-view.seen.waiting // slots)))
    return min(most, view.target - fleet)


def _outgrown(view: View) -> bool:
    """Tell whether growing would end an operator's order: a floor by any growth, a lid by a missed goal."""
    order = view.state.order
    return order is not None and (order.floor or (view.breach and order.workers > 0))


def _brakes(view: View) -> list[Veto]:
    """Return what forbids all growth: failures, and memory."""
    errors, size = view.signals.error_rate, view.signals.memory_pressure
    found = []
    if errors.on:
        text = (
            f"{percent(errors.value or 0.0, errors.threshold)} of attempts failed in {_lately(view)} "
            f"(threshold {percent(errors.threshold)}): more workers would only fail faster"
        )
        found.append(Veto(VetoKind.ERRORS, text))
    if size.on:
        figures = f"{apart(size.value or 0.0, size.threshold, 0)} MB (threshold {size.threshold:g} MB)"
        text = (
            f"a worker takes {figures}: they are to be recycled; raise the threshold if tasks need that much"
        )
        found.append(Veto(VetoKind.MEMORY, text))
    elif view.allowed is not None and view.allowed <= view.sample.workers:
        found.append(Veto(VetoKind.MEMORY, f"memory allows {view.allowed}"))
    return found


def _lately(view: View) -> str:
    """Return of what time the failures are: of a minute, or of one sample when that is longer."""
    interval_s = view.settings.interval
    return "the last minute" if interval_s <= MINUTE_S else f"the last {interval_s:.0f} s"


def _lid(view: View, high: int, ends: bool) -> list[Veto]:
    order = view.state.order
    if view.sample.workers < high:
        return []
    if order is not None and not ends and not order.floor:
        return [ordered(view, order)]
    return [Veto(VetoKind.MAX, f"max_workers is {high}")]


def _enough(view: View, step: int) -> list[Veto]:
    return [Veto(VetoKind.ENOUGH, needs(view))] if step <= 0 else []


def _shrink(view: View) -> Verdict:
    present = view.sample.workers
    step = _step_down(view)
    part = part_of(view, step, growing=False)
    found = (
        *((Veto(VetoKind.NEEDED, needs(view)),) if step <= 0 else ()),
        *_floor(view),
        *hysteresis.vetoes(view.changes, view.settings, -1, view.now),
        *((not_ours(view, step),) if step > 0 and not part else ()),
    )
    told = part if several(view) else None
    if found:
        return Verdict(rule=Rule.VOTES, to=present, vetoes=found, part=told)
    return Verdict(rule=Rule.VOTES, to=max(view.low, present - part), part=told)


def _step_down(view: View) -> int:
    """Return by how many the namespace may shrink in one step; 0 while the need is not known."""
    fleet = view.seen.fleet
    if view.target is None or fleet is None or view.need.at_least:
        return 0
    return min(view.settings.scale_down_count, fleet - view.target)


def _floor(view: View) -> list[Veto]:
    order = view.state.order
    if view.sample.workers > view.low:
        return []
    if order is not None and order.floor and view.low > view.settings.min_workers:
        return [ordered(view, order)]
    return [Veto(VetoKind.MIN, f"min_workers is {view.low}")]
