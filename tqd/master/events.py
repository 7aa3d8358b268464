"""What happens to a fleet, and what is to be done about it: values only.

Events come from the shell (a fork, a frame, a death, a signal, the time); actions go back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tqd.master.plan import FleetPlan


class Role(StrEnum):
    """What a child is for."""

    WORKER = "worker"
    KEEPER = "keeper"
    PROBE = "probe"
    REDIS = "redis"


class Haste(IntEnum):
    """How much time a stop leaves; each stop can only raise it.

    drain: running tasks have the grace time. fast: two seconds. now: all is given back at once.
    kill: the workers are killed, and the keeper takes back what they held.
    """

    DRAIN = 1
    FAST = 2
    NOW = 3
    KILL = 4


# -- events ---------------------------------------------------------------------------------------


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
    """A child is dead: `code` ≥ 0 is its exit code, < 0 the signal that killed it.

    `oom` tells that the kernel counted a kill for want of memory since the last look; None when no
    counter could be read. `culprit`: the task in its hand is known to be the reason. `begun`: it has had a
    task in hand; `outlived`: a probe that a suspect did not kill.
    """

    seat: str
    code: int
    oom: bool | None = None
    culprit: bool = False
    begun: bool = False
    outlived: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A child's beat: its slots that are busy, what it has done, whether it claims."""

    seat: str
    busy: int = 0
    done: int = 0
    claiming: bool = True


@dataclass(frozen=True, slots=True)
class Weighed:
    """A child's memory was read; `pss_bytes` is None when only its resident size was."""

    seat: str
    rss_bytes: int
    pss_bytes: int | None


@dataclass(frozen=True, slots=True)
class HardLimitSet:
    """An attempt must be over at `at` (monotonic s); None when no attempt in hand has such a limit."""

    seat: str
    at: float | None
    text: str


@dataclass(frozen=True, slots=True)
class RecycleAsked:
    """A worker takes more memory than there is for one; it is replaced if it has lived for a minute."""

    seat: str
    reason: str


@dataclass(frozen=True, slots=True)
class Suspected:
    """So many suspects wait for a probe."""

    count: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the daemon to end. Without a haste each stop is one step hastier than the last:
    drain, fast, kill."""

    haste: Haste | None = None


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """A new generation is wanted, by a plan that has been checked. `keeper`: it is replaced as well."""

    plan: FleetPlan
    keeper: bool


@dataclass(frozen=True, slots=True)
class ResizeAsked:
    """So many workers are wanted."""

    workers: int


@dataclass(frozen=True, slots=True)
class QuietAsked:
    """No task is to be claimed (True), or tasks are to be claimed again (False)."""

    quiet: bool


@dataclass(frozen=True, slots=True)
class Away:
    """The master could hear nobody for so long: that is held against no child."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; a deadline may be over."""


Event = (
    Started | Forked | BecameReady | BootFailed | Exited | Heard | Weighed | HardLimitSet | RecycleAsked
    | Suspected
    | StopAsked | ReloadAsked | ResizeAsked | QuietAsked | Away | Tick
)  # fmt: skip


# -- actions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process of a seat, of a generation. `patient`: it may wait for Redis for long."""

    seat: str
    role: Role
    generation: int
    patient: bool


@dataclass(frozen=True, slots=True)
class AskToDrain:
    """Tell a child to stop within `grace_s`."""

    seat: str
    grace_s: float


@dataclass(frozen=True, slots=True)
class SetQuiet:
    """Tell a worker to claim nothing, or to claim again."""

    seat: str
    quiet: bool


@dataclass(frozen=True, slots=True)
class Terminate:
    """Send SIGTERM to a child that has no control pipe of ours."""

    seat: str


@dataclass(frozen=True, slots=True)
class Dump:
    """Have a child write down where it is (SIGUSR1)."""

    seat: str


@dataclass(frozen=True, slots=True)
class Abort:
    """End a child that answers nothing by SIGABRT, which makes it write down its stacks once more."""

    seat: str
    reason: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a child at once."""

    seat: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnnounceReady:
    """Everything is up for the first time."""


@dataclass(frozen=True, slots=True)
class RollBegan:
    """A roll has begun: the new generation's first worker is on its way."""

    generation: int


@dataclass(frozen=True, slots=True)
class RollSwitched:
    """All workers of the new generation are ready, and those of the old one are asked to leave."""

    generation: int


@dataclass(frozen=True, slots=True)
class RollServing:
    """The new generation alone claims tasks: what is enqueued from now on is run by new code."""

    generation: int


@dataclass(frozen=True, slots=True)
class RollDone:
    """The last worker of older generations is gone."""

    generation: int


@dataclass(frozen=True, slots=True)
class RollRefused:
    """The new generation could not start; the old one serves on."""

    generation: int
    reason: str


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


Action = (
    Spawn | AskToDrain | SetQuiet | Terminate | Dump | Abort | Kill
    | AnnounceReady | RollBegan | RollSwitched | RollServing | RollDone | RollRefused | Note | Finish
)  # fmt: skip
