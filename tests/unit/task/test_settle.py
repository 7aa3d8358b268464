"""What follows from an outcome."""

from __future__ import annotations

import pytest

from tqd.task.claim import Blame, Claim, Counts
from tqd.task.model import DEFAULTS, TaskOptions
from tqd.task.outcome import (
    Discarded,
    Done,
    ErrorInfo,
    Expired,
    Killed,
    Outcome,
    Overdue,
    Raised,
    Released,
    RetryAsked,
    TimedOut,
    UnknownName,
    Unreadable,
)
from tqd.task.settle import (
    CRASH_TYPE,
    FREE_CLAIMS,
    MOST_DEATHS,
    Bury,
    Complete,
    Dismiss,
    Expire,
    Park,
    Release,
    RetryAt,
    Settlement,
    beyond_hope,
    reclaimed,
    result_ttl_ms,
    settlement,
)

NOW_MS = 1_000_000
ERROR = ErrorInfo(type="ValueError", message="no", traceback="...")
FAILURES = (Raised((ERROR,)), TimedOut(30.0), TimedOut(30.0, hard=True), Killed(ERROR))


def settle(
    outcome: Outcome,
    attempts: int = 0,
    chance: float = 0.0,
    fence: int = 3,
    stretch: float = 1.0,
    **options: float,
) -> Settlement:
    claim = Claim(b"i" * 16, b"%d:%d:1:mail" % (fence, attempts), b"payload")
    chosen = TaskOptions(**options).over(DEFAULTS)  # type: ignore[arg-type]
    return settlement(claim, outcome, chosen, NOW_MS, chance, stretch)


def values(counts: Counts) -> tuple[int, int, int]:
    return counts.fence, counts.attempts, counts.crashes


def test_done_is_complete() -> None:
    end = settle(Done(None))
    assert isinstance(end, Complete)
    assert (end.task_id, end.token) == (b"i" * 16, b"3:0:1:mail")


def test_a_release_goes_back_to_its_queue_uncharged() -> None:
    end = settle(Released(), attempts=2)
    assert isinstance(end, Release)
    assert (end.queue, values(end.counts)) == ("mail", (3, 2, 1))


def test_an_unknown_name_is_parked_uncharged() -> None:
    end = settle(UnknownName("job"), attempts=2)
    assert isinstance(end, Park)
    assert (end.name, values(end.counts)) == ("job", (3, 2, 1))


def test_unreadable_bytes_are_buried_at_once_with_the_reason() -> None:
    end = settle(Unreadable("args[0]: expected date"), result_ttl_s=60.0)
    assert isinstance(end, Bury)
    assert (end.reason, end.attempts, end.ttl_ms) == ("unreadable", 0, 60_000)
    assert (end.errors[0].type, end.errors[0].message) == ("Malformed", "args[0]: expected date")
    assert end.claim.envelope == b"payload"


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_tried_again_on_the_queue_it_came_from(failure: Outcome) -> None:
    end = settle(failure)
    assert isinstance(end, RetryAt)
    assert (end.queue, end.due_ms, values(end.counts)) == ("mail", NOW_MS + 1000, (3, 1, 1))


def test_each_failure_doubles_the_delay_up_to_its_limit() -> None:
    dues = [settle(FAILURES[0], attempts=n, max_retries=20, max_retry_delay_s=10.0) for n in range(6)]
    assert [end.due_ms - NOW_MS for end in dues if isinstance(end, RetryAt)] == [
        1000, 2000, 4000, 8000, 10_000, 10_000,
    ]  # fmt: skip


def test_chance_takes_a_part_of_the_delay_off() -> None:
    end = settle(FAILURES[0], chance=0.5, retry_delay_s=8.0)
    assert isinstance(end, RetryAt) and end.due_ms == NOW_MS + 7000


def test_no_delay_is_still_later() -> None:
    end = settle(FAILURES[0], retry_delay_s=0.0)
    assert isinstance(end, RetryAt) and end.due_ms == NOW_MS + 1


@pytest.mark.parametrize("failure", FAILURES)
def test_the_last_try_is_buried(failure: Outcome) -> None:
    assert isinstance(settle(failure, attempts=2, max_retries=3), RetryAt)
    end = settle(failure, attempts=3, max_retries=3)
    assert isinstance(end, Bury)
    assert (end.attempts, end.ttl_ms) == (4, 0)


