"""What a probe does beside a worker's work: it tells the master which attempt it has in hand.

A probe runs suspects, one at a time, so that a death has one explanation. It says so when an attempt
begins and when that has ended, before the next is claimed. And it says so when the attempt's code is about
to kill this process by SIGKILL: nobody could tell that from a kill by somebody else afterwards, and a task
must not be buried for that. A kill by native code, or by a process that the task has started, is not seen;
then the death counts as one from outside, see `tqd.master.crash`.

Nothing here may wait or raise into what it listens to.
"""

from __future__ import annotations

import os
import signal
import sys

from tqd.system.channel import ChildChannel
from tqd.task.policy import policy
from tqd.wire.messages import Holding
from tqd.worker.inflight import Attempt, Inflight

LONGEST_NAME = 100
NOTHING = Holding(b"", b"", "", 0.0, False, [])


class ProbeInflight(Inflight):
    """One slot, and a master that always knows who has it."""

    __slots__ = ("_channel", "_holding", "_pid")

    def __init__(self, channel: ChildChannel) -> None:
        super().__init__(1)
        self._channel = channel
        self._holding = NOTHING
        self._pid = os.getpid()

    def add(self, attempt: Attempt) -> None:
        """Take an attempt in hand, and tell."""
        super().add(attempt)
        self._tell(_holding(attempt))

    def remove(self, attempt: Attempt) -> bool:
        """Let go of an attempt, and tell; False when it was let go of before."""
        removed = super().remove(attempt)
        if removed and not len(self):
            self._tell(NOTHING)
        return removed

    def watch_kills(self) -> None:
        """Listen, from now to the end of this process, for its own code killing it."""
        sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[object, ...]) -> None:
        if event == "os.kill" and args == (self._pid, signal.SIGKILL) and self._holding.task_id:
            held = self._holding
            self._tell(Holding(held.task_id, held.token, held.name, held.since, True, held.policy))

    def _tell(self, told: Holding) -> None:
        self._holding = told
        self._channel.send(told)


def _holding(attempt: Attempt) -> Holding:
    return Holding(
        attempt.task_id,
        attempt.token,
        attempt.handler.name[:LONGEST_NAME],
        attempt.started,
        False,
        policy(attempt.options, attempt.handler.retry_rules),
    )
