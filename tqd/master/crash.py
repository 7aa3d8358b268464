"""What a worker's death says about the tasks that it had in hand. Pure.

Nothing follows when the master ended it for reasons of its own, such as a stop. Else the death goes on the
record of each task, as something that was there may be the reason. And a probe that has died by itself has
one task in hand, which is guilty: it is buried with a report.

A kill from outside says little about a task: SIGKILL that the master has not sent, that the kernel does not
explain by want of memory, and that the worker's own code has not sent. It weighs half, and makes nobody
guilty: a suspect goes back to the suspects until it has cost more than a task may (`MOST_DEATHS`).
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from tqd.master.events import Role
from tqd.master.pauses import death
from tqd.master.seats import ChildState, Seat, Step
from tqd.system import exits
from tqd.task.claim import Blame, parse_token
from tqd.task.settle import CRASH_TYPE
from tqd.wire.messages import Holding

MOST_SENTENCE = 300
MOST_REPORT_BYTES = 2_500
"""What a report may take of a frame; of a longer one the end of its stacks is cut off."""

_MB = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a worker ended: `code` and `oom` as in `Exited`; `stacks` are the last it has written.

    `holding`: what a probe had in hand, since `held_s`. `doomed`: its own code has killed it. `rss`: its
    last readings, [s before its death, bytes], the oldest first.
    """

    worker: str
    code: int
    oom: bool | None
    holding: Holding | None = None
    doomed: bool = False
    held_s: float = 0.0
    rss: Sequence[tuple[float, int]] = ()
    stacks: str = ""


def blame(seat: Seat, told: Death) -> Blame:
    """Return what a death says about all that the worker had in hand.

    Nothing when the master killed it for another reason than its silence, nor when it left as it was asked
    to, was fenced off, or ended itself to stop code that is over its time.
    """
    if told.code in (exits.FENCED, exits.OVERTIME) or (seat.killed_for and seat.step is Step.NONE):
        return Blame.NONE
    asked = seat.leaving or seat.state is ChildState.DRAINING
    if asked and told.code == exits.OK:
        return Blame.NONE
    return Blame.CRASH if explained(seat, told) else Blame.KILL


def explained(seat: Seat, told: Death) -> bool:
    """Tell whether a death is no kill from outside."""
    return told.code != -signal.SIGKILL or bool(told.oom) or told.doomed or seat.step > Step.DUMPED


def guilty(seat: Seat, told: Death) -> bool:
    """Tell whether the task in a probe's hand is what it died of."""
    held = told.holding is not None and bool(told.holding.task_id)
    return seat.role is Role.PROBE and held and blame(seat, told) is Blame.CRASH


def sentence(seat: Seat, told: Death) -> str:
    """Return in one sentence what the task did, with its figures."""
    assert told.holding is not None
    how = "killed itself by SIGKILL" if told.doomed else death(told.code, told.oom)
    if seat.step is not Step.NONE:
        how += f" as {seat.killed_for}"
    when = f"{told.held_s:.1f} s after the attempt began"
    return f"the process that ran it alone {how}, {when}; {_victims(told.holding)}"[:MOST_SENTENCE]


def culprit(seat: Seat, told: Death) -> list[object]:
    """Return a guilty task as `WorkerGone` carries it."""
    held = told.holding
    assert held is not None
    return [held.task_id, held.token, CRASH_TYPE, sentence(seat, told), *held.policy]


def report(seat: Seat, told: Death) -> str:
    """Return all that is known of such a death, as lines of text."""
    assert told.holding is not None
    kernel = {True: "counted an oom_kill", False: "counted no oom_kill", None: "not asked, or not known"}
    memory = ", ".join(f"{rss / _MB:.1f} MB {ago_s:.1f} s before" for ago_s, rss in told.rss)
    lines = [
        f"task       {told.holding.name}",
        f"worker     {told.worker}",
        f"death      {sentence(seat, told)}",
        f"kernel     {kernel[told.oom]}",
        f"memory     {memory or 'not known: it died before its first beat'}",
        "last stack" if told.stacks else "last stack not known: this kind of death leaves none",
        *(f"  {line}" for line in told.stacks.splitlines()),
    ]
    return "\n".join(lines).encode()[:MOST_REPORT_BYTES].decode(errors="ignore")


def _victims(held: Holding) -> str:
    try:
        deaths = parse_token(held.token)[0].deaths + 1
    except ValueError:
        return "its claim cannot be read"
    return f"{deaths} workers died while they held this task"
