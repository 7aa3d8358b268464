"""What the master knows of each living child besides its seat: descriptors, frames, beats, memory."""

from __future__ import annotations

from collections import deque

from tqd.master.crash import Death
from tqd.metrics.arrivals import Arrivals
from tqd.metrics.histogram import Histogram
from tqd.metrics.ledger import DISCARDED, EXPIRED, FAILED, RELEASED, RETRIED, TIMED_OUT, Entry, LedgerReader
from tqd.system.fork import Child
from tqd.task.settle import HARD_TIMEOUT_TYPE
from tqd.wire.frames import FrameReader
from tqd.wire.messages import Beat, Begun, Blocked, Doomed, HardDeadline, Holding, KeeperBeat, Sampled, digest

RATE_WINDOW_S = 10.0
ARRIVED = 5
"""The place of a queue's arrivals in its row of a sample."""

HELD = 6
"""The place of how many of its ready tasks wait for their keys."""

THROTTLED = 7
"""The place of whether its own rate lets none start, 1 or 0."""

RSS_READINGS = 10
"""Beats whose memory is remembered, for the report of a crash."""


DOOM_S = 2.0
"""How soon a worker dies of what it has told that may be its end: a command must be started first."""


class Rate:
    """How many of something came per s, over the last ten seconds of readings of a growing count."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque()

    def add(self, now: float, total: int) -> None:
        """Take a reading."""
        self._readings.append((now, total))
        while len(self._readings) > 2 and self._readings[1][0] <= now - RATE_WINDOW_S:
            self._readings.popleft()

    def per_s(self) -> float | None:
        """Return the rate; None before there are two readings."""
        if len(self._readings) < 2:
            return None
        (began, first), (ended, last) = self._readings[0], self._readings[-1]
        return (last - first) / (ended - began) if ended > began else None


class Member:
    """One living child. `blocked`, `hard` and `holding`: the last it told of an attempt that may be its end;
    `stacks`: the last it has written. `begun`: it has had a task in hand; `outlived`: a probe that a suspect
    did not kill."""

    __slots__ = (
        "beat", "beat_at", "begun", "blocked", "child", "doomed", "doomed_at", "dump_at", "frames", "hard",
        "holding", "keeper_beat", "ledger", "name", "outlived", "pss_at", "pss_bytes", "pss_rss_bytes",
        "rate", "reading", "rss", "seat", "since", "stacks",
    )  # fmt: skip

    def __init__(self, seat: str, child: Child, name: str, now: float) -> None:
        self.seat = seat
        self.child = child
        self.name = name
        self.since = now
        self.frames = FrameReader()
        self.ledger: LedgerReader | None = None if child.ledger is None else LedgerReader(child.ledger)
        self.reading = True
        self.beat: Beat | None = None
        self.keeper_beat: KeeperBeat | None = None
        self.beat_at = now
        self.rate = Rate()
        self.pss_bytes: int | None = None
        self.pss_at = 0.0
        self.pss_rss_bytes = 0
        self.blocked: Blocked | None = None
        self.hard: HardDeadline | None = None
        self.dump_at: float | None = None
        self.stacks = ""
        self.holding: Holding | None = None
        self.begun = False
        self.outlived = False
        self.doomed: Doomed | None = None
        self.doomed_at = 0.0
        self.rss: deque[tuple[float, int]] = deque(maxlen=RSS_READINGS)

    def hear(self, message: Holding | Begun | Doomed, now: float) -> None:
        """Take in what matters when it dies."""
        match message:
            case Holding():
                self.outlived |= self.holding is not None and not message.task_id
                self.holding = message
            case Begun():
                self.begun = True
            case Doomed():
                self.doomed, self.doomed_at = message, now

    def sizes(self) -> tuple[int | None, int | None]:
        """Return its resident and its proportional memory in bytes, as they were last told or read.

        A share of the resident memory is no more than that: one that is more was read at another time, and
        the share of now is not known.
        """
        if self.beat is None:
            return None, self.pss_bytes
        read_since = self.pss_at >= self.beat_at and self.pss_rss_bytes
        rss_bytes = self.pss_rss_bytes if read_since else self.beat.rss_bytes
        return rss_bytes, self.pss_bytes if (self.pss_bytes or 0) <= rss_bytes else None

    def close(self) -> None:
        """Let go of a child that was reaped, after the last reading."""
        if self.ledger is not None:
            self.ledger.close()
        self.child.close()

    def death(self, code: int, oom: bool | None, now: float) -> Death:
        """Return how it has ended, with what it told last."""
        doomed = self.doomed if now - self.doomed_at <= DOOM_S else None
        return Death(
            worker=self.name,
            code=code,
            oom=oom,
            holding=self.holding,
            doomed=doomed is not None,
            named=doomed.task_id if doomed else b"",
            held_s=now - self.holding.since if self.holding else 0.0,
            rss=[(now - at, rss_bytes) for at, rss_bytes in self.rss],
            stacks=self.stacks,
        )

    def culprit(self, reason: str, hard: bool) -> list[object]:
        """Return the attempt for which this worker is ended, as `WorkerGone` carries it; or nothing."""
        told = self.hard if hard else self.blocked
        if told is None or not told.task_id:
            return []
        kind = HARD_TIMEOUT_TYPE if hard else "LoopBlocked"
        return [told.task_id, told.token, kind, reason[:500], *told.policy]


class Totals:
    """What the daemon has done since it started: by the ledgers of the living and of the dead."""

    __slots__ = (
        "discarded", "done", "expired", "failed", "rate", "reclaimed", "released", "retried", "runs",
        "superseded", "timed_out",
    )  # fmt: skip

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self.retried = 0
        self.released = 0
        self.superseded = 0
        self.discarded = 0
        self.expired = 0
        self.timed_out = 0
        self.reclaimed = 0
        self.runs = Histogram()
        self.rate = Rate()

    def enter(self, entry: Entry) -> None:
        """Add what a page of a ledger grew by."""
        counters = entry.counters
        self.done += entry.done
        self.failed += counters[FAILED]
        self.retried += counters[RETRIED]
        self.released += counters[RELEASED]
        self.discarded += counters[DISCARDED]
        self.expired += counters[EXPIRED]
        self.timed_out += counters[TIMED_OUT]
        self.runs.merge(entry.runs)

    def advance_keeper(self, before: KeeperBeat | None, beat: KeeperBeat) -> None:
        """Add what a keeper has taken back between two of its beats."""
        self.reclaimed += beat.reclaimed - (before.reclaimed if before else 0)


class Depths:
    """The queues as the keeper last saw them, when, and for which names."""

    __slots__ = ("arrivals", "asked_at", "at", "names", "sample")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.sample: Sampled | None = None
        self.arrivals = Arrivals()
        self.at = 0.0
        self.names = names
        self.asked_at: float | None = None

    def watch(self, names: tuple[str, ...]) -> None:
        """Take over which queues there are; figures of others are forgotten."""
        if names != self.names:
            self.names, self.sample = names, None
            self.arrivals.forget()

    def take(self, sample: Sampled, now: float) -> None:
        """Take in a sample: what was asked for is answered. Not one of other queues, by an older keeper."""
        if sample.names not in (0, digest(self.names)):
            return
        self.sample, self.at, self.asked_at = sample, now, None
        if len(sample.queues) == len(self.names):
            self.arrivals.add(sample.at, [row[ARRIVED] for row in sample.queues])
