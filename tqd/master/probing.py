"""When there is a probe: a worker with one slot, for suspects only. Pure.

It is started when suspects wait and leaves when there are none for a while. It is none of the wanted
workers, and no roll replaces it: after a reload it leaves, and one with the new code comes if suspects wait.
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


class Probing:
    """Decides about the one seat of the probe."""

    def __init__(self, seats: Seats, wanted: Wanted, chance: Callable[[], float]) -> None:
        self._seats = seats
        self._wanted = wanted
        self._chance = chance
        self._idle_since: float | None = None
        self._in_a_row = 0

    @property
    def needed(self) -> bool:
        """Whether a probe is to be started."""
        wanted = self._wanted
        return wanted.suspects > 0 and wanted.workers > 0 and not wanted.quiet

    def next_deadline(self) -> float | None:
        """Return when an idle probe is to leave, on the monotonic clock."""
        return None if self._idle_since is None else self._idle_since + IDLE_S

    def advance(self, now: float) -> list[Action]:
        """Make the seat when it is needed, and let a probe leave that is not, or runs old code."""
        seat, wanted = self._seats.get(PROBE), self._wanted
        if seat is None or not seat.alive or seat.leaving:
            self._idle_since = None
            return self._make(seat, now)
        if wanted.suspects or seat.busy:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        idle = self._idle_since is not None and now >= self._idle_since + IDLE_S
        if idle or seat.generation != wanted.generation or not wanted.workers:
            self._idle_since = None
            return retire(self._seats, seat, wanted.plan.grace_s, now)
        return []

    def exited(self, seat: Seat, event: Exited, reason: str, now: float) -> list[Action]:
        """Decide when a probe follows one that nobody has asked to leave."""
        wait_s, _ = wait_after(seat, event, now, self._chance())
        if event.culprit:
            self._in_a_row = 1 if event.outlived else self._in_a_row + 1
            wait_s, seat.failures = pause_s(self._in_a_row - MOST_IN_A_ROW, self._chance()), 0
        seat.clear()
        seat.due = now + wait_s
        # What waits now only the keeper knows, once it has taken back what this one held.
        self._wanted.suspects = 0
        told = "a task has killed its probe" if event.culprit else "probe ended"
        return [Note("error" if event.code else "info", told, {"seat": seat.name, "reason": reason})]

    def _make(self, seat: Seat | None, now: float) -> list[Action]:
        if seat is not None:
            if not seat.alive:
                seat.generation = self._wanted.generation
            return []
        if not self.needed:
            return []
        self._seats.add(PROBE, Role.PROBE, self._wanted.generation).due = now
        fields: dict[str, object] = {"suspects": self._wanted.suspects}
        return [Note("warning", "suspects wait: a probe runs them, one alone at a time", fields)]
