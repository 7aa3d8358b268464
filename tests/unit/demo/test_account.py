"""The account: every way in which an attempt may follow another one, from journal lines."""

from __future__ import annotations

from tqd.cli.demo_account import Account, Ledger, account, faults
from tqd.cli.demo_journal import parse

LIVING, OTHER, KILLED = 10, 11, 12


def ledger(*lines: str) -> Ledger:
    """Each line: pid, then what the journal of that pid holds but the time, which is the line's place."""
    made = Ledger()
    for at, text in enumerate(lines):
        pid, _, rest = text.partition(" ")
        entry = parse(int(pid), f"{rest} {at}.0".encode())
        assert entry is not None
        made.note([entry])
    return made


def done(number: int, pid: int = LIVING, fence: int = 1, attempt: int = 1) -> list[str]:
    return [f"{pid} {word} {number} {fence} {attempt}" for word in ("began", "done")]


CUT_OFF = [f"{KILLED} began 0 1 1", *done(0, fence=2)]


def of(lines: list[str], enqueued: int = 1, killed: int | None = KILLED, dead: int = 0) -> Account:
    return account(ledger(*lines), enqueued, killed, dead)


def test_tasks_that_ran_once_are_done_and_nothing_else() -> None:
    result = of([*done(0), *done(1, OTHER)], enqueued=2)
    assert (result.done, result.recovered, result.repeated, result.lost) == (2, 0, 0, 0)
    assert result.unexplained == ()


def test_a_task_cut_off_by_the_kill_and_run_again_is_recovered_and_explained() -> None:
    result = of(CUT_OFF)
    assert (result.done, result.cut_off, result.recovered, result.unexplained) == (1, 1, 1, ())
    assert faults(result, KILLED) == []


def test_a_task_that_ended_before_redis_knew_of_it_is_done_twice_because_of_the_kill() -> None:
    result = of([*done(0, KILLED), *done(0, fence=2)])
    assert (result.done, result.done_twice, result.unsettled, result.unexplained) == (1, 1, 1, ())


def test_a_claim_that_never_began_shows_as_a_missing_fence() -> None:
    result = of(done(0, fence=2))
    assert (result.done, result.not_begun, result.repeated, result.unexplained) == (1, 1, 0, ())


def test_a_failure_and_its_retry_are_no_recovery() -> None:
    result = of([f"{LIVING} began 0 1 1", f"{LIVING} raised 0 1 1", *done(0, fence=2, attempt=2)])
    assert (result.done, result.retried, result.recovered, result.unexplained) == (1, 1, 0, ())


def test_a_failure_of_the_killed_worker_that_was_not_charged_is_recovered() -> None:
    result = of([f"{KILLED} began 0 1 1", f"{KILLED} raised 0 1 1", *done(0, fence=2, attempt=1)])
    assert (result.retried, result.unsettled, result.unexplained) == (1, 1, ())


def test_attempts_are_ordered_by_their_fence_not_by_when_they_were_read() -> None:
    lines = [*done(0, LIVING, fence=2), f"{KILLED} began 0 1 1"]
    assert (of(lines).cut_off, of(lines).unexplained) == (1, ())


def test_an_account_with_a_missing_task_does_not_balance() -> None:
    result = of([*CUT_OFF, *done(2)], enqueued=3)
    assert (result.lost, result.missing) == (1, (1,))
    assert faults(result, KILLED) == ["1 of 3 tasks are lost: numbers 1"]


def test_a_dead_letter_is_not_lost_but_does_not_balance_either() -> None:
    lines = [*CUT_OFF, f"{LIVING} began 1 1 1", f"{LIVING} raised 1 1 1"]
    result = of(lines, enqueued=2, dead=1)
    assert (result.lost, result.dead) == (0, 1)
    assert faults(result, KILLED) == ["1 tasks became dead letters; every task was to succeed in the end"]


def test_a_second_run_after_a_living_worker_is_a_fault() -> None:
    result = of([*CUT_OFF, *done(1), *done(1, OTHER, fence=2)], enqueued=2)
    (fault,) = faults(result, KILLED)
    assert f"task 1 ran again though pid {LIVING} had done it and was not killed" in fault


def test_a_second_run_under_one_claim_is_a_fault() -> None:
    result = of([*CUT_OFF, *done(1, LIVING), *done(1, OTHER)], enqueued=2)
    assert f"task 1 ran twice under one claim, in pid {LIVING} and pid {OTHER}" in faults(result, KILLED)[0]


def test_a_task_that_nobody_enqueued_is_a_fault() -> None:
    assert "task 7 ran and was never enqueued" in faults(of([*CUT_OFF, *done(7)]), KILLED)[0]


def test_without_a_kill_nothing_is_shown_and_a_silent_claim_is_a_fault() -> None:
    result = of(done(0, fence=2), killed=None)
    assert result.unexplained == ("task 0 was claimed 1 times without being begun",)
    assert any("no worker was killed" in fault for fault in faults(result, None))


def test_a_kill_from_which_nothing_came_back_is_a_fault() -> None:
    assert faults(of(done(0)), KILLED) == [
        "nothing was recovered: the killed worker's tasks did not come back"
    ]


def test_long_lists_of_faults_are_cut() -> None:
    lines = [line for number in range(1, 6) for line in (*done(number), *done(number, fence=2))]
    (fault,) = faults(of([*CUT_OFF, *lines], enqueued=6), KILLED)
    assert fault.endswith("; and 2 more")
    lost = faults(of(CUT_OFF, enqueued=20), KILLED)[0]
    assert lost.startswith("19 of 20 tasks are lost") and lost.endswith(" and more")


def test_the_ledger_knows_what_is_in_hand_and_when_it_began_again() -> None:
    made = ledger(f"{KILLED} began 0 1 1", f"{KILLED} began 1 1 1", *done(2))
    assert made.in_hand[KILLED] == {0, 1}
    assert made.again({0, 1}, KILLED) == []
    later = parse(LIVING, b"began 0 2 1 9.5")
    assert later is not None
    made.note([later])
    assert made.again({0, 1}, KILLED) == [9.5]
