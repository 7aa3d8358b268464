"""When there is a probe: a worker with one slot, for suspects only. Pure.

It is started when suspects wait and leaves when there are none for a while. It is none of the wanted
workers, and no roll replaces it: after a reload it leaves, and one with the new code comes if suspects wait.
While others wait for suspects that take long there are more of them, each with one.
A task that kills it is found out by that; then the next one comes at once, as soon as the keeper has said
that more suspects wait. Deaths of other kinds have the pauses of a worker's seat, and so have those by
culprits when not one of many suspects in a row has outlived its probe: that looks like an app in which all
tasks die, and burying them can wait for somebody who looks.
"""

from __future__ import annotations

from collections.abc import Callable

from tqd.master.events import Action, Exited, Note, Role
from tqd.master.moves import Wanted, retire
from tqd.master.pauses import pause_s, wait_after
from tqd.master.seats import PROBE, Seat, Seats

IDLE_S = 5.0
"""How long no suspect waits or runs before the probe leaves: longer than any word of it may take."""


MOST_IN_A_ROW = 20
"""Culprits, without an innocent suspect among them, that are found at full speed."""


NAMES = (PROBE, *(f"{PROBE}-{number}" for number in range(2, 9)))
MOST_PROBES = len(NAMES)
"""There are no more than twice the wanted workers either: each takes the memory of one."""


class Probing:
    """Decides about the probes' seats."""

    def __init__(self, seats: Seats, wanted: Wanted, chance: Callable[[], float]) -> None:
        self._seats = seats
        self._wanted = wanted
        self._chance = chance
        self._idle_since: dict[str, float] = {}
        self._in_a_row = 0

    @property
    def needed(self) -> bool:
        """Whether a probe is to be started."""
        wanted = self._wanted
        return wanted.suspects > 0 and wanted.workers > 0 and not wanted.quiet

    def next_deadline(self) -> float | None:
        """Return when an idle probe is to leave, on the monotonic clock."""
        return min(self._idle_since.values(), default=-IDLE_S) + IDLE_S if self._idle_since else None

    def advance(self, now: float) -> list[Action]:
        """Make a seat when it is needed, and let a probe leave that is not, or runs old code."""
        actions: list[Action] = []
        for seat in self._seats.probes():
            if seat.alive and not seat.leaving:
                actions += self._look_at(seat, now)
            else:
                self._idle_since.pop(seat.name, None)
                seat.generation = seat.generation if seat.alive else self._wanted.generation
        return actions + self._make(now)

    def exited(self, seat: Seat, event: Exited, reason: str, now: float) -> list[Action]:
        """Decide when a probe follows one that nobody has asked to leave."""
        wait_s, _ = wait_after(seat, event, now, self._chance())
        if event.culprit:
            self._in_a_row = 1 if event.outlived else self._in_a_row + 1
            wait_s, seat.failures = pause_s(self._in_a_row - MOST_IN_A_ROW, self._chance()), 0
        seat.clear()
        seat.due = now + wait_s
        if seat.name != PROBE:
            self._seats.remove(seat)  # it was one more, and is made again when one more is needed
        # What waits now only the keeper knows, once it has taken back what this one held.
        self._wanted.suspects = 0
        told = "a task has killed its probe" if event.culprit else "probe ended"
        return [Note("error" if event.code else "info", told, {"seat": seat.name, "reason": reason})]

    def _look_at(self, seat: Seat, now: float) -> list[Action]:
        wanted = self._wanted
        if wanted.suspects or seat.busy:
            self._idle_since.pop(seat.name, None)
        else:
            self._idle_since.setdefault(seat.name, now)
        idle = now >= self._idle_since.get(seat.name, now) + IDLE_S
        if idle or seat.generation != wanted.generation or not wanted.workers:
            self._idle_since.pop(seat.name, None)
            return retire(self._seats, seat, wanted.plan.grace_s, now)
        return []

    def _make(self, now: float) -> list[Action]:
        """Make the first seat, or one more while all that there are have long suspects in hand."""
        wanted, probes = self._wanted, self._seats.probes()
        if not self.needed or len(probes) >= min(MOST_PROBES, 2 * wanted.workers):
            return []
        if not all(seat.serving and seat.slow for seat in probes):
            return []
        name = next(name for name in NAMES if name not in self._seats)
        self._seats.add(name, Role.PROBE, wanted.generation).due = now
        told = "one more probe runs them" if probes else "a probe runs them, one alone at a time"
        return [Note("warning", f"suspects wait: {told}", {"suspects": wanted.suspects})]
