"""The beat: how the worker is, once a second, sent by the loop that does the work.

A loop that is blocked sends none, which is the point of it. How long it was blocked is seen by a probe,
a timer that knows when it should have been called, and said in the log.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from tqd.clock import monotonic
from tqd.log import Log
from tqd.system.channel import ChildChannel
from tqd.system.usage import rss_bytes
from tqd.wire.messages import Beat
from tqd.worker.inflight import Inflight
from tqd.worker.lag import LagReport, most, spoken
from tqd.worker.limits import HardLimits
from tqd.worker.tally import Tally

INTERVAL_S = 1.0
PROBE_S = 0.25
PLACES = 4
"""Workers beat at four moments of each second, by their pids: the master is woken four times and not as
often as there are workers, which costs it a fifth; and not all of them work at one moment."""


def wait_s(now: float, pid: int) -> float:
    """Return the time until a process's next beat, in s, above 0; `now` is the clock that all share."""
    place = pid % PLACES * INTERVAL_S / PLACES
    return INTERVAL_S - (now - place) % INTERVAL_S


class Pulse:
    """Sends beats; measures the loop's lag by how late a timer is called. `claiming` is asked each time."""

    def __init__(
        self,
        channel: ChildChannel,
        inflight: Inflight,
        tally: Tally,
        limits: HardLimits,
        claiming: Callable[[], bool],
        log: Log,
    ) -> None:
        self._channel = channel
        self._inflight = inflight
        self._tally = tally
        self._limits = limits
        self._claiming = claiming
        self._log = log
        self._report = LagReport()
        self._lag_s = 0.0
        self._expected = 0.0
        self._began = monotonic()
        self._probe_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Send a beat at once and then each second, until cancelled."""
        self._set_probe()
        try:
            while True:
                self.send()
                await asyncio.sleep(wait_s(monotonic(), os.getpid()))
        finally:
            if self._probe_timer is not None:
                self._probe_timer.cancel()

    def send(self) -> None:
        """Send the present state."""
        tally, inflight, now = self._tally, self._inflight, monotonic()
        lag_s, self._lag_s = self._lag_s, 0.0
        self._channel.send(
            Beat(
                slots=inflight.slots,
                busy=inflight.busy,
                done=tally.done,
                failed=tally.failed,
                retried=tally.retried,
                released=tally.released,
                superseded=tally.superseded,
                discarded=tally.discarded,
                expired=tally.expired,
                lag_ms=round(lag_s * 1000, 3),
                rss_bytes=rss_bytes(),
                oldest_s=round(inflight.oldest_s(now), 3),
                claiming=self._claiming(),
                names=[[name, count] for name, count in most(inflight.names())],
                busy_slot_s=tally.run_s + inflight.busy_s(now),
                slot_s=inflight.slots * (now - self._began),
            )
        )
        self._limits.tell()

    def _set_probe(self) -> None:
        self._expected = monotonic() + PROBE_S
        self._probe_timer = asyncio.get_running_loop().call_later(PROBE_S, self._probe)

    def _probe(self) -> None:
        now = monotonic()
        lag_s = now - self._expected
        self._lag_s = max(self._lag_s, lag_s)
        ended = self._tally.take_lately()
        left_out = self._report.due(lag_s, now)
        if left_out is not None:
            # Whoever blocked the loop may have ended with that, before anybody could look.
            names = self._inflight.names()
            names.update(ended)
            self._log.warning(
                "the loop was blocked: every task of this worker stood still",
                lag_ms=round(lag_s * 1000), tasks=spoken(names), left_out=left_out,
            )  # fmt: skip
        self._set_probe()
