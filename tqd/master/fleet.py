"""The fleet reducer: event in, actions out. It decides; the shell forks, signals and waits.

A seat is a place for one child; when its process dies, another takes the seat. A seat's life:

    empty → starting (forked) → ready → draining → empty
                  └──────────────┴── died: empty, and due again after a pause

The first generation is special: a child that dies before everything was ready once ends the daemon
with the child's reason, because a deploy that cannot start must not loop. Later deaths cost only
their seat a pause. A stop drains the workers, then the keeper, then the embedded Redis; every step
has a deadline after which it is a kill, so that a stop always ends.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tqd.master.events import (
    Action,
    AnnounceReady,
    AskToDrain,
    BecameReady,
    BootFailed,
    Event,
    Exited,
    Finish,
    Forked,
    Kill,
    Note,
    Role,
    Spawn,
    Started,
    StopAsked,
    Terminate,
    Tick,
)
from tqd.system import exits

BOOT_LIMIT_S = 60.0
KILL_MARGIN_S = 5.0
KEEPER_LIMIT_S = 5.0
REDIS_LIMIT_S = 10.0
FAST_GRACE_S = 2.0
HEALTHY_AFTER_S = 60.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
JITTER = 0.2

KEEPER = "keeper"
REDIS = "redis"



class ChildState(StrEnum):
    """Where a seat is in its life."""

    EMPTY = "empty"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Phase(StrEnum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What the fleet shall be. `grace_s` is the time that running tasks have at a stop."""

    workers: tuple[str, ...]
    embedded_redis: bool
    grace_s: float


class Seat:
    """One place for a child."""

    __slots__ = ("deadline", "due", "failure", "failures", "name", "pid", "role", "since", "state")

    def __init__(self, name: str, role: Role) -> None:
        self.name = name
        self.role = role
        self.state = ChildState.EMPTY
        self.pid = 0
        self.since = 0.0
        self.due: float | None = None
        self.deadline: float | None = None
        self.failures = 0
        self.failure: BootFailed | None = None


