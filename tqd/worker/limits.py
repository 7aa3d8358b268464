"""Hard timeouts, and the grace of cancelled attempts: telling the master which one must be over first, and
ending it when the loop lives.

A blocked loop can do nothing; then the master, which knows of the deadline, kills the process. With a
living loop it goes like this:

1. the attempt is settled as timed out, and its code is cancelled;
2. code that has not ended a moment later, a coroutine that will not be cancelled or a thread, can be
   stopped only by the end of the process: `overrun` is set;
3. until its code has ended, the attempt stays the one that the master knows of.

It costs nothing for attempts without a hard timeout that nobody cancels: they never come here.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from tqd.clock import monotonic
from tqd.system.channel import ChildChannel
from tqd.task.policy import policy
from tqd.wire.messages import HardDeadline
from tqd.worker.inflight import Attempt

CLEAN_UP_S = 0.5
"""How long the code of an attempt whose time is up may take to end after it was cancelled."""

LONGEST_NAME = 100
_FEW = 32

NOBODY = (b"", b"", False)
NO_DEADLINE = HardDeadline(b"", b"", "", 0.0, 0.0, [])


class _Watched:
    """An attempt with its hard deadline (monotonic s); ended when its code has, whatever was settled.

    `limit_s` is its hard timeout, or with `cancelled` the grace that it has to end.
    """

    __slots__ = ("attempt", "cancelled", "deadline", "ended", "limit_s")

    def __init__(self, attempt: Attempt, since: float, limit_s: float, cancelled: bool = False) -> None:
        self.attempt = attempt
        self.limit_s = limit_s
        self.cancelled = cancelled
        self.deadline = since + limit_s
        self.ended = False

    def __lt__(self, other: _Watched) -> bool:
        return self.deadline < other.deadline


class HardLimits:
    """Watches the attempts that must be over at some time; `time_up` is called once for each that is late."""

    def __init__(self, channel: ChildChannel, time_up: Callable[[Attempt], None]) -> None:
        self._channel = channel
        self._time_up = time_up
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Watched] = []
        self._late: list[_Watched] = []
        self._living = 0
        self._told = NOBODY
        self._timer: asyncio.TimerHandle | None = None
        self._timed: _Watched | None = None
        self.overrun = asyncio.Event()

    def watch(self, attempt: Attempt) -> None:
        """Begin to watch an attempt whose runner was made and has not run yet."""
        self._watch(_Watched(attempt, attempt.started, attempt.options.hard_timeout_s or 0.0))

    def grant(self, attempt: Attempt, grace_s: float) -> None:
        """Watch an attempt that was cancelled, from now on: it has so long to end by itself."""
        self._watch(_Watched(attempt, monotonic(), grace_s, cancelled=True))

    def _watch(self, watched: _Watched) -> None:
        attempt = watched.attempt
        assert attempt.runner is not None
        heapq.heappush(self._waiting, watched)
        self._living += 1
        attempt.runner.add_done_callback(lambda _: self._runner_ended(watched))
        self.tell()

    def tell(self) -> None:
        """Tell the master which attempt must be over first, if that has changed or was not heard."""
        first = self._first()
        subject = (first.attempt.task_id, first.attempt.token, first.cancelled) if first else NOBODY
        if subject != self._told and self._channel.send(_message(first)):
            self._told = subject
        self._set_timer()

    def _first(self) -> _Watched | None:
        self._late = [watched for watched in self._late if not watched.ended]
        while self._waiting and self._waiting[0].ended:
            heapq.heappop(self._waiting)
        return next(iter(self._late or self._waiting), None)

    def _set_timer(self) -> None:
        first = self._waiting[0] if self._waiting else None
        if first is self._timed:
            return
        self._timed = first
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if first is not None:
            self._timer = self._loop.call_later(max(0.0, first.deadline - monotonic()), self._due)

    def _due(self) -> None:
        self._timed = self._timer = None
        now = monotonic()
        while self._waiting and (self._waiting[0].ended or self._waiting[0].deadline <= now):
            watched = heapq.heappop(self._waiting)
            if not watched.ended:
                self._late.append(watched)
                self._time_up(watched.attempt)
                self._loop.call_later(CLEAN_UP_S, self._cleaned_up, watched)
        self.tell()

    def _cleaned_up(self, watched: _Watched) -> None:
        if not watched.ended:
            self.overrun.set()

    def _runner_ended(self, watched: _Watched) -> None:
        lane = watched.attempt.lane
        if lane is not None and lane.running():
            lane.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._ended, watched))
        else:
            self._ended(watched)

    def _ended(self, watched: _Watched) -> None:
        watched.ended = True
        self._living -= 1
        if len(self._waiting) > 2 * self._living + _FEW:
            # One that runs for long at the head would keep all that ended behind it.
            self._waiting = [other for other in self._waiting if not other.ended]
            heapq.heapify(self._waiting)
        self.tell()


def _message(watched: _Watched | None) -> HardDeadline:
    if watched is None:
        return NO_DEADLINE
    attempt = watched.attempt
    return HardDeadline(
        task_id=attempt.task_id,
        token=attempt.token,
        name=attempt.handler.name[:LONGEST_NAME],
        limit_s=watched.limit_s,
        left_s=round(watched.deadline - monotonic(), 3),
        policy=policy(attempt.options, attempt.handler.retry_rules),
        cancelled=watched.cancelled,
    )
