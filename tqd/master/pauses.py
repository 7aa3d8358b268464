"""How long a seat stays empty after a death, and when deaths are a crash loop. Pure."""

from __future__ import annotations

import signal
from collections import deque
from enum import Enum

from tqd.master.events import Exited, Role
from tqd.master.seats import ChildState, Seat, Step
from tqd.system import exits

HEALTHY_AFTER_S = 60.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
JITTER = 0.2
REDIS_PAUSE_S = 1.0
"""The pause of a worker that could not reach Redis: it is not the worker's fault, and it should be there
soon after Redis is."""

SETTLED_S = 1.0
"""A worker that was ready for so long and is killed from outside is not held to have crashed."""

WINDOW_S = 60.0
FEWEST_DEATHS = 5
DEATHS_BY_TASKS = 10
RECOVERED_S = 10.0

MOST_EARLY_DEATHS = 4
MOST_EARLY_BY_TASKS = 40
EARLY_PAUSE_S = 0.2
"""After a death by a task before everything is ready: the keeper must come up meanwhile. It takes back what
was in hand, so that the task is found."""


def pause_s(failures: int, chance: float) -> float:
    """Return the pause before a seat is filled again, in s.

    No pause after the first death; then 0.5 · 2ⁿ s up to 30 s, give or take a fifth.
    """
    if failures <= 1:
        return 0.0
    full = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 2, 10))
    return full * (1.0 - JITTER + 2 * JITTER * chance)


class Fault(Enum):
    """Whose fault a death is taken to be.

    none: nobody's here. task: one of those that it had in hand may be the reason: that is looked for
    elsewhere, and each task can do it a few times only. own: the worker, its app or its machine is not well.
    """

    NONE = "none"
    TASK = "task"
    OWN = "own"


def wait_after(
    seat: Seat, event: Exited, now: float, chance: float, *, patient: bool = False
) -> tuple[float, Fault]:
    """Return for how long the seat of a child that died stays empty, in s, and whose fault that is; counts
    the seat's failures.

    A worker that a task may have killed is replaced at once, as its neighbours are to go on; unless that is
    of no use at the moment, and one has to be `patient`.
    """
    asked = seat.state is ChildState.DRAINING and seat.role is Role.KEEPER
    fine = blameless(seat, event.code, event.oom, now)
    if fine or now - seat.since >= HEALTHY_AFTER_S:
        seat.failures = 0
    if unavailable(seat, event.code):
        return REDIS_PAUSE_S, Fault.NONE
    if asked or fine:
        return 0.0, Fault.NONE
    fault = Fault.TASK if event.begun and seat.role is Role.WORKER else Fault.OWN
    if fault is Fault.TASK and not patient:
        return 0.0, fault
    # An end with code 0 that nobody asked for counts too: a task that calls os._exit(0) would otherwise
    # have its worker replaced without a pause for ever.
    seat.failures += 1
    return pause_s(seat.failures, chance), fault


def blameless(seat: Seat, code: int, oom: bool | None, now: float) -> bool:
    """Tell whether a death says nothing against starting the same again at once.

    It was fenced off, it ended because of a task's time limit, the master ended it for a task that
    answered nothing, or somebody killed a worker that had been at work (and it was not the kernel for
    want of memory).
    """
    if code in (exits.FENCED, exits.OVERTIME) or seat.step is not Step.NONE:
        return True
    settled = seat.state is ChildState.READY and now - seat.ready_at >= SETTLED_S
    return settled and from_outside(seat, code, oom)


def from_outside(seat: Seat, code: int, oom: bool | None) -> bool:
    """Tell whether somebody killed a child: not the master, and not the kernel for want of memory."""
    return code == -signal.SIGKILL and not oom and not seat.killed_for


def unavailable(seat: Seat, code: int) -> bool:
    """Tell whether a child ended before it was ready because Redis did not answer."""
    return code == exits.UNAVAILABLE and seat.failure is not None


def death(code: int, oom: bool | None = None) -> str:
    """Return in words how a process ended."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name != "SIGKILL":
        return f"was killed by {name}"
    hint = {
        True: " (likely out of memory: the kernel counted an oom_kill)",
        False: " (sent by somebody: the kernel counted no oom_kill)",
        None: " (if nobody sent it, the kernel may have been out of memory)",
    }
    return f"was killed by SIGKILL{hint[oom]}"


class EarlyDeaths:
    """Deaths of children that were ready, before everything is: somebody's kill may be the reason, or a task
    that they had in hand, and not the deploy."""

    def __init__(self) -> None:
        self._counts = {False: 0, True: 0}

    def too_many(self, event: Exited) -> bool:
        """Count one; True when it is the deploy, as far as one can see."""
        self._counts[event.begun] += 1
        return self._counts[event.begun] > (MOST_EARLY_BY_TASKS if event.begun else MOST_EARLY_DEATHS)


class Breaker:
    """Open while the workers die so often that starting all of them again is of no use.

    It opens when, within a minute, as many workers died by their own fault as twice the wanted number (at
    least five), or of tasks, it seems, ten times as many: then it is not a few tasks that are poison, but
    the app. From then on one seat alone, the `trier`, is filled again and again, with its pauses. It closes
    when that worker has been ready for ten seconds. Workers that live are left alone.
    """

    def __init__(self) -> None:
        self._deaths: dict[Fault, deque[float]] = {fault: deque() for fault in Fault}
        self.since: float | None = None
        self.trier = ""

    @property
    def open(self) -> bool:
        """Whether there is a crash loop."""
        return self.since is not None

    def died(self, wanted: int, now: float, fault: Fault = Fault.OWN) -> bool:
        """Count a death that is somebody's fault; True when it opens the breaker."""
        deaths, most = self._deaths[fault], max(FEWEST_DEATHS, 2 * wanted)
        deaths.append(now)
        while deaths and deaths[0] <= now - WINDOW_S:
            deaths.popleft()
        if self.open or len(deaths) < (most if fault is Fault.OWN else most * DEATHS_BY_TASKS):
            return False
        self.since = now
        return True

    def lets(self, seat: Seat) -> bool:
        """Tell whether a worker's seat may be filled; the first one asked for becomes the trier."""
        if not self.open:
            return True
        if not self.trier:
            self.trier = seat.name
        return seat.name == self.trier

    def recovers_at(self, trier: Seat | None) -> float | None:
        """Return when it closes if nothing happens, on the monotonic clock."""
        if not self.open or trier is None or trier.state is not ChildState.READY:
            return None
        return trier.ready_at + RECOVERED_S

    def close(self) -> None:
        """Forget all deaths."""
        for deaths in self._deaths.values():
            deaths.clear()
        self.since, self.trier = None, ""
