"""The rules that decide, the strongest first. Pure: each takes a view, and returns a verdict or nothing."""

from __future__ import annotations

from tqd.scale.decision import Rule, Veto, VetoKind
from tqd.scale.growth import by_votes
from tqd.scale.verdict import Verdict, not_ours, ordered, part_of, several
from tqd.scale.view import View, queues_are_fresh


def decide(view: View) -> Verdict:
    """Return the verdict of the first rule that has one."""
    for rule in _RULES:
        verdict = rule(view)
        if verdict is not None:
            return verdict
    return Verdict(rule=Rule.QUIET, to=view.sample.workers)


def _bounds(view: View) -> Verdict | None:
    """Below and above the bounds: at once, whatever the load and the memory are."""
    settings, present = view.settings, view.sample.workers
    to = min(view.high, max(view.low, present))
    if to == present:
        return None
    own = min(max(settings.min_workers, settings.max_workers), max(settings.min_workers, present))
    if to != own:
        return Verdict(rule=Rule.MANUAL, to=to)
    return Verdict(rule=Rule.ABOVE_MAX if to < present else Rule.BELOW_MIN, to=to)


def _from_zero(view: View) -> Verdict | None:
    """None at work in the whole namespace, and work waits: at once, without votes.

    So it is when others are at work and a task has waited for longer than the goal all the same: they may
    serve other queues, or have their hands full.
    """
    sample, seen, order = view.sample, view.seen, view.state.order
    late = seen.oldest_s is not None and seen.oldest_s > view.settings.target_sla.wait_goal_s
    if sample.workers or sample.suspended or not seen.waiting or (seen.fleet and not late):
        return None
    if not queues_are_fresh(view.settings, sample):
        return None
    if view.high < 1:
        against = Veto(VetoKind.MAX, "max_workers is 0") if order is None else ordered(view, order)
        return Verdict(rule=Rule.FROM_ZERO, to=0, vetoes=(against,))
    step = max(1, min(view.target or 1, view.settings.scale_up_count))
    if view.allowed is not None:
        step = max(1, min(step, view.allowed))
    if view.signals.error_rate.on or seen.fleet:
        step = 1
    part = step if seen.fleet else part_of(view, step, growing=True)
    told = part if several(view) else None
    if not part:
        return Verdict(rule=Rule.FROM_ZERO, to=0, vetoes=(not_ours(view, step),), part=told)
    return Verdict(rule=Rule.FROM_ZERO, to=min(part, view.high), part=told)


def _untrusted(view: View) -> Verdict | None:
    return None if view.held is None else Verdict(rule=view.held, to=view.sample.workers)


def _memory(view: View) -> Verdict | None:
    """More workers than fit once all have grown: fewer, one step at a time, and never none.

    It takes as many samples in a row as votes do, and the next step waits until the last one's worker is
    gone: until then its memory is not free.
    """
    present, least = view.sample.workers, max(1, view.low)
    patient = view.cramped < view.settings.consecutive_signals_required or view.sample.draining > 0
    if view.allowed is None or view.allowed >= present or present <= least or patient:
        return None
    step = min(view.settings.scale_down_count, present - max(view.allowed, least))
    return Verdict(rule=Rule.MEMORY, to=present - step)


_RULES = (_bounds, _from_zero, _untrusted, _memory, by_votes)
