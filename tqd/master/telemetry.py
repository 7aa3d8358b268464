"""What all workers of this daemon have counted: in total, and over the last minutes. Decides nothing.

The totals are of the daemon's life, living and dead workers alike; windows slide. Names are bounded: what
comes after the first 500 pairs of name and queue is counted as `OTHER` in its queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low

from tqd.master.crew import Depths, Member, Totals
from tqd.metrics.histogram import Histogram
from tqd.metrics.ledger import OTHER, Entry
from tqd.metrics.measures import Measures
from tqd.metrics.windows import Key, Windows, by_name, by_queue
from tqd.wire.messages import Beat

MOST_KEYS = 500
MOST_QUEUES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What a scaling decision needs of the time since the last one; None is what is not known.

    `failed` are all attempts that have failed, whether or not another one follows. `runs` are count and total
    run time, in s, by task name; `waits` are told by queue. `beats_age_s`: how old the last beats of the
    workers are, of which half are younger; `queues_age_s`: how old what is known of the queues is.
    """

    span_s: float
    busy_slot_s: float
    slot_s: float
    finished: int
    failed: int
    runs: dict[str, tuple[int, float]]
    waits: dict[str, Histogram]
    run_p95_s: float | None
    beats_age_s: float | None
    queues_age_s: float | None


class Telemetry:
    """Takes in ledgers and beats; `totals` are told on."""

    def __init__(self, totals: Totals, now: float) -> None:
        self._totals = totals
        self._queues: set[str] = set()
        self._by_key: dict[Key, Measures] = {}
        self.windows = Windows(now)

    def pull(self, member: Member) -> None:
        """Take in what a child has counted since the last time."""
        ledger = member.ledger
        if ledger is None:
            return
        self._totals.superseded += ledger.superseded()
        for entry in ledger.read():
            key = self._key(entry)
            self._by_key[key].enter(entry)
            self.windows.enter(key, entry)
            self._totals.enter(entry)

    def on_beat(self, before: Beat | None, beat: Beat, leaving: bool = False) -> None:
        """Take in the slot-seconds between two beats of a worker; of one that leaves, those at work."""
        busy_before, slots_before = (before.busy_slot_s, before.slot_s) if before else (0.0, 0.0)
        busy_s, slot_s = max(0.0, beat.busy_slot_s - busy_before), max(0.0, beat.slot_s - slots_before)
        self.windows.used(busy_s, min(busy_s, slot_s) if leaving else slot_s)

    def by_name(self) -> dict[str, Measures]:
        """Return the totals of each task name."""
        return by_name(self._by_key)

    def by_queue(self) -> dict[str, Measures]:
        """Return the totals of each queue."""
        return by_queue(self._by_key)

    def take(self, workers: Iterable[Member], depths: Depths, now: float) -> Recent:
        """Return what happened since the last take; for one taker only."""
        window = self.windows.take(now)
        measures = window.all()
        ages = [now - member.beat_at for member in workers if member.beat is not None]
        return Recent(
            span_s=window.span_s,
            busy_slot_s=window.busy_slot_s,
            slot_s=window.slot_s,
            finished=measures.finished,
            failed=measures.errors,
            runs={name: (one.ran, one.run_s) for name, one in by_name(window.measures).items() if one.ran},
            waits={queue: one.waits for queue, one in by_queue(window.measures).items() if one.waits.counts},
            run_p95_s=measures.runs.quantile_s(0.95),
            # One that blocks its loop is silent, and the others' words are still worth something.
            beats_age_s=median_low(ages) if ages else None,
            queues_age_s=None if depths.sample is None else now - depths.at,
        )

    def _key(self, entry: Entry) -> Key:
        key = entry.name, entry.queue
        if key in self._by_key:
            return key
        if key[1] not in self._queues and len(self._queues) >= MOST_QUEUES:
            key = OTHER, OTHER
        elif len(self._by_key) >= MOST_KEYS:
            key = OTHER, key[1]
        self._queues.add(key[1])
        self._by_key.setdefault(key, Measures())
        return key
