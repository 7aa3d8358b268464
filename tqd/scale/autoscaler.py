"""`step`: from a sample to a decision. Pure; called once per interval, and by the simulation.

The rules are asked in this order, and the first that has something to say decides: the bounds, an operator's
order included; none at work while work waits; telemetry that cannot be trusted yet, or no longer; workers
that no longer fit into memory; the votes.
"""

from __future__ import annotations

from tqd.scale.adapt import Learned, learn
from tqd.scale.decision import Action, Decision, Rule, VetoKind
from tqd.scale.evidence import proof
from tqd.scale.explain import Why
from tqd.scale.hysteresis import Changes, changed, cooldown_left_s
from tqd.scale.rules import decide
from tqd.scale.sample import Sample
from tqd.scale.sane import sane
from tqd.scale.settings import Mode, ScaleSettings
from tqd.scale.state import State
from tqd.scale.verdict import Verdict
from tqd.scale.view import View, look

LONGEST_STEP = 3.0
"""No sample is evidence for longer than that many intervals: the daemon may have been suspended."""

_BY_LOAD = (Rule.VOTES, Rule.WAIT_SLA)


def step(settings: ScaleSettings, state: State, sample: Sample, now: float) -> tuple[State, Decision]:
    """Return what is to be done, and what to remember until the next step.

    `now` is on the monotonic clock and never goes back. Whoever calls carries the decision out when the
    mode is `act`, and tells it in any case.
    """
    if settings.mode is Mode.OFF:
        return state, _off(sample, now)
    sample, refused = sane(sample)
    if state.order is not None and now >= state.order.until:
        state = state._replace(order=None)
    if state.advised and settings.mode is Mode.ACT:
        # Nothing was changed yet that a cooldown could be about.
        state = state._replace(changes=Changes(), turns=0, advised=False)
    view = look(settings, state, sample, now)
    verdict = decide(view)
    return _after(view, verdict), _decision(view, verdict, refused)


def _off(sample: Sample, now: float) -> Decision:
    return Decision(
        at=now,
        mode=Mode.OFF,
        action=Action.HOLD,
        rule=Rule.OFF,
        from_workers=sample.workers,
        to_workers=sample.workers,
        why=f"held at {sample.workers}: auto-scaling is off",
    )


def _decision(view: View, verdict: Verdict, refused: tuple[str, ...]) -> Decision:
    sample, left_s = view.sample, 0.0
    if view.direction:
        left_s = cooldown_left_s(view.changes, view.settings, view.direction, view.now)
    return Decision(
        at=view.now,
        mode=view.settings.mode,
        action=_action(sample.workers, verdict.to),
        rule=verdict.rule,
        from_workers=sample.workers,
        to_workers=verdict.to,
        needed=view.need.workers,
        fleet=view.seen.fleet,
        nodes=sample.nodes,
        share=verdict.part,
        allowed=view.allowed,
        signals=view.signals,
        votes_up=view.votes_up,
        votes_down=view.votes_down,
        vetoes=verdict.vetoes,
        streak=abs(view.changes.streak),
        required=view.settings.consecutive_signals_required,
        cooldown_left_s=left_s,
        recycle=view.signals.memory_pressure.on or verdict.rule is Rule.MEMORY,
        held=view.seen.held,
        refused=refused,
        why=Why(view, verdict, refused),
    )


def _action(present: int, to: int) -> Action:
    if to == present:
        return Action.HOLD
    return Action.UP if to > present else Action.DOWN


def _after(view: View, verdict: Verdict) -> State:
    state = view.state
    return State(
        at=view.now,
        records=view.records,
        changes=_changes(view, verdict),
        learned=_learned(view) if view.held is None else state.learned,
        order=None if verdict.order_ends else state.order,
        turns=state.turns + 1 if _passed_over(verdict) else 0,
        cramped=view.cramped,
        advised=view.settings.mode is Mode.ADVISE,
    )


def _changes(view: View, verdict: Verdict) -> Changes:
    present = view.sample.workers
    if verdict.to == present:
        return view.changes
    direction = 1 if verdict.to > present else -1
    voted = verdict.rule in _BY_LOAD
    return changed(view.changes, view.settings, direction, view.now, voted=voted)


def _passed_over(verdict: Verdict) -> bool:
    """Tell whether only the turn of another daemon stood against a change."""
    return bool(verdict.vetoes) and all(veto.kind is VetoKind.SHARE for veto in verdict.vetoes)


def _learned(view: View) -> Learned:
    settings, state = view.settings, view.state
    if not settings.enable_adaptive_thresholds:
        return state.learned
    longest_s = LONGEST_STEP * settings.interval
    passed_s = 0.0 if state.at is None else max(0.0, min(longest_s, view.now - state.at))
    return learn(
        state.learned,
        proof(view),
        passed_s,
        view.now,
        window_s=settings.adaptation_window_minutes * 60,
        rate=settings.learning_rate,
    )
