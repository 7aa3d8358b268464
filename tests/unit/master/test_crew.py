"""What a daemon has done: sums over living and dead children."""

from __future__ import annotations

from tests.unit.master.builders import beat
from tqd.master.crew import Totals
from tqd.metrics.histogram import Histogram
from tqd.wire.messages import KeeperBeat


def test_totals_grow_by_what_was_done_between_two_beats() -> None:
    totals = Totals()
    first, second = beat(done=3, failed=1), beat(done=10, failed=1, retried=2, released=4, superseded=5)
    totals.advance(None, first)
    totals.advance(first, second)
    assert (totals.done, totals.failed, totals.retried) == (10, 1, 2)
    assert (totals.released, totals.superseded) == (4, 5)


def test_a_replaced_workers_counts_are_kept() -> None:
    totals = Totals()
    totals.advance(None, beat(done=100))
    totals.advance(None, beat(done=5))
    assert totals.done == 105


def test_run_times_of_all_workers_are_merged() -> None:
    totals = Totals()
    for _ in range(2):
        runs = Histogram()
        runs.add(0.1)
        totals.advance(None, beat(runs=runs.take()))
    assert sum(totals.runs.counts.values()) == 2
    median = totals.runs.quantile_s(0.5)
    assert median is not None and 0.08 < median < 0.13


def test_reclaimed_tasks_are_counted_over_keepers() -> None:
    totals = Totals()
    first = KeeperBeat(3, 1)
    totals.advance_keeper(None, first)
    totals.advance_keeper(first, KeeperBeat(5, 1))
    totals.advance_keeper(None, KeeperBeat(2, 1))
    assert totals.reclaimed == 7
