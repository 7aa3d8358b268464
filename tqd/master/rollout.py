"""A roll: one generation of workers takes the place of another. Pure.

1. One worker of the new generation, the canary, imports the app and reports READY. It claims no task yet.
2. The rest of the new generation is started, some at a time, and no more than may live beyond the wanted
   number.
3. When all are ready they begin to claim, and the old generation is asked to drain; it still finishes what
   it has in hand.
4. When no old worker can claim any more, the new generation alone serves.

Until the first old worker is asked to drain, a failure of any new one refuses the roll: the new ones are
taken away, having run nothing, and the old ones go on. When memory leaves no room for all new ones beside
all old ones, the old ones go in batches; from the first batch on there is no way back, and a failing worker
is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tqd.master.events import (
    Action,
    Kill,
    ReloadAsked,
    Role,
    RollBegan,
    RollDone,
    RollRefused,
    RollServing,
    RollSwitched,
    SetQuiet,
    Spawn,
)
from tqd.master.moves import KILL_MARGIN_S, Wanted, drain, fill, retire
from tqd.master.seats import AT_WORK, KEEPER, ChildState, Seat, Seats, idlest

REFUSED_GRACE_S = 2.0
"""What workers of a refused generation have to sign off."""

FORGIVEN_KILLS = 3
"""How many new workers may be killed from outside before that refuses a roll: it says nothing about them."""

LAST_CLAIM_S = 2.0
"""How long an old worker may take to say that it claims no more, before it is taken for granted: one that
hangs, or whose Redis does, must not hold up the word that the new ones serve."""


@dataclass(slots=True)
class Roll:
    """A roll that is on. `committed`: old workers have been asked to leave."""

    generation: int
    asked: ReloadAsked
    workers: int
    committed: bool = False
    kills: int = 0


class Rollout:
    """Carries out the reloads that are asked for, one after the other; `roll` is the one that is on."""

    def __init__(self, seats: Seats, wanted: Wanted, chance: Callable[[], float]) -> None:
        self._seats = seats
        self._wanted = wanted
        self._chance = chance
        self._newest = 1
        self._asked: ReloadAsked | None = None
        self._leaving: list[int] = []
        self._switched: dict[int, float] = {}
        self.roll: Roll | None = None

    def ask(self, event: ReloadAsked) -> None:
        """Note that a reload is wanted. While one is on, the last one asked for follows it."""
        self._asked = event

    @property
    def idle(self) -> bool:
        """Whether no roll is on or wanted."""
        return self.roll is None and self._asked is None

    @property
    def settled(self) -> bool:
        """Whether, besides that, the last generation is known to serve."""
        return self.idle and not self._switched

    def resize(self, workers: int) -> None:
        """Let the new generation have another size than was planned."""
        if self.roll is not None:
            self.roll.workers = workers

    def is_new(self, seat: Seat) -> bool:
        """Tell whether a seat belongs to a generation that does not serve yet and can be refused."""
        return self.roll is not None and seat.generation == self.roll.generation and not self.roll.committed

    def forgives_a_kill(self) -> bool:
        """Count that somebody killed a new worker; tells whether another may take its seat."""
        if self.roll is None:
            return False
        self.roll.kills += 1
        return self.roll.kills <= FORGIVEN_KILLS

    def advance(self, now: float) -> list[Action]:
        """Return what is to be done next."""
        actions = self._serving(now) + self._done()
        if self.roll is None and self._asked is not None:
            actions += self._begin(now)
        if self.roll is None:
            return actions
        roll = self.roll
        new = self._seats.staying(roll.generation)
        ready = [seat for seat in new if seat.state is ChildState.READY]
        if not roll.committed and not ready and len(new) == 1:
            return actions  # the canary is still on its way
        goal = max(1, roll.workers)
        if len(ready) >= goal:
            return actions + self._switch(now)
        if self._room():
            missing = min(goal - len(new), roll.asked.plan.starts - self._seats.starting(roll.generation))
            while missing > 0 and self._room():
                actions.append(self._add(roll, now))
                missing -= 1
        elif len(ready) == len(new):
            actions += self._make_room(len(ready), now)
        return actions

    def refuse(self, reason: str, now: float) -> list[Action]:
        """Take the new generation away; nothing when no roll is on.

        A reload that was asked for meanwhile is not touched: it may bring what this one was refused for.
        Of a roll that is committed, only the rest is given up: what serves, old or new, goes on.
        """
        roll, self.roll = self.roll, None
        if roll is None:
            return []
        actions: list[Action] = [RollRefused(roll.generation, reason)]
        if roll.committed:
            return actions
        for seat in self._seats.workers(roll.generation):
            if seat.state is ChildState.STARTING:
                # It has no task yet, and in the middle of an import it hears nothing.
                seat.leaving, seat.state, seat.deadline = True, ChildState.DRAINING, now + KILL_MARGIN_S
                actions.append(Kill(seat.name, "its generation is refused"))
            else:
                actions += retire(self._seats, seat, REFUSED_GRACE_S, now)
        return actions

    def _begin(self, now: float) -> list[Action]:
        if not self._room():
            return []
        assert self._asked is not None
        asked, self._asked = self._asked, None
        self._newest += 1
        planned = asked.plan.workers
        workers = self._wanted.workers if planned == self._wanted.plan.workers else planned
        self.roll = Roll(self._newest, asked, workers)
        return [RollBegan(self._newest), self._add(self.roll, now)]

    def _add(self, roll: Roll, now: float) -> Spawn:
        seat = self._seats.add_worker(roll.asked.plan.prefix, roll.generation)
        return fill(seat, roll.asked.plan, now, self._chance(), patient=False)

    def _room(self) -> bool:
        also = self.roll.workers if self.roll else 0
        return len(self._seats.workers()) < self._wanted.most(also)

    def _make_room(self, ready: int, now: float) -> list[Action]:
        """Let as many old workers go as are not needed to keep up the capacity."""
        assert self.roll is not None
        actions: list[Action] = []
        old = [seat for seat in self._old() if not seat.leaving]
        for seat in [seat for seat in old if not seat.alive]:
            actions += retire(self._seats, seat, 0.0, now)
        serving = [seat for seat in old if seat.serving]
        surplus = len(serving) + ready - min(self._wanted.workers, self.roll.workers)
        if surplus > 0 and serving:
            self.roll.committed = True
            actions += self._let_claim(self.roll.generation)
        for _ in range(min(surplus, len(serving))):
            seat = idlest(serving)
            serving.remove(seat)
            actions += retire(self._seats, seat, self._wanted.plan.grace_s, now)
        return actions

    def _switch(self, now: float) -> list[Action]:
        assert self.roll is not None
        roll, self.roll = self.roll, None
        wanted = self._wanted
        wanted.generation, wanted.plan, wanted.workers = roll.generation, roll.asked.plan, roll.workers
        actions: list[Action] = [RollSwitched(roll.generation), *self._let_claim(roll.generation)]
        for seat in self._old():
            if not seat.leaving:
                actions += retire(self._seats, seat, wanted.plan.grace_s, now)
        for seat in self._seats:
            if seat.role not in AT_WORK:
                seat.generation = roll.generation
        keeper = self._seats[KEEPER]
        if roll.asked.keeper and keeper.alive:
            actions += drain(keeper, 0.0, now)
        self._leaving.append(roll.generation)
        self._switched[roll.generation] = now + LAST_CLAIM_S
        return actions + self._serving(now)

    def next_deadline(self) -> float | None:
        """Return when a new generation is said to serve at the latest, on the monotonic clock."""
        return min(self._switched.values(), default=None)

    def _serving(self, now: float) -> list[Action]:
        """Tell of each switched generation once no older worker claims."""
        actions: list[Action] = []
        for generation, latest in list(self._switched.items()):
            old = [seat for seat in self._seats.alive(*AT_WORK) if seat.generation < generation]
            if now >= latest or not any(seat.alive and seat.ready_at and seat.claiming for seat in old):
                del self._switched[generation]
                actions.append(RollServing(generation))
        return actions

    def _let_claim(self, generation: int) -> list[Action]:
        new = [seat for seat in self._seats.workers(generation) if seat.alive]
        return [SetQuiet(seat.name, self._wanted.quiet) for seat in new]

    def _old(self) -> list[Seat]:
        newest = self.roll.generation if self.roll else self._wanted.generation
        return [seat for seat in self._seats.workers() if seat.generation < newest]

    def _done(self) -> list[Action]:
        seats = [*self._seats.workers(), *self._seats.alive(Role.PROBE)]
        oldest = min((seat.generation for seat in seats), default=self._newest)
        done = [generation for generation in self._leaving if generation <= oldest]
        self._leaving = [generation for generation in self._leaving if generation > oldest]
        return [RollDone(generation) for generation in done]
