"""The fleet reducer: event in, actions out. It decides; the shell forks, signals and waits.

Each event changes the picture of the seats; then one pass, `_advance`, looks at the whole picture and
says what is to be done next. So no order of events is special: a stop in the middle of a reload, a reload
in the middle of a drain, a resize in a crash loop all meet the same rules.

The first generation is special: a child that dies before it was ready ends the daemon with the child's
reason, because a deploy that cannot start must not loop; so does a worker's death that comes again and
again before everything was ready once. Later deaths cost only their seat a pause. A stop drains those who
run tasks, then the keeper, then the embedded Redis; every step has a deadline after which it is a kill, so
that a stop always ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum

from tqd.master import silence
from tqd.master.events import (
    Action,
    AnnounceReady,
    Away,
    BecameReady,
    BootFailed,
    Event,
    Exited,
    Forked,
    HardLimitSet,
    Haste,
    Heard,
    Note,
    QuietAsked,
    RecycleAsked,
    ReloadAsked,
    ResizeAsked,
    Role,
    SetQuiet,
    Started,
    StopAsked,
    Suspected,
    Tick,
    Weighed,
)
from tqd.master.moves import Wanted, fill, size
from tqd.master.pauses import EARLY_PAUSE_S, Breaker, EarlyDeaths, Fault, death, from_outside, wait_after
from tqd.master.plan import FleetPlan
from tqd.master.probing import Probing
from tqd.master.recycling import Recycler
from tqd.master.rollout import Rollout
from tqd.master.seats import AT_WORK, KEEPER, REDIS, ChildState, Seat, Seats
from tqd.master.stopping import Stop, boot_verdict
from tqd.system import exits


class Phase(StrEnum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Fleet:
    """All seats and the daemon's phase. `chance` gives numbers in [0, 1) for jitter."""

    def __init__(self, plan: FleetPlan, chance: Callable[[], float]) -> None:
        self._chance = chance
        self.phase = Phase.STARTING
        self.wanted = Wanted(plan)
        self.seats = Seats()
        self.breaker = Breaker()
        self._next: float | None = None
        self._early_deaths = EarlyDeaths()
        self._stop = Stop(self.seats, self.wanted)
        self.rollout = Rollout(self.seats, self.wanted, chance)
        self.recycler = Recycler(self.seats, self.wanted, chance)
        self.probing = Probing(self.seats, self.wanted, chance)
        if plan.embedded_redis:
            self.seats.add(REDIS, Role.REDIS, 1)
        for _ in range(plan.workers):
            self.seats.add_worker(plan.prefix, 1)
        self.seats.add(KEEPER, Role.KEEPER, 1)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in one event; returns what is to be done, in order."""
        actions = self._take(event, now)
        if isinstance(event, Heard) and not actions and self._calm:
            return actions  # by far the most frequent event: it only puts a deadline off
        if not isinstance(event, Away):  # what was not heard yet comes first
            actions += self._advance(now)
        self._next = self._next_deadline()
        return actions

    @property
    def _calm(self) -> bool:
        return self.phase is Phase.RUNNING and self.rollout.settled and not self.seats.probes()

    def _take(self, event: Event, now: float) -> list[Action]:
        match event:
            case Started():
                self._started(now)
            case Forked() | BecameReady() | BootFailed() | Exited() | Heard() | Weighed() | HardLimitSet():
                return self._of_a_child(event, now)
            case Away(for_s):
                return silence.pardon(self.seats, for_s, now)
            case Tick():
                return silence.enforce(self.seats, self.wanted.plan, now)
            case StopAsked(haste):
                return self._stop_asked(haste, now)
            case ReloadAsked():
                if self.phase in (Phase.STARTING, Phase.RUNNING):
                    self.rollout.ask(event)
                    return self.recycler.cancel(now)
            case ResizeAsked(workers):
                self.wanted.workers = workers
                self.rollout.resize(workers)
            case QuietAsked(quiet):
                self.wanted.quiet = quiet
                alive = self.seats.alive(*AT_WORK)
                return [SetQuiet(seat.name, self.quiet(seat)) for seat in alive]
            case Suspected(count):
                self.wanted.suspects = count
            case RecycleAsked(name, reason):
                return self.recycler.asked(self.seats[name], reason, now) if self._recycles else []
        return []

    def _of_a_child(
        self,
        event: Forked | BecameReady | BootFailed | Exited | Heard | Weighed | HardLimitSet,
        now: float,
    ) -> list[Action]:
        seat = self.seats[event.seat]
        match event:
            case Forked(_, pid):
                seat.pid, seat.since = pid, now
                if seat.role is Role.REDIS:
                    # A server does not speak on our pipes; whoever connects to it finds out.
                    return self._became_ready(seat, now)
                if seat.role in AT_WORK and self.quiet(seat):
                    return [SetQuiet(seat.name, True)]  # before it can claim anything
            case BecameReady():
                return self._became_ready(seat, now)
            case BootFailed():
                seat.failure = event
            case Exited():
                return self._exited(seat, event, now)
            case Heard():
                return self._heard(seat, event, now)
            case Weighed():
                if self._recycles and seat.role is Role.WORKER:
                    return self.recycler.weighed(seat, event, now)
            case HardLimitSet(_, at, text):
                seat.hard_at, seat.hard_text = at, text
        return []

    def next_deadline(self) -> float | None:
        """Return when the next Tick is wanted at the latest, on the monotonic clock."""
        return self._next

    def _next_deadline(self) -> float | None:
        times = [self.breaker.recovers_at(self.seats.get(self.breaker.trier))]
        if self.phase is Phase.RUNNING:
            times += (self.rollout.next_deadline(), self.probing.next_deadline())
        times += [seat.due for seat in self._fillable()]
        for seat in self.seats:
            times += (seat.deadline, silence.next_step(seat, self.wanted.plan))
        return min((time for time in times if time is not None), default=None)

    @property
    def ready_workers(self) -> int:
        """How many workers serve now, of all generations."""
        return sum(seat.serving for seat in self.seats.workers())

    # -- a child's life --------------------------------------------------------------------------

    def _started(self, now: float) -> None:
        for seat in self.seats:
            # The keeper is told by the first worker which Redis the app uses.
            if seat.role is not Role.KEEPER or not self.wanted.workers:
                seat.due = now

    def _became_ready(self, seat: Seat, now: float) -> list[Action]:
        if seat.state is not ChildState.STARTING:
            return []
        seat.state, seat.deadline, seat.ready_at, seat.heard = ChildState.READY, None, now, now
        keeper = self.seats[KEEPER]
        if self.phase is Phase.STARTING and seat.role is Role.WORKER and not keeper.alive:
            keeper.due = now
        fields: dict[str, object] = {
            "seat": seat.name,
            "pid": seat.pid,
            "after_s": round(now - seat.since, 3),
        }
        return [Note("info", f"{seat.role.value} ready", fields)]

    def _heard(self, seat: Seat, event: Heard, now: float) -> list[Action]:
        actions = silence.heard(seat, now)
        seat.slow = min(event.busy, seat.busy) > 0 and event.done == seat.done
        seat.busy, seat.done, seat.claiming = event.busy, event.done, event.claiming
        if seat.state is ChildState.STARTING and seat.role is Role.KEEPER:
            # It waits for Redis, and is well.
            seat.deadline = now + self.wanted.plan.boot_timeout_s
        if seat.role not in AT_WORK or seat.state is not ChildState.READY:
            return actions
        quiet = self.quiet(seat)
        if event.claiming is quiet:
            actions.append(SetQuiet(seat.name, quiet))
        if self._recycles and seat.role is Role.WORKER:
            actions += self.recycler.heard(seat, now)
        return actions

    def quiet(self, seat: Seat) -> bool:
        """Tell whether a worker is to claim nothing: nobody is to, or its generation may yet be refused."""
        return self.wanted.quiet or self.rollout.is_new(seat)

    @property
    def _recycles(self) -> bool:
        return self.phase is Phase.RUNNING and self.rollout.idle

    def _exited(self, seat: Seat, event: Exited, now: float) -> list[Action]:
        if self.phase in (Phase.STOPPING, Phase.STOPPED):
            seat.clear()
            return []
        reason = seat.failure.text if seat.failure is not None else death(event.code, event.oom)
        if seat.killed_for:
            reason = f"{reason}: {seat.killed_for}"
        if self.phase is Phase.STARTING:
            if seat.role is Role.REDIS or not seat.ready_at or self._early_deaths.too_many(event):
                return self._boot_failure(seat, event, now)
            return self._vacate(seat, event, reason, now)
        if seat.role is Role.WORKER and self.rollout.is_new(seat):
            if from_outside(seat, event.code, event.oom) and self.rollout.forgives_a_kill():
                seat.clear()
                seat.due = now
                return [Note("warning", "new worker is replaced", {"seat": seat.name, "reason": reason})]
            what = "could not start" if seat.state is ChildState.STARTING else "died before all were ready"
            self.seats.remove(seat)
            return self.rollout.refuse(f"the new worker {seat.name} {what}: {reason}", now)
        if seat.leaving or seat.replaced_by or self.recycler.is_new(seat):
            level = "info" if event.code in (0, exits.OVERTIME) else "warning"
            fields: dict[str, object] = {"seat": seat.name, "reason": reason}
            self.recycler.gone(seat, now)
            self.seats.remove(seat)
            return [Note(level, f"{seat.role.value} has left", fields)]
        if seat.role is Role.PROBE:
            return self.probing.exited(seat, event, reason, now)
        return self._vacate(seat, event, reason, now)

    def _vacate(self, seat: Seat, event: Exited, reason: str, now: float) -> list[Action]:
        """Decide when the seat of a child that nobody asked to go is filled again."""
        actions: list[Action] = []
        wait_s, fault = wait_after(seat, event, now, self._chance(), patient=self.breaker.open)
        if fault is Fault.TASK and self.phase is Phase.STARTING:
            wait_s = EARLY_PAUSE_S
        counts = fault is not Fault.NONE and seat.role is Role.WORKER
        if counts and self.breaker.died(self.wanted.workers, now, fault):
            told: dict[str, object] = {"workers": self.wanted.workers, "last_reason": reason}
            actions = [Note("error", "crash loop: one worker alone is tried until it stays", told)]
        seat.clear()
        seat.due = now + wait_s
        fields: dict[str, object] = {"seat": seat.name, "reason": reason, "again_in_s": round(wait_s, 1)}
        level = "info" if event.code == 0 else "error"
        return [Note(level, f"{seat.role.value} ended and is replaced", fields), *actions]

    def _boot_failure(self, seat: Seat, event: Exited, now: float) -> list[Action]:
        verdict = boot_verdict(seat, event)
        seat.clear()
        self.phase = Phase.STOPPING
        return self._stop.fail(verdict, now)

    def _stop_asked(self, haste: Haste | None, now: float) -> list[Action]:
        if self.phase is Phase.STOPPED:
            return []
        refusal = self.rollout.refuse("the daemon is stopping", now)
        self.phase = Phase.STOPPING
        return refusal + self._stop.begin(haste, now)

    # -- one pass over the picture ----------------------------------------------------------------

    def _advance(self, now: float) -> list[Action]:
        actions: list[Action] = []
        if self.phase in (Phase.STOPPING, Phase.STOPPED):
            actions += self._stop.advance(now)
            self.phase = Phase.STOPPED if self._stop.over else Phase.STOPPING
            return actions
        if self.phase is Phase.STARTING:
            actions += self._fill(now)
            if not all(seat.state is ChildState.READY for seat in self.seats):
                return actions
            self.phase = Phase.RUNNING
            actions.append(AnnounceReady())
        recovers_at = self.breaker.recovers_at(self.seats.get(self.breaker.trier))
        if recovers_at is not None and now >= recovers_at:
            actions += self._recovered(now)
        generation = self.wanted.generation
        actions += self.rollout.advance(now)
        if generation != self.wanted.generation:
            self.breaker.close()
        actions += self.recycler.advance(now) + self.probing.advance(now)
        if self.rollout.roll is None:
            actions += size(self.seats, self.wanted, now)
        return actions + self._fill(now)

    def _recovered(self, now: float) -> list[Action]:
        self.breaker.close()
        for seat in self.seats.workers():
            seat.failures = 0
            if seat.due is not None:
                seat.due = now
        return [Note("info", "the crash loop is over: all workers are started again", {})]

    def _fillable(self) -> Iterator[Seat]:
        """Yield the empty seats that may be filled once they are due.

        Not those of workers while enough others are on their way: a master that forks hears nobody, and of
        hundreds that import an app at the same time none is ready in time.
        """
        workers = self.seats.workers()
        on_the_way = Counter(seat.generation for seat in workers if seat.state is ChildState.STARTING)
        for seat in self.seats:
            if seat.due is None or not self._may_fill(seat):
                continue
            if seat.role is not Role.WORKER or on_the_way[seat.generation] < self.wanted.plan.starts:
                yield seat
                on_the_way[seat.generation] += seat.state is ChildState.STARTING  # it was filled

    def _may_fill(self, seat: Seat) -> bool:
        if self.breaker.trier not in self.seats:
            self.breaker.trier = ""
        if seat.role is Role.PROBE:
            return self.probing.needed
        return seat.role is not Role.WORKER or self.breaker.lets(seat)

    def _fill(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for seat in self._fillable():
            if seat.due is not None and now >= seat.due:
                patient = self.phase is Phase.RUNNING
                actions.append(fill(seat, self.wanted.plan, now, self._chance(), patient=patient))
        return actions
