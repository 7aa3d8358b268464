"""What a worker's death says about the tasks that it had in hand. Pure.

Nothing follows when the master ended it for reasons of its own, such as a stop. Else the death goes on the
record of each task, as something that was there may be the reason. And a probe that has died by itself has
one task in hand, which is guilty: it is buried with a report.

When the worker has told which task's code was about to end it, that one alone goes on the record: as a
suspect.

A kill from outside says little about a task: SIGKILL that the master has not sent, that the kernel does not
explain by want of memory, and that the worker's own code has not sent. It weighs half, and makes nobody
guilty: a suspect goes back to the suspects until probes that had it in hand were killed alike (`kills`), or
it has cost more than a task may (`MOST_DEATHS`).
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tqd.master.events import Role
from tqd.master.kills import Kills
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

    `holding`: what a probe had in hand, since `held_s`. `doomed`: its own code was about to end it just
    before, for the task `named`, if that is known. `rss`: its last readings, [s before its death, bytes],
    the oldest first. `ages_s`: how old the attempts of a probe's task were, this one and those before, whose
    kills together show that it is the reason.
    """

    worker: str
    code: int
    oom: bool | None
    holding: Holding | None = None
    doomed: bool = False
    named: bytes = b""
    held_s: float = 0.0
    rss: Sequence[tuple[float, int]] = ()
    stacks: str = ""
    ages_s: Sequence[float] = ()


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


def suspect(seat: Seat, told: Death) -> bytes:
    """Return the task whose code has ended its worker, as the worker itself has told; empty when it has not.

    It alone goes on the record then, and to the probe at once, which shows whether it was. A death that no
    call explains, such as a segfault, is another matter than a call just before.
    """
    by_call = told.code == -signal.SIGKILL or told.code >= 0
    return told.named if by_call and blame(seat, told) is Blame.CRASH else b""


def guilty(seat: Seat, told: Death) -> bool:
    """Tell whether the task in a probe's hand is what it died of."""
    if not _alone_in_hand(seat, told):
        return False
    found = blame(seat, told)
    return found is Blame.CRASH or (found is Blame.KILL and bool(told.ages_s))


def ambiguous(seat: Seat, told: Death) -> bool:
    """Tell whether a probe was killed, by its task or by somebody."""
    return _alone_in_hand(seat, told) and blame(seat, told) is Blame.KILL


def weighed(seat: Seat, told: Death, before: Kills, now: float) -> tuple[Death, Blame]:
    """Return a death, and what it says, in the light of the kills `before`."""
    found = blame(seat, told)
    if ambiguous(seat, told):
        assert told.holding is not None
        told = replace(told, ages_s=before.of_probe(told.holding.task_id, told.held_s))
    elif found is Blame.KILL and seat.role is Role.WORKER:
        found = before.of_worker(now)
    return told, found


def _alone_in_hand(seat: Seat, told: Death) -> bool:
    return seat.role is Role.PROBE and told.holding is not None and bool(told.holding.task_id)


def sentence(seat: Seat, told: Death) -> str:
    """Return in one sentence what the task did, with its figures."""
    assert told.holding is not None
    itself = told.doomed and told.code == -signal.SIGKILL
    how = "killed itself by SIGKILL" if itself else death(told.code, told.oom)
    if seat.step is not Step.NONE:
        how += f" as {seat.killed_for}"
    who, when = "process that ran it alone", f"{told.held_s:.1f} s"
    if told.ages_s:
        how = "were killed by SIGKILL"
        who, when = f"last {len(told.ages_s)} processes that ran it alone", _listed(told.ages_s)
    how += f", {when} after the attempt began"
    return f"the {who} {how}; {_victims(told.holding)}"[:MOST_SENTENCE]


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


def _listed(ages_s: Sequence[float]) -> str:
    *others, last = (f"{age_s:.1f} s" for age_s in ages_s)
    return f"{', '.join(others)} and {last}" if others else last


def _victims(held: Holding) -> str:
    try:
        deaths = parse_token(held.token)[0].deaths + 1
    except ValueError:
        return "its claim cannot be read"
    return f"{deaths} workers died while they held this task"
