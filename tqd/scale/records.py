"""What is remembered of the samples before: long-run run times, the last minute's failures, the arrivals.

Nothing here decides. Everything is bounded: names, entries, and how long a reading counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from heapq import nlargest
from operator import itemgetter
from typing import NamedTuple, TypeVar

from tqd.scale.sample import Runs, Sample

LONG_RUN_S = 3600.0
"""The time in which a run time loses all but a third of its weight in the long-run mean of its name."""

RECENT_S = 60.0
ARRIVALS_S = 15.0
"""The same for the mean run time, and for the arrival rate, of the target: a window of one second says
little of either, and a burst shows in the backlog long before it does here."""

SURE = 2.0
"""How many standard deviations a number of arrivals must be above the usual to count at once."""

PEAK_S = 3600.0
"""The same for the largest memory of a worker: one that was just recycled will grow again."""

MINUTE_S = 60.0
MOST_NAMES = 200
MOST_ENTRIES = 600
FEWEST_RUNS = 10
"""A mean of fewer attempts is none."""

ENOUGH_RUNS = 30
"""So many attempts say whether tasks take longer than usual. Five of them, in a window of a second, are half
as long again by chance alone every few windows: the windows before are taken in until there are enough."""


class Mean(NamedTuple):
    """A mean run time in s, of so many attempts (older ones count less), as it was at one moment."""

    mean_s: float
    weight: float
    at: float


_MOST_SLOTS = 1_000_000.0

Means = Mapping[str, tuple[float, float, float]]
"""The fields of a `Mean` by task name: bare, as ten of them change with each decision."""


class Finished(NamedTuple):
    """What finished in one window that ended at `at`."""

    at: float
    finished: int
    failed: int


class Compared(NamedTuple):
    """Attempts of one window whose names have a long-run mean: how long they took, and usually would have."""

    at: float
    attempts: int
    measured_s: float
    expected_s: float


Entry = TypeVar("Entry", Finished, Compared)

_FINISHED, _FAILED = map(itemgetter, (1, 2))
_NOTHING: Means = {}


class Records(NamedTuple):
    """What the samples so far come to; times are on the monotonic clock. None: nothing yet.

    `arrivals_per_s` follows the arrivals within seconds, `usual_per_s` more slowly: a shrink is judged by
    the larger one. `busy_slots` are this daemon's slots at work, over about a minute.
    """

    at: float | None = None
    means: Means = _NOTHING
    run: Mean | None = None
    arrivals_per_s: float | None = None
    usual_per_s: float | None = None
    busy_slots: float | None = None
    finished: tuple[Finished, ...] = ()
    compared: tuple[Compared, ...] = ()
    peak_pss_bytes: float = 0.0


def complexity(records: Records) -> float | None:
    """Return the run time of the last window ÷ what the same tasks take in the long run.

    Each name is held against its own mean, so that more of the long tasks alone is no change. Names without
    a long-run mean count on neither side; None when too few have one.
    """
    attempts, measured_s, expected_s = 0, 0.0, 0.0
    for entry in reversed(records.compared):
        attempts += entry.attempts
        measured_s += entry.measured_s
        expected_s += entry.expected_s
        if attempts >= ENOUGH_RUNS:
            break
    return measured_s / expected_s if attempts >= FEWEST_RUNS and expected_s > 0 else None


def error_rate(records: Records) -> float | None:
    """Return failed ÷ finished attempts of the last minute; None when none finished."""
    finished = sum(map(_FINISHED, records.finished))
    return min(1.0, sum(map(_FAILED, records.finished)) / finished) if finished else None


def absorb(records: Records, sample: Sample, calm_s: float, now: float, *, queues: bool = True) -> Records:
    """Return the records with one more sample; the usual arrivals are those of about `calm_s`.

    Without `queues` what the sample says of them is not taken in.

    What counts is the length of the window: samples may have been left out since the last one.
    """
    window = sample.window
    passed_s = 0.0 if records.at is None or now < records.at else now - records.at
    if window.span_s is not None:
        passed_s = window.span_s
    means, compared, runs = _by_name(records.means, window.runs, now)
    return Records(
        at=now,
        means=means,
        run=_added(records.run, runs, now, RECENT_S) if runs.attempts > 0 else records.run,
        arrivals_per_s=_smooth(records.arrivals_per_s, window.arrivals_per_s, passed_s)
        if queues
        else records.arrivals_per_s,
        usual_per_s=_usual(records.usual_per_s, window.arrivals_per_s, passed_s, calm_s)
        if queues
        else records.usual_per_s,
        busy_slots=_usual(records.busy_slots, _busy_slots(sample, passed_s), passed_s, calm_s),
        finished=_last_minute(records.finished, sample, now),
        compared=_with(records.compared, compared, now),
        peak_pss_bytes=_peak(records.peak_pss_bytes, sample.pss_bytes, passed_s),
    )


def _by_name(means: Means, runs: Mapping[str, Runs], now: float) -> tuple[Means, Compared, Runs]:
    """Return the means with these runs, the runs held against the means before, and all runs as one."""
    if not runs:
        return means, Compared(now, 0, 0.0, 0.0), Runs(0, 0.0)
    merged = dict(means)
    attempts, total_s, known, measured_s, expected_s = 0, 0.0, 0, 0.0, 0.0
    decayed_at, decay, unheard = now, 1.0, (0.0, 0.0, now)
    # The rule of `_added`, written out: it is the dearest part of a decision, and most names have one age.
    for name, (count, sum_s) in runs.items():
        mean_s, weight, at = means.get(name, unheard)
        if weight >= FEWEST_RUNS:
            known += count
            measured_s += sum_s
            expected_s += count * mean_s
        if count > 0:
            if at != decayed_at:
                decayed_at, decay = at, math.exp(-max(0.0, now - at) / LONG_RUN_S)
            weight *= decay
            whole = weight + count
            merged[name] = (mean_s * weight + sum_s) / whole, whole, now
            attempts += count
            total_s += sum_s
    if len(merged) > MOST_NAMES:
        kept = nlargest(MOST_NAMES, merged, key=lambda name: _weight(Mean(*merged[name]), now, LONG_RUN_S))
        merged = {name: merged[name] for name in kept}
    return merged, Compared(now, known, measured_s, expected_s), Runs(attempts, total_s)


def _added(mean: Mean | None, run: Runs, now: float, constant_s: float) -> Mean:
    if mean is None:
        return Mean(run.total_s / run.attempts, float(run.attempts), now)
    weight = _weight(mean, now, constant_s)
    whole = weight + run.attempts
    return Mean((mean.mean_s * weight + run.total_s) / whole, whole, now)


def _weight(mean: Mean, now: float, constant_s: float) -> float:
    age_s = now - mean.at
    return mean.weight * math.exp(-age_s / constant_s) if age_s > 0 else mean.weight


def _smooth(before: float | None, measured: float | None, passed_s: float) -> float | None:
    """Return the smoothed rate; None while the newest reading is not known.

    A window that is far above what was usual is not smoothed away: the rate is at least what so many
    arrivals prove, their number less twice its deviation by chance.
    """
    if before is None or measured is None:
        return measured
    smoothed = measured + (before - measured) * math.exp(-passed_s / ARRIVALS_S)
    if passed_s <= 0:
        return smoothed
    count = measured * passed_s
    proven = (count - SURE * math.sqrt(count)) / passed_s
    return proven if proven > smoothed else smoothed


def _usual(before: float | None, measured: float | None, passed_s: float, calm_s: float) -> float | None:
    if before is None or measured is None or calm_s <= 0:
        return measured
    return measured + (before - measured) * math.exp(-passed_s / calm_s)


def _busy_slots(sample: Sample, passed_s: float) -> float | None:
    """Return how many slots were busy on average since the sample before; None when that is not known."""
    busy_slot_s = sample.window.busy_slot_s
    return None if busy_slot_s is None or passed_s <= 0 else min(busy_slot_s / passed_s, _MOST_SLOTS)


def _last_minute(entries: tuple[Finished, ...], sample: Sample, now: float) -> tuple[Finished, ...]:
    window = sample.window
    kept = _recent_of(entries, now)
    if window.finished is None or window.failed is None or window.finished <= 0:
        return kept
    return _at_most((*kept, Finished(now, window.finished, window.failed)))


def _with(entries: tuple[Compared, ...], entry: Compared, now: float) -> tuple[Compared, ...]:
    """Return the windows of the last minute with one more, if there was anything to compare."""
    kept = _recent_of(entries, now)
    return _at_most((*kept, entry)) if entry.attempts > 0 else kept


def _at_most(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return entries if len(entries) <= MOST_ENTRIES else entries[-MOST_ENTRIES:]


def _recent_of(entries: tuple[Entry, ...], now: float) -> tuple[Entry, ...]:
    """Return the entries of the last minute; they are in their order."""
    first, since = 0, now - MINUTE_S
    for entry in entries:
        if since < entry.at <= now:
            break
        first += 1
    return entries[first:] if first else entries


def _peak(before: float, pss_bytes: tuple[int, ...], passed_s: float) -> float:
    largest = float(max(pss_bytes, default=0))
    if largest >= before:
        return largest
    return largest + (before - largest) * math.exp(-passed_s / PEAK_S)
