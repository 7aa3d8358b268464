"""One sentence for each decision, with the figures that mattered. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tqd.scale.decision import HeldQueue, Rule, Signal
from tqd.scale.figures import apart, percent, short
from tqd.scale.settings import Mode
from tqd.scale.verdict import Verdict, needs, several
from tqd.scale.view import View

_MOST_HELD = 3
_NUMBERS = ("no", "one", "two", "three", "four")


class Why(NamedTuple):
    """All that a sentence is made of; as a text it is the sentence."""

    view: View
    verdict: Verdict
    refused: tuple[str, ...]

    def __str__(self) -> str:
        return _sentence(*self)


def _sentence(view: View, verdict: Verdict, refused: tuple[str, ...]) -> str:
    present = view.sample.workers
    if verdict.to == present:
        told = f"held at {present}: {_why_held(view, verdict)}"
    else:
        told = f"{present} → {verdict.to} workers: {_why(view, verdict)}"
        if view.settings.mode is Mode.ADVISE:
            told = f"advice only: {told}"
    told += "".join(f"; {_kept_back(one)}" for one in view.seen.held[:_MOST_HELD])
    return f"{told}; not believed: {', '.join(refused[:3])}" if refused else told


def _kept_back(held: HeldQueue) -> str:
    """Return `118 tasks of "mail" are kept back, as it is paused`."""
    tasks = "1 task" if held.ready == 1 else f"{held.ready} tasks"
    return f'{tasks} of "{held.name}" {"is" if held.ready == 1 else "are"} kept back, as it is {held.why}'


def _why(view: View, verdict: Verdict) -> str:
    settings = view.settings
    match verdict.rule:
        case Rule.MANUAL if view.state.order is not None:
            left_s = view.state.order.until - view.now
            return f"an operator asked for {view.state.order.workers}, which holds for {left_s:.0f} s"
        case Rule.BELOW_MIN:
            return f"min_workers is {settings.min_workers}"
        case Rule.ABOVE_MAX:
            return f"max_workers is {settings.max_workers}"
        case Rule.FROM_ZERO:
            return _nobody(view)
        case Rule.MEMORY:
            size = view.records.peak_pss_bytes / 1_048_576
            most = settings.scale_down_count
            return f"memory allows {view.allowed}, as each may take {size:.0f} MB; at most {most} per step"
    return "; ".join([_reasons(view), *_limits(view, verdict)])


def _limits(view: View, verdict: Verdict) -> list[str]:
    """Return the clauses that say why by so many and not by more."""
    settings = view.settings
    found = [needs(view)]
    growing = view.direction > 0
    if growing and view.allowed is not None:
        found.append(f"memory allows {view.allowed}")
    most = settings.scale_up_count if growing else settings.scale_down_count
    found.append(f"at most {most} per step")
    if several(view):
        found.append(f"{view.sample.nodes} daemons share the step")
    if verdict.order_ends:
        found.append("the load has outgrown the operator's order, which ends")
    return found


def _why_held(view: View, verdict: Verdict) -> str:
    if view.held is not None and verdict.rule is view.held:
        return view.held_why
    if verdict.vetoes:
        texts = "; ".join(veto.text for veto in verdict.vetoes[:3])
        return f"{_asked(view, verdict)}, but {texts}"
    return "; ".join(part for part in (_votes(view), _state(view), _unknown(view)) if part)


def _asked(view: View, verdict: Verdict) -> str:
    if verdict.rule is Rule.FROM_ZERO:
        return _nobody(view)
    if view.breach:
        return _wait(view.signals.queue_wait)
    count = view.votes_up if view.direction > 0 else view.votes_down
    return f"{_count(count)} {'up' if view.direction > 0 else 'down'}"


def _nobody(view: View) -> str:
    waiting, late = view.seen.waiting, _wait(view.signals.queue_wait)
    if view.seen.fleet:
        return f"none is at work here, and {late}"
    return f"none is at work, and {waiting} {'task waits' if waiting == 1 else 'tasks wait'}"


def _reasons(view: View) -> str:
    """Return the signals that voted for what is proposed, the wait first."""
    voted = [signal for signal in view.signals.demand if signal.vote == view.direction]
    voted.sort(key=lambda signal: signal is not view.signals.queue_wait)
    return ", ".join(map(_clause, voted))


def _votes(view: View) -> str:
    """Return the votes there were, when they were too few."""
    up, down = view.votes_up, view.votes_down
    if not up and not down:
        return "no signal asks for a change"
    if up and down:
        return f"{_count(up)} up against {_count(down)} down ({_voters(view)})"
    way = "up" if up else "down"
    return f"{_count(up or down)} {way} of the two that it takes ({_voters(view)})"


def _count(votes: int) -> str:
    return f"{_NUMBERS[votes]} vote{'' if votes == 1 else 's'}"


def _voters(view: View) -> str:
    return ", ".join(_clause(signal) for signal in view.signals.demand if signal.vote)


def _state(view: View) -> str:
    """Return the figures of the demand that did not vote, so that a quiet sentence has figures, too."""
    quiet = [s for s in view.signals.demand if not s.vote and s.value is not None]
    return ", ".join(map(_clause, quiet))


def _unknown(view: View) -> str:
    """Return the demand signals that had no vote because they are not known; an idle wait is no lack."""
    unknown = [s for s in view.signals.demand[:3] if s.unknown]
    if not unknown:
        return ""
    return "not known: " + ", ".join(f"{s.name.replace('_', ' ')} ({s.unknown})" for s in unknown)


def _clause(signal: Signal) -> str:
    """Return one demand signal with its figures, as a clause."""
    value, limit = signal.value or 0.0, signal.low if signal.vote < 0 and signal.low else signal.threshold
    if signal.name == "queue_wait":
        return _wait(signal)
    word = "below" if signal.vote < 0 else "threshold"
    if signal.name == "worker_utilization":
        return f"{percent(value, limit)} of the slots are busy ({word} {percent(limit)})"
    if signal.name == "task_complexity":
        return f"tasks take {short(value, limit)} times as long as usual ({word} {limit:.3g})"
    return f"queue pressure is {short(value, limit)} ({word} {limit:.3g})"


def _wait(signal: Signal) -> str:
    waited, goal = apart(signal.value or 0.0, signal.threshold, 1), f"goal {signal.threshold:g} s"
    if signal.subject:
        return f'the oldest ready task of "{signal.subject}" waited {waited} s, {goal}'
    return f"one task in twenty waited {waited} s or longer, {goal}"
