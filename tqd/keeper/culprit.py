"""The attempt for which the master killed a worker, and what follows for it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tqd.task.claim import Claim
from tqd.task.model import DEFAULTS, TaskOptions
from tqd.task.outcome import MAX_MESSAGE, ErrorInfo, Killed
from tqd.task.policy import options_of
from tqd.task.settle import Settlement, settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """One attempt, as failed: its error, and the options that decide whether there is another one."""

    task_id: bytes
    token: bytes
    error: ErrorInfo
    options: TaskOptions

    def settlement(self, envelope: bytes, now_ms: int, chance: float) -> Settlement:
        """Return what follows: a later attempt, or a dead letter with this envelope.

        ValueError when the token is none of ours.
        """
        claim = Claim(self.task_id, self.token, envelope)
        return settlement(claim, Killed(self.error), self.options, now_ms, chance)


def read_culprit(values: Sequence[object]) -> Culprit | None:
    """Return the culprit in a `WorkerGone`, None when there is none; ValueError for what is neither."""
    match list(values):
        case []:
            return None
        case [bytes(task_id), bytes(token), str(kind), str(message), *numbers]:
            error = ErrorInfo(type=kind, message=message[:MAX_MESSAGE], traceback="")
            options = options_of(numbers).over(DEFAULTS)
            return Culprit(task_id=task_id, token=token, error=error, options=options)
        case _:
            raise ValueError(f"a culprit is id, token, error type, message and policy, not {values!r:.200}")