def test_without_retries_the_first_failure_is_buried() -> None:
    end = settle(FAILURES[0], max_retries=0)
    assert isinstance(end, Bury)
    assert (end.reason, end.errors, end.attempts) == ("raised", (ERROR,), 1)


def test_a_timeout_says_its_limit() -> None:
    end = settle(TimedOut(0.5), max_retries=0)
    assert isinstance(end, Bury)
    assert end.reason == "timed out"
    assert end.errors[0].type == "TimeoutError"
    assert "its timeout of 0.5 s" in end.errors[0].message


def test_a_hard_timeout_says_so() -> None:
    end = settle(TimedOut(0.5, hard=True), max_retries=0)
    assert isinstance(end, Bury)
    assert (end.reason, end.errors[0].type) == ("timed out", "HardTimeout")
    assert end.errors[0].message.endswith("after its hard_timeout of 0.5 s")


@pytest.mark.parametrize(("kind", "reason"), [("HardTimeout", "timed out"), ("LoopBlocked", "killed")])
def test_a_killed_attempt_has_the_error_that_the_master_names(kind: str, reason: str) -> None:
    error = ErrorInfo(type=kind, message="it sat at shop.py:5", traceback="")
    end = settle(Killed(error), attempts=3, max_retries=3, result_ttl_s=5.0)
    assert isinstance(end, Bury)
    assert (end.reason, end.errors, end.attempts, end.ttl_ms) == (reason, (error,), 4, 5000)


def test_a_reclaim_beside_a_known_culprit_puts_nothing_on_record() -> None:
    end = reclaimed(b"i" * 16, b"3:2:1:mail", blame=Blame.NONE)
    assert (end.queue, values(end.counts)) == ("mail", (3, 2, 1))


def test_a_reclaim_puts_one_crash_on_record() -> None:
    end = reclaimed(b"i" * 16, b"3:2:1:mail")
    assert (end.queue, values(end.counts)) == ("mail", (3, 2, 2))


@pytest.mark.parametrize(("ttl_s", "ttl_ms"), [(None, 0), (0.0, 0), (0.0004, 0), (0.5, 500), (60.0, 60_000)])
def test_a_results_time_is_in_whole_ms(ttl_s: float | None, ttl_ms: int) -> None:
    assert result_ttl_ms(TaskOptions(result_ttl_s=ttl_s)) == ttl_ms


@pytest.mark.parametrize("failure", [Raised((ERROR,), final=True), TimedOut(1.0, final=True)])
def test_what_is_not_to_be_tried_again_is_buried_at_once(failure: Outcome) -> None:
    end = settle(failure, max_retries=9)
    assert isinstance(end, Bury)
    assert end.attempts == 1


def test_a_failed_attempt_leaves_its_error_in_the_history() -> None:
    where = ErrorInfo(type="KeyError", message="'a'", traceback='  File "shop.py", line 7, in pay\n    x\n')
    end = settle(Raised((where, ERROR)), attempts=1)
    assert isinstance(end, RetryAt) and end.error is not None
    assert (end.error.attempt, end.error.failed_ms, end.error.reason) == (2, NOW_MS, "raised")
    assert (end.error.type, end.error.message, end.error.place) == ("KeyError", "'a'", "shop.py:7 in pay")


def test_a_retry_that_is_asked_for_comes_when_asked_and_costs_nothing() -> None:
    end = settle(RetryAsked(7.5, False, (ERROR,)), attempts=3, max_retries=3, chance=0.9, stretch=10.0)
    assert isinstance(end, RetryAt)
    assert (end.due_ms, values(end.counts), end.error) == (NOW_MS + 7500, (3, 3, 1), None)


def test_a_retry_without_a_delay_waits_as_the_policy_says() -> None:
    end = settle(RetryAsked(None, False, (ERROR,)), attempts=2)
    assert isinstance(end, RetryAt) and end.due_ms == NOW_MS + 4000


