"""Learning: how early the demand thresholds should speak, from where the goals were missed. Pure.

The rule, with its reasons. Time is cut into windows of `adaptation_window_minutes`. Each step's time is
evidence of one kind:

- *late*: tasks wait beyond their goal while the workers are busy: there were too few. Late with idle workers
  says nothing: more of them would not have helped.
- *missed*: another goal (p95 of the run time, success rate) is missed while the workers are busy.
- *wasted*: every goal that could be measured is met, the slots are idle, and there are more workers than the
  minimum: there were too many. At the minimum no threshold could have made it fewer.
- *met*: all else that had attempts to judge by. Without a finished attempt there is no evidence at all, but
  for a task that waits beyond its goal.

At the end of a window one factor moves all demand thresholds: down (more eager) by `learning_rate` × the
share of late and missed time, if that is more than `TOLERATED`; else up (less eager) by `learning_rate` × the
share of wasted time, if that is more than half. Between the two it rests, so that it settles. A window with
too little evidence changes nothing: without traffic nothing drifts. Each reversal halves the step, down to an
eighth, and each repetition in the same direction gives half of that back: near the right place it settles
instead of hunting around it. The factor never leaves `thresholds.LEAST_FACTOR` to `MOST_FACTOR`.

More workers make waits shorter. Run times and failures they may help, or not: tasks that take 10 s will not
take 5 s, and a dependency that fails will fail more of them. So a lesson of theirs is looked at: when being
more eager has not made the miss smaller in the window after it, the factor goes back to what the user set,
and rests there until the miss changes or tasks are late.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tqd.scale.thresholds import LEAST_FACTOR, MOST_FACTOR

TOLERATED = 0.05
"""Two of the goals are about the slowest twentieth, and that of a few attempts is beyond any figure now and
then by chance."""

WASTEFUL = 0.5
FEWEST_EVIDENCE = 0.25
"""The share of a window that must be evidence, for anything to be learned from it."""

FUTILE = 1
SMALLER, LARGER = 0.97, 1.1
"""A miss is how many times its goal the figure is. Below the first share of the miss before, being more eager
has helped; above the second, the world has changed, and what did not help before may help now."""

LEAST_GAIN = 0.125
MOST_LESSONS = 50
MOST_MISS = 1000.0


class Evidence(StrEnum):
    """What one step's time says about the thresholds."""

    NONE = "none"
    MET = "met"
    MISSED = "missed"
    LATE = "late"
    WASTED = "wasted"


class Lesson(NamedTuple):
    """One change of the factor: when (monotonic), from what to what, and the shares it was learned from."""

    at: float
    before: float
    after: float
    missed: float
    wasted: float


class Learned(NamedTuple):
    """What was learned so far, and the evidence of the window that runs since `since` (monotonic).

    `miss` is how large the miss was at the last eager lesson, 0 when there was none; `futile` is 1 when being
    more eager has not made it smaller. `miss_s` is the miss of this window, summed over its missed time;
    `late_s` is no part of that.
    """

    factor: float = 1.0
    gain: float = 1.0
    direction: int = 0
    frozen: bool = False
    since: float | None = None
    evidence_s: float = 0.0
    missed_s: float = 0.0
    miss_s: float = 0.0
    wasted_s: float = 0.0
    late_s: float = 0.0
    miss: float = 0.0
    futile: int = 0
    history: tuple[Lesson, ...] = ()


class Proof(NamedTuple):
    """What a step's time says, and how large the miss is: how many times its goal the figure is."""

    evidence: Evidence
    miss: float = 0.0


def learn(
    learned: Learned, proof: Proof, passed_s: float, now: float, *, window_s: float, rate: float
) -> Learned:
    """Return what is learned after a step whose evidence holds for `passed_s`."""
    if learned.frozen:
        return learned
    if learned.since is None:
        return learned._replace(since=now)
    since = learned.since
    learned = _collected(learned, proof, passed_s)
    if now - since < window_s:
        return learned
    if learned.evidence_s > 0 and learned.evidence_s >= FEWEST_EVIDENCE * window_s:
        learned = _concluded(learned, now, rate)
    return learned._replace(since=now, evidence_s=0.0, missed_s=0.0, miss_s=0.0, wasted_s=0.0, late_s=0.0)


def _collected(learned: Learned, proof: Proof, passed_s: float) -> Learned:
    if proof.evidence is Evidence.NONE:
        return learned
    missed_s = passed_s if proof.evidence is Evidence.MISSED else 0.0
    return learned._replace(
        evidence_s=learned.evidence_s + passed_s,
        missed_s=learned.missed_s + missed_s,
        miss_s=learned.miss_s + missed_s * min(proof.miss, MOST_MISS),
        wasted_s=learned.wasted_s + (passed_s if proof.evidence is Evidence.WASTED else 0.0),
        late_s=learned.late_s + (passed_s if proof.evidence is Evidence.LATE else 0.0),
    )


def _concluded(learned: Learned, now: float, rate: float) -> Learned:
    late, missed = learned.late_s / learned.evidence_s, learned.missed_s / learned.evidence_s
    wasted = learned.wasted_s / learned.evidence_s
    if late > TOLERATED:
        learned = learned._replace(miss=0.0, futile=0)
        return _lesson(learned, -1, rate * (late + missed), now, late + missed, wasted)
    if missed > TOLERATED:
        learned = _weighed(learned, learned.miss_s / learned.missed_s)
        if learned.futile >= FUTILE:
            back = min(max(1.0, learned.factor), learned.factor * (1.0 + rate))
            return _moved(learned, back, now, missed, wasted)
        return _lesson(learned, -1, rate * missed, now, missed, wasted)
    learned = learned._replace(miss=0.0, futile=0)
    return _lesson(learned, 1, rate * wasted, now, missed, wasted) if wasted > WASTEFUL else learned


def _weighed(learned: Learned, miss: float) -> Learned:
    """Count the windows in which being more eager did not make the miss smaller."""
    if not learned.miss or miss < learned.miss * SMALLER or miss > learned.miss * LARGER:
        return learned._replace(miss=miss, futile=0)
    return learned._replace(futile=min(FUTILE, learned.futile + 1))


def _lesson(
    learned: Learned, direction: int, step: float, now: float, missed: float, wasted: float
) -> Learned:
    gain = _gain(learned, direction)
    factor = max(LEAST_FACTOR, min(MOST_FACTOR, learned.factor * (1.0 + direction * step * gain)))
    return _moved(learned._replace(gain=gain, direction=direction), factor, now, missed, wasted)


def _moved(learned: Learned, factor: float, now: float, missed: float, wasted: float) -> Learned:
    if factor == learned.factor:
        return learned
    lesson = Lesson(at=now, before=learned.factor, after=factor, missed=missed, wasted=wasted)
    return learned._replace(factor=factor, history=(*learned.history, lesson)[-MOST_LESSONS:])


def _gain(learned: Learned, direction: int) -> float:
    if learned.direction == -direction:
        return max(LEAST_GAIN, learned.gain / 2)
    return min(1.0, learned.gain * 1.5) if learned.direction == direction else learned.gain


def freeze(learned: Learned, frozen: bool) -> Learned:
    """Return it so that nothing more is learned, or so that learning begins with a new window."""
    learned = learned._replace(evidence_s=0.0, missed_s=0.0, miss_s=0.0, wasted_s=0.0, late_s=0.0)
    return learned._replace(frozen=frozen, since=None)


def reset(learned: Learned) -> Learned:
    """Return what counts before anything was learned; whether it is frozen stays."""
    return Learned(frozen=learned.frozen)
