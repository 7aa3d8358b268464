"""Pauses after deaths, deaths in words, and when they are a crash loop."""

from __future__ import annotations

import pytest

from tqd.master.events import Exited, Role
from tqd.master.pauses import (
    DEATHS_BY_TASKS,
    FEWEST_DEATHS,
    JITTER,
    LONGEST_PAUSE_S,
    MOST_EARLY_BY_TASKS,
    MOST_EARLY_DEATHS,
    WINDOW_S,
    Breaker,
    EarlyDeaths,
    Fault,
    death,
    pause_s,
    wait_after,
)
from tqd.master.seats import ChildState, Seat


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_pauses_stay_within_their_bounds(chance: float) -> None:
    assert pause_s(0, chance) == pause_s(1, chance) == 0.0
    pauses = [pause_s(failures, chance) for failures in range(2, 10_000, 7)]
    assert min(pauses) >= 0.5 * (1 - JITTER)
    assert max(pauses) <= LONGEST_PAUSE_S * (1 + JITTER)


@pytest.mark.parametrize(
    ("code", "oom", "words"),
    [
        (0, None, "exited with code 0"),
        (-9, None, "may have been out of memory"),
        (-9, True, "likely out of memory"),
        (-9, False, "sent by somebody"),
        (-11, None, "SIGSEGV"),
        (-99, None, "signal 99"),
    ],
)
def test_an_end_is_told_in_words(code: int, oom: bool | None, words: str) -> None:
    assert words in death(code, oom)


def test_the_breaker_opens_once_at_twice_the_workers() -> None:
    breaker = Breaker()
    assert [breaker.died(4, now) for now in range(9)] == [False] * 7 + [True, False]


def test_few_workers_need_some_deaths_all_the_same() -> None:
    breaker = Breaker()
    assert [breaker.died(1, now) for now in range(FEWEST_DEATHS)][-2:] == [False, True]


def test_old_deaths_are_forgotten() -> None:
    breaker = Breaker()
    assert not any(breaker.died(1, now * WINDOW_S / (FEWEST_DEATHS - 1)) for now in range(50))


def test_a_closed_breaker_lets_everybody_and_an_open_one_the_first_who_asks() -> None:
    breaker, one, two = Breaker(), Seat("w-1", Role.WORKER, 1), Seat("w-2", Role.WORKER, 1)
    assert breaker.lets(one) and breaker.lets(two)
    for now in range(FEWEST_DEATHS):
        breaker.died(1, now)
    assert breaker.lets(two) and not breaker.lets(one) and breaker.lets(two)
    breaker.close()
    assert breaker.lets(one)
    assert not breaker.died(1, FEWEST_DEATHS)


# -- deaths by tasks ------------------------------------------------------------------------------

BY_TASK = Exited("w-1", -11, begun=True)


def worker() -> Seat:
    made = Seat("w-1", Role.WORKER, 1)
    made.state, made.since, made.ready_at = ChildState.READY, 1.0, 1.0
    return made


def test_a_worker_that_a_task_may_have_killed_is_replaced_at_once_however_often() -> None:
    seat = worker()
    assert {wait_after(seat, BY_TASK, 2.0, 0.5) for _ in range(50)} == {(0.0, Fault.TASK)}


def test_while_there_is_a_crash_loop_such_deaths_have_pauses_too() -> None:
    seat = worker()
    waits = [wait_after(seat, BY_TASK, 2.0, 0.5, patient=True)[0] for _ in range(4)]
    assert waits == [0.0, 0.5, 1.0, 2.0]


def test_a_worker_that_has_never_had_a_task_in_hand_has_pauses() -> None:
    seat = worker()
    assert [wait_after(seat, Exited("w-1", -11), 2.0, 0.5) for _ in range(2)] == [
        (0.0, Fault.OWN), (0.5, Fault.OWN),
    ]  # fmt: skip


def test_ten_times_as_many_deaths_by_tasks_open_the_breaker_and_the_kinds_are_counted_apart() -> None:
    breaker, most = Breaker(), FEWEST_DEATHS * DEATHS_BY_TASKS
    assert not any(breaker.died(1, 0.0) for _ in range(FEWEST_DEATHS - 1))
    assert [breaker.died(1, 0.0, Fault.TASK) for _ in range(most)] == [False] * (most - 1) + [True]


def test_many_early_deaths_are_borne_when_tasks_may_be_the_reason() -> None:
    early = EarlyDeaths()
    assert [early.too_many(Exited("w-1", -11)) for _ in range(MOST_EARLY_DEATHS + 1)][-2:] == [False, True]
    assert [early.too_many(BY_TASK) for _ in range(MOST_EARLY_BY_TASKS + 1)][-2:] == [False, True]
