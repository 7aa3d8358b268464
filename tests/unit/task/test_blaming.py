"""Which tasks a worker's death speaks against."""

from __future__ import annotations

import pytest

from tqd.task.blaming import FEW, blames
from tqd.task.claim import Blame, Counts

ONE, TWO, ODD = b"1" * 16, b"2" * 16, b"o" * 16


def held(*, again: int, first: int = 0) -> dict[bytes, bytes]:
    """Return what a worker held: tasks that were there when another one was killed, and others."""
    tokens = [b"2:0:101:mail"] * again + [b"1:0:0:mail"] * first
    return {b"%016d" % number: token for number, token in enumerate(tokens)}


def suspects(found: dict[bytes, Blame]) -> int:
    return list(found.values()).count(Blame.SUSPECT)


@pytest.mark.parametrize("blame", [Blame.NONE, Blame.LOST, Blame.CRASH])
def test_a_death_says_the_same_of_all_that_was_in_hand(blame: Blame) -> None:
    assert blames({ONE: b"2:0:101:mail", TWO: b"1:0:0:mail"}, blame) == {ONE: blame, TWO: blame}


def test_a_task_that_was_seen_to_end_its_worker_is_the_only_one_to_be_blamed() -> None:
    found = blames({ONE: b"1:0:0:mail", TWO: b"1:0:0:mail"}, Blame.CRASH, TWO)
    assert found == {ONE: Blame.NONE, TWO: Blame.SUSPECT}


def test_the_first_kill_makes_nobody_a_suspect() -> None:
    assert suspects(blames(held(again=0, first=3), Blame.KILL)) == 0


def test_the_few_that_were_there_at_two_kills_are_suspects_and_the_others_are_not() -> None:
    found = blames(held(again=2, first=30), Blame.KILL)
    assert suspects(found) == 2
    assert list(found.values()).count(Blame.KILL) == 30


def test_many_that_were_there_at_two_kills_are_not_singled_out() -> None:
    assert suspects(blames(held(again=FEW), Blame.KILL)) == FEW
    assert suspects(blames(held(again=FEW + 1), Blame.KILL)) == 0


def test_the_end_of_a_whole_host_singles_nobody_out() -> None:
    assert suspects(blames(held(again=1), Blame.LOST)) == 0


def test_what_is_none_of_ours_is_left_out() -> None:
    assert blames({ODD: b"garbage", ONE: b"1:0:0:mail"}, Blame.KILL, ONE) == {ONE: Blame.SUSPECT}


@pytest.mark.parametrize(
    ("deaths", "suspect"),
    [
        ([Blame.CRASH], False),
        ([Blame.CRASH, Blame.CRASH], True),
        ([Blame.KILL] * 3, False),
        ([Blame.KILL] * 4, True),
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
