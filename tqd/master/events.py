"""What happens to a fleet, and what is to be done about it: values only.

Events come from the shell (a fork, a frame, a death, a signal, the time); actions go back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a child is for."""

    WORKER = "worker"
    KEEPER = "keeper"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class Started:
    """The master begins."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A seat's process exists."""

    seat: str
    pid: int


@dataclass(frozen=True, slots=True)
class BecameReady:
    """A child says that it is ready."""

    seat: str


@dataclass(frozen=True, slots=True)
class BootFailed:
    """A child says why it cannot start; its death follows."""

    seat: str
    exit_code: int
    text: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A child is dead: `code` ≥ 0 is its exit code, < 0 the signal that killed it."""

    seat: str
    code: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the daemon to end; asked again, sooner; a third time, now."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; a deadline may be over."""


Event = Started | Forked | BecameReady | BootFailed | Exited | StopAsked | Tick


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process of a seat."""

    seat: str
    role: Role


@dataclass(frozen=True, slots=True)
class AskToDrain:
    """Tell a child to stop within `grace_s`."""

    seat: str
    grace_s: float


@dataclass(frozen=True, slots=True)
class Terminate:
    """Send SIGTERM to a child that has no control pipe of ours."""

    seat: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a child at once."""

    seat: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnnounceReady:
    """Everything is up for the first time."""


@dataclass(frozen=True, slots=True)
class Note:
    """Write an event to the log; `level` is info, warning or error."""

    level: str
    event: str
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Finish:
    """All children are gone: leave with this exit code; `text` says why, when it is not 0."""

    code: int
    text: str


Action = Spawn | AskToDrain | Terminate | Kill | AnnounceReady | Note | Finish
