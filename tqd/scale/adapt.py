"""Learning: how early the demand thresholds should speak, from where the goals were missed. Pure.

The rule, with its reasons. Time is cut into windows of `adaptation_window_minutes`. Each step's time is
evidence of one kind:

- *missed*: a goal (p95 of the run time, wait, success rate) is missed while the workers are busy: there were
  too few. Missed with idle workers says nothing: more of them would not have helped.
- *wasted*: every goal that could be measured is met, the slots are idle, and there are more workers than the
  minimum: there were too many. At the minimum no threshold could have made it fewer.
- *met*: all else that had attempts to judge by. Without a finished attempt there is no evidence at all.

At the end of a window one factor moves all demand thresholds: down (more eager) by `learning_rate` × the
share of missed time, if that is more than `TOLERATED`; else up (less eager) by `learning_rate` × the share
of wasted time, if that is more than half. Between the two it rests, so that it settles. A window with too
little evidence changes nothing: without traffic nothing drifts. Each reversal halves the step, down to an
eighth, and each repetition in the same direction gives half of that back: near the right place it settles
instead of hunting around it. The factor never leaves `thresholds.LEAST_FACTOR` to `MOST_FACTOR`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tqd.scale.thresholds import LEAST_FACTOR, MOST_FACTOR

TOLERATED = 0.02
WASTEFUL = 0.5
FEWEST_EVIDENCE = 0.25
"""The share of a window that must be evidence, for anything to be learned from it."""

LEAST_GAIN = 0.125
MOST_LESSONS = 50


class Evidence(StrEnum):
    """What one step's time says about the thresholds."""

    NONE = "none"
    MET = "met"
    MISSED = "missed"
    WASTED = "wasted"


class Lesson(NamedTuple):
    """One change of the factor: when (monotonic), from what to what, and the shares it was learned from."""

    at: float
    before: float
    after: float
    missed: float
    wasted: float


class Learned(NamedTuple):
    """What was learned so far, and the evidence of the window that runs since `since` (monotonic)."""

    factor: float = 1.0
    gain: float = 1.0
    direction: int = 0
    frozen: bool = False
    since: float | None = None
    evidence_s: float = 0.0
    missed_s: float = 0.0
    wasted_s: float = 0.0
    history: tuple[Lesson, ...] = ()


def learn(
    learned: Learned, evidence: Evidence, passed_s: float, now: float, *, window_s: float, rate: float
) -> Learned:
    """Return what is learned after a step whose evidence holds for `passed_s`."""
    if learned.frozen:
        return learned
    if learned.since is None:
        return learned._replace(since=now)
    since = learned.since
    if evidence is not Evidence.NONE:
        learned = learned._replace(
            evidence_s=learned.evidence_s + passed_s,
            missed_s=learned.missed_s + (passed_s if evidence is Evidence.MISSED else 0.0),
            wasted_s=learned.wasted_s + (passed_s if evidence is Evidence.WASTED else 0.0),
        )
    if now - since < window_s:
        return learned
    concluded = _concluded(learned, now, window_s, rate)
    return concluded._replace(since=now, evidence_s=0.0, missed_s=0.0, wasted_s=0.0)


def _concluded(learned: Learned, now: float, window_s: float, rate: float) -> Learned:
    if learned.evidence_s <= 0 or learned.evidence_s < FEWEST_EVIDENCE * window_s:
        return learned
    missed = learned.missed_s / learned.evidence_s
    wasted = learned.wasted_s / learned.evidence_s
    if missed > TOLERATED:
        direction, strength = -1, missed
    elif wasted > WASTEFUL:
        direction, strength = 1, wasted
    else:
        return learned
    gain = _gain(learned, direction)
    moved = learned.factor * (1.0 + direction * rate * gain * strength)
    factor = max(LEAST_FACTOR, min(MOST_FACTOR, moved))
    lesson = Lesson(at=now, before=learned.factor, after=factor, missed=missed, wasted=wasted)
    history = learned.history if factor == learned.factor else (*learned.history, lesson)[-MOST_LESSONS:]
    return learned._replace(factor=factor, gain=gain, direction=direction, history=history)


def _gain(learned: Learned, direction: int) -> float:
    if learned.direction == -direction:
        return max(LEAST_GAIN, learned.gain / 2)
    return min(1.0, learned.gain * 1.5) if learned.direction == direction else learned.gain


def freeze(learned: Learned, frozen: bool) -> Learned:
    """Return it so that nothing more is learned, or so that learning begins with a new window."""
    return learned._replace(frozen=frozen, since=None, evidence_s=0.0, missed_s=0.0, wasted_s=0.0)


def reset(learned: Learned) -> Learned:
    """Return what counts before anything was learned; whether it is frozen stays."""
    return Learned(frozen=learned.frozen)
