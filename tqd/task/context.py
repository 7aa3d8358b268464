"""What a handler may know of the attempt it is running in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class Cancellable(Protocol):
    """What a context asks of its attempt."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody has asked for the end of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Given to a handler for each parameter annotated `tqd.Context`.

    `attempt` counts from 1 and only charged attempts; `fence` is higher in every later claim of the
    task, so a store that remembers the highest one it saw can refuse an older owner's writes.
    `deadline` is when the attempt is ended, by its time limits or the task's deadline, on the monotonic
    clock in s; None: it is not.
    `slot` is the moment for which a schedule has fired the task, in the schedule's time zone; None when
    none did.
    """

    id: str
    name: str
    queue: str
    attempt: int
    fence: int
    enqueued_ms: int
    deadline: float | None
    slot: datetime | None = None
    attempt_in_hand: Cancellable | None = field(default=None, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled the task, which a plain function has to ask for by itself.

        What it raises from then on ends the task as cancelled; what it returns ends it as done.
        """
        return self.attempt_in_hand is not None and self.attempt_in_hand.cancelled