def test_a_retry_that_spends_costs_an_attempt_and_ends_with_the_last() -> None:
    end = settle(RetryAsked(7.5, True, (ERROR,)), attempts=2, max_retries=3)
    assert isinstance(end, RetryAt) and end.error is not None
    assert (end.due_ms, values(end.counts)) == (NOW_MS + 7500, (3, 3, 1))
    assert isinstance(settle(RetryAsked(7.5, True, (ERROR,)), attempts=3, max_retries=3), Bury)


def test_retries_for_nothing_end_at_the_thousandth_claim() -> None:
    asked = RetryAsked(0.0, False, (ERROR,))
    before = settle(asked, fence=FREE_CLAIMS - 1, max_retries=1)
    assert isinstance(before, RetryAt) and before.counts.attempts == 0
    spent = settle(asked, fence=FREE_CLAIMS, max_retries=1)
    assert isinstance(spent, RetryAt) and spent.counts.attempts == 1
    end = settle(asked, fence=FREE_CLAIMS + 1, attempts=1, max_retries=1)
    assert isinstance(end, Bury) and end.errors == (ERROR,)


def test_a_task_that_asks_for_ever_ends() -> None:
    fence, attempts, claims = 1, 0, 0
    while True:
        claims += 1
        end = settle(RetryAsked(0.0, False, (ERROR,)), fence=fence, attempts=attempts)
        if isinstance(end, Bury):
            break
        assert isinstance(end, RetryAt)
        fence, attempts = fence + 1, end.counts.attempts
    assert claims == FREE_CLAIMS + 3


def test_a_discarded_task_is_dismissed_with_its_reason() -> None:
    end = settle(Discarded("obsolete"), result_ttl_s=60.0)
    assert isinstance(end, Dismiss)
    assert (end.task_id, end.token, end.reason, end.ttl_ms) == (b"i" * 16, b"3:0:1:mail", "obsolete", 60_000)


def test_a_stretch_makes_the_policys_delay_longer() -> None:
    end = settle(FAILURES[0], stretch=4.0, retry_delay_s=2.0)
    assert isinstance(end, RetryAt) and end.due_ms == NOW_MS + 8000


# -- the clocks of the whole task ------------------------------------------------------------------


def test_a_task_that_has_expired_ends_so_and_whoever_waits_is_told() -> None:
    end = settle(Expired(12.5), result_ttl_s=60.0)
    assert isinstance(end, Expire)
    assert (end.task_id, end.token, end.ttl_ms) == (b"i" * 16, b"3:0:1:mail", 60_000)
    assert end.reason == "it had not begun when it expired, 12.5 s before it was claimed"


def test_an_attempt_that_cannot_begin_before_the_deadline_is_not_counted() -> None:
    end = settle(Overdue(2.0), attempts=2)
    assert isinstance(end, Bury)
    assert (end.reason, end.attempts, end.errors[0].type) == ("deadline", 2, "DeadlineExceeded")
    assert end.errors[0].message == "no attempt begins 2 s after the task's deadline"


def test_an_attempt_that_runs_at_the_deadline_is_the_last() -> None:
    end = settle(Overdue(0.0, running=True), attempts=2)
    assert isinstance(end, Bury)
    assert (end.reason, end.attempts, end.errors[0].type) == ("deadline", 3, "DeadlineExceeded")
    assert end.errors[0].message == "the attempt was still running at the task's deadline"


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_retry_that_would_begin_after_the_deadline_is_a_dead_letter_with_the_failure(
    outcome: Outcome,
) -> None:
    end = settle(outcome, retry_delay_s=10.0, deadline_s=NOW_MS / 1000 + 9.0)
    assert isinstance(end, Bury)
    assert (end.reason, end.attempts) == ("deadline", 1)
    assert end.errors[0].type != "DeadlineExceeded"
    assert isinstance(settle(outcome, retry_delay_s=10.0, deadline_s=NOW_MS / 1000 + 11.0), RetryAt)


def test_without_retries_left_the_failure_is_the_reason_and_not_the_deadline() -> None:
    end = settle(Raised((ERROR,)), max_retries=0, retry_delay_s=10.0, deadline_s=NOW_MS / 1000 + 1.0)
    assert isinstance(end, Bury) and end.reason == "raised"


