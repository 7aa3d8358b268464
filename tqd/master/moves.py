"""What is done to seats: fill one, have its worker leave, have as many as are wanted. Pure."""

from __future__ import annotations

from tqd.master.events import Action, AskToDrain, Spawn
from tqd.master.plan import FleetPlan
from tqd.master.seats import ChildState, Seat, Seats, idlest

KILL_MARGIN_S = 5.0
"""How much longer than asked a child may take to leave before it is killed, and killed again."""


class Wanted:
    """What the fleet is to be now: by which plan, how many workers, of which generation, quiet or not.

    `suspects`: tasks that wait for a probe, as the keeper told last.
    """

    __slots__ = ("generation", "plan", "quiet", "suspects", "workers")

    def __init__(self, plan: FleetPlan) -> None:
        self.plan = plan
        self.workers = plan.workers
        self.generation = 1
        self.quiet = False
        self.suspects = 0

    def most(self, also: int = 0) -> int:
        """Return how many worker processes may live at a time. `also`: wanted after a roll, perhaps more."""
        workers = max(self.workers, also)
        overlap = workers if self.plan.overlap is None else min(self.plan.overlap, workers)
        return workers + max(1, overlap)


def fill(seat: Seat, plan: FleetPlan, now: float, spread: float, *, patient: bool) -> Spawn:
    """Start a seat's process."""
    seat.clear()
    seat.state, seat.due = ChildState.STARTING, None
    seat.since, seat.deadline, seat.spread = now, now + plan.boot_timeout_s, spread
    return Spawn(seat.name, seat.role, seat.generation, patient)


def retire(seats: Seats, seat: Seat, grace_s: float, now: float) -> list[Action]:
    """Have a worker leave for good; a seat without a process is given up at once.

    It is held to claim until it says otherwise after this: what it said before may be out of date.
    """
    seat.leaving, seat.due, seat.replaced_by, seat.claiming = True, None, "", True
    if not seat.alive:
        seats.remove(seat)
        return []
    return drain(seat, grace_s, now)


def drain(seat: Seat, grace_s: float, now: float) -> list[Action]:
    """Ask a child to stop; one that was asked before can only be asked to be sooner."""
    deadline = now + grace_s + KILL_MARGIN_S
    if seat.state is ChildState.DRAINING and seat.deadline is not None and seat.deadline <= deadline:
        return []
    seat.state, seat.deadline = ChildState.DRAINING, deadline
    return [AskToDrain(seat.name, grace_s)]


def size(seats: Seats, wanted: Wanted, now: float) -> list[Action]:
    """Make the seats that are missing, or have those leave that are too many."""
    actions: list[Action] = []
    staying = seats.staying(wanted.generation)
    room = wanted.most() - len(seats.workers())
    for _ in range(min(room, wanted.workers - len(staying))):
        seats.add_worker(wanted.plan.prefix, wanted.generation).due = now
    for _ in range(len(staying) - wanted.workers):
        spare = idlest(staying)
        staying.remove(spare)
        actions += retire(seats, spare, wanted.plan.grace_s, now)
    return actions
