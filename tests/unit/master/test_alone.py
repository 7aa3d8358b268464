"""What it says that probes are killed with the same task in hand."""

from __future__ import annotations

import random

import pytest

from tqd.master.alone import ALIKE_KILLS, EARLY_KILLS, MOST_TASKS, Alone, alike

TASK, OTHER = b"t" * 16, b"o" * 16


@pytest.mark.parametrize(
    ("ages_s", "guilty"),
    [
        ([0.1], False),
        ([0.1, 0.4], True),
        ([0.1, 0.6], False),
        ([20.0, 0.1, 0.2], True),
        ([3.0, 3.1], False),
        ([3.0, 3.1, 3.2], True),
        ([3.0, 3.1, 3.4], False),
        ([300.0, 305.0, 314.0], True),
        ([300.0, 305.0, 324.0], False),
        ([0.1, 30.0, 0.1], False),
    ],
)
def test_attempts_that_are_killed_alike_have_killed_themselves(ages_s: list[float], guilty: bool) -> None:
    assert alike(ages_s) is guilty


def test_the_kill_that_decides_tells_the_ages_of_all() -> None:
    alone = Alone()
    assert alone.killed(TASK, 0.25) == ()
    assert alone.killed(TASK, 0.4) == [0.25, 0.4]


def test_each_task_has_kills_of_its_own() -> None:
    alone = Alone()
    assert alone.killed(TASK, 0.1) == alone.killed(OTHER, 0.1) == ()


def test_a_task_that_was_found_out_is_forgotten() -> None:
    alone = Alone()
    for _ in range(EARLY_KILLS):
        alone.killed(TASK, 0.1)
    assert alone.killed(TASK, 0.1) == ()


def test_what_is_remembered_is_bounded() -> None:
    alone = Alone()
    alone.killed(TASK, 0.1)
    for number in range(MOST_TASKS):
        alone.killed(b"%016d" % number, 0.1)
    assert alone.killed(TASK, 0.1) == (), "the oldest is forgotten"
    assert alone.killed(b"%016d" % (MOST_TASKS - 1), 0.1)


@pytest.mark.parametrize(("every_s", "most"), [(10.0, 1 / 200), (30.0, 1 / 600)])
def test_kills_at_random_moments_rarely_meet_a_long_task_alike(every_s: float, most: float) -> None:
    dice = random.Random(7)
    tries = 40_000
    met = sum(alike([dice.expovariate(1 / every_s) for _ in range(ALIKE_KILLS)]) for _ in range(tries))
    assert 0 < met / tries < most
