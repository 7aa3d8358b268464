"""What a probe does beside a worker's work: it tells the master which attempt it has in hand.

A probe runs suspects, one at a time, so that a death has one explanation. It says so when an attempt
begins and when that has ended, before the next is claimed.
"""

from __future__ import annotations

from tqd.system.channel import ChildChannel
from tqd.task.policy import policy
from tqd.wire.messages import Holding
from tqd.worker.inflight import Attempt, Inflight

LONGEST_NAME = 100
NOTHING = Holding(b"", b"", "", 0.0, [])


class ProbeInflight(Inflight):
    """One slot, and a master that always knows who has it."""

    __slots__ = ("_channel",)

    def __init__(self, channel: ChildChannel) -> None:
        super().__init__(1)
        self._channel = channel

    def add(self, attempt: Attempt) -> None:
        """Take an attempt in hand, and tell."""
        super().add(attempt)
        self._channel.send(
            Holding(
                attempt.task_id,
                attempt.token,
                attempt.handler.name[:LONGEST_NAME],
                attempt.started,
                policy(attempt.options, attempt.handler.retry_rules),
            )
        )

    def remove(self, attempt: Attempt) -> bool:
        """Let go of an attempt, and tell; False when it was let go of before."""
        removed = super().remove(attempt)
        if removed and not len(self):
            self._channel.send(NOTHING)
        return removed