def test_a_retry_that_is_asked_for_beyond_the_deadline_is_a_dead_letter() -> None:
    end = settle(RetryAsked(60.0, False, (ERROR,)), attempts=3, deadline_s=NOW_MS / 1000 + 59.0)
    assert isinstance(end, Bury) and (end.reason, end.attempts) == ("deadline", 4)
    assert isinstance(settle(RetryAsked(60.0, False, (ERROR,)), deadline_s=NOW_MS / 1000 + 61.0), RetryAt)


# -- suspects -------------------------------------------------------------------------------------


def suspect(outcome: Outcome, **options: float) -> Settlement:
    claim = Claim(b"i" * 16, b"5:1:2:mail", b"payload")
    chosen = TaskOptions(**options).over(DEFAULTS)  # type: ignore[arg-type]
    return settlement(claim, outcome, chosen, NOW_MS, 0.0)


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_suspect_that_fails_and_leaves_its_process_alive_is_no_suspect_any_more(outcome: Outcome) -> None:
    end = suspect(outcome)
    assert isinstance(end, RetryAt)
    assert values(end.counts) == (5, 2, 0)


def test_a_suspect_that_asks_for_a_retry_is_no_suspect_any_more() -> None:
    end = suspect(RetryAsked(1.0, False, (ERROR,)))
    assert isinstance(end, RetryAt)
    assert values(end.counts) == (5, 1, 0)


def test_a_suspect_that_is_given_back_stays_one() -> None:
    end = suspect(Released())
    assert isinstance(end, Release) and end.counts.suspect
    assert values(end.counts) == (5, 1, 2)


def test_what_killed_its_worker_is_buried_however_many_attempts_are_left() -> None:
    error = ErrorInfo(type=CRASH_TYPE, message="it was killed by SIGSEGV", traceback="the report")
    end = suspect(Killed(error), max_retries=100, result_ttl_s=60.0)
    assert isinstance(end, Bury)
    assert (end.reason, end.errors, end.attempts, end.ttl_ms) == ("killed its worker", (error,), 2, 60_000)


def test_one_crash_makes_no_suspect_and_a_second_one_does() -> None:
    once = reclaimed(b"i" * 16, b"1:0:0:mail")
    twice = reclaimed(b"i" * 16, b"2:0:1:mail")
    assert not once.counts.suspect and twice.counts.suspect


def test_a_worker_that_others_are_the_end_of_makes_no_suspects() -> None:
    assert not reclaimed(b"i" * 16, b"2:0:1:mail", blame=Blame.NONE).counts.suspect


@pytest.mark.parametrize("crashes", range(MOST_DEATHS + 1))
def test_so_many_workers_and_no_more_may_die_with_a_task(crashes: int) -> None:
    assert beyond_hope(b"9:0:%d:mail" % crashes) is (crashes >= MOST_DEATHS - 1)
    assert beyond_hope(b"9:0:%d:mail" % (101 * crashes)) is (crashes >= MOST_DEATHS - 1), "kills as well"


CRASH, KILL = Blame.CRASH, Blame.KILL


@pytest.mark.parametrize(
    ("deaths", "expected"),
    [
        ([CRASH], False), ([CRASH, CRASH], True), ([KILL] * 3, False), ([KILL] * 4, True),
        ([KILL, CRASH], False), ([CRASH, KILL, KILL], True), ([KILL, KILL, CRASH], True),
        ([Blame.NONE] * 9, False),
    ],
)  # fmt: skip
def test_a_kill_from_outside_weighs_half_of_a_crash(deaths: list[Blame], expected: bool) -> None:
    counts = Counts(1, 0, 0)
    for blame in deaths:
        counts = counts.crashed(blame)
    assert counts.suspect is expected
    assert counts.deaths == sum(blame is not Blame.NONE for blame in deaths)


def test_retries_that_are_asked_for_are_free_after_a_replay_as_before() -> None:
    replayed = 1_700_000_000_000
    asked = RetryAsked(1.0, False, (ERROR,))
    assert values_of(settle(asked, fence=replayed + FREE_CLAIMS - 1)) == (replayed + FREE_CLAIMS - 1, 0, 1)
    assert values_of(settle(asked, fence=replayed + FREE_CLAIMS)) == (replayed + FREE_CLAIMS, 1, 1)


def values_of(end: Settlement) -> tuple[int, int, int]:
    assert isinstance(end, RetryAt)
    return values(end.counts)
