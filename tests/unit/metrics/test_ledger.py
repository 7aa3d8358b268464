"""What one process writes and another reads: counts by task name and queue, and their growth."""

from __future__ import annotations

import pytest

from tqd.metrics.histogram import bounds_us
from tqd.metrics.ledger import (
    BUCKETS,
    EXPIRED,
    FAILED,
    LEDGER_BYTES,
    MOST_PAGES,
    OTHER,
    RETRIED,
    Entry,
    Ledger,
    LedgerReader,
)


class Pair:
    """A ledger, and a reader of the same memory."""

    def __init__(self) -> None:
        self.memory = bytearray(LEDGER_BYTES)
        self.ledger = Ledger(self.memory)
        self.reader = LedgerReader(self.memory)

    def read(self) -> dict[tuple[str, str], Entry]:
        return {(entry.name, entry.queue): entry for entry in self.reader.read()}


def test_nothing_is_read_of_what_nobody_wrote() -> None:
    pair = Pair()
    pair.ledger.page("mail", "default")
    assert pair.read() == {}


def test_a_reading_is_what_came_since_the_one_before() -> None:
    pair = Pair()
    page = pair.ledger.page("mail", "default")
    for _ in range(3):
        page.done(0.5)
    page.ran(0.25)
    page.add(FAILED)
    (entry,) = pair.read().values()
    assert (entry.done, entry.counters[FAILED], entry.run_s) == (3, 1, 1.75)
    assert sum(entry.runs.values()) == 4 and entry.waits == {}
    assert pair.read() == {}
    page.done(0.5)
    page.add(RETRIED)
    (entry,) = pair.read().values()
    assert (entry.done, entry.counters[FAILED], entry.counters[RETRIED], entry.run_s) == (1, 0, 1, 0.5)


def test_names_and_queues_are_told_apart() -> None:
    pair = Pair()
    for name, queue, times in (("mail", "default", 1), ("mail", "high", 2), ("größe €", "high", 3)):
        for _ in range(times):
            pair.ledger.page(name, queue).done(0.1)
    found = {key: entry.done for key, entry in pair.read().items()}
    assert found == {("mail", "default"): 1, ("mail", "high"): 2, ("größe €", "high"): 3}


def test_a_reader_that_comes_late_gets_all() -> None:
    pair = Pair()
    pair.ledger.page("mail", "default").done(0.1)
    assert [entry.done for entry in LedgerReader(pair.memory).read()] == [1]
    assert [entry.done for entry in LedgerReader(pair.memory).read()] == [1]


@pytest.mark.parametrize("run_s", [0.0, 0.000_004, 0.008_191, 0.008_192, 0.5, 3.0, 3600.0, 86_400.0])
def test_times_go_into_the_buckets_that_all_histograms_have(run_s: float) -> None:
    pair = Pair()
    page = pair.ledger.page("mail", "default")
    page.done(run_s)
    page.waited(round(run_s * 1000))
    (entry,) = pair.read().values()
    for times, exact_s in ((entry.runs, run_s), (entry.waits, round(run_s * 1000) / 1000)):
        ((bucket, count),) = times.items()
        low, high = bounds_us(bucket)
        assert count == 1 and bucket < BUCKETS
        assert low <= exact_s * 1e6 + 0.5 and exact_s * 1e6 < high


@pytest.mark.parametrize("run_s", [1e7, 1e12])
def test_times_beyond_all_buckets_go_into_the_last(run_s: float) -> None:
    pair = Pair()
    page = pair.ledger.page("mail", "default")
    page.done(run_s)
    page.ran(run_s)
    page.waited(int(run_s) * 1000)
    (entry,) = pair.read().values()
    assert (entry.done, entry.runs, entry.waits) == (1, {BUCKETS - 1: 2}, {BUCKETS - 1: 1})


@pytest.mark.parametrize(("ms", "counted"), [(0, 1), (-1, 1), (-999, 1), (-1000, 0), (-(10**15), 0)])
def test_a_wait_that_cannot_be_is_not_counted_but_for_what_clocks_differ(ms: int, counted: int) -> None:
    pair = Pair()
    pair.ledger.page("mail", "default").waited(ms)
    assert sum(sum(entry.waits.values()) for entry in pair.read().values()) == counted


def test_too_many_names_are_counted_as_others_in_their_queues() -> None:
    pair = Pair()
    for n in range(3 * MOST_PAGES):
        pair.ledger.page(f"made-up-{n}", "high" if n % 2 else "default").done(0.1)
        pair.ledger.page("mail", "default").done(0.1)
    found = pair.read()
    assert len(found) <= MOST_PAGES
    assert found["mail", "default"].done == 3 * MOST_PAGES
    assert found[OTHER, "default"].done > 0 and found[OTHER, "high"].done > 0
    assert sum(entry.done for entry in found.values()) == 6 * MOST_PAGES


def test_too_many_names_and_queues_lose_nothing_either() -> None:
    pair = Pair()
    for n in range(5 * MOST_PAGES):
        pair.ledger.page(f"name-{n}", f"queue-{n}").add(EXPIRED)
    found = pair.read()
    assert len(found) <= MOST_PAGES
    assert sum(entry.counters[EXPIRED] for entry in found.values()) == 5 * MOST_PAGES
    assert found[OTHER, OTHER].counters[EXPIRED] > 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ""),
        ("x" * 255, "x" * 255),
        ("x" * 5000, "x" * 256),
        ("€" * 200, "€" * 85),
        ("\ud800", "?"),
    ],
)
def test_any_name_can_be_written(text: str, told: str) -> None:
    pair = Pair()
    page = pair.ledger.page(text, text)
    page.done(0.1)
    assert page is pair.ledger.page(text, text)
    assert list(pair.read()) == [(told, told)]


def test_settlements_that_came_too_late_are_counted() -> None:
    pair = Pair()
    pair.ledger.superseded(3)
    assert (pair.reader.superseded(), pair.reader.superseded()) == (3, 0)


def test_the_run_time_of_all_pages_together() -> None:
    pair = Pair()
    pair.ledger.page("a", "x").done(0.5)
    pair.ledger.page("b", "x").ran(0.25)
    pair.ledger.page("a", "x").done(0.5)
    assert pair.ledger.run_s() == 1.25
