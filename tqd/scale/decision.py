"""What was decided, and everything that it was decided from. Values only; `explain` makes the sentence."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from tqd.scale.settings import Mode


class Action(StrEnum):
    """What is to be done with the number of workers."""

    UP = "up"
    DOWN = "down"
    HOLD = "hold"


class Rule(StrEnum):
    """Which rule decided."""

    OFF = "off"
    MANUAL = "manual"
    BELOW_MIN = "below_min"
    ABOVE_MAX = "above_max"
    FROM_ZERO = "from_zero"
    STALE = "stale"
    STARTING = "starting"
    RELOADING = "reloading"
    SUSPENDED = "suspended"
    MEMORY = "memory"
    VOTES = "votes"
    WAIT_SLA = "wait_sla"
    QUIET = "quiet"


class Role(StrEnum):
    """What a signal may do: ask for more or fewer, refuse growth, or bound it."""

    DEMAND = "demand"
    BRAKE = "brake"
    CEILING = "ceiling"


class Signal(NamedTuple):
    """One of the six signals: what was measured, against what, and how it votes.

    `vote` is 1 for more, -1 for fewer, 0 for neither. Demand votes up above `threshold` and down below
    `low` (None: it never does). `value` is None when it is not known, and `unknown` says why. `subject` is
    what the value was measured of, when that is one thing: the name of a queue. A brake or a ceiling that
    is `on` lets no growth happen.
    """

    name: str
    role: Role
    value: float | None
    threshold: float
    low: float | None = None
    unit: str = ""
    vote: int = 0
    on: bool = False
    unknown: str = ""
    subject: str = ""


class Signals(NamedTuple):
    """The six, in the order in which they are told."""

    queue_pressure: Signal
    worker_utilization: Signal
    task_complexity: Signal
    queue_wait: Signal
    error_rate: Signal
    memory_pressure: Signal

    @property
    def demand(self) -> tuple[Signal, ...]:
        """Return those that vote."""
        return self[:4]


class VetoKind(StrEnum):
    """What stands against a change for which there were enough votes."""

    ERRORS = "errors"
    MEMORY = "memory"
    MAX = "max"
    MIN = "min"
    STREAK = "streak"
    COOLDOWN = "cooldown"
    REGRET = "regret"
    ENOUGH = "enough"
    NEEDED = "needed"
    SHARE = "share"
    MANUAL = "manual"


class Veto(NamedTuple):
    """One reason against the change, as a clause with its figures."""

    kind: VetoKind
    text: str


MOST_HELD = 10
"""Queues that are told: with all of 64 a decision would not fit into a frame."""


class HeldQueue(NamedTuple):
    """A queue of which `ready` tasks wait for something else than a worker, and for what."""

    name: str
    why: str
    ready: int


class Decision(NamedTuple):
    """One decision of one daemon; `at` is on the monotonic clock.

    `needed` is how many workers the load asks of the namespace, before any bound; None when that is not
    known. `allowed` is how many of this daemon's fit into memory. `votes_up` and `votes_down` are counts.
    `streak` is for how many samples in a row the same was proposed. `cooldown_left_s` is that of the
    direction proposed, else 0. `recycle` asks for workers to be replaced for their memory. `share` is this
    daemon's part of a step that several take together; None when it is alone. `held` are the queues whose
    tasks more workers would not help; the first ten of them are told.
    `sentence` tells it all to a reader, with the figures that mattered; it is made of `why` when somebody
    asks for it, as most decisions are told to nobody.
    """

    at: float
    mode: Mode
    action: Action
    rule: Rule
    from_workers: int
    to_workers: int
    needed: float | None = None
    fleet: int | None = None
    nodes: int | None = None
    share: int | None = None
    allowed: int | None = None
    signals: Signals | None = None
    votes_up: int = 0
    votes_down: int = 0
    vetoes: tuple[Veto, ...] = ()
    streak: int = 0
    required: int = 0
    cooldown_left_s: float = 0.0
    recycle: bool = False
    held: tuple[HeldQueue, ...] = ()
    refused: tuple[str, ...] = ()
    why: object = ""

    @property
    def sentence(self) -> str:
        """Return why the number changes, or why it does not."""
        return str(self.why)

    @property
    def changes(self) -> bool:
        """Whether the number of workers is to be changed."""
        return self.to_workers != self.from_workers

    def plain(self) -> dict[str, Any]:
        """Return it as values that JSON has; the keys are those of `tqd why --json`."""
        return {
            "mode": str(self.mode),
            "action": str(self.action),
            "rule": str(self.rule),
            "from": self.from_workers,
            "to": self.to_workers,
            "needed": self.needed,
            "fleet": self.fleet,
            "nodes": self.nodes,
            "share": self.share,
            "allowed_by_memory": self.allowed,
            "signals": {signal.name: _plain(signal) for signal in self.signals or ()},
            "votes": {"up": self.votes_up, "down": self.votes_down},
            "vetoes": [{"kind": str(veto.kind), "text": veto.text} for veto in self.vetoes],
            "streak": self.streak,
            "consecutive_signals_required": self.required,
            "cooldown_left_s": round(self.cooldown_left_s, 3),
            "recycle": self.recycle,
            "held_queues": [one._asdict() for one in self.held[:MOST_HELD]],
            "refused": list(self.refused),
            "sentence": self.sentence,
        }


def _plain(signal: Signal) -> dict[str, Any]:
    return {
        "role": str(signal.role),
        "value": signal.value,
        "threshold": signal.threshold,
        "low": signal.low,
        "unit": signal.unit,
        "vote": signal.vote,
        "on": signal.on,
        "unknown": signal.unknown,
        "subject": signal.subject,
    }
