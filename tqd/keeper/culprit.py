"""The attempt that a worker died of, and what follows for it: the master killed the worker for it, or it
has killed its worker, or too many workers have died with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2s

from tqd.errors import WireError
from tqd.metrics.ledger import DISCARDED, FAILED, NO_HANDLER, RETRIED, TIMED_OUT, Ledger
from tqd.system.versions import versions
from tqd.task.cancelling import read_mark, spoken
from tqd.task.claim import Claim, parse_token
from tqd.task.model import DEFAULTS, NO_OPTIONS, TaskOptions
from tqd.task.outcome import MAX_MESSAGE, Cancelled, ErrorInfo, Killed
from tqd.task.policy import options_of
from tqd.task.settle import (
    CRASH_TYPE,
    HARD_TIMEOUT_TYPE,
    Bury,
    Dismiss,
    RetryAt,
    Settlement,
    beyond_hope,
    settlement,
)
from tqd.wire.envelope import Envelope, decode_envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """One attempt, as failed: its error, and the options that decide whether there is another one.

    Without options they are those of the call: its worker did not live to tell the others.
    """

    task_id: bytes
    token: bytes
    error: ErrorInfo
    options: TaskOptions | None

    def settlement(
        self, envelope: bytes, now_ms: int, chance: float, mark: bytes | None = None
    ) -> Settlement:
        """Return what follows: a later attempt, or a dead letter with this envelope.

        With a `mark` somebody has cancelled the task: that is its end then. ValueError when the token is
        none of ours.
        """
        claim = Claim(self.task_id, self.token, envelope)
        task = _decoded(envelope)
        options, error = self.options, self.error
        if options is None:
            options = (task.options if task else NO_OPTIONS).over(DEFAULTS)
        if error.type == CRASH_TYPE:
            known = f"arguments  {arguments(task)}\nversions   {versions()}"
            error = replace(error, traceback=f"{error.traceback}\n{known}".lstrip())
        outcome = Killed(error) if mark is None else Cancelled(spoken(read_mark(mark)))
        return settlement(claim, outcome, options, now_ms, chance)


def hopeless(task_id: bytes, token: bytes, worker: str) -> Culprit | None:
    """Return a task that has cost more workers than it may, with this one; None when it has not."""
    try:
        if not beyond_hope(token):
            return None
        deaths = parse_token(token)[0].deaths + 1
    except ValueError:
        return None
    message = f"{deaths} workers died while they held this task, the last one {worker}: no other gets it"
    error = ErrorInfo(type=CRASH_TYPE, message=message[:MAX_MESSAGE], traceback="")
    return Culprit(task_id=task_id, token=token, error=error, options=None)


def count(ledger: Ledger, decision: Settlement, culprit: Culprit, envelope: bytes) -> None:
    """Count what became of a culprit that was settled, under its task's name."""
    task = _decoded(envelope)
    page = ledger.page(task.name if task else NO_HANDLER, parse_token(culprit.token)[1])
    match decision:
        case Bury():
            page.add(FAILED)
        case RetryAt():
            page.add(RETRIED)
        case Dismiss():
            page.add(DISCARDED)
    if culprit.error.type == HARD_TIMEOUT_TYPE and not isinstance(decision, Dismiss):
        page.add(TIMED_OUT)


def arguments(task: Envelope | None) -> str:
    """Return what tells equal arguments from others without showing them: a digest, and how many they are."""
    if task is None:
        return "cannot be read"
    digest = blake2s(
        repr((task.args, task.kwargs)).encode(errors="backslashreplace"), digest_size=8
    ).hexdigest()
    return f"digest {digest}, {len(task.args)} by position, {len(task.kwargs)} by name"


def _decoded(envelope: bytes) -> Envelope | None:
    try:
        return decode_envelope(envelope, len(envelope))
    except WireError:
        return None


def read_culprit(values: Sequence[object], report: str = "") -> Culprit | None:
    """Return the culprit in a `WorkerGone`, None when there is none; ValueError for what is neither."""
    match list(values):
        case []:
            return None
        case [bytes(task_id), bytes(token), str(kind), str(message), *numbers]:
            error = ErrorInfo(type=kind, message=message[:MAX_MESSAGE], traceback=report)
            options = options_of(numbers).over(DEFAULTS)
            return Culprit(task_id=task_id, token=token, error=error, options=options)
        case _:
            raise ValueError(f"a culprit is id, token, error type, message and policy, not {values!r:.200}")
