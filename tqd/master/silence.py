"""What is done about a child that answers nothing, is late, or has a task beyond its hard timeout. Pure.

The steps have deadlines of their own: ask for its stacks (SIGUSR1), abort it (SIGABRT), kill it. A child
that beats again after the first step is left alone. A keeper has less time than a worker and is killed
without being aborted first: another must renew the node's lease before that is over. Deadlines are looked at
when time has passed and the pipes are read, never amid other events; what the master was away for is put on
top.
"""

from __future__ import annotations

from tqd.master.events import Abort, Action, Dump, Kill, Note, Role
from tqd.master.moves import KILL_MARGIN_S
from tqd.master.plan import FleetPlan
from tqd.master.seats import ChildState, Seat, Seats, Step

DUMP_S = 2.0
"""After SIGUSR1: the time to write the stacks, and to beat again."""

ABORT_S = 5.0
"""After SIGABRT, and after each SIGKILL."""

HARD_MARGIN_S = 1.0
"""After a hard timeout: the time in which a worker whose loop runs ends the attempt itself."""

HARD_SILENT_S = 1.5
HARD_LAST_S = 5.0
"""A worker that beats is taken to be at it, for so much longer."""

HARD_DUMP_S = 0.5

_WATCHED = (ChildState.READY, ChildState.DRAINING, ChildState.HUNG)


def heard(seat: Seat, now: float) -> list[Action]:
    """Take in a sign of life."""
    silent_s = now - seat.heard
    seat.heard = now
    if seat.step is not Step.DUMPED:
        return []
    seat.step, seat.killed_for = Step.NONE, ""  # what it dies of later is another matter
    if seat.state is ChildState.HUNG:
        seat.state = ChildState.READY
    fields: dict[str, object] = {"seat": seat.name, "silent_s": round(silent_s, 1)}
    return [Note("warning", f"{seat.role.value} answers again", fields)]


def pardon(seats: Seats, for_s: float, now: float) -> list[Action]:
    """Put off what is due of every child: nobody was heard for `for_s`."""
    for seat in seats.alive():
        seat.heard = min(now, seat.heard + for_s)
        seat.step_deadline += for_s
        if seat.deadline is not None:
            seat.deadline += for_s
        if seat.hard_at is not None:
            seat.hard_at += for_s
    return [Note("warning", "the master was away: its children have so much longer", {"s": round(for_s, 1)})]


def enforce(seats: Seats, plan: FleetPlan, now: float) -> list[Action]:
    """Return what is to be done about children that are late or silent."""
    actions: list[Action] = []
    for seat in seats:
        actions += escalate(seat, plan, now)
        if seat.deadline is not None and now >= seat.deadline:
            seat.deadline = now + KILL_MARGIN_S
            late = "ready" if seat.state is ChildState.STARTING else "gone"
            seat.killed_for = f"it was not {late} in time"
            actions.append(Kill(seat.name, seat.killed_for))
    return actions


def next_step(seat: Seat, plan: FleetPlan) -> float | None:
    """Return when the next step is due, if nothing is heard; None when there is none."""
    if seat.role is Role.REDIS or seat.state not in _WATCHED or not seat.ready_at:
        return None  # one that never was ready has not begun to beat; its own deadline ends it
    if seat.step is not Step.NONE:
        return seat.step_deadline
    keeper = seat.role is Role.KEEPER
    hung_at = seat.heard + (min(plan.keeper_hung_after_s, plan.hung_after_s) if keeper else plan.hung_after_s)
    return hung_at if seat.hard_at is None else min(hung_at, _hard_due(seat))


def escalate(seat: Seat, plan: FleetPlan, now: float) -> list[Action]:
    """Return the step that is due, if one is."""
    due = next_step(seat, plan)
    if due is None or now < due:
        return []
    if seat.step is Step.NONE:
        return _begin(seat, now)
    if seat.step is Step.DUMPED and seat.role is not Role.KEEPER:
        seat.step, seat.step_deadline = Step.ABORTED, now + ABORT_S
        return [Abort(seat.name, seat.killed_for)]
    seat.step, seat.step_deadline = Step.KILLED, now + ABORT_S
    return [Kill(seat.name, seat.killed_for)]


def _begin(seat: Seat, now: float) -> list[Action]:
    hard = seat.hard_at is not None and now >= _hard_due(seat)
    silent_s = now - seat.heard
    if hard:
        reason, wait_s = seat.hard_text, HARD_DUMP_S
    else:
        reason, wait_s = f"its loop has been silent for {silent_s:.0f} s", DUMP_S
    seat.killed_for = reason
    seat.step, seat.step_deadline = (Step.ABORTED if hard else Step.DUMPED), now + wait_s
    if seat.state is ChildState.READY:
        seat.state = ChildState.HUNG
    fields: dict[str, object] = {"seat": seat.name, "pid": seat.pid, "reason": reason}
    return [Note("warning", f"{seat.role.value} hangs", fields), Dump(seat.name)]


def _hard_due(seat: Seat) -> float:
    assert seat.hard_at is not None
    # A loop that runs ends its attempt by itself: wait for that a little longer.
    latest = seat.hard_at + HARD_LAST_S
    return min(latest, max(seat.hard_at + HARD_MARGIN_S, seat.heard + HARD_SILENT_S))
