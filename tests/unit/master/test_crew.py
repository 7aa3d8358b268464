"""What the master knows of its children: rates, totals over living and dead, culprits, the queues."""

from __future__ import annotations

import pytest

from tests.unit.master.builders import beat, keeper_beat
from tqd.master.crew import RATE_WINDOW_S, Depths, Member, Rate, Totals
from tqd.metrics.ledger import Entry
from tqd.system.fork import Child
from tqd.wire.messages import Blocked, HardDeadline, Sampled, WorkerGone, digest, encode_message

POLICY = [3.0, 1.0, 60.0, 0.0]
HARD = HardDeadline(b"id-hard", b"token-hard", "shop.slow", 5.0, 4.0, POLICY)
BLOCKED = Blocked(b"id-loop", b"token-loop", "shop.regex", "/srv/shop.py:1 in f", [0.0, 2.0, 30.0, 9.0])


def member() -> Member:
    return Member("worker-1", Child(12, -1, -1, -1, -1), "node/worker-1", 100.0)


# -- rates ----------------------------------------------------------------------------------------


def readings(*pairs: tuple[float, int]) -> Rate:
    rate = Rate()
    for now, total in pairs:
        rate.add(now, total)
    return rate


def test_a_rate_is_unknown_before_two_readings() -> None:
    assert readings().per_s() is None
    assert readings((100.0, 7)).per_s() is None


def test_two_readings_of_one_moment_are_no_rate() -> None:
    assert readings((100.0, 7), (100.0, 9)).per_s() is None


def test_a_rate_is_what_came_between_the_first_and_the_last_reading() -> None:
    assert readings((100.0, 10), (101.0, 10), (104.0, 30)).per_s() == 5.0
    assert readings((100.0, 10), (104.0, 10)).per_s() == 0.0


def test_what_was_before_the_window_no_longer_counts() -> None:
    rate = readings((0.0, 0), (1.0, 1000), *((1.0 + n, 1000 + n) for n in range(1, 15)))
    assert rate.per_s() == 1.0


def test_the_window_is_covered_to_its_beginning() -> None:
    rate = readings((0.0, 0), (0.5, 100), (RATE_WINDOW_S + 0.4, 200))
    assert rate.per_s() == pytest.approx(200 / 10.4)
    rate.add(RATE_WINDOW_S + 0.5, 300)
    assert rate.per_s() == pytest.approx(200 / 10.0)


def test_a_rate_after_a_long_silence_is_over_the_silence() -> None:
    assert readings((0.0, 0), (1.0, 5), (1000.0, 1004)).per_s() == 1.0


# -- who is to blame ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        (True, [b"id-hard", b"token-hard", "HardTimeout", "too long", *POLICY]),
        (False, [b"id-loop", b"token-loop", "LoopBlocked", "too long", 0.0, 2.0, 30.0, 9.0]),
    ],
)
def test_the_attempt_for_which_a_worker_is_ended_is_told_with_its_policy(
    hard: bool, expected: list[object]
) -> None:
    ended = member()
    ended.hard, ended.blocked = HARD, BLOCKED
    assert ended.culprit("too long", hard) == expected


@pytest.mark.parametrize("hard", [True, False])
def test_nobody_is_blamed_who_was_not_told_of(hard: bool) -> None:
    ended = member()
    if hard:
        ended.blocked = BLOCKED
    else:
        ended.hard = HARD
    assert ended.culprit("too long", hard) == []


def test_nobody_is_blamed_when_no_attempt_has_a_hard_limit_any_more() -> None:
    ended = member()
    ended.hard = HardDeadline(b"", b"", "", 0.0, 0.0, [])
    assert ended.culprit("too long", True) == []


def test_a_long_reason_still_fits_a_frame() -> None:
    ended = member()
    ended.blocked = BLOCKED
    culprit = ended.culprit("€" * 5000, False)
    assert culprit[3] == "€" * 500
    assert encode_message(WorkerGone("w" * 200, culprit))


# -- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pss_bytes", "read_at", "expected"),
    [
        (None, 0.0, (900, None)),
        (600, 100.0, (900, 600)),
        (900, 100.0, (900, 900)),
        (901, 100.0, (900, None)),
        (901, 102.0, (1000, 901)),
    ],
)
def test_a_share_that_is_more_than_the_whole_is_of_another_time(
    pss_bytes: int | None, read_at: float, expected: tuple[int, int | None]
) -> None:
    weighed = member()
    weighed.beat, weighed.beat_at = beat(rss_bytes=900), 101.0
    weighed.pss_bytes, weighed.pss_at, weighed.pss_rss_bytes = pss_bytes, read_at, 1000
    assert weighed.sizes() == expected


def test_before_a_beat_the_resident_memory_is_not_known() -> None:
    assert member().sizes() == (None, None)


# -- totals ---------------------------------------------------------------------------------------


def test_totals_grow_by_what_a_ledger_grew_by() -> None:
    totals = Totals()
    for _ in range(2):
        entry = Entry("mail", "default")
        entry.done, entry.run_s, entry.runs = 5, 0.5, {60: 5}
        entry.counters = [1, 2, 0, 3, 4, 5, 6]
        totals.enter(entry)
    assert (totals.done, totals.failed, totals.retried, totals.timed_out) == (10, 2, 4, 6)
    assert (totals.discarded, totals.released, totals.expired) == (8, 10, 12)
    assert totals.runs.counts == {60: 10}


def test_reclaimed_tasks_are_counted_over_keepers() -> None:
    totals = Totals()
    first = keeper_beat(3)
    totals.advance_keeper(None, first)
    totals.advance_keeper(first, keeper_beat(5))
    totals.advance_keeper(None, keeper_beat(2))
    assert totals.reclaimed == 7


# -- the queues -----------------------------------------------------------------------------------


def test_figures_of_other_queues_are_forgotten_and_those_of_the_same_are_kept() -> None:
    depths = Depths(("a", "b"))
    depths.sample = sample = Sampled([[1, 0, 0, -1], [2, 0, 0, -1]], 0)
    depths.watch(("a", "b"))
    kept = depths.sample
    depths.watch(("b", "a"))
    assert kept is sample and depths.names == ("b", "a")
    assert not depths.sample


def test_an_older_keepers_answer_about_other_queues_is_none() -> None:
    depths = Depths(("a", "c"))
    depths.asked_at = 1.0
    depths.take(Sampled([[1, 0, 0, -1, 0, 5, 0]] * 2, 0, at=1.0, names=digest(("a", "b"))), 1.0)
    assert (depths.sample, depths.at, depths.asked_at) == (None, 0.0, 1.0)
    ours = Sampled([[1, 0, 0, -1, 0, 5, 0]] * 2, 0, at=2.0, names=digest(("a", "c")))
    depths.take(ours, 2.0)
    assert (depths.sample, depths.at, depths.asked_at) == (ours, 2.0, None)
