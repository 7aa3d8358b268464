"""The account of the benchmarks of supervision: what a journal of tasks says."""

from __future__ import annotations

import pytest

from perf.fleet.account import (
    Entry,
    begun,
    begun_elsewhere,
    ended,
    first_after,
    held,
    run_twice,
    waits_ms,
)
from perf.fleet.watch import ready_workers
from perf.tasks import BEGAN, ENDED


def entry(number: int, word: int = BEGAN, pid: int = 1, at_ns: int = 0, fence: int = 1) -> Entry:
    return Entry(number, fence, pid, word, at_ns)


def test_a_task_is_done_by_its_last_line_and_not_by_its_first() -> None:
    entries = [entry(1), entry(2), entry(1, ENDED)]
    assert (begun(entries), ended(entries)) == ({1, 2}, {1})


def test_a_task_that_began_again_was_run_twice_even_when_it_ended_once() -> None:
    assert run_twice([entry(1), entry(2), entry(2, ENDED), entry(1, pid=2), entry(1, ENDED, 2)]) == {1}


def test_a_process_holds_what_it_has_begun_and_not_ended() -> None:
    entries = [entry(1), entry(2), entry(3, pid=2), entry(1, ENDED), entry(2, ENDED, pid=2)]
    assert held(entries, 1) == {2}
    assert held(entries, 2) == {3}


def test_a_task_began_elsewhere_when_another_process_took_it_up_first() -> None:
    entries = [
        entry(1, at_ns=10), entry(2, at_ns=11), entry(3, pid=2, at_ns=12),
        entry(1, pid=2, at_ns=20), entry(1, pid=3, at_ns=30), entry(2, ENDED, pid=2, at_ns=21),
    ]  # fmt: skip
    assert begun_elsewhere(entries, {1, 2, 3}, 1) == {1: 20}


def test_what_another_process_had_begun_before_does_not_count_as_again() -> None:
    entries = [entry(1, pid=2, at_ns=5), entry(1, pid=1, at_ns=10)]
    assert begun_elsewhere(entries, {1}, 1) == {}


@pytest.mark.parametrize(("since_ns", "expected"), [(0, 10), (10, 30), (30, None)])
def test_the_first_task_after_a_moment_is_the_first_that_began(since_ns: int, expected: int | None) -> None:
    entries = [entry(1, at_ns=30), entry(2, at_ns=10), entry(2, ENDED, at_ns=20)]
    assert first_after(entries, since_ns) == expected


def test_a_task_waits_from_its_call_to_its_first_line_of_all() -> None:
    entries = [entry(1, at_ns=9_000_000, pid=2), entry(1, at_ns=3_000_000), entry(2, ENDED)]
    assert waits_ms(entries, {1: 1_000_000, 2: 1, 3: 1}) == [pytest.approx(2.0)]


def test_only_ready_workers_serve() -> None:
    states = ("ready", "starting", "draining", "ready", "hung", "empty")
    assert ready_workers({"workers": [{"state": state} for state in states]}) == 2
