"""What the master knows of each living child besides its seat: descriptors, frames, the last beat."""

from __future__ import annotations

from tqd.metrics.histogram import Histogram
from tqd.system.fork import Child
from tqd.wire.frames import FrameReader
from tqd.wire.messages import Beat, KeeperBeat, Sampled


class Member:
    """One living child."""

    __slots__ = ("beat", "beat_at", "child", "frames", "keeper_beat", "name", "reading", "seat", "since")

    def __init__(self, seat: str, child: Child, name: str, now: float) -> None:
        self.seat = seat
        self.child = child
        self.name = name
        self.since = now
        self.frames = FrameReader()
        self.reading = True
        self.beat: Beat | None = None
        self.keeper_beat: KeeperBeat | None = None
        self.beat_at = now


class Totals:
    """What the daemon has done since it started: beats of the living and last beats of the dead."""

    __slots__ = ("done", "failed", "reclaimed", "released", "retried", "runs", "superseded")

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self.retried = 0
        self.released = 0
        self.superseded = 0
        self.reclaimed = 0
        self.runs = Histogram()

    def advance(self, before: Beat | None, beat: Beat) -> None:
        """Add what a worker has done between two of its beats."""
        self.done += beat.done - (before.done if before else 0)
        self.failed += beat.failed - (before.failed if before else 0)
        self.retried += beat.retried - (before.retried if before else 0)
        self.released += beat.released - (before.released if before else 0)
        self.superseded += beat.superseded - (before.superseded if before else 0)
        self.runs.merge(beat.runs)

    def advance_keeper(self, before: KeeperBeat | None, beat: KeeperBeat) -> None:
        """Add what a keeper has taken back between two of its beats."""
        self.reclaimed += beat.reclaimed - (before.reclaimed if before else 0)


class Depths:
    """The queues as the keeper last saw them, and when."""

    __slots__ = ("at", "sample")

    def __init__(self) -> None:
        self.sample: Sampled | None = None
        self.at = 0.0
