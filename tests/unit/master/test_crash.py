"""What a death says about the tasks that a worker had in hand."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tqd.master.crash import (
    MOST_REPORT_BYTES,
    Death,
    ambiguous,
    blame,
    culprit,
    explained,
    guilty,
    report,
    suspect,
    weighed,
)
from tqd.master.events import Role
from tqd.master.kills import Kills
from tqd.master.seats import ChildState, Seat, Step
from tqd.system import exits
from tqd.task.claim import Blame
from tqd.wire.frames import MAX_FRAME_BYTES
from tqd.wire.messages import Holding, WorkerGone, encode_message

KILLED, SEGV = -signal.SIGKILL, -signal.SIGSEGV
HELD = Holding(b"i" * 16, b"3:0:2:mail", "shop.pay", 5.0, [3.0, 1.0, 60.0, 9.0])
NOTHING = Holding(b"", b"", "", 0.0, [])
NONE, KILL, CRASH = Blame.NONE, Blame.KILL, Blame.CRASH


def seat(role: Role = Role.PROBE, step: Step = Step.NONE, killed_for: str = "") -> Seat:
    made = Seat(role.value, role, 1)
    made.state, made.step, made.killed_for = ChildState.READY, step, killed_for
    return made


def died(
    code: int = SEGV,
    oom: bool | None = None,
    holding: Holding | None = HELD,
    stacks: str = "",
    doomed: bool = False,
    named: bytes = b"",
    ages_s: Sequence[float] = (),
) -> Death:
    return Death(
        worker="node~probe~7~1", code=code, oom=oom, holding=holding, held_s=0.25, stacks=stacks,
        rss=[(1.5, 10 << 20), (0.5, 300 << 20)], doomed=doomed, named=named, ages_s=ages_s,
    )  # fmt: skip


# -- what goes on record --------------------------------------------------------------------------


@pytest.mark.parametrize("code", [SEGV, 0, 1, 70])
def test_a_death_that_nobody_asked_for_is_a_crash(code: int) -> None:
    assert blame(seat(Role.WORKER), died(code)) is CRASH


@pytest.mark.parametrize("oom", [None, False])
def test_a_kill_by_nobody_knows_whom_weighs_less(oom: bool | None) -> None:
    assert blame(seat(Role.WORKER), died(KILLED, oom)) is KILL


def test_a_kill_by_the_kernel_or_by_the_workers_own_code_is_a_crash() -> None:
    assert blame(seat(Role.WORKER), died(KILLED, oom=True)) is CRASH
    assert blame(seat(Role.WORKER), died(KILLED, oom=False, doomed=True)) is CRASH


@pytest.mark.parametrize("code", [exits.FENCED, exits.OVERTIME])
def test_an_end_of_its_own_will_is_nobodys_fault(code: int) -> None:
    assert blame(seat(), died(code)) is NONE


def test_a_kill_at_a_deadline_or_at_a_stop_is_nobodys_fault() -> None:
    assert blame(seat(killed_for="it was not gone in time"), died(KILLED)) is NONE
    assert blame(seat(killed_for="a stop at once"), died(KILLED)) is NONE


def test_a_kill_for_silence_is_a_crash_as_nobody_knows_who_is_silent() -> None:
    assert blame(seat(step=Step.KILLED, killed_for="its loop has been silent"), died(KILLED)) is CRASH


def test_a_worker_that_drains_and_leaves_is_no_crash_but_one_that_crashes_as_it_drains_is() -> None:
    leaving = seat(Role.WORKER)
    leaving.state = ChildState.DRAINING
    assert blame(leaving, died(0)) is NONE
    assert blame(leaving, died(SEGV)) is CRASH


# -- guilt ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [SEGV, -signal.SIGABRT, -signal.SIGBUS, 0, 1, 3, 70])
def test_what_a_probe_dies_of_by_itself_is_the_task_in_its_hand(code: int) -> None:
    assert guilty(seat(), died(code))


@pytest.mark.parametrize("oom", [None, False])
def test_a_kill_from_outside_makes_nobody_guilty(oom: bool | None) -> None:
    assert not guilty(seat(), died(KILLED, oom))
    assert not explained(seat(), died(KILLED, oom))


def test_a_kill_by_the_kernel_for_want_of_memory_or_by_the_task_itself_does() -> None:
    assert guilty(seat(), died(KILLED, oom=True))
    assert guilty(seat(), died(KILLED, oom=False, doomed=True))


def test_a_task_that_silences_its_probe_so_that_the_master_kills_it_is_guilty() -> None:
    assert guilty(seat(step=Step.KILLED, killed_for="its loop has been silent for 30 s"), died(KILLED))
    assert guilty(seat(step=Step.ABORTED, killed_for="silent"), died(-signal.SIGABRT))


def test_a_probe_that_was_only_asked_for_its_stacks_and_is_killed_from_outside_makes_nobody_guilty() -> None:
    assert not guilty(seat(step=Step.DUMPED, killed_for="silent"), died(KILLED))


@pytest.mark.parametrize("holding", [None, NOTHING])
def test_nobody_is_guilty_who_was_not_in_hand(holding: Holding | None) -> None:
    assert not guilty(seat(), died(SEGV, holding=holding))


def test_nobody_is_guilty_of_a_drains_kill_or_of_a_stop() -> None:
    assert not guilty(seat(killed_for="it was not gone in time"), died(KILLED))


def test_nobody_is_guilty_of_a_workers_death() -> None:
    assert not guilty(seat(Role.WORKER), died(SEGV))


# -- one that was seen ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [KILLED, 0, 3])
def test_the_task_whose_code_ends_its_worker_is_the_suspect(code: int) -> None:
    assert suspect(seat(Role.WORKER), died(code, doomed=True, named=b"i" * 16)) == b"i" * 16


def test_a_call_explains_no_segfault_that_follows_it() -> None:
    assert suspect(seat(Role.WORKER), died(SEGV, doomed=True, named=b"i" * 16)) == b""


def test_nobody_is_a_suspect_of_a_stop_or_of_a_kill_from_outside() -> None:
    assert suspect(seat(killed_for="a stop at once"), died(KILLED, doomed=True, named=b"i" * 16)) == b""
    assert suspect(seat(Role.WORKER), died(KILLED)) == b""


# -- kills that nobody explains -------------------------------------------------------------------


def test_a_probe_that_is_killed_with_a_task_in_hand_is_ambiguous() -> None:
    assert ambiguous(seat(), died(KILLED))
    assert not ambiguous(seat(), died(KILLED, oom=True)), "explained"
    assert not ambiguous(seat(), died(SEGV)), "explained"
    assert not ambiguous(seat(), died(KILLED, holding=NOTHING)), "nothing in hand"
    assert not ambiguous(seat(Role.WORKER), died(KILLED)), "no probe"


def test_the_second_early_kill_of_a_probe_makes_its_task_guilty_and_the_first_does_not() -> None:
    before = Kills()
    first = weighed(seat(), died(KILLED), before, 9.0)[0]
    second = weighed(seat(), died(KILLED), before, 9.0)[0]
    assert not guilty(seat(), first) and guilty(seat(), second)
    assert culprit(seat(), second)[3] == (
        "the last 2 processes that ran it alone were killed by SIGKILL, 0.2 s and 0.2 s after the attempt "
        "began; 3 workers died while they held this task"
    )


def test_what_is_known_of_a_death_is_not_weighed() -> None:
    assert weighed(seat(Role.WORKER), died(SEGV), Kills(), 9.0) == (died(SEGV), CRASH)


def test_a_worker_that_is_killed_soon_after_another_is_blamed_on_what_both_had_in_hand() -> None:
    before = Kills()
    found = [weighed(seat(Role.WORKER), died(KILLED), before, now)[1] for now in (9.0, 9.2)]
    assert found == [KILL, Blame.AGAIN]


# -- the report -----------------------------------------------------------------------------------


def test_the_culprit_is_told_in_one_sentence_with_its_figures() -> None:
    assert culprit(seat(), died()) == [
        b"i" * 16, b"3:0:2:mail", "WorkerCrashed",
        "the process that ran it alone was killed by SIGSEGV, 0.2 s after the attempt began; "
        "3 workers died while they held this task",
        3.0, 1.0, 60.0, 9.0,
    ]  # fmt: skip


def test_a_task_that_kills_itself_is_told_so() -> None:
    assert "killed itself by SIGKILL" in str(culprit(seat(), died(KILLED, False, doomed=True))[3])


def test_a_hang_is_told_with_its_silence() -> None:
    hung = seat(step=Step.ABORTED, killed_for="its loop has been silent for 30 s")
    assert "was killed by SIGABRT as its loop has been silent for 30 s" in str(
        culprit(hung, died(-signal.SIGABRT))[3]
    )


def test_a_report_has_the_memory_the_kernels_word_and_the_last_stack() -> None:
    text = report(seat(), died(KILLED, True, stacks='File "shop.py", line 7 in pay'))
    assert "task       shop.pay\nworker     node~probe~7~1" in text
    assert "kernel     counted an oom_kill" in text
    assert "memory     10.0 MB 1.5 s before, 300.0 MB 0.5 s before" in text
    assert 'last stack\n  File "shop.py", line 7 in pay' in text


def test_a_report_says_what_is_not_known() -> None:
    text = report(seat(), replace(died(), rss=()))
    assert "not known: it died before its first beat" in text
    assert "last stack not known" in text


def test_a_token_that_is_none_of_ours_spoils_no_report() -> None:
    odd = died(holding=replace(HELD, token=b"garbage"))
    assert "its claim cannot be read" in report(seat(), odd)


def test_the_longest_report_fits_a_frame() -> None:
    long = died(holding=replace(HELD, token=b"1:2:3:" + b"q" * 64, name="€" * 100), stacks="€\n" * 5000)
    text = report(seat(), long)
    assert MOST_REPORT_BYTES - 3 <= len(text.encode()) <= MOST_REPORT_BYTES
    frame = encode_message(WorkerGone("w" * 250, culprit(seat(), long), text, True))
    assert len(frame) <= MAX_FRAME_BYTES
