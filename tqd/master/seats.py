"""Seats: the places of the fleet's children, and where each is in its life.

    empty → starting (forked) → ready ⇄ hung (silent) → draining → gone
                  └─────────────────┴───────┴── died: empty, and due again after a pause

When a process dies another takes its seat, unless the seat is leaving: then it is given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, StrEnum

from tqd.master.events import BootFailed, Role

KEEPER = "keeper"
REDIS = "redis"
PROBE = "probe"

AT_WORK = (Role.WORKER, Role.PROBE)
"""The roles that run tasks."""


class ChildState(StrEnum):
    """Where a seat is in its life."""

    EMPTY = "empty"
    STARTING = "starting"
    READY = "ready"
    HUNG = "hung"
    DRAINING = "draining"


class Step(IntEnum):
    """How far the master has gone with a child that answers nothing."""

    NONE = 0
    DUMPED = 1
    ABORTED = 2
    KILLED = 3


class Seat:
    """One place for a child. Times are monotonic s; 0.0 or None: not yet.

    `heard`: its last beat. `leaving`: it is given up when its process ends. `replaced_by`: the seat whose
    worker takes over when it is ready. `spread`: this process's share of the chance in its limits. `slow`:
    of two beats in a row it had tasks in hand, and has done none.
    """

    __slots__ = (
        "busy", "claiming", "deadline", "done", "due", "failure", "failures", "generation", "hard_at",
        "hard_text", "heard", "heavy", "killed_for", "leaving", "name", "pid", "ready_at", "replaced_by",
        "role", "since", "slow", "spread", "state", "step", "step_deadline",
    )  # fmt: skip

    def __init__(self, name: str, role: Role, generation: int) -> None:
        self.name = name
        self.role = role
        self.generation = generation
        self.failures = 0
        self.due: float | None = None
        self.leaving = False
        self.replaced_by = ""
        self.spread = 0.0
        self.clear()

    def clear(self) -> None:
        """Forget the process: the seat is empty."""
        self.state = ChildState.EMPTY
        self.pid = 0
        self.since = 0.0
        self.ready_at = 0.0
        self.heard = 0.0
        self.deadline: float | None = None
        self.failure: BootFailed | None = None
        self.busy = 0
        self.done = 0
        self.slow = False
        self.claiming = True
        self.heavy = 0
        self.step = Step.NONE
        self.step_deadline = 0.0
        self.hard_at: float | None = None
        self.hard_text = ""
        self.killed_for = ""

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.state is not ChildState.EMPTY

    @property
    def serving(self) -> bool:
        """Whether it is ready and meant to stay."""
        return self.state is ChildState.READY and not self.leaving


class Seats:
    """All seats by name, in the order in which they were made."""

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}

    def __getitem__(self, name: str) -> Seat:
        return self._seats[name]

    def __contains__(self, name: object) -> bool:
        return name in self._seats

    def __iter__(self) -> Iterator[Seat]:
        return iter(list(self._seats.values()))

    def get(self, name: str) -> Seat | None:
        """Return the seat of a name, if there is one."""
        return self._seats.get(name)

    def add(self, name: str, role: Role, generation: int) -> Seat:
        """Make a seat; nobody sits there yet."""
        seat = self._seats[name] = Seat(name, role, generation)
        return seat

    def add_worker(self, prefix: str, generation: int) -> Seat:
        """Make a worker's seat, with the lowest number that is free."""
        number = 1
        while f"{prefix}-{number}" in self._seats:
            number += 1
        return self.add(f"{prefix}-{number}", Role.WORKER, generation)

    def remove(self, seat: Seat) -> None:
        """Give a seat up."""
        del self._seats[seat.name]

    def workers(self, generation: int | None = None) -> list[Seat]:
        """Return the seats of workers (of one generation), the leaving ones too."""
        return [
            seat for seat in self._seats.values()
            if seat.role is Role.WORKER and generation in (None, seat.generation)
        ]  # fmt: skip

    def probes(self) -> list[Seat]:
        """Return the seats of probes, the leaving ones too."""
        return [seat for seat in self._seats.values() if seat.role is Role.PROBE]

    def staying(self, generation: int) -> list[Seat]:
        """Return a generation's workers that are neither leaving nor about to be replaced."""
        return [s for s in self.workers(generation) if not s.leaving and not s.replaced_by]

    def starting(self, generation: int) -> int:
        """Return how many of a generation's workers are on their way."""
        return sum(seat.state is ChildState.STARTING for seat in self.workers(generation))

    def alive(self, *roles: Role) -> list[Seat]:
        """Return the seats with a process (of some roles)."""
        return [seat for seat in self._seats.values() if seat.alive and (not roles or seat.role in roles)]


def idlest(seats: list[Seat]) -> Seat:
    """Return the worker that can be spared most: one without a process, one that is not ready, then the
    fewest tasks in hand, then the youngest."""
    return min(seats, key=lambda seat: (seat.state is ChildState.READY, seat.alive, seat.busy, -seat.since))
