"""When a worker looks for parked tasks again."""

from __future__ import annotations

from tqd.worker.errands import ROUND_S, SOON_S, next_pause_s


def test_without_parked_tasks_a_round_is_as_long_as_ever() -> None:
    assert next_pause_s(0, 0, ROUND_S) == next_pause_s(0, 7, SOON_S) == ROUND_S


def test_a_round_that_moved_something_is_soon_followed_by_another() -> None:
    assert next_pause_s(9, 0, ROUND_S) == SOON_S
    assert next_pause_s(5, 9, 4.0) == SOON_S


def test_what_comes_back_and_gets_no_less_is_looked_for_ever_less_often() -> None:
    pause_s, pauses = SOON_S, []
    for _ in range(7):
        pause_s = next_pause_s(9, 9, pause_s)
        pauses.append(pause_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, ROUND_S, ROUND_S, ROUND_S]
