"""The beat: how the worker is, once a second, sent by the loop that does the work.

A loop that is blocked sends none, which is the point of it.
"""

from __future__ import annotations

import asyncio

from tqd.clock import monotonic
from tqd.system.channel import ChildChannel
from tqd.system.usage import rss_bytes
from tqd.wire.messages import Beat
from tqd.worker.inflight import Inflight
from tqd.worker.tally import Tally

INTERVAL_S = 1.0


class Pulse:
    """Sends beats; measures the loop's lag by how late it is woken."""

    def __init__(self, channel: ChildChannel, inflight: Inflight, tally: Tally) -> None:
        self._channel = channel
        self._inflight = inflight
        self._tally = tally

    async def run(self) -> None:
        """Send a beat each second, until cancelled."""
        self.send(0.0)
        while True:
            asked = monotonic()
            await asyncio.sleep(INTERVAL_S)
            self.send(max(0.0, monotonic() - asked - INTERVAL_S))

    def send(self, lag_s: float) -> None:
        """Send the present state."""
        tally, inflight = self._tally, self._inflight
        self._channel.send(
            Beat(
                slots=inflight.slots,
                busy=inflight.busy,
                done=tally.done,
                failed=tally.failed,
                retried=tally.retried,
                released=tally.released,
                superseded=tally.superseded,
                lag_ms=round(lag_s * 1000, 3),
                rss_bytes=rss_bytes(),
                oldest_s=round(inflight.oldest_s(monotonic()), 3),
                runs=tally.runs.take(),
            )
        )
