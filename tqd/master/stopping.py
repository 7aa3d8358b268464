"""The stop: workers drain, then the keeper, then the embedded Redis; each step has a deadline. Pure.

The keeper outlives the workers, to take back what they held, and both need the embedded Redis.
"""

from __future__ import annotations

from tqd.master.events import Action, AskToDrain, Exited, Finish, Haste, Kill, Role, Terminate
from tqd.master.moves import Wanted, drain
from tqd.master.pauses import death
from tqd.master.seats import AT_WORK, KEEPER, REDIS, ChildState, Seat, Seats
from tqd.system import exits

KEEPER_LIMIT_S = 5.0
REDIS_LIMIT_S = 10.0
FAST_GRACE_S = 2.0


def boot_verdict(seat: Seat, event: Exited) -> Finish:
    """Return what the daemon ends with when a child died before everything was ready once."""
    told, role = seat.failure, seat.role.value
    if told is not None:
        return Finish(told.exit_code, told.text)
    when = "it was ready" if seat.state is ChildState.STARTING else "the daemon was ready"
    late = f" as {seat.killed_for}" if seat.killed_for else ""
    text = (
        f"the {role} {seat.name} {death(event.code, event.oom)}{late} before {when}; "
        "see the log above for its last words"
    )
    return Finish(exits.UNAVAILABLE if seat.role is Role.REDIS else exits.INTERNAL, text)


class Stop:
    """How far a stop has come. `verdict` is what the daemon ends with."""

    def __init__(self, seats: Seats, wanted: Wanted) -> None:
        self._seats = seats
        self._wanted = wanted
        self._haste: Haste | None = None
        self.verdict = Finish(0, "")
        self.over = False

    def begin(self, haste: Haste | None, now: float) -> list[Action]:
        """Stop, or stop sooner; without a haste one step hastier than the last time."""
        after = {None: Haste.DRAIN, Haste.DRAIN: Haste.FAST}.get(self._haste, Haste.KILL)
        self._haste = max(self._haste or Haste.DRAIN, haste or after)
        for seat in self._seats:
            seat.due = None
        workers = self._seats.alive(*AT_WORK)
        if self._haste is Haste.KILL:
            for seat in workers:
                seat.killed_for = "a stop at once"
            return [Kill(seat.name, seat.killed_for) for seat in workers]
        grace_s = self._wanted.plan.grace_s
        limits = {Haste.DRAIN: grace_s, Haste.FAST: min(FAST_GRACE_S, grace_s), Haste.NOW: 0.0}
        return [action for seat in workers for action in drain(seat, limits[self._haste], now)]

    def fail(self, verdict: Finish, now: float) -> list[Action]:
        """Stop because the daemon cannot start."""
        self.verdict = verdict
        return self.begin(Haste.FAST, now)

    def advance(self, now: float) -> list[Action]:
        """Stop the next role once the one before it is gone."""
        if self.over or self._seats.alive(*AT_WORK):
            return []
        for seat, limit_s, order in (
            (self._seats[KEEPER], KEEPER_LIMIT_S, AskToDrain(KEEPER, 0.0)),
            (self._seats.get(REDIS), REDIS_LIMIT_S, Terminate(REDIS)),
        ):
            if seat is not None and seat.alive:
                if seat.state is ChildState.DRAINING:
                    return []
                seat.state, seat.deadline = ChildState.DRAINING, now + limit_s
                return [order]
        self.over = True
        return [self.verdict]