class Fleet:
    """All seats and the daemon's phase. `chance` gives numbers in [0, 1) for jitter."""

    def __init__(self, plan: FleetPlan, chance: Callable[[], float]) -> None:
        self._plan = plan
        self._chance = chance
        self._stops = 0
        self._verdict = Finish(0, "")
        self.phase = Phase.STARTING
        self.seats = {name: Seat(name, Role.WORKER) for name in plan.workers}
        self.seats[KEEPER] = Seat(KEEPER, Role.KEEPER)
        if plan.embedded_redis:
            self.seats[REDIS] = Seat(REDIS, Role.REDIS)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in one event; returns what is to be done, in order."""
        match event:
            case Started():
                return self._started(now)
            case Forked(seat, pid):
                return self._forked(self.seats[seat], pid, now)
            case BecameReady(seat):
                return self._became_ready(self.seats[seat], now)
            case BootFailed(seat):
                self.seats[seat].failure = event
                return []
            case Exited(seat, code):
                return self._exited(self.seats[seat], code, now)
            case StopAsked():
                return self._stop_asked(now)
            case Tick():
                return self._tick(now)

    def next_deadline(self) -> float | None:
        """Return when the next Tick is wanted, on the monotonic clock."""
        times = [t for seat in self.seats.values() for t in (seat.due, seat.deadline) if t is not None]
        return min(times, default=None)

    def alive(self, role: Role | None = None) -> list[Seat]:
        """Return the seats with a process (of one role)."""
        return [
            seat for seat in self.seats.values()
            if seat.state is not ChildState.EMPTY and role in (None, seat.role)
        ]  # fmt: skip

    def _started(self, now: float) -> list[Action]:
        first = [seat for seat in self.seats.values() if seat.role is not Role.KEEPER]
        # The keeper is told by the first worker which Redis the app uses.
        first.sort(key=lambda seat: seat.role is not Role.REDIS)
        if not self._plan.workers:
            first.append(self.seats[KEEPER])
        return [self._spawn(seat, now) for seat in first]

    def _spawn(self, seat: Seat, now: float) -> Spawn:
        seat.state = ChildState.STARTING
        seat.due, seat.deadline, seat.failure = None, now + BOOT_LIMIT_S, None
        return Spawn(seat.name, seat.role)

    def _forked(self, seat: Seat, pid: int, now: float) -> list[Action]:
        seat.pid, seat.since = pid, now
        # A server does not speak on our pipes; whoever connects to it finds out.
        return self._became_ready(seat, now) if seat.role is Role.REDIS else []

    def _became_ready(self, seat: Seat, now: float) -> list[Action]:
        if seat.state is not ChildState.STARTING:
            return []
        seat.state, seat.deadline = ChildState.READY, None
        fields: dict[str, object] = {
            "seat": seat.name,
            "pid": seat.pid,
            "after_s": round(now - seat.since, 3),
        }
        actions: list[Action] = [Note("info", f"{seat.role.value} ready", fields)]
        keeper = self.seats[KEEPER]
        starting = self.phase is Phase.STARTING
        if seat.role is Role.WORKER and starting and keeper.state is ChildState.EMPTY:
            actions.append(self._spawn(keeper, now))
        if starting and all(s.state is ChildState.READY for s in self.seats.values()):
            self.phase = Phase.RUNNING
            actions.append(AnnounceReady())
        return actions

    def _exited(self, seat: Seat, code: int, now: float) -> list[Action]:
        before, lived_s = seat.state, now - seat.since
        seat.state, seat.pid, seat.deadline = ChildState.EMPTY, 0, None
        if self.phase in (Phase.STOPPING, Phase.STOPPED):
            return self._advance_stop(now)
        if self.phase is Phase.STARTING:
            return self._boot_failure(seat, before, code, now)
        if code == exits.FENCED or lived_s >= HEALTHY_AFTER_S:
            seat.failures = 0
        # An end with code 0 that nobody asked for counts too: a task that calls os._exit(0) would
        # otherwise have its worker replaced without a pause for ever.
        seat.failures += 1
        wait_s = pause_s(seat.failures, self._chance())
        seat.due = now + wait_s
        reason = seat.failure.text if seat.failure is not None else death(code)
        fields = {"seat": seat.name, "reason": reason, "again_in_s": round(wait_s, 1)}
        level = "info" if code == 0 else "error"
        return [Note(level, f"{seat.role.value} ended and is replaced", fields), *self._tick(now)]

    def _boot_failure(self, seat: Seat, before: ChildState, code: int, now: float) -> list[Action]:
        told = seat.failure
        if told is not None:
            self._verdict = Finish(told.exit_code, told.text)
        else:
            role = seat.role.value
            when = "was ready" if before is ChildState.STARTING else "the daemon was ready"
            text = (
                f"the {role} {seat.name} {death(code)} before it {when}; see the log above for its last words"
            )
            self._verdict = Finish(exits.UNAVAILABLE if seat.role is Role.REDIS else exits.INTERNAL, text)
        self.phase = Phase.STOPPING
        return [*self._drain_workers(FAST_GRACE_S, now), *self._advance_stop(now)]

    def _stop_asked(self, now: float) -> list[Action]:
        self._stops += 1
        self.phase = Phase.STOPPING if self.phase is not Phase.STOPPED else self.phase
        for seat in self.seats.values():
            seat.due = None
        if self._stops >= 3:
            return [Kill(seat.name, "a third stop") for seat in self.alive(Role.WORKER)]
        grace_s = self._plan.grace_s if self._stops == 1 else min(FAST_GRACE_S, self._plan.grace_s)
        return [*self._drain_workers(grace_s, now), *self._advance_stop(now)]

    def _drain_workers(self, grace_s: float, now: float) -> list[Action]:
        actions: list[Action] = []
        for seat in self.alive(Role.WORKER):
            seat.state, seat.deadline = ChildState.DRAINING, now + grace_s + KILL_MARGIN_S
            actions.append(AskToDrain(seat.name, grace_s))
        return actions

    def _advance_stop(self, now: float) -> list[Action]:
        """Stop the next role once the one before it is gone: the keeper outlives the workers, to take
        back what they held, and both need the embedded Redis."""
        if self.phase is Phase.STOPPED or self.alive(Role.WORKER):
            return []
        for seat, limit_s, order in (
            (self.seats[KEEPER], KEEPER_LIMIT_S, AskToDrain(KEEPER, 0.0)),
            (self.seats.get(REDIS), REDIS_LIMIT_S, Terminate(REDIS)),
        ):
            if seat is not None and seat.state is not ChildState.EMPTY:
                if seat.state is ChildState.DRAINING:
                    return []
                seat.state, seat.deadline = ChildState.DRAINING, now + limit_s
                return [order]
        self.phase = Phase.STOPPED
        return [self._verdict]

    def _tick(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for seat in self.seats.values():
            if seat.due is not None and now >= seat.due:
                actions.append(self._spawn(seat, now))
            elif seat.deadline is not None and now >= seat.deadline:
                seat.deadline = now + KILL_MARGIN_S
                late = "ready" if seat.state is ChildState.STARTING else "gone"
                actions.append(Kill(seat.name, f"it was not {late} in time"))
        return actions


def pause_s(failures: int, chance: float) -> float:
    """Return the pause before a seat is filled again, in s.

    No pause after the first death; then 0.5 · 2ⁿ s up to 30 s, give or take a fifth.
    """
    if failures <= 1:
        return 0.0
    full = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 2, 10))
    return full * (1.0 - JITTER + 2 * JITTER * chance)


def death(code: int) -> str:
    """Return in words how a process ended."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (if nobody sent it, the kernel may have been out of memory)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
