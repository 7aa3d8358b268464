"""Samples for tests of the autoscaler that take only what the case is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqd.scale.autoscaler import step
from tqd.scale.decision import Decision
from tqd.scale.sample import QueueReading, Runs, Sample, Window
from tqd.scale.settings import ScaleSettings, TargetSla, Triggers
from tqd.scale.state import State

_CALM: dict[str, Any] = {
    "busy_slot_s": 100.0, "slot_s": 200.0, "arrivals_per_s": 20.0, "finished": 100, "failed": 0,
    "runs": {"mail": Runs(100, 100.0)}, "wait_p95_s": 0.01, "run_p95_s": 1.5,
}  # fmt: skip
_QUEUE = {"ready", "claimed", "scheduled", "oldest_s", "weight", "held"}


def sample(**fields: Any) -> Sample:
    """Return a calm moment of a lone daemon: 4 workers with 10 slots each, half busy, nothing waits.

    Fields of the window and of its one queue, "mail", may be given like those of the sample.
    """
    window = _CALM | {name: fields.pop(name) for name in list(fields) if name in Window._fields}
    queue = {"ready": 0, "claimed": 20, "scheduled": 0}
    queue |= {name: fields.pop(name) for name in list(fields) if name in _QUEUE}
    workers = fields.pop("workers", 4)
    rest: dict[str, Any] = {
        "slots": 10, "ready_workers": workers, "nodes": 1, "rank": 0, "others": 0,
        "queues": (QueueReading(name="mail", **queue),), "beats_age_s": 0.5, "queues_age_s": 0.5,
        "since_start_s": 1000.0,
    }  # fmt: skip
    return Sample(workers=workers, window=Window(**window), **(rest | fields))


def busy(**fields: Any) -> Sample:
    """Return a moment that asks for more: all slots busy, 60 tasks wait, and 10 workers are needed."""
    more = {"busy_slot_s": 200.0, "arrivals_per_s": 64.0, "ready": 60, "claimed": 40, "oldest_s": 2.0}
    return sample(**(more | fields))


def idle(**fields: Any) -> Sample:
    """Return a moment that asks for fewer: a tenth of the slots is busy, and one worker is needed."""
    less = {"busy_slot_s": 20.0, "arrivals_per_s": 4.0, "claimed": 4, "finished": 20}
    return sample(**(less | {"runs": {"mail": Runs(20, 20.0)}} | fields))


def settings(**fields: Any) -> ScaleSettings:
    """Return settings; fields of the triggers and of the targets may be given like the others."""
    triggers = {name: fields.pop(name) for name in list(fields) if name in Triggers.__dataclass_fields__}
    target = {name: fields.pop(name) for name in list(fields) if name in TargetSla.__dataclass_fields__}
    return ScaleSettings(scaling_triggers=Triggers(**triggers), target_sla=TargetSla(**target), **fields)


EAGER: dict[str, Any] = {
    "consecutive_signals_required": 1, "scale_up_cooldown_seconds": 0.0, "scale_down_cooldown_seconds": 0.0,
}  # fmt: skip
"""Settings of cases that are not about holding still."""


def decide(sample: Sample, state: State | None = None, now: float = 1000.0, **fields: Any) -> Decision:
    """Return what one sample alone is decided to mean, without rows and cooldowns."""
    return step(settings(**(EAGER | fields)), state or State(), sample, now)[1]


def steps(
    samples: Iterable[Sample], rules: ScaleSettings, state: State | None = None, now: float = 1000.0
) -> tuple[State, list[Decision]]:
    """Return the state and the decisions after samples that come one per interval."""
    state, decisions = state or State(), []
    for number, each in enumerate(samples):
        state, decision = step(rules, state, each, now + number * rules.interval)
        decisions.append(decision)
    return state, decisions


def kinds(decision: Decision) -> list[str]:
    """Return the kinds of the vetoes."""
    return [str(veto.kind) for veto in decision.vetoes]
