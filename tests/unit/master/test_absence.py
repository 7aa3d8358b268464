"""When the master itself was away: time that must not be held against its children."""

from __future__ import annotations

from tqd.master.absence import AWAY_S, LONGEST_WAIT_S, Absence


def looped(*steps: tuple[float, float]) -> list[float]:
    """Return what is to be made up for after each wait: (work before it, how long it was)."""
    now, found = 100.0, []
    absence = Absence(now)
    for work_s, waited_s in steps:
        now += work_s
        assert absence.waits(now, 0.5) == 0.5
        now += waited_s
        found.append(absence.woke(now))
    return found


def test_no_wait_is_long_so_that_one_that_stood_still_is_known() -> None:
    absence = Absence(100.0)
    assert [absence.waits(100.0, wanted) for wanted in (None, 30.0, 0.25, 0.0)] == [
        LONGEST_WAIT_S, LONGEST_WAIT_S, 0.25, 0.0,
    ]  # fmt: skip


def test_waits_that_end_in_time_or_a_little_late_are_no_absence() -> None:
    assert looped((0.0, 0.5), (0.5, 0.25), (0.25, 0.5 + AWAY_S)) == [0.0, 0.0, 0.0]


def test_long_work_is_an_absence_and_short_work_is_none() -> None:
    assert looped((95.0, 0.5), (AWAY_S, 0.5), (AWAY_S / 2, 0.5)) == [95.0, 0.0, 0.0]


def test_of_a_wait_that_ends_much_too_late_all_is_an_absence() -> None:
    assert looped((0.0, 60.0), (0.75, 2.0)) == [60.0, 2.75]


def test_what_was_made_up_for_is_not_made_up_for_again() -> None:
    assert looped((5.0, 0.0), (0.25, 0.0)) == [5.0, 0.0]


def test_amid_a_round_long_work_is_told_once_and_short_work_goes_on_to_count() -> None:
    absence = Absence(100.0)
    absence.waits(100.0, 1.0)
    assert absence.woke(101.0) == 0.0
    assert absence.worked(108.0) == 7.0
    assert absence.worked(108.75) == 0.0
    absence.waits(109.5, 0.0)
    assert absence.woke(109.5) == 1.5
