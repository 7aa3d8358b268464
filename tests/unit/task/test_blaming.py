"""Which tasks a worker's death speaks against."""

from __future__ import annotations

import pytest

from tqd.task.blaming import FEW, singled_out
from tqd.task.claim import Blame, Counts

ONE, TWO, THREE = b"1" * 16, b"2" * 16, b"3" * 16


def many(count: int) -> set[bytes]:
    return {b"%016d" % number for number in range(count)}


@pytest.mark.parametrize("blame", [Blame.NONE, Blame.LOST, Blame.KILL, Blame.CRASH])
def test_a_death_speaks_against_nobody_more_than_against_the_others(blame: Blame) -> None:
    assert singled_out({ONE, TWO}, blame, before={ONE}) == set()


def test_a_task_that_was_seen_to_end_its_worker_is_singled_out() -> None:
    assert singled_out({ONE, TWO}, Blame.CRASH, TWO) == {TWO}
    assert singled_out({ONE, TWO}, Blame.AGAIN, TWO, before={ONE}) == {TWO}


def test_those_that_were_there_at_two_quick_kills_are_singled_out() -> None:
    assert singled_out({ONE, TWO}, Blame.AGAIN, before={TWO, THREE}) == {TWO}


def test_workers_that_are_killed_together_single_nobody_out() -> None:
    assert singled_out({ONE}, Blame.AGAIN, before={TWO, THREE}) == set()


def test_many_that_were_there_at_two_kills_are_not_singled_out() -> None:
    assert singled_out(many(FEW), Blame.AGAIN, before=many(100)) == many(FEW)
    assert singled_out(many(FEW + 1), Blame.AGAIN, before=many(100)) == set()


@pytest.mark.parametrize(
    ("deaths", "suspect"),
    [
        ([Blame.CRASH], False),
        ([Blame.CRASH, Blame.CRASH], True),
        ([Blame.KILL] * 3, False),
        ([Blame.KILL] * 4, True),
        ([Blame.KILL, Blame.AGAIN, Blame.KILL, Blame.AGAIN], True),
        ([Blame.LOST, Blame.KILL, Blame.CRASH], True),
        ([Blame.KILL, Blame.CRASH], False),
        ([Blame.NONE] * 9, False),
        ([Blame.SUSPECT], True),
        ([Blame.KILL, Blame.SUSPECT, Blame.KILL], True),
    ],
)
def test_what_is_on_record_makes_a_suspect(deaths: list[Blame], suspect: bool) -> None:
    counts = Counts(1, 0, 0)
    for blame in deaths:
        counts = counts.crashed(blame)
    assert counts.suspect is suspect
    assert counts.deaths == sum(blame is not Blame.NONE for blame in deaths)
    assert (counts.acquitted().deaths == 0) is (suspect or not counts.deaths)
