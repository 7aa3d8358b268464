"""What the kills say that nobody explains."""

from __future__ import annotations

import random

import pytest

from tqd.master.kills import ALIKE_KILLS, EARLY_KILLS, MOST_TASKS, QUICK_S, Kills, alike
from tqd.task.claim import Blame

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
    kills = Kills()
    assert kills.of_probe(TASK, 0.25) == ()
    assert kills.of_probe(TASK, 0.4) == [0.25, 0.4]


def test_each_task_has_kills_of_its_own() -> None:
    kills = Kills()
    assert kills.of_probe(TASK, 0.1) == kills.of_probe(OTHER, 0.1) == ()


def test_a_task_that_was_found_out_is_forgotten() -> None:
    kills = Kills()
    for _ in range(EARLY_KILLS):
        kills.of_probe(TASK, 0.1)
    assert kills.of_probe(TASK, 0.1) == ()


def test_what_is_remembered_is_bounded() -> None:
    kills = Kills()
    kills.of_probe(TASK, 0.1)
    for number in range(MOST_TASKS):
        kills.of_probe(b"%016d" % number, 0.1)
    assert kills.of_probe(TASK, 0.1) == (), "the oldest is forgotten"
    assert kills.of_probe(b"%016d" % (MOST_TASKS - 1), 0.1)


@pytest.mark.parametrize(("every_s", "most"), [(10.0, 1 / 200), (30.0, 1 / 600)])
def test_kills_at_random_moments_rarely_meet_a_long_task_alike(every_s: float, most: float) -> None:
    dice = random.Random(7)
    tries = 40_000
    met = sum(alike([dice.expovariate(1 / every_s) for _ in range(ALIKE_KILLS)]) for _ in range(tries))
    assert 0 < met / tries < most


def test_a_worker_that_is_killed_soon_after_another_speaks_against_what_both_had_in_hand() -> None:
    kills = Kills()
    found = [kills.of_worker(now) for now in (5.0, 5.0 + QUICK_S, 5.1 + 2 * QUICK_S, 5.2 + 2 * QUICK_S)]
    assert found == [Blame.KILL, Blame.AGAIN, Blame.KILL, Blame.AGAIN]
