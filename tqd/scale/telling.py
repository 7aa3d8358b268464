"""Which decisions are told and kept: each change, each refusal, each new reason for keeping still. Pure."""

from __future__ import annotations

import math

from tqd.scale.decision import Decision, VetoKind

MOST_DECISIONS = 1000
"""How many of those that were told are kept, by the daemon and in Redis."""

CURRENT_INTERVALS = 3
"""For how many intervals a decision is the last word of its daemon: later it has decided nothing lately."""


def current_s(interval_s: float) -> int:
    """Return for how many whole seconds a decision may be told as the current one."""
    return math.ceil(CURRENT_INTERVALS * interval_s) + 1


def worth_telling(told: Decision | None, decision: Decision) -> bool:
    """Tell whether a decision says something that the last one told did not.

    One that only has other figures is the same again: with an interval of 5 s there are 17,280 a day.
    """
    return told is None or decision.changes or _kind(decision) != _kind(told)


def _kind(decision: Decision) -> tuple[object, ...]:
    # A proposal that waits for its next sample is not refused yet.
    vetoes = frozenset(veto.kind for veto in decision.vetoes) - {VetoKind.STREAK}
    return decision.mode, decision.rule, vetoes, decision.recycle, bool(decision.refused)
