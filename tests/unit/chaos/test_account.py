"""The judge of the chaos: it must see what is lost, doubled, stuck or charged, and excuse nothing else."""

from __future__ import annotations

from tests.chaos.account import Cause, Line, Verdict, in_hand, judge, read_lines

PID, OTHER = 7, 8


def began(number: int, at_s: float, fence: int = 1, pid: int = PID, attempt: int = 1) -> Line:
    return Line("began", number, attempt, fence, pid, at_s)


def ended(number: int, at_s: float, fence: int = 1, pid: int = PID) -> Line:
    return Line("ended", number, 1, fence, pid, at_s)


def raised(number: int, at_s: float, fence: int = 1, pid: int = PID) -> Line:
    return Line("raised", number, 1, fence, pid, at_s)


def verdict(lines: list[Line], *causes: Cause, fails: bool = False, dead: bool = False) -> Verdict:
    return judge({1: fails}, lines, causes, frozenset(), {1} if dead else frozenset())


def test_a_task_that_ended_once_is_clean() -> None:
    assert verdict([began(1, 1.0), ended(1, 2.0)]).clean


def test_an_acknowledged_task_without_a_trace_is_lost() -> None:
    assert verdict([]).lost == (1,)


def test_a_task_that_began_and_is_nowhere_is_lost() -> None:
    assert verdict([began(1, 1.0)]).lost == (1,)


def test_a_task_that_waits_at_the_end_is_stuck_and_not_lost() -> None:
    found = judge({1: False}, [began(1, 1.0)], [], {1}, frozenset())
    assert (found.stuck, found.lost) == ((1,), ())


def test_a_task_that_nobody_acknowledged_may_be_there_or_not() -> None:
    assert judge({}, [began(5, 1.0), ended(5, 2.0)], [], frozenset(), frozenset()).clean


def test_a_task_whose_last_attempt_did_not_end_is_lost_although_an_earlier_one_did() -> None:
    death = Cause("killed", 2.0, 2.0, {PID})
    assert verdict([began(1, 1.0), ended(1, 1.9), began(1, 3.0, 2, OTHER)], death).lost == (1,)


def test_a_second_run_without_a_cause_is_doubled() -> None:
    lines = [began(1, 1.0), ended(1, 1.1), began(1, 2.0, 2), ended(1, 2.1, 2)]
    assert verdict(lines).doubled == (1,)


def test_a_second_run_after_an_error_is_explained() -> None:
    lines = [began(1, 1.0), raised(1, 1.1), began(1, 2.0, 2, attempt=2), ended(1, 2.1, 2)]
    assert verdict(lines).explained == {"raised": 1}


def test_a_second_run_after_the_death_of_the_first_process_is_explained() -> None:
    lines = [began(1, 1.0), began(1, 2.0, 2, OTHER), ended(1, 2.1, 2, OTHER)]
    assert verdict(lines, Cause("killed", 1.5, 1.5, {PID})).explained == {"killed": 1}


def test_the_death_of_another_process_explains_nothing() -> None:
    lines = [began(1, 1.0), began(1, 2.0, 2, OTHER), ended(1, 2.1, 2, OTHER)]
    assert verdict(lines, Cause("killed", 1.5, 1.5, {OTHER})).doubled == (1,)


def test_a_death_before_the_attempt_began_explains_nothing() -> None:
    lines = [began(1, 1.0), began(1, 2.0, 2, OTHER), ended(1, 2.1, 2, OTHER)]
    assert verdict(lines, Cause("killed", 0.5, 0.5, {PID})).doubled == (1,)


def test_what_had_ended_long_before_the_death_was_settled() -> None:
    lines = [began(1, 1.0), ended(1, 1.1), began(1, 9.0, 2, OTHER), ended(1, 9.1, 2, OTHER)]
    death = Cause("killed", 8.0, 8.0, {PID})
    assert verdict(lines, death).doubled == (1,)
    assert verdict(lines, Cause("killed, no redis", 8.0, 8.0, {PID}, settling_s=7.0)).clean


def test_a_failing_task_has_to_be_a_dead_letter() -> None:
    lines = [began(1, 1.0), raised(1, 1.1)]
    assert verdict(lines, fails=True, dead=True).clean
    assert verdict(lines, fails=True).lost == (1,)


def test_a_task_that_should_be_done_and_is_a_dead_letter_counts_as_lost() -> None:
    assert verdict([began(1, 1.0), ended(1, 1.1)], dead=True).lost == (1,)


def test_an_attempt_that_nobody_spent_is_charged() -> None:
    lines = [began(1, 1.0), began(1, 2.0, 2, OTHER, attempt=2), ended(1, 2.1, 2, OTHER)]
    assert verdict(lines, Cause("killed", 1.5, 1.5, {PID})).charged == (1,)


def test_a_line_that_is_being_written_is_left_out() -> None:
    assert read_lines("began 1 1 1 7 2000000000\nended 1 1 1") == [began(1, 2.0)]


def test_what_is_in_hand_has_begun_and_not_ended() -> None:
    lines = [began(1, 1.0), began(2, 1.0), ended(2, 1.5), began(3, 1.0, pid=OTHER), began(4, 9.0)]
    assert in_hand(lines, {PID}, 2.0) == {1}
